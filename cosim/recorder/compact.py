"""Compaction: from live streams and tails to Parquet, and back for a resumed run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cosim.recorder.layout import TIME, Layout
from cosim.recorder.message_table import SCHEMA, messages_of
from cosim.recorder.signal_table import layout_of, rows_of

SIGNALS, LIVE, MESSAGES = "signals", "live", "messages"
#: What the live folder is called while it is removed.
_DONE = "live.done"
#: File in the live folder: senders in the order of their turns, where several write.
RANKS = "_ranks"
#: Rows of a group; fixed, so that the bytes do not depend on how the rows arrived.
GROUP_ROWS, GROUP_VALUES, LEAST_ROWS = 16_384, 2**21, 512


def compact(folder: Path) -> int:
    """Turn what a run has left live into Parquet; return the rows of signals written.

    Each table replaces its live files only when it is whole, so this can be repeated
    after a crash or a full disk.

    Parameters
    ----------
    folder : Path
        The run.
    """
    live = folder / LIVE
    shutil.rmtree(folder / _DONE, ignore_errors=True)
    if not live.exists():
        return 0
    (folder / SIGNALS).mkdir(exist_ok=True)
    rows = 0
    for description in sorted(live.glob("*.json")):
        stem = description.with_suffix("")
        layout = layout_of(stem)
        schema = layout.table_schema()
        batches = (pa.record_batch(flat(batch, layout), schema=schema) for batch in rows_of(stem))
        rows += _write(folder / SIGNALS / f"{stem.name}.parquet", schema, batches)
        for suffix in (".json", ".arrow", ".tail"):  # without the first there is no table
            stem.with_suffix(suffix).unlink(missing_ok=True)
    stems = sorted(path.with_suffix("") for path in live.glob(f"_{MESSAGES}*.arrow"))
    if stems:
        _write(folder / f"{MESSAGES}.parquet", SCHEMA, _in_order(live, stems))
    # In one go, or messages of some partitions might be gone when this is begun anew. What
    # is left besides is of tables that were killed before they had a row.
    live.rename(folder / _DONE)
    shutil.rmtree(folder / _DONE)
    return rows


def group_rows(schema: pa.Schema) -> int:
    """Return the rows of a group: a wide table has fewer, so memory does not grow with it."""
    return max(min(GROUP_ROWS, GROUP_VALUES // len(schema)), LEAST_ROWS)


def _in_order(live: Path, stems: list[Path]) -> Iterator[pa.RecordBatch]:
    """Yield messages of one table as they are; of several, in the order of one."""
    if not (live / RANKS).exists():
        for stem in stems:
            yield from messages_of(stem)
        return
    rank = {name: k for k, name in enumerate(json.loads((live / RANKS).read_text()))}
    table = pa.Table.from_batches([b for stem in stems for b in messages_of(stem)], SCHEMA)
    senders = np.array([rank[name] for name in table["sender"].to_pylist()], dtype=np.int64)
    order = np.lexsort((table["sequence"].to_numpy(), senders, table["sent_t_us"].to_numpy()))
    yield from table.take(order).to_batches()


def _write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    others = [field.name for field in schema if field.name not in floats]
    part = path.with_suffix(".part")
    rows = 0
    with pq.ParquetWriter(
        part, schema, compression="zstd", use_dictionary=others, use_byte_stream_split=floats
    ) as writer:
        for table in _groups(schema, batches):
            # One chunk a column, or page borders would tell how the rows arrived.
            writer.write_table(table.combine_chunks(), row_group_size=group_rows(schema))
            rows += table.num_rows
    part.replace(path)
    pa.default_memory_pool().release_unused()  # or it keeps what the widest table needed
    return rows


def _groups(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the rows of batches in tables of equal length."""
    rows = group_rows(schema)
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        if count >= rows:
            table = pa.Table.from_batches(waiting, schema)
            while count >= rows:
                yield table.slice(0, rows)
                table = table.slice(rows)
                count -= rows
            waiting = table.to_batches()
    if count:
        yield pa.Table.from_batches(waiting, schema)


def flat(batch: pa.RecordBatch, layout: Layout) -> list[pa.Array]:
    """Return a live batch's list columns as one column an element."""
    arrays = [batch.column(TIME)]
    for c in layout.columns:
        values = batch.column(c.name).flatten().to_numpy(zero_copy_only=False)
        matrix = values.reshape(-1, c.width)
        arrays += [pa.array(np.ascontiguousarray(matrix[:, k])) for k in range(c.width)]
    return arrays


def layout_in(folder: Path, name: str) -> Layout | None:
    """Return the layout of a federate's table, compacted or not; None if it has none."""
    path = folder / SIGNALS / f"{name}.parquet"
    if path.exists():
        return Layout.from_json(pq.read_schema(path).metadata[b"layout"])
    stem = folder / LIVE / name
    return layout_of(stem) if stem.with_suffix(".json").exists() else None


def live_batches(folder: Path, name: str) -> Iterator[pa.RecordBatch]:
    """Yield a federate's recorded rows as live batches, compacted or not."""
    path = folder / SIGNALS / f"{name}.parquet"
    if not path.exists():
        if (folder / LIVE / f"{name}.json").exists():
            yield from rows_of(folder / LIVE / name)
        return
    with pq.ParquetFile(path) as file:
        layout = Layout.from_json(file.schema_arrow.metadata[b"layout"])
        schema = layout.stream_schema()
        for batch in file.iter_batches(group_rows(file.schema_arrow)):
            yield pa.record_batch(_lists(batch, layout), schema=schema)


def _lists(batch: pa.RecordBatch, layout: Layout) -> list[pa.Array]:
    arrays = [batch.column(TIME)]
    for c in layout.columns:
        parts = [batch.column(name).to_numpy(zero_copy_only=False) for name in c.parts]
        flat_values = np.stack(parts, axis=1).ravel()
        arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(flat_values), c.width))
    return arrays


def message_batches(folder: Path) -> Iterator[pa.RecordBatch]:
    """Yield a run's messages, compacted or not."""
    path = folder / f"{MESSAGES}.parquet"
    if path.exists():
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(GROUP_ROWS)
    elif (folder / LIVE).exists():
        stems = sorted(p.with_suffix("") for p in (folder / LIVE).glob(f"_{MESSAGES}*.arrow"))
        yield from _in_order(folder / LIVE, stems)
