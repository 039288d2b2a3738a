"""A port that fails for a while does not stop its node."""

from __future__ import annotations

import pytest

from cosim.node.runner import NodeRunner
from cosim.node.senses import Senses
from gridmodel.control import Decisions
from gridmodel.errors import BridgeError
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
