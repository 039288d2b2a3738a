"""Rows: recorded signals read forward in time, a batch at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cosim.recorder.compact import GROUP_ROWS, LIVE, MESSAGES, SIGNALS
from cosim.recorder.layout import KINDS, TIME, Column, Layout
from gridmodel.errors import RunError

#: Instants later than any.
END_OF_TIME_US = 1 << 62


class Block(NamedTuple):
    """Rows in a piece: their instants, and a matrix (row, element) a signal."""

    t_us: NDArray[np.int64]
    values: Mapping[str, NDArray[Any]]

    def part(self, first: int, last: int) -> Block:
        """Return some of the rows."""
        return Block(self.t_us[first:last], {n: v[first:last] for n, v in self.values.items()})


class Letters(NamedTuple):
    """Recorded messages in a piece, column by column, in the order they were sent."""

    sent_us: list[int]
    arrival_us: list[int]
    sender: list[str]
    port: list[str]
    sequence: list[int]
    kind: list[str]
    #: Content as JSON.
    data: list[str]


class Rows:
    """The recorded rows of one federate, taken forward in time.

    Parameters
    ----------
    run : Path
        The run folder.
    name : str
        The federate.
    ports : collection of str or None
        Signals to read; all of them if left out.
    from_us : int
        Earlier rows are of no interest, but for the last one before it. [us]

    Raises
    ------
    RunError
        If the run is alive, or was killed and is not recovered.
    """

    def __init__(
        self, run: Path, name: str, ports: Collection[str] | None = None, from_us: int = 0
    ) -> None:
        if (run / LIVE).exists():
            raise RunError(f"{run.name} is not whole yet. Recover it: feedertwin recover {run}")
        path = run / SIGNALS / f"{name}.parquet"
        self._file = pq.ParquetFile(path) if path.exists() else None
        whole = (
            Layout(())
            if self._file is None
            else Layout.from_json(self._file.schema_arrow.metadata[b"layout"])
        )
        #: All signals on record, and those that are read.
        self.known = whole.columns
        self.columns = tuple(c for c in whole.columns if ports is None or c.name in ports)
        self._batches = self._read(from_us)
        self._rest = _empty(self.columns)

    def _read(self, from_us: int) -> Iterator[Block]:
        if self._file is None:
            return
        names = [TIME, *(part for c in self.columns for part in c.parts)]
        groups = _groups(self._file, from_us, END_OF_TIME_US)
        for batch in self._file.iter_batches(GROUP_ROWS, groups, names):
            table = {name: batch.column(name) for name in batch.schema.names}
            values = {
                c.name: np.stack([table[p].to_numpy(zero_copy_only=False) for p in c.parts], axis=1)
                for c in self.columns
            }
            yield Block(table[TIME].to_numpy(), values)

    def next_batch(self) -> Block | None:
        """Return the rows that are read in one go, or None after the last."""
        if len(self._rest.t_us):
            block, self._rest = self._rest, _empty(self.columns)
            return block
        return next(self._batches, None)

    def take(self, until_us: int) -> Block:
        """Return the rows before an instant that were not taken yet."""
        blocks = []
        while (block := self.next_batch()) is not None:
            count = int(np.searchsorted(block.t_us, until_us))
            blocks.append(block.part(0, count))
            if count < len(block.t_us):
                self._rest = block.part(count, len(block.t_us))
                break
        return joined(blocks) if blocks else _empty(self.columns)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


def _groups(file: pq.ParquetFile, from_us: int, until_us: int) -> list[int]:
    """Return the row groups with rows of a span of time, and the one before."""
    meta = file.metadata
    spans = [meta.row_group(k).column(0).statistics for k in range(meta.num_row_groups)]
    found = [k for k, span in enumerate(spans) if span.max >= from_us and span.min < until_us]
    first = found[0] if found else len(spans)
    return [*([first - 1] if first else []), *found]


def messages(run: Path, senders: Collection[str], from_us: int, until_us: int) -> Iterator[Letters]:
    """Yield what some federates said in a span of time, a batch at a time."""
    path = run / f"{MESSAGES}.parquet"
    if not path.exists():
        return
    wanted = pa.array(sorted(senders), pa.string())
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(GROUP_ROWS, _groups(file, from_us, until_us)):
            sent_us = batch.column("sent_t_us")
            within = pc.and_(pc.greater_equal(sent_us, from_us), pc.less(sent_us, until_us))
            mask = pc.and_(within, pc.is_in(batch.column("sender"), value_set=wanted))
            found = batch.filter(mask)
            # By way of NumPy: pyarrow's own lists are made of one scalar object a value.
            yield Letters(
                *(column.to_numpy(zero_copy_only=False).tolist() for column in found.columns)
            )


def joined(blocks: list[Block]) -> Block:
    """Return blocks that follow each other as one."""
    if len(blocks) == 1:
        return blocks[0]
    names = blocks[0].values
    return Block(
        np.concatenate([block.t_us for block in blocks]),
        {name: np.concatenate([block.values[name] for block in blocks]) for name in names},
    )


def _empty(columns: tuple[Column, ...]) -> Block:
    values = {c.name: np.empty((0, c.width), np.dtype(KINDS[c.kind][1])) for c in columns}
    return Block(np.empty(0, np.int64), values)
