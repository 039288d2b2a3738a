"""Signal table: the rows of one federate, written as they come."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cosim.recorder.layout import TIME, Layout
from cosim.recorder.stream import Stream, record_error

_COMPRESSION = pa.ipc.IpcWriteOptions(compression="lz4")
_LONG_AGO = -(1 << 62)


class SignalTable:
    """Writes rows to a memory-mapped tail and whole chunks to an Arrow IPC stream.

    Parameters
    ----------
    stem : Path
        Files are ``<stem>.arrow``, ``<stem>.tail`` and ``<stem>.json``, the layout.
    layout : Layout
        What a row holds.
    every_us : int
        Keep a row only if so much time has passed since the one before. [us]

    Raises
    ------
    OSError
        If the disk has no room; the tail's room is taken at the start, so a row that was
        accepted is safe.
    """

    def __init__(self, stem: Path, layout: Layout, every_us: int = 0) -> None:
        self._layout = layout
        self._every_us = every_us
        self._last_us = _LONG_AGO
        self._place = {c.name: (k, c.scalar) for k, c in enumerate(layout.columns)}
        self._unsent = set(self._place)
        self._held: list[Any] = [_nothing(c.code) for c in layout.columns]
        row = struct.Struct(layout.code)
        self._pack_into, self._row_bytes = row.pack_into, row.size
        self._end = row.size * layout.chunk_rows
        self._at = 0
        self._tail_path = stem.with_suffix(".tail")
        with self._tail_path.open("w+b") as file:
            os.posix_fallocate(file.fileno(), 0, self._end)
            self._map = mmap.mmap(file.fileno(), self._end)
        self._stream = Stream(stem.with_suffix(".arrow"), layout.stream_schema(), _COMPRESSION)
        self._json_path = stem.with_suffix(".json")
        self._write_layout()  # last: where it is, the others are

    def write(self, t_us: int, values: dict[str, Any]) -> None:
        """Add a row; signals that are not in ``values`` keep their last value.

        Raises
        ------
        RecordError
            If it cannot be kept.
        """
        if self._unsent:
            try:
                self._note_first(t_us, values)
            except OSError as error:
                raise record_error(error, self._tail_path.stem, t_us) from error
        held, place = self._held, self._place
        for name, value in values.items():
            found = place.get(name)
            if found is not None:
                held[found[0]] = value if found[1] else value.tobytes()
        if t_us - self._last_us < self._every_us:
            return
        self._last_us = t_us
        if self._at == self._end:
            try:
                self._flush()
            except OSError as error:
                raise record_error(error, self._tail_path.stem, t_us) from error
        self._pack_into(self._map, self._at, *held, t_us + 1)
        self._at += self._row_bytes

    def _note_first(self, t_us: int, values: Iterable[str]) -> None:
        """Write down which signals are sent for the first time."""
        first = self._unsent.intersection(values)
        if first:
            self._unsent -= first
            self._layout = self._layout.sent(first, t_us)
            self._write_layout()

    def _write_layout(self) -> None:
        """Write the layout whole or not at all."""
        part = self._json_path.with_suffix(".part")
        part.write_text(self._layout.to_json())
        part.replace(self._json_path)

    def extend(self, batches: Iterable[pa.RecordBatch], before_us: int, earlier: Layout) -> None:
        """Take over the rows of an earlier run, and its layout, from before an instant."""
        for c in earlier.columns:
            if c.since_us is not None and c.since_us < before_us:
                self._note_first(c.since_us, (c.name,))
        for batch in batches:
            count = int(np.searchsorted(batch.column(TIME).to_numpy(), before_us))
            if count:
                part = batch.slice(0, count)
                self._stream.write(part)
                self._last_us = int(part.column(TIME)[-1].as_py())
                for k, column in enumerate(self._layout.columns):
                    last = part.column(column.name)[-1].values.to_numpy(zero_copy_only=False)
                    self._held[k] = last[0].item() if column.scalar else last.tobytes()
            if count < batch.num_rows:
                break

    def _flush(self) -> None:
        """Write the tail to the stream and begin it anew."""
        rows = np.frombuffer(self._map, self._layout.dtype, self._at // self._row_bytes)
        try:
            self._stream.write(_batch(self._layout, rows))
        finally:
            del rows  # or the map could not be closed
        self._at = 0

    def close(self) -> None:
        """End the stream with what is in the tail, and give the tail back."""
        if self._at:
            self._flush()
        self._stream.close()
        self._map.close()
        self._tail_path.unlink()

    def abandon(self) -> None:
        """Let go of the files as they are, for `rows_of` to read."""
        self._stream.abandon()
        self._map.close()


def _nothing(code: str) -> Any:
    """Return what a column holds before its first value."""
    if code.endswith("s"):
        return bytes(int(code[:-1]))
    return {"d": 0.0, "q": 0, "?": False}[code]


def _batch(layout: Layout, rows: NDArray[Any]) -> pa.RecordBatch:
    """Return rows as a batch of the live stream."""
    arrays: list[pa.Array] = [pa.array(rows[TIME] - 1)]
    for c in layout.columns:
        values = pa.array(np.ascontiguousarray(rows[c.name]).ravel())
        arrays.append(pa.FixedSizeListArray.from_arrays(values, c.width))
    return pa.record_batch(arrays, schema=layout.stream_schema())


def layout_of(stem: Path) -> Layout:
    """Return the layout of a live or killed table."""
    return Layout.from_json(stem.with_suffix(".json").read_text())


def rows_of(stem: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a live or killed table, in order, each once.

    A stream that was cut off in the middle of a batch ends before it.
    """
    layout = layout_of(stem)
    last_us = _LONG_AGO
    with stem.with_suffix(".arrow").open("rb") as file:
        try:
            for batch in pa.ipc.open_stream(file):
                if batch.num_rows:
                    last_us = int(batch.column(TIME)[-1].as_py())
                yield batch
        except (pa.ArrowInvalid, OSError):
            pass  # the end of what was written whole
    tail = stem.with_suffix(".tail")
    if tail.exists():
        rows = _fresh(np.frombuffer(tail.read_bytes(), layout.dtype), last_us)
        if len(rows):
            yield _batch(layout, rows)


def _fresh(rows: NDArray[Any], last_us: int) -> NDArray[Any]:
    """Return the rows of a tail that are newer than the stream.

    The tail is filled again and again from the front: what follows the fresh rows is
    older, or empty (stamp 0).
    """
    stamps = rows[TIME]
    fresh = stamps > max(last_us + 1, 0)
    rising = np.concatenate([[True], stamps[1:] > stamps[:-1]])
    good = fresh & rising
    return rows[: len(good) if good.all() else int(np.argmin(good))]
