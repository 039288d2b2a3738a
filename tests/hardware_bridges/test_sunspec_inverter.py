"""SunSpec inverter: what the driver reads from a device, commands, and refuses."""

from __future__ import annotations

import pytest

pytest.importorskip("pymodbus")
pytest.importorskip("sunspec2")

from gridmodel.ports import InverterState
from hardware_bridges.inverter.sunspec_device import EmulatedSunSpecDevice, InverterTruth
from hardware_bridges.inverter.sunspec_image import SunSpecImage
from hardware_bridges.link_error import DeviceError
from tests.hardware_bridges.sunspec_bench import S_US, TRUTH, driven, showing


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
    device = showing(TRUTH)
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
    device = showing(TRUTH)
    device.image.put(model, point, raw)
    with driven(device) as (_, inverter):
        assert inverter.read().p_max_kw == p_max_kw


def test_an_enabled_limit_in_per_cent_lowers_the_limit():
    device = showing(TRUTH)
    device.image.put(704, "WMaxLimPctEna", 1)
    device.image.put(704, "WMaxLimPct", 500)
    with driven(device) as (_, inverter):
        assert inverter.read().p_max_kw == 2.1


def test_an_aged_battery_holds_less():
    device = showing(TRUTH)
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
    device = showing(TRUTH)
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
    device = showing(TRUTH)
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


def test_a_power_that_is_no_number_is_refused():
    with driven() as (server, inverter):
        with pytest.raises(DeviceError, match="nan kW wanted"):
            inverter.set_power(float("nan"))
        assert server.p_set_kw is None


def test_service_is_permitted_only_when_asked_for():
    device = showing(TRUTH)
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
