"""A port that fails for a while does not stop its node."""

from __future__ import annotations

import pytest

from cosim.node.runner import FIRST_WORD_US, RETRY_US, NodeRunner
from cosim.node.senses import HOLD_US, Senses
from gridmodel.control import Decisions
from gridmodel.errors import BridgeError, RecordError
from gridmodel.ports import InverterState, Measurement, SendResult


class Broken:
    """Ports that fail while they are told to."""

    def __init__(self) -> None:
        self.fails = False
        self.closed_now = True
        self.p_kw = 0.0

    def _check(self) -> None:
        if self.fails:
            raise BridgeError("192.0.2.1:502", "does not answer.")

    def read(self, now_us: int = 0) -> Measurement:
        self._check()
        return Measurement(now_us, 230.0, 1.0, -0.2, 50.0)

    @property
    def closed(self) -> bool:
        self._check()
        return self.closed_now

    def close(self) -> None:
        self._check()
        self.closed_now = True

    def open(self) -> None:
        self._check()
        self.closed_now = False


class BrokenInverter(Broken):
    """An inverter that fails while it is told to."""

    def read(self, now_us: int = 0) -> InverterState:  # type: ignore[override]
        self._check()
        return InverterState(self.p_kw, 0.5, 10.0, 20.0)

    def set_power(self, p_kw: float) -> None:
        self._check()
        self.p_kw = p_kw


class Silent:
    """A radio that hears nothing."""

    def receive(self) -> None:
        return None

    def send(self, now_us: int, data: bytes) -> SendResult:
        return SendResult(True, 1)


class Opens:
    """A controller that wants its relay open, and some power once."""

    def __init__(self) -> None:
        self.seen = []

    def step(self, now_us, seen, frames):
        self.seen.append(seen)
        p_kw = 3.0 if len(self.seen) == 2 else None
        moves = {"critical": False} if seen.relays["critical"] else {}
        return Decisions(now_us + 1, relays=moves, p_set_kw=p_kw)

    def kpis(self):
        return ()


def test_a_reading_that_fails_is_the_last_one_with_its_old_instant():
    meter, relay = Broken(), Broken()
    senses = Senses({"supply": meter}, {"critical": relay}, None, None)
    assert senses.see(100).meters["supply"].t_us == 100
    meter.fails = relay.fails = True
    seen = senses.see(200)
    assert seen.meters["supply"].t_us == 100
    assert seen.relays == {"critical": True}
    assert senses.fault_count == 2
    meter.fails = False
    assert senses.see(300).meters["supply"].t_us == 300


def test_a_port_that_never_answered_stops_the_node():
    meter = Broken()
    meter.fails = True
    with pytest.raises(BridgeError, match=r"192\.0\.2\.1:502"):
        Senses({"supply": meter}, {}, None, None).see(0)


def test_what_could_not_be_done_is_done_when_the_port_is_back():
    relay, inverter, controller = Broken(), BrokenInverter(), Opens()
    runner = NodeRunner(controller, {"supply": Broken()}, {"critical": relay}, Silent(), inverter)
    relay.closed_now = False
    runner.step(0)
    relay.closed_now = True
    senses = runner._senses.see(1)  # both have been read once
    assert senses.inverter is not None
    relay.fails = inverter.fails = True
    runner.step(2)
    assert (relay.closed_now, inverter.p_kw) == (True, 0.0)
    relay.fails = inverter.fails = False
    runner.step(3)
    assert (relay.closed_now, inverter.p_kw) == (False, 3.0)
    faults = {kpi.name: kpi.value for kpi in runner.kpis()}["port_fault_count"]
    assert faults == 4


class Warm(Broken):
    """A thermometer that fails while it is told to."""

    def read(self, now_us: int = 0) -> float:  # type: ignore[override]
        self._check()
        return 31.0


def test_what_an_inverter_or_a_thermometer_said_last_counts_for_a_minute():
    inverter, thermometer = BrokenInverter(), Warm()
    senses = Senses({"supply": Broken()}, {}, inverter, thermometer)
    whole = senses.see(0)
    assert (whole.inverter, whole.temp_c) == (InverterState(0.0, 0.5, 10.0, 20.0), 31.0)
    inverter.fails = thermometer.fails = True
    assert senses.see(1) == whole._replace(meters=senses.see(1).meters)
    assert set(senses.faults) == {"inverter", "thermometer"}
    kept = senses.see(HOLD_US)
    assert (kept.inverter, kept.temp_c) == (whole.inverter, 31.0)
    lost = senses.see(HOLD_US + 1)
    assert (lost.inverter, lost.temp_c) == (InverterState(0.0, 0.5, 0.0, 20.0), None)
    inverter.fails = thermometer.fails = False
    again = senses.see(HOLD_US + 2)
    assert (again.inverter, again.temp_c, senses.faults) == (whole.inverter, 31.0, {})


class FullDisk:
    """A storage that refuses while it is told to."""

    def __init__(self) -> None:
        self.full = True
        self.kept: list[bytes] = []

    def load(self) -> None:
        return None

    def save(self, data: bytes) -> None:
        if self.full:
            raise RecordError("no space left on device")
        self.kept.append(data)


class Trips(Opens):
    """A controller that opens, and keeps why, and has something to say."""

    def step(self, now_us, seen, frames):
        decisions = super().step(now_us, seen, frames)
        once = len(self.seen) == 1
        return decisions._replace(
            wake_us=now_us + 10**9, keep=b"trip" if once else None, frames=[b"x"] if once else []
        )


class Counting(Silent):
    """A radio that counts what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, now_us: int, data: bytes) -> SendResult:
        self.sent.append(data)
        return SendResult(True, 1)


def test_a_full_disk_holds_up_no_opening_and_lets_no_frame_out():
    relay, radio, disk = Broken(), Counting(), FullDisk()
    runner = NodeRunner(
        Trips(), {"supply": Broken()}, {"critical": relay}, radio, storage=disk
    )  # fmt: skip
    runner.step(0)
    assert (relay.closed_now, radio.sent) == (False, [])
    assert runner.wake_us == RETRY_US
    disk.full = False
    runner.step(RETRY_US)
    assert (disk.kept, radio.sent) == ([b"trip"], [b"x"])


def test_a_restart_forgets_a_set_point_that_waits():
    inverter, controller = BrokenInverter(), Opens()
    runner = NodeRunner(
        controller, {"supply": Broken()}, {"critical": Broken()}, Silent(), inverter
    )
    runner.step(0)
    inverter.fails = True
    runner.step(1)
    controller.boot = lambda now_us: None
    runner.boot(2)
    inverter.fails = False
    runner.step(3)
    assert inverter.p_kw == 0.0


def test_a_node_waits_for_the_first_word_of_a_port_and_decides_nothing_before():
    inverter, relay, controller = BrokenInverter(), Broken(), Opens()
    runner = NodeRunner(controller, {"supply": Broken()}, {"critical": relay}, Silent(), inverter)
    inverter.fails = True
    runner.step(0)
    assert (controller.seen, relay.closed_now, runner.wake_us) == ([], True, RETRY_US)
    inverter.fails = False
    runner.step(RETRY_US)
    assert (len(controller.seen), relay.closed_now) == (1, False)


def test_a_port_that_says_nothing_for_too_long_stops_the_node():
    inverter = BrokenInverter()
    runner = NodeRunner(Opens(), {"supply": Broken()}, {"critical": Broken()}, Silent(), inverter)
    inverter.fails = True
    runner.step(5)
    runner.step(4 + FIRST_WORD_US)
    with pytest.raises(BridgeError, match=r"192\.0\.2\.1:502"):
        runner.step(5 + FIRST_WORD_US)
