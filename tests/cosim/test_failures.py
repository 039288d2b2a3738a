"""A part that fails ends the run with its name, its instant and what it had in its hands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cosim.engines.in_process import InProcess
from cosim.run import FAILED, RunOptions, run
from gridmodel.errors import BackwardStepError, FederateError, NonFiniteError, OutputError
from gridmodel.federate import Inputs, Message, Messages, Signal
from tests.cosim.parts import Part, counter, watcher, wire
from tests.cosim.scenarios import scenario

S = 1_000_000


def failing(what, at_us: int = 5 * S) -> Part:
    """A part that works each second until ``at_us`` and then does ``what``."""

    def behave(part: Part, t_us: int, inputs: Inputs):
        part.memory["t"] = t_us
        if t_us < at_us:
            return {"y_kw": 1.0, "z_kw": [1.0, 2.0]}, t_us + S
        return what(t_us)

    outputs = [Signal("y_kw"), Signal("z_kw", (2,)), Messages("out")]
    return Part(behave, [Signal("x_kw", initial=0.0)], outputs, period_us=S)


def boom(t_us: int):
    raise ZeroDivisionError("the frequency of nothing")


def leave(t_us: int):
    raise SystemExit(3)


CASES = [
    # what it does, the error, a word of the text
    (boom, FederateError, "ZeroDivisionError: the frequency of nothing"),
    (leave, FederateError, "SystemExit"),
    # pytest gives a bare assertion a text; an exception without one has its line instead
    (lambda t: next(iter(())), FederateError, "StopIteration in <lambda>() at test_failures.py:"),
    (lambda t: ({"y_kw": float("nan")}, t + S), NonFiniteError, "'y_kw' is nan"),
    (lambda t: ({"z_kw": [1.0, np.inf]}, t + S), NonFiniteError, "at positions [1]"),
    (lambda t: ({"y_kw": 1.0}, t), BackwardStepError, "not after"),
    (lambda t: ({"y_kw": 1.0}, t - S), BackwardStepError, "not after"),
    (lambda t: ({"y_kw": 1.0}, np.int64(t + S)), FederateError, "whole number of us"),
    (lambda t: ({"y_kw": 1.0}, t + 0.5), FederateError, "whole number of us"),
    (lambda t: ({"y_kw": 1.0}, True), FederateError, "whole number of us"),
    (lambda t: ({"yy_kw": 1.0}, t + S), OutputError, "undeclared ports ['yy_kw']"),
    (lambda t: ({"y_kw": "much"}, t + S), OutputError, "declared is one float"),
    (lambda t: ({"z_kw": [1.0]}, t + S), OutputError, "declared is (2,)"),
    (lambda t: ({"z_kw": ["a", "b"]}, t + S), OutputError, "no array of numbers"),
    (lambda t: ({"out": [Message(t - 1, "late")]}, t + S), OutputError, "before it was sent"),
    (lambda t: ({"out": ["text"]}, t + S), OutputError, "no Message"),
    (lambda t: ({"out": [Message(t, "x", {"a": {1}})]}, t + S), OutputError, "carries numbers"),
    (lambda t: None, FederateError, "TypeError"),
]


@pytest.mark.parametrize(("what", "error", "text"), CASES)
def test_every_way_to_fail_names_part_and_instant(what, error, text):
    engine = InProcess(wire({"good": counter(S), "bad": failing(what)}))
    with pytest.raises(error) as caught:
        engine.run(60 * S)
    assert caught.value.federate == "bad"
    assert caught.value.t_us == 5 * S
    assert text in str(caught.value)
    assert "t = 5.000000 s" in str(caught.value)


def test_a_failed_run_keeps_its_record_and_the_inputs_of_what_failed(tmp_path: Path):
    parts = {"good": counter(S), "bad": failing(boom)}
    result = run(scenario(parts, "good.n_kw -> bad.x_kw"), RunOptions(tmp_path))
    assert result.code == FAILED
    assert "'bad' at t = 5.000000 s" in result.reason
    rows = pq.read_table(result.folder / "signals" / "good.parquet")
    assert rows["t_us"].to_pylist() == [k * S for k in range(6)]
    failure = json.loads((result.folder / "failure.json").read_text())
    assert failure["federate"] == "bad"
    assert failure["inputs"] == {"x_kw": 6.0}
    assert failure["state"]["memory"] == {"t": 5 * S}
    assert any("ZeroDivisionError" in line for line in failure["traceback"])
    page = (result.folder / "report.html").read_text()
    assert "the frequency of nothing" in page
    assert json.loads((result.folder / "run.json").read_text())["exit"] == FAILED


def test_an_input_that_was_never_sent_is_named():
    engine = InProcess(
        wire({"silent": Part(lambda p, t, i: ({}, None), outputs=[Signal("n_kw")]),
              "sink": watcher(S, initial=None)}, "silent.n_kw -> sink.x_kw")
    )  # fmt: skip
    with pytest.raises(FederateError, match="x_kw"):
        engine.run(S)


class Clinging(Part):
    """A part that cannot let go of what it holds, or notes that it did."""

    def __init__(self, problem: str = "") -> None:
        super().__init__(lambda part, t_us, inputs: ({}, t_us + S), period_us=S)
        self.problem, self.closed = problem, False

    def close(self) -> None:
        self.closed = True
        if self.problem:
            raise OSError(self.problem)


def test_a_part_that_fails_at_its_end_is_named_and_the_others_end_too(tmp_path: Path):
    parts = {"a": Clinging("the port is gone"), "b": Clinging(), "c": Clinging("me too")}
    result = run(scenario({**parts, "n": counter(S)}, hours=0.01), RunOptions(tmp_path))
    told = "federate 'a' at t = 36.000000 s: at its end: OSError: the port is gone"
    assert (result.code, result.reason) == (FAILED, told)
    assert all(part.closed for part in parts.values())
    assert pq.read_table(result.folder / "signals" / "n.parquet").num_rows == 36
    assert json.loads((result.folder / "failure.json").read_text())["federate"] == "a"
