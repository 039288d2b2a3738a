"""Signal table: the rows of one federate, written as they come."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cosim.recorder.layout import Layout

_HEADER_BYTES = 8  # count of rows in the tail
_COMPRESSION = pa.ipc.IpcWriteOptions(compression="lz4")


class SignalTable:
    """Writes rows to a memory-mapped tail and whole chunks to an Arrow IPC stream.

    Parameters
    ----------
    stem : Path
        Files are ``<stem>.arrow`` and ``<stem>.tail``.
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
        self._last_us = -(1 << 62)
        self._rows = layout.chunk_rows
        self._places = {
            c.name: (c.kind, c.start if c.scalar else slice(c.start, c.start + c.width), c.scalar)
            for c in layout.columns
        }
        size = _HEADER_BYTES + self._rows * layout.row_bytes
        self._tail_path = stem.with_suffix(".tail")
        with self._tail_path.open("w+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
            self._map = mmap.mmap(file.fileno(), size)
        self._count, self._t, self._blocks = _views(memoryview(self._map), layout)
        self._filled = 0
        stem.with_suffix(".json").write_text(layout.to_json())
        self._file = stem.with_suffix(".arrow").open("wb")
        self._stream = pa.ipc.new_stream(self._file, layout.stream_schema(), options=_COMPRESSION)
        self._held = {kind: block[0].copy() for kind, block in self._blocks.items()}
        self._names = self._places.keys()

    def write(self, t_us: int, values: dict[str, Any]) -> None:
        """Add a row; signals that are not in ``values`` keep their last value."""
        if t_us - self._last_us < self._every_us:
            self._hold(values)
            return
        self._last_us = t_us
        if self._filled == self._rows:
            self._flush()
        row = self._filled
        if self._every_us or not self._names <= values.keys():
            self._hold(values)
            for kind, block in self._blocks.items():
                block[row] = self._held[kind]
        else:
            for name, value in values.items():
                place = self._places.get(name)
                if place is not None:
                    kind, at, scalar = place
                    self._blocks[kind][row, at] = value if scalar else value.ravel()
        self._t[row] = t_us
        self._filled = row + 1
        self._count[0] = self._filled  # last: a row counts only when it is whole

    def _hold(self, values: dict[str, Any]) -> None:
        """Update the last known row; whole rows update it from the tail."""
        if self._filled and not self._every_us:
            for kind, block in self._blocks.items():
                self._held[kind][:] = block[self._filled - 1]
        for name, value in values.items():
            place = self._places.get(name)
            if place is not None:
                kind, at, scalar = place
                self._held[kind][at] = value if scalar else value.ravel()

    def extend(self, batches: Iterator[pa.RecordBatch], before_us: int) -> None:
        """Take over the rows of an earlier run from before an instant."""
        for batch in batches:
            count = int(np.searchsorted(batch.column(0).to_numpy(), before_us))
            if count:
                part = batch.slice(0, count)
                self._stream.write_batch(part)
                last = part.slice(count - 1, 1)
                for name, (kind, at, _) in self._places.items():
                    self._held[kind][at] = last.column(name)[0].values.to_numpy(
                        zero_copy_only=False
                    )
                self._last_us = int(last.column(0)[0].as_py())
            if count < batch.num_rows:
                break

    def _flush(self) -> None:
        """Write the full tail to the stream and begin anew."""
        for kind, block in self._blocks.items():
            self._held[kind][:] = block[self._filled - 1]
        self._stream.write_batch(_batch(self._layout, self._t, self._blocks, self._filled))
        self._file.flush()
        self._filled = 0
        self._count[0] = 0

    def close(self) -> None:
        """End the stream with what is in the tail, and give the tail back."""
        if self._filled:
            self._flush()
        self._stream.close()
        self._file.close()
        self._release()
        self._tail_path.unlink()

    def abandon(self) -> None:
        """Let go of the files as they are, for `rows_of` to read."""
        self._file.close()
        self._release()

    def _release(self) -> None:
        del self._count, self._t, self._blocks
        self._map.close()


def _views(
    memory: memoryview, layout: Layout
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Return count, times and blocks of a tail as arrays on its memory."""
    rows = layout.chunk_rows
    count = np.frombuffer(memory, np.int64, 1)
    at = _HEADER_BYTES
    t = np.frombuffer(memory, np.int64, rows, at)
    at += 8 * rows
    blocks: dict[str, NDArray[Any]] = {}
    for kind, dtype in (("f", np.float64), ("i", np.int64), ("b", np.bool_)):
        width = layout.widths[kind]
        if width:
            block = np.frombuffer(memory, dtype, rows * width, at)
            blocks[kind] = block.reshape(rows, width)
            at += block.nbytes
    return count, t, blocks


def _batch(
    layout: Layout, t: NDArray[np.int64], blocks: dict[str, NDArray[Any]], count: int
) -> pa.RecordBatch:
    arrays: list[pa.Array] = [pa.array(t[:count].copy())]
    for c in layout.columns:
        part = blocks[c.kind][:count, c.start : c.start + c.width]
        arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), c.width))
    return pa.record_batch(arrays, schema=layout.stream_schema())


def layout_of(stem: Path) -> Layout:
    """Return the layout of a live or killed table."""
    return Layout.from_json(stem.with_suffix(".json").read_text())


def rows_of(stem: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a live or killed table, in order, each once.

    A stream that was cut off in the middle of a batch ends before it.
    """
    layout = layout_of(stem)
    last_us = -(1 << 62)
    with stem.with_suffix(".arrow").open("rb") as file:
        try:
            for batch in pa.ipc.open_stream(file):
                last_us = int(batch.column(0)[-1].as_py())
                yield batch
        except (pa.ArrowInvalid, OSError, StopIteration):
            pass  # the end of what was written whole
    tail = stem.with_suffix(".tail")
    if not tail.exists():
        return
    memory = tail.read_bytes()
    if len(memory) < _HEADER_BYTES + layout.chunk_rows * layout.row_bytes:
        return
    count, t, blocks = _views(memoryview(memory), layout)
    rows = int(count[0])
    first = int(np.searchsorted(t[:rows], last_us, side="right"))  # a chunk may be in both
    if first < rows:
        yield _batch(layout, t, blocks, rows).slice(first)
