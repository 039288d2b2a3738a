"""Plots: states by their names or numbers, runs without values, the time axis of a short run."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure

from cosim.report.plots import _states, picture, time_axis
from cosim.report.series import Series
from cosim.scenario.schema import PanelConfig


def record(folder, seconds: list[float]) -> None:
    """A signal that has state 1 at these seconds."""
    (folder / "signals").mkdir()
    table = pa.table({"t_us": np.array([1e6 * s for s in seconds], np.int64),
                      "state": np.ones(len(seconds))})  # fmt: skip
    pq.write_table(table, folder / "signals" / "nodes.parquet")


@pytest.mark.parametrize("seconds", [[], [30.0, 31.0]])
@pytest.mark.parametrize("kind", ["states", "lines", "band", "sum"])
def test_a_run_that_failed_before_its_first_value_has_a_picture(tmp_path, seconds, kind):
    record(tmp_path, seconds)
    panel = PanelConfig(title="t", signals=("nodes.state",), kind=kind)
    (axes,) = picture(tmp_path, [panel], 60_000_000).axes
    assert [text.get_text() for text in axes.texts] == ([] if seconds else ["not recorded"])


@pytest.mark.parametrize(
    ("until_s", "label", "told"),
    [
        (36.0, "time from the start of the scenario [s]", "30"),
        (7_190.0, "time from the start of the scenario [s]", "6000"),
        (7_200.0, "time from the start of the scenario [h]", "1.50"),
    ],
)
def test_the_time_axis_of_a_short_run_is_in_seconds(until_s, label, told):
    figure = Figure()
    axes = figure.subplots()
    axes.set_xlim(0.0, until_s / 3600)
    assert time_axis([axes], int(until_s * 1e6)) == label
    figure.canvas.draw()
    assert told in [text.get_text() for text in axes.get_xticklabels()]


@pytest.mark.parametrize(
    ("named", "told"),
    [(("grid", "shed"), ["grid", "shed", "2", "3"]), ((), ["0", "1", "2", "3"])],
)
def test_every_state_of_the_record_is_in_the_legend(named, told):
    last = np.array([[0.0, 1.0, 3.0]])
    series = Series(("house",), "", np.arange(3.0), last, last, last)
    axes = Figure().subplots()
    _states(
        axes,
        PanelConfig(title="t", signals=("nodes.state",), kind="states", codes=named),
        [("x", series)],
    )
    assert [text.get_text() for text in axes.get_legend().get_texts()] == told
    (mesh,) = axes.collections
    colours = mesh.to_rgba(mesh.get_array())
    assert len({tuple(c) for c in colours.reshape(-1, 4)}) == 3
