"""What a plot shows of a record: extremes stay visible, gaps take the last value."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cosim.report.series import BINS, read


def test_a_spike_of_one_row_is_seen_in_its_bin(tmp_path):
    (tmp_path / "signals").mkdir()
    t = np.arange(0, 48 * 3600) * 1_000_000
    value = np.sin(t / 1e10)
    value[100_000] = 99.0
    table = pa.table({"t_us": t, "f_hz": value})
    pq.write_table(table, tmp_path / "signals" / "island.parquet")
    series = read(tmp_path, "island.f_hz", 48 * 3_600_000_000)
    assert series is not None
    where = int(np.argmax(series.high[0]))
    assert series.high[0][where] == 99.0
    assert where == 100_000 * BINS // (48 * 3600)
    assert series.low[0].min() == value.min()


def test_a_bin_without_a_row_shows_the_value_that_was_held(tmp_path):
    (tmp_path / "signals").mkdir()
    table = pa.table({"t_us": [0, 3_000_000_000], "x_kw": [1.0, 5.0]})
    pq.write_table(table, tmp_path / "signals" / "p.parquet")
    series = read(tmp_path, "p.x_kw", 6_000_000_000)
    assert series is not None
    assert (series.last[0][: BINS // 2] == 1.0).all()
    assert (series.last[0][BINS // 2 :] == 5.0).all()


def test_what_was_not_recorded_is_none(tmp_path):
    assert read(tmp_path, "nobody.x_kw", 1) is None
