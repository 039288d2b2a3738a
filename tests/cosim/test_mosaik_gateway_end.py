"""A foreign mosaik simulator that fails at its end, when all has been said."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from cosim.mosaik_link import _told
from cosim.run import FAILED, RunOptions, run
from tests.cosim.test_mosaik_gateway import HERE, S, foreign, scenario

pytest.importorskip("mosaik")


@pytest.mark.parametrize("engine", ["in_process", "mosaik", "helics"])
def test_a_simulator_that_fails_at_its_end_is_named_and_the_record_is_whole(tmp_path, engine):
    if engine == "helics":
        pytest.importorskip("helics")
    parted = {"deploy": {"partitions": {"one": ["plan"], "two": ["outside"]}}}
    made = scenario(tmp_path, foreign({"python": HERE}, how="assert at the end"), **parted)
    result = run(made, RunOptions(tmp_path / "runs", engine=engine))
    assert result.code == FAILED
    assert "'outside' at t = 10.000000 s: at its end: AssertionError in finalize()" in result.reason
    failure = json.loads((result.folder / "failure.json").read_text())
    assert (failure["federate"], failure["t_us"]) == ("outside", 10 * S)
    assert len(failure["inputs"]["p_kw"]) == 2
    assert pq.read_table(result.folder / "signals" / "plan.parquet").num_rows == 10
    assert not (result.folder / "live").exists()


def test_a_failure_that_is_only_a_text_is_told_by_its_last_line():
    assert _told("Traceback\n  File ...\nRuntimeError: enough\n") == "RuntimeError: enough"
    assert _told(["ValueError", "too much"]) == "ValueError: too much"
