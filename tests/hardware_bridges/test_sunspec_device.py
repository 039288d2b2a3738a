"""Emulated SunSpec device: pysunspec2 finds all its models, and it acts on its settings."""

from __future__ import annotations

import socket
from contextlib import contextmanager

import pytest

pytest.importorskip("pymodbus")
pytest.importorskip("sunspec2")

from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP
from sunspec2.modbus.modbus import ModbusClientException

from gridmodel.ports import InverterState
from hardware_bridges.inverter.sunspec_defaults import MODELS
from hardware_bridges.inverter.sunspec_device import EmulatedSunSpecDevice, InverterTruth
from hardware_bridges.inverter.sunspec_server import SunSpecServer
from hardware_bridges.link_error import LinkError

HALF = InverterState(-1.234, 0.4567, 4.2, 13.5)
S_US = 1_000_000


@contextmanager
def served():
    """A served device and pysunspec2's own client on it, scanned."""
    with SunSpecServer(EmulatedSunSpecDevice(5.0, 13.5)) as server:
        client = SunSpecModbusClientDeviceTCP(1, server.host, server.port, timeout=5.0)
        client.connect()
        try:
            server.set(InverterTruth(0, HALF, v_v=231.4, f_hz=49.987))
            client.scan(connect=False)
            yield server, client
        finally:
            client.disconnect()


def test_a_scan_finds_every_model_whole():
    with served() as (_, client):
        assert tuple(model.model_id for model in client.model_list) == MODELS
        assert [model.error_info for model in client.model_list] == [""] * len(MODELS)
        assert client.models[1][0].Mn.value == "feedertwin"


@pytest.mark.parametrize(
    ("model", "point", "value"),
    [
        (701, "W", -1234),  # charging: SunSpec counts generation as positive
        (701, "WL1", -1234),
        (701, "LNV", 231.4),
        (701, "Hz", 49.987),
        (701, "ConnSt", 1),
        (702, "WMaxRtg", 5000),
        (702, "WDisChaRteMax", 4200),  # what the battery allows now
        (702, "WChaRteMaxRtg", 5000),
        (713, "WHRtg", 13500),
        (713, "WHAvail", 6165),
        (713, "SoC", 45.67),
        (713, "SoH", 100),
        (714, "DCW", -1234),
        (701, "TotWhInj", None),  # not implemented
        (702, "VarMaxInj", None),
        (704, "VarSet", None),
    ],
)
def test_the_truth_shows_in_the_registers(model, point, value):
    with served() as (_, client):
        assert client.models[model][0].points[point].cvalue == value


def test_a_set_point_counts_once_it_is_enabled():
    with served() as (server, client):
        control = client.models[704][0]
        control.WSet.value = -25_000  # steps of 0.1 W
        control.write()
        assert server.p_set_kw is None
        control.WSetEna.value = 1
        control.write()
        assert server.p_set_kw == -2.5
        control.WSetMod.value, control.WSetPct.value = 0, 5_000  # 50 % of 702.WMax
        control.write()
        assert server.p_set_kw == 2.5
        client.models[703][0].ES.value = 0  # no service, no power
        client.models[703][0].write()
        assert server.p_set_kw is None


def test_the_reversion_timer_counts_in_the_simulation_s_time():
    with served() as (server, client):
        control = client.models[704][0]
        control.WSet.value, control.WSetRvrtTms.value, control.WSetEnaRvrt.value = 10_000, 60, 0
        control.WSetEna.value = 1
        control.write()
        server.set(InverterTruth(59 * S_US + 1, HALF))
        control.read()
        assert (server.p_set_kw, control.WSetRvrtRem.value) == (1.0, 1)
        server.set(InverterTruth(60 * S_US, HALF))
        control.read()
        assert (server.p_set_kw, control.WSetRvrtRem.value, control.WSetEna.value) == (None, 0, 0)


def test_a_word_in_time_starts_the_reversion_timer_anew():
    with served() as (server, client):
        control = client.models[704][0]
        control.WSet.value, control.WSetRvrtTms.value, control.WSetEna.value = 10_000, 60, 1
        control.write()
        server.set(InverterTruth(59 * S_US, HALF))
        control.WSetEna.value = 1
        control.write()
        server.set(InverterTruth(118 * S_US, HALF))
        assert server.p_set_kw == 1.0


def test_a_reversion_may_lead_to_another_set_point():
    with served() as (server, client):
        control = client.models[704][0]
        control.WSet.value, control.WSetRvrt.value = 10_000, -3_000
        control.WSetEnaRvrt.value, control.WSetRvrtTms.value, control.WSetEna.value = 1, 5, 1
        control.write()
        server.set(InverterTruth(5 * S_US, HALF))
        assert server.p_set_kw == -0.3


def test_measurements_cannot_be_written():
    with served() as (server, client):
        client.models[701][0].W.value = 5
        with pytest.raises(ModbusClientException, match="exception: 2"):
            client.models[701][0].write()
        assert server.device.image.number(701, "W") == -1234


def test_another_unit_is_answered_as_a_gateway_does():
    with served() as (server, _):
        other = SunSpecModbusClientDeviceTCP(7, server.host, server.port, timeout=5.0)
        other.connect()
        with pytest.raises(ModbusClientException, match="exception 11"):
            other.read(40000, 2)
        other.disconnect()


def test_a_port_in_use_is_told_and_a_closed_server_frees_it():
    first = SunSpecServer(EmulatedSunSpecDevice(5.0, 13.5)).start()
    with pytest.raises(LinkError, match=f"127.0.0.1:{first.port}: the emulated inverter cannot"):
        SunSpecServer(EmulatedSunSpecDevice(5.0, 13.5), port=first.port).start()
    first.close()
    first.close()  # twice does no harm
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first.port), timeout=5.0)
    with SunSpecServer(EmulatedSunSpecDevice(5.0, 13.5), port=first.port) as second:
        assert second.port == first.port
