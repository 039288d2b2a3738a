"""Gaps: a dead grid has no frequency, and a short darkness is seen all the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cosim.report.gaps import NO_VOLTAGE, ZERO, draw_line, draw_stripes
from cosim.report.plots import picture
from cosim.scenario.schema import PanelConfig

DAY_US = 24 * 3_600_000_000


def record(folder, name, values, unit):
    """A day of one signal, a row a second."""
    (folder / "signals").mkdir(exist_ok=True)
    field = pa.field(name, pa.float64(), metadata={"unit": unit})
    schema = pa.schema([pa.field("t_us", pa.int64()), field])
    table = pa.table([np.arange(len(values)) * 1_000_000, values], schema=schema)
    pq.write_table(table, folder / "signals" / "island.parquet")


def blackout(folder, name="f_hz", unit="Hz", dark_s=22):
    values = 50.0 + 0.01 * np.sin(np.arange(86_400) / 500.0)
    values[67_500 : 67_500 + dark_s] = 0.0
    values[67_500 + dark_s] = 50.6
    record(folder, name, values, unit)


def drawn(folder, **panel):
    """The axes of a panel, and all values of its lines."""
    panels = [PanelConfig(title="t", **panel)]
    (axes,) = picture(folder, panels, DAY_US).axes
    values = np.concatenate([line.get_ydata() for line in axes.get_lines()])
    return axes, values


def stripes(axes):
    """Left edge and width of each stripe. [h]"""
    return [(patch.get_x(), patch.get_width()) for patch in axes.patches]


def words(axes):
    legend = axes.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []


def test_22_s_without_voltage_are_a_gap_with_a_stripe_in_the_picture_of_a_day(tmp_path):
    blackout(tmp_path)
    axes, values = drawn(tmp_path, signals=("island.f_hz",))
    assert np.nanmin(values) > 49.9
    assert np.isnan(values).any()
    ((begin_h, wide_h),) = stripes(axes)
    assert begin_h < 18.75 < begin_h + wide_h
    assert wide_h > 24 / 200  # half a percent of the width: some pixels
    assert words(axes) == [NO_VOLTAGE]


def test_a_spike_in_the_bin_of_a_gap_stays_visible(tmp_path):
    blackout(tmp_path)
    _, values = drawn(tmp_path, signals=("island.f_hz",))
    assert np.nanmax(values) == 50.6


@pytest.mark.parametrize("unit", ["kW", "Hz/s", "V"])
def test_a_zero_of_another_unit_is_a_value_unless_the_panel_says_so(tmp_path, unit):
    blackout(tmp_path, "x", unit)
    axes, values = drawn(tmp_path, signals=("island.x",))
    assert np.nanmin(values) < 26.0  # the middle of a bin that was 0 for a part
    assert stripes(axes) == []
    assert words(axes) == []
    axes, values = drawn(tmp_path, signals=("island.x",), hide_zero=True)
    assert np.nanmin(values) > 49.9
    assert words(axes) == [NO_VOLTAGE if unit == "V" else ZERO]


def test_a_band_has_a_gap_where_all_its_elements_are_0_and_not_where_one_is_off(tmp_path):
    (tmp_path / "signals").mkdir()
    t_us = np.arange(0, 86_400, 60) * 1_000_000
    a, b = np.full(1440, 230.0), np.full(1440, 231.0)
    a[300:600] = 0.0
    a[1000:1010] = b[1000:1010] = 0.0
    fields = [pa.field(n, pa.float64(), metadata={"unit": "V"}) for n in ("v_v.a", "v_v.b")]
    table = pa.table([t_us, a, b], schema=pa.schema([pa.field("t_us", pa.int64()), *fields]))
    pq.write_table(table, tmp_path / "signals" / "feeder.parquet")
    axes, values = drawn(tmp_path, signals=("feeder.v_v",), kind="band", hide_zero=True)
    ((begin_h, wide_h),) = stripes(axes)
    assert begin_h < 1000 / 60 < 1010 / 60 < begin_h + wide_h
    assert np.nanmin(values) == 230.0


def test_a_stripe_is_where_all_lines_of_a_panel_are_dark():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.set_xlim(0.0, 10.0)
    t_h = np.arange(0.5, 10.0)
    one, other = np.full(10, 50.0), np.full(10, 50.0)
    one[2:7] = 0.0
    other[5:9] = 0.0
    gaps = [draw_line(axes, t_h, (x, x), "#000000", "x", True) for x in (one, other)]
    draw_stripes(axes, t_h, gaps, "Hz")
    assert stripes(axes) == [(5.0, 2.0)]
