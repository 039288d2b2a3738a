"""A thermometer is a file of Linux's, and says when it is not to be believed."""

from __future__ import annotations

import pytest

from gridmodel.control import Terminal
from gridmodel.errors import BridgeError
from hardware_bridges.thermometer.simulated import SimulatedThermometer
from hardware_bridges.thermometer.sysfs import SysfsThermometer, SysfsThermometerConfig


def behind(path, text: str | None) -> SysfsThermometer:
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is not None:
        path.write_text(text)
    return SysfsThermometer(SysfsThermometerConfig(path=str(path)))


@pytest.mark.parametrize(("text", "temp_c"), [("48312\n", 48.312), ("-1250\n", -1.25), ("0", 0.0)])
def test_thousandths_of_a_degree_are_read(tmp_path, text, temp_c):
    assert behind(tmp_path / "temp", text).read() == temp_c


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("temp", None, "cannot be read"),
        ("temp", "hot", "says no temperature"),
        ("w1/devices/28-1/temperature", "85000\n", "before its first measurement"),
    ],
)
def test_what_is_no_temperature_is_told_with_its_file(tmp_path, name, text, said):
    with pytest.raises(BridgeError, match=said) as told:
        behind(tmp_path / name, text).read()
    assert name in str(told.value)


def test_a_processor_of_85_degrees_is_believed(tmp_path):
    assert behind(tmp_path / "temp", "85000\n").read() == 85.0


def test_a_simulated_one_reads_its_terminal():
    assert SimulatedThermometer(Terminal("house", temp_c=31.5)).read() == 31.5
    with pytest.raises(LookupError, match="no thermometer"):
        SimulatedThermometer(Terminal("house")).read()
