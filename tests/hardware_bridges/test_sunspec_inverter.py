"""SunSpec inverter: the driver against an emulated device, and against bad ones."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

pytest.importorskip("pymodbus")
pytest.importorskip("sunspec2")

from gridmodel.ports import InverterState
from hardware_bridges.inverter.sunspec import SunSpecInverter
from hardware_bridges.inverter.sunspec_config import SunSpecConfig
from hardware_bridges.inverter.sunspec_device import EmulatedSunSpecDevice, InverterTruth
from hardware_bridges.inverter.sunspec_image import SunSpecImage
from hardware_bridges.inverter.sunspec_server import SunSpecServer
from hardware_bridges.link_error import DeviceError, LinkError

TRUTH = InverterTruth(0, InverterState(-1.234, 0.4567, 4.2, 13.5))
S_US = 1_000_000


class HandClock:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@contextmanager
def driven(device=None, clock=None, **settings):
    """A device with TRUTH on a server, and our driver on it."""
    if device is None:
        device = EmulatedSunSpecDevice(5.0, 13.5)
        device.set(TRUTH)
    clock = clock or HandClock()
    with SunSpecServer(device) as server:
        config = SunSpecConfig(port=server.port, timeout_s=5.0, retry_first_s=1e-3, **settings)
        inverter = SunSpecInverter(config, clock)
        try:
            yield server, inverter
        finally:
            inverter.close()


@contextmanager
def peer(talk):
    """A TCP server that talks as told; yields its port and the number of its visitors."""
    listener = socket.create_server(("127.0.0.1", 0))
    visits, gone = [], threading.Event()

    def serve():
        while not gone.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            visits.append(connection)
            try:
                talk(connection, gone)
            except OSError:
                pass
            finally:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], visits
    finally:
        gone.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5.0)


def test_it_reads_what_the_device_shows():
    with driven() as (server, inverter):
        assert inverter.read() == TRUTH.state
        server.set(InverterTruth(S_US, InverterState(3.0, 1.0, 0.0, 13.5)))
        assert inverter.read() == (3.0, 1.0, 0.0, 13.5)


@pytest.mark.parametrize("p_kw", [2.5, -2.5, 0.0, 0.0001, -4.9999])
def test_a_set_point_lands_with_its_sign(p_kw):
    with driven() as (server, inverter):
        inverter.set_power(p_kw)
        assert server.p_set_kw == p_kw


def test_a_set_point_is_rounded_to_the_device_s_steps():
    with driven() as (server, inverter):
        inverter.set_power(1.23456)
        assert server.p_set_kw == 1.2346
        assert server.device.scale.taken_kw(1.23456) == 1.2346


@pytest.mark.parametrize(
    ("power", "raw", "p_kw"), [(1, -123, -1.23), (0, -123, -0.123), (-2, 12345, 0.12345)]
)
def test_scale_factors_are_the_device_s(power, raw, p_kw):
    device = EmulatedSunSpecDevice(5.0, 13.5)
    device.set(TRUTH)
    device.image.put(701, "W_SF", power)
    device.image.put(701, "W", raw)
    with driven(device) as (_, inverter):
        assert inverter.read().p_kw == p_kw


def test_a_device_with_turned_signs_is_turned_back():
    with driven(discharge_is_negative=True) as (server, inverter):
        assert inverter.read().p_kw == 1.234
        inverter.set_power(2.0)
        assert server.p_set_kw == -2.0


@pytest.mark.parametrize(
    ("model", "point", "raw", "p_max_kw"),
    [
        (702, "WMax", 3000, 3.0),  # the owner's setting
        (702, "WDisChaRteMax", None, 5.0),  # not told: the owner's setting
        (703, "ES", 0, 0.0),  # may not enter service
        (701, "ConnSt", 0, 0.0),  # not on the grid
        (713, "Sta", 2, 0.0),  # battery failed
        (713, "Sta", 1, 4.2),  # a warning is no failure
        (704, "WMaxLimPct", 500, 4.2),  # a limit that is not enabled
    ],
)
def test_the_limit_is_the_least_of_what_the_device_allows(model, point, raw, p_max_kw):
    device = EmulatedSunSpecDevice(5.0, 13.5)
    device.set(TRUTH)
    device.image.put(model, point, raw)
    with driven(device) as (_, inverter):
        assert inverter.read().p_max_kw == p_max_kw


def test_an_enabled_limit_in_per_cent_lowers_the_limit():
    device = EmulatedSunSpecDevice(5.0, 13.5)
    device.set(TRUTH)
    device.image.put(704, "WMaxLimPctEna", 1)
    device.image.put(704, "WMaxLimPct", 500)
    with driven(device) as (_, inverter):
        assert inverter.read().p_max_kw == 2.1


def test_an_aged_battery_holds_less():
    device = EmulatedSunSpecDevice(5.0, 13.5)
    device.set(TRUTH)
    device.image.put(713, "SoH", 9000)
    with driven(device) as (_, inverter):
        assert inverter.read().e_kwh == pytest.approx(12.15)


def test_a_device_without_watts_takes_per_cent():
    device = EmulatedSunSpecDevice(5.0, 13.5)
    device.image.put(704, "WSet", None)
    with driven(device) as (server, inverter):
        inverter.set_power(-1.25)
        assert (server.device.image.number(704, "WSetPct"), server.p_set_kw) == (-2500, -1.25)


@pytest.mark.parametrize(
    ("model", "point"),
    [(701, "W"), (713, "SoC"), (713, "WHRtg")],  # no guess for these
)
def test_a_point_that_is_not_implemented_is_named(model, point):
    device = EmulatedSunSpecDevice(5.0, 13.5)
    device.set(TRUTH)
    device.image.put(model, point, None)
    with (
        driven(device) as (server, inverter),
        pytest.raises(DeviceError, match=f"127.0.0.1:{server.port} unit 1, {model}.{point}: the"),
    ):
        inverter.read()


def test_a_device_that_takes_no_set_point_is_told():
    device = EmulatedSunSpecDevice(5.0, 13.5)
    device.image.put(704, "WSet", None)
    device.image.put(704, "WSetPct", None)
    with driven(device) as (_, inverter), pytest.raises(DeviceError, match=r"704\.WSet: the"):
        inverter.set_power(1.0)


def test_a_device_that_no_longer_obeys_is_still_read():
    device = EmulatedSunSpecDevice(5.0, 13.5)
    device.set(TRUTH)
    for point in ("WSet", "WSetPct"):
        device.image.put(704, point, None)
    with driven(device) as (server, inverter):
        inverter.read()
        with pytest.raises(DeviceError, match=r"704\.WSet"):
            inverter.set_power(1.0)
        server.set(InverterTruth(S_US, InverterState(0.5, 0.4, 4.2, 13.5)))
        assert inverter.read().soc_pu == 0.4
        assert "704.WSet" in inverter.fault


def test_a_scale_factor_that_is_noise_is_refused():
    device = EmulatedSunSpecDevice(5.0, 13.5)
    device.image.put(701, "W_SF", 77)
    with (
        driven(device) as (_, inverter),
        pytest.raises(DeviceError, match=r"701\.W_SF: scale factor 77 given, -10 to 10 allowed"),
    ):
        inverter.read()


def test_a_device_without_storage_is_refused():
    device = EmulatedSunSpecDevice(5.0, 13.5)
    device.image = SunSpecImage({1: {"Mn": "x"}, 701: {"W": 0}, 702: {}, 704: {"WSetEna": 0}})
    with (
        driven(device) as (_, inverter),
        pytest.raises(DeviceError, match=r"models \[713\] are missing; found \[1, 701, 702, 704\]"),
    ):
        inverter.read()


def test_a_wrong_unit_is_told():
    with SunSpecServer(EmulatedSunSpecDevice(5.0, 13.5)) as server:
        inverter = SunSpecInverter(SunSpecConfig(port=server.port, unit_id=9, timeout_s=5.0))
        with pytest.raises(DeviceError, match=r"unit 9.*exception 11.*Give the unit id"):
            inverter.read()
        with pytest.raises(LinkError, match=r"exception 11.*The next attempt is in"):
            inverter.read()  # the reason is not forgotten while it waits
        inverter.close()


def test_a_power_that_is_no_number_is_refused():
    with driven() as (server, inverter):
        with pytest.raises(DeviceError, match="nan kW wanted"):
            inverter.set_power(float("nan"))
        assert server.p_set_kw is None


def test_service_is_permitted_only_when_asked_for():
    device = EmulatedSunSpecDevice(5.0, 13.5)
    device.set(TRUTH)
    device.image.put(703, "ES", 0)
    with driven(device) as (_, inverter):
        assert inverter.read().p_max_kw == 0.0
    with driven(device, enter_service=True) as (_, inverter):
        assert inverter.read().p_max_kw == 4.2


def test_it_describes_what_it_found():
    with driven() as (server, inverter):
        assert inverter.describe().startswith(
            f"feedertwin emulated inverter emulated-1 at 127.0.0.1:{server.port} unit 1: models 1, 701"
        )


def test_a_reader_repeats_its_set_point_and_a_silent_one_loses_the_inverter():
    clock = HandClock()
    with driven(clock=clock, reversion_s=60) as (server, inverter):
        inverter.set_power(1.0)
        for now_s in range(0, 200, 10):
            clock.s = float(now_s)
            server.set(InverterTruth(now_s * S_US, TRUTH.state))
            inverter.read()
            assert server.p_set_kw == 1.0
        server.set(InverterTruth((190 + 61) * S_US, TRUTH.state))
        assert server.p_set_kw is None


def test_without_reversion_the_set_point_stays():
    with driven(reversion_s=0) as (server, inverter):
        inverter.set_power(1.0)
        server.set(InverterTruth(10**12, TRUTH.state))
        assert server.p_set_kw == 1.0


def test_a_lost_link_is_bridged_so_long_and_then_told():
    clock = HandClock()
    with driven(clock=clock, hold_s=10.0) as (server, inverter):
        inverter.read()
        server.close()
        clock.s = 10.0
        assert inverter.read() == TRUTH.state
        assert f"127.0.0.1:{server.port} unit 1" in inverter.fault
        assert inverter.losses == 1
        clock.s = 10.1
        with pytest.raises(LinkError):
            inverter.read()


def test_a_device_that_comes_back_gets_the_newest_set_point():
    with driven() as (server, inverter):
        inverter.set_power(1.0)
        inverter.read()
        server.close()
        inverter.set_power(-2.0)  # kept
        assert inverter.fault
        fresh = EmulatedSunSpecDevice(5.0, 13.5)  # it has forgotten everything
        fresh.set(TRUTH)
        with SunSpecServer(fresh, port=server.port):
            threading.Event().wait(0.01)  # the pause before another attempt
            assert inverter.read() == TRUTH.state
            assert (fresh.p_set_kw, inverter.fault) == (-2.0, "")


def test_a_device_that_has_forgotten_its_set_point_is_told_again():
    with driven() as (server, inverter):
        inverter.set_power(1.0)
        server.close()
        with pytest.raises(LinkError):
            inverter.read()
        fresh = EmulatedSunSpecDevice(5.0, 13.5)
        fresh.set(TRUTH)
        with SunSpecServer(fresh, port=server.port):
            threading.Event().wait(0.01)
            inverter.read()
            assert fresh.p_set_kw == 1.0


def test_a_peer_that_dies_in_the_middle_of_an_answer_is_a_lost_link():
    def half_an_answer(connection, _):
        connection.recv(12)
        connection.sendall(bytes.fromhex("0000 0000 0007 01 03 04 53"))

    with peer(half_an_answer) as (port, _):
        inverter = SunSpecInverter(SunSpecConfig(port=port, timeout_s=5.0))
        with pytest.raises(LinkError, match=f"127.0.0.1:{port} unit 1, connection"):
            inverter.read()
        inverter.close()


def test_a_peer_that_dribbles_holds_a_step_no_longer_than_its_time_out():
    def dribble(connection, gone):
        connection.recv(12)
        for byte in bytes.fromhex("0000 0000 00ff 01 03 fc") + bytes(252):
            connection.sendall(bytes([byte]))
            if gone.wait(0.05):
                return

    with peer(dribble) as (port, visits):
        inverter = SunSpecInverter(SunSpecConfig(port=port, timeout_s=0.1))
        for _ in range(3):
            with pytest.raises(LinkError, match=r"no answer within 0.1 s; the request goes on"):
                inverter.read()
        assert len(visits) == 1  # it still listens to the first
        inverter.close()


def test_a_device_that_is_silent_where_it_has_no_map_is_found_where_it_has_one():
    device = EmulatedSunSpecDevice(5.0, 13.5)
    device.set(TRUTH)

    def shifted(connection, gone):
        """The device's map at 0, and no word about any other address."""
        with socket.create_connection(("127.0.0.1", server.port)) as real:
            while request := connection.recv(260):
                at = int.from_bytes(request[8:10], "big")
                if at >= 40000:
                    continue
                real.sendall(request[:8] + (at + 40000).to_bytes(2, "big") + request[10:])
                connection.sendall(real.recv(260))

    with SunSpecServer(device) as server, peer(shifted) as (port, _):
        inverter = SunSpecInverter(SunSpecConfig(port=port, timeout_s=0.5))
        for _ in range(40):
            with suppress(LinkError):  # it is looked for beside the steps
                assert inverter.read() == TRUTH.state
                break
            time.sleep(0.1)
        else:
            raise AssertionError(inverter.fault)
        inverter.close()


def test_after_a_loss_it_waits_before_it_tries_again():
    with peer(lambda connection, _: None) as (port, visits):
        inverter = SunSpecInverter(SunSpecConfig(port=port, timeout_s=5.0, retry_first_s=3600.0))
        with pytest.raises(LinkError):
            inverter.read()
        with pytest.raises(LinkError, match="The next attempt is in"):
            inverter.read()
        assert len(visits) == 1
        inverter.close()


@pytest.mark.parametrize(
    "noise", [b"\x00" * 40, b"\xff" * 300, b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
def test_noise_is_an_error_of_ours(noise):
    def shout(connection, _):
        connection.recv(12)
        connection.sendall(noise)

    with peer(shout) as (port, _):
        inverter = SunSpecInverter(SunSpecConfig(port=port, timeout_s=5.0))
        with pytest.raises((LinkError, DeviceError), match=f"127.0.0.1:{port}"):
            inverter.read()
        inverter.close()
