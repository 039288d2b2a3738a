"""Tape: the recorded signals of one federate, played to those who read them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cosim.clock import BEFORE, Slot
from cosim.recorder.rows import Block, Rows, joined
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
        self._tracks = [
            (slots[c.name], c.since_us, c.scalar, c.name, id(slots[c.name]) in delayed)
            for c in self._rows.columns
            if c.since_us is not None
        ]
        self._shapes = {name: ports[name].shape or () for name in slots}
        self._values: dict[str, Any] = {}
        self._t_us: list[int] = []
        self._shown = -1
        self._block: Block | None = None
        self._ended = False
        self._load()

    def play(self, t_us: int) -> None:
        """Bring the slots to an instant."""
        while not self._ended and (not self._t_us or self._t_us[-1] <= t_us):
            self._load()
        newest = bisect_right(self._t_us, t_us, max(self._shown, 0)) - 1
        if newest == self._shown or newest < 0:
            return
        self._shown = newest
        for slot, since_us, scalar, name, delayed in self._tracks:
            slot.new_us, slot.new = self._at(newest, name, since_us, scalar)
            if delayed:  # else the newest is always the one that is delivered
                slot.old_us, slot.old = self._at(newest - 1, name, since_us, scalar)

    def _at(self, row: int, name: str, since_us: int, scalar: bool) -> tuple[int, Any]:
        """Return stamp and value of a row; nothing before the signal was first sent."""
        if row < 0 or self._t_us[row] < since_us:
            return BEFORE, None
        value = self._values[name][row]
        return self._t_us[row], value if scalar else value.copy()

    def _load(self) -> None:
        """Read on, keeping the last two rows: they may still be the newest."""
        block = self._rows.next_batch()
        if block is None:
            self._ended = True
            return
        if self._block is not None:
            count = len(self._block.t_us)
            block = joined([self._block.part(max(count - 2, 0), count), block])
        self._block = block
        self._t_us = block.t_us.tolist()
        self._shown = -1
        for _, _, scalar, name, _ in self._tracks:
            matrix = block.values[name]
            self._values[name] = (
                matrix[:, 0].tolist()
                if scalar
                else np.ascontiguousarray(matrix).reshape(-1, *self._shapes[name])
            )

    def close(self) -> None:
        """Let go of the record."""
        self._rows.close()
