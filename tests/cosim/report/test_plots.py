"""A state without a name of its own is told by its number, and not painted as another."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from cosim.report.plots import _states
from cosim.report.series import Series
from cosim.scenario.schema import PanelConfig


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
