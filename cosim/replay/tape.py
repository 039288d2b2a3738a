"""Tape: the recorded signals of one federate, played to those who read them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cosim.clock import Slot
from cosim.recorder.layout import Column
from cosim.recorder.rows import END_OF_TIME_US, Block, Rows, joined
from gridmodel.federate import Signal


class Tape:
    """Fills the slots of a source as the source did when it was recorded.

    A slot holds the two newest values, so what the clock's law makes of them, delayed or
    not, is what it made of them then. A row repeats what was not sent anew, which no
    reader can tell from a value that was sent twice.

    Parameters
    ----------
    run : Path
        The run folder.
    name : str
        The source.
    slots : mapping
        Slot of each of its signals that is read.
    ports : mapping
        Those signals as the source declares them.
    delayed : collection of int
        Identities of the slots that are read by a delayed link.
    from_us : int
        Where it begins. [us]
    """

    def __init__(
        self,
        run: Path,
        name: str,
        slots: Mapping[str, Slot],
        ports: Mapping[str, Signal],
        delayed: Collection[int],
        from_us: int = 0,
    ) -> None:
        self._rows = Rows(run, name, set(slots), from_us)
        self._columns = [c for c in self._rows.columns if c.since_us is not None]
        self._shapes = {name: ports[name].shape or () for name in slots}
        self._slots = slots
        self._delayed = delayed
        #: A slot that is played, its values row by row, whether they are arrays, and whether
        #: the value before the newest may be asked for.
        self._tracks: list[tuple[Slot, Any, bool, bool]] = []
        self._t_us: list[int] = []
        self._shown = -1
        self._block: Block | None = None
        #: When it has something new. [us]
        self.next_us = -1
        self._load()

    def play(self, t_us: int) -> None:
        """Bring the slots to an instant, not before `next_us`."""
        while not self._t_us or self._t_us[-1] <= t_us:
            if not self._load():
                break
        times = self._t_us
        after = bisect_right(times, t_us, max(self._shown, 0))
        self.next_us = times[after] if after < len(times) else END_OF_TIME_US
        newest = after - 1
        if newest == self._shown or newest < 0:
            return
        self._shown = newest
        at_us = times[newest]
        for slot, values, is_array, delayed in self._tracks:
            slot.new_us, slot.new = at_us, _out(values[newest], is_array)
            if delayed and at_us == t_us:  # else the newest is the one that is delivered
                slot.old = _out(values[newest - 1], is_array) if newest else None

    def _load(self) -> bool:
        """Read on, keeping the last two rows: they may still be the newest."""
        block = self._rows.next_batch()
        if block is None:
            return False
        if self._block is not None:
            count = len(self._block.t_us)
            block = joined([self._block.part(max(count - 2, 0), count), block])
        self._block = block
        self._t_us = block.t_us.tolist()
        self._shown = -1
        self._tracks = [
            (self._slots[c.name], self._values(block, c), not c.scalar,
             id(self._slots[c.name]) in self._delayed)
            for c in self._columns
        ]  # fmt: skip
        return True

    def _values(self, block: Block, c: Column) -> Any:
        """Return a signal's value in each row; None before it was first sent."""
        assert c.since_us is not None
        first = int(np.searchsorted(block.t_us, c.since_us))
        matrix = block.values[c.name][first:]
        if c.scalar:
            return [None] * first + matrix[:, 0].tolist()
        rows = np.ascontiguousarray(matrix).reshape(-1, *self._shapes[c.name])
        return [None] * first + list(rows) if first else rows

    def close(self) -> None:
        """Let go of the record."""
        self._rows.close()


def _out(value: Any, is_array: bool) -> Any:
    """Return a value as a reader gets it: an array of its own, read-only."""
    if not is_array or value is None:
        return value
    own = value.copy()
    own.setflags(write=False)
    return own
