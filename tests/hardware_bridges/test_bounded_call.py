"""Bounded call: a call that takes its time does not hold its caller."""

from __future__ import annotations

import threading

import pytest

from hardware_bridges.bounded_call import BoundedCaller, StillRunning


def test_results_and_errors_come_back_to_the_caller():
    caller = BoundedCaller("test")
    assert caller.call(lambda: 7, 5.0) == 7
    with pytest.raises(ZeroDivisionError):
        caller.call(lambda: 1 / 0, 5.0)
    caller.close(5.0)


def test_a_call_that_hangs_holds_neither_its_caller_nor_the_next_one():
    caller, gate, ran = BoundedCaller("test"), threading.Event(), []
    with pytest.raises(StillRunning):
        caller.call(gate.wait, 0.01)
    with pytest.raises(StillRunning):
        caller.call(lambda: ran.append("dropped"), 0.01)
    gate.set()
    assert caller.call(lambda: ran.append("later"), 5.0) is None
    assert ran == ["later"]
    caller.close(5.0)
