"""A thermometer is a file of Linux's, and says when it is not to be believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gridmodel.control import Terminal
from gridmodel.errors import BridgeError
from hardware_bridges.thermometer.simulated import SimulatedThermometer
from hardware_bridges.thermometer.sysfs import SysfsThermometer, SysfsThermometerConfig


def behind(path: Path, text: str | None, *clock: Clock) -> SysfsThermometer:
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is not None:
        path.write_text(text)
    return SysfsThermometer(SysfsThermometerConfig(path=str(path)), *clock)


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


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Converting:
    """A sensor on one wire whose file is read only once it has converted: a pipe."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "w1/devices/28-1/temperature"
        self.clock = Clock()
        self.thermometer = behind(self.path, "21000\n", self.clock)
        assert self.thermometer.read() == 21.0
        self.path.unlink()
        os.mkfifo(self.path)

    def convert(self, text: str) -> None:
        """Let the read that waits have an answer, and wait until it was taken."""
        self.path.write_text(text)
        self.thermometer._caller.call(lambda: None, 5.0)


def test_a_step_does_not_wait_for_a_sensor_that_converts(tmp_path):
    sensor = Converting(tmp_path)
    sensor.clock.now_s = 5.0
    assert [sensor.thermometer.read() for _ in range(3)] == [21.0] * 3  # or they would hang
    sensor.convert("23500\n")
    assert sensor.thermometer.read() == 23.5
    sensor.thermometer.close()


def test_a_sensor_that_never_ends_its_conversion_is_not_believed_for_long(tmp_path):
    sensor = Converting(tmp_path)
    for now_s in range(0, 21, 5):
        sensor.clock.now_s = now_s
        assert sensor.thermometer.read() == 21.0
    sensor.clock.now_s = 20.5
    with pytest.raises(BridgeError, match="has said nothing for 20 s"):
        sensor.thermometer.read()
    sensor.convert("85000\n")
    with pytest.raises(BridgeError, match="before its first measurement"):
        sensor.thermometer.read()
    sensor.thermometer.close()


def test_a_simulated_one_reads_its_terminal():
    assert SimulatedThermometer(Terminal("house", temp_c=31.5)).read() == 31.5
    with pytest.raises(LookupError, match="no thermometer"):
        SimulatedThermometer(Terminal("house")).read()
