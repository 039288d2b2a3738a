"""The pacer: in step with the wall clock, and honest about how late it was."""

from __future__ import annotations

import json
import re
import time

import pytest

from cosim.pacer import Pacer, RealTimeConfig
from cosim.run import FAILED, RunOptions, run
from gridmodel.errors import FederateError
from gridmodel.federate import Inputs, Signal
from tests.cosim.parts import Part, counter
from tests.cosim.scenarios import scenario

S = 1_000_000


class WallClock:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept_s: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, wait_s: float) -> None:
        self.slept_s.append(wait_s)
        self.now_s += wait_s


def paced(clock: WallClock, works_s: list[float], **config) -> Pacer:
    """Run instants of one second; before the k-th one, work takes ``works_s[k]``."""
    pacer = Pacer(RealTimeConfig(**config), 0, lambda: "worker", clock.sleep, clock)
    for k, work_s in enumerate(works_s):
        clock.now_s += work_s
        pacer.wait(k * S)
    return pacer


def test_it_sleeps_what_the_work_leaves_of_each_instant():
    clock = WallClock()
    pacer = paced(clock, [0.0, 0.6, 0.75])
    assert clock.slept_s == pytest.approx([0.4, 0.25])
    assert clock.now_s == pytest.approx(1002.0)
    assert pacer.lateness()["late_max_ms"] == 0.0


def test_a_factor_of_a_tenth_is_ten_times_faster():
    clock = WallClock()
    paced(clock, [0.0, 0.0, 0.0], factor=0.1)
    assert clock.slept_s == pytest.approx([0.1, 0.1])


def test_lateness_is_that_of_the_instants():
    clock = WallClock()
    # Instants at 0 .. 4 s; the third begins 1.5 s late, then 0.5 s are caught up a second.
    pacer = paced(clock, [0.0, 0.0, 2.5, 0.5, 0.5], deadline_ms=600.0)
    late = pacer.lateness()
    assert late["instants"] == 5
    assert late["late_max_ms"] == pytest.approx(1500.0)
    assert late["late_median_ms"] == pytest.approx(500.0)  # of 0, 0, 1500, 1000, 500
    assert late["late_p99_ms"] == pytest.approx(1480.0)
    assert late["overruns"] == 2
    assert late["overruns_by_federate"] == {"worker": 2}


@pytest.mark.parametrize(
    ("policy", "late_ms"),
    [
        ("warn", [1500.0, 500.0, 0.0]),  # it catches up
        ("skip", [1500.0, 0.0, 0.0]),  # the schedule has slipped
    ],
)
def test_after_an_overrun_it_catches_up_or_lets_the_schedule_slip(policy, late_ms):
    clock = WallClock()
    pacer = paced(clock, [0.0, 2.5, 0.0, 0.0], overrun=policy, deadline_ms=600.0)
    assert [1e3 * s for s in pacer._late_s[1:]] == pytest.approx(late_ms)


def test_to_stop_names_whose_step_was_too_long():
    with pytest.raises(FederateError, match=r"'worker' at t = 1.000000 s.* 1500.0 ms late"):
        paced(WallClock(), [0.0, 2.5], overrun="stop")


def slow_at(at_us: int) -> Part:
    def behave(part: Part, t_us: int, inputs: Inputs):
        if t_us == at_us:
            time.sleep(0.5)  # more than others on the machine hold anything up
        return {"n_kw": 1.0}, t_us + S

    return Part(behave, outputs=[Signal("n_kw")], period_us=S)


def test_a_run_in_real_time_takes_its_time_and_says_who_was_late(tmp_path):
    pace = RealTimeConfig(factor=0.02, deadline_ms=300.0)
    parts = {"quick": counter(S), "slow": slow_at(10 * S)}
    begin_s = time.perf_counter()
    result = run(scenario(parts, hours=0.01), RunOptions(tmp_path, real_time=pace))
    assert time.perf_counter() - begin_s > 35 * 0.02
    late = json.loads((result.folder / "run.json").read_text())["lateness"]
    assert late["instants"] == 36
    assert late["late_max_ms"] > 400.0
    assert late["overruns_by_federate"]["slow"] >= 1
    page = (result.folder / "report.html").read_text()
    assert "Real time x 0.02" in page
    assert re.search(r"overruns? \(.*slow \d", page)


def test_a_scenario_may_ask_to_stop_at_an_overrun(tmp_path):
    pace = {"factor": 0.02, "deadline_ms": 300.0, "overrun": "stop"}
    parts = {"quick": counter(S), "slow": slow_at(10 * S)}
    result = run(scenario(parts, hours=0.01, real_time=pace), RunOptions(tmp_path))
    assert result.code == FAILED
    assert "'slow' at t = 11" in result.reason
    assert "real_time.deadline_ms" in result.reason


def test_an_overrun_that_no_part_can_be_blamed_for_ends_the_run_too(tmp_path):
    pace = {"factor": 1e-9, "deadline_ms": 1e-6, "overrun": "stop"}
    result = run(scenario({"quick": counter(S)}, real_time=pace), RunOptions(tmp_path))
    assert result.code == FAILED
    assert "real_time.deadline_ms" in result.reason
    assert (result.folder / "failure.json").exists()
