"""Judge: holds what a federate says now to what was recorded of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.federation import Member, signals
from cosim.recorder.layout import KINDS, Column, layout
from cosim.recorder.message_table import content_text
from cosim.recorder.rows import END_OF_TIME_US, Block, Rows, messages
from gridmodel.errors import RunError
from gridmodel.federate import Message

#: Rows that are compared in one go.
WINDOW_ROWS = 8192
_LONG_AGO = -(1 << 62)
#: sent, arrival, sequence, kind, content
Said = tuple[int, int, int, str, str]


@dataclass(frozen=True)
class Difference:
    """Where two records of one output part.

    ``element`` is the name of an array's element, or the number of a message. A value
    that is None was not sent at all.
    """

    t_us: int
    port: str
    element: str
    recorded: Any
    again: Any


@dataclass
class Verdict:
    """What the judge found so far."""

    first: Difference | None = None
    #: Values or messages that differ, by port.
    counts: dict[str, int] = field(default_factory=dict)

    def note(self, difference: Difference, count: int) -> None:
        """Take a difference, the first one of ``count`` on its port."""
        port = difference.port
        self.counts[port] = self.counts.get(port, 0) + count
        if self.first is None or difference.t_us < self.first.t_us:
            self.first = difference


class Judge:
    """Takes what a federate says, as a recorder would, and compares.

    Parameters
    ----------
    run : Path
        The run folder.
    member : Member
        The federate.
    every_us : int
        Only one row in this time was kept. [us]
    from_us : int
        Where it begins; what was said before is taken from the record. [us]
    """

    def __init__(self, run: Path, member: Member, every_us: int, from_us: int) -> None:
        self.verdict = Verdict()
        self._member = member
        self._every_us = every_us
        self._rows = Rows(run, member.name, None, from_us)
        now = {c.name: c for c in layout(signals(member.outputs.values())).columns}
        self._columns = [c for c in self._rows.columns if c.name in now]
        for c in self._columns:
            if now[c.name].parts != c.parts:
                raise RunError(f"output '{member.name}.{c.name}' has other elements than recorded.")
        self.compared = [c.name for c in self._columns]
        self._held: dict[str, Any] = {c.name: _nothing(c) for c in self._columns}
        self._last_us = _LONG_AGO
        before = self._rows.take(from_us)
        if len(before.t_us):
            self._last_us = int(before.t_us[-1])
            self._held = {c.name: _last(before.values[c.name], c) for c in self._columns}
        self._t_us: list[int] = []  # of the rows that are to be compared
        #: What was said of each signal, and the row in which it first stands.
        self._said: dict[str, tuple[list[int], list[Any]]] = {c: ([], []) for c in self.compared}
        self._recorded = _messages(run, member.name, from_us)
        self._message_count = 0

    def writer(self, index: int) -> Callable[[int, dict[str, Any]], None] | None:
        """Return what takes the signals a federate sends."""
        return self._take if index == self._member.index and self._columns else None

    def _take(self, t_us: int, values: dict[str, Any]) -> None:
        row, known = len(self._t_us), False
        for name, value in values.items():
            said = self._said.get(name)
            if said is None:
                continue
            known = True
            rows, those = said
            if rows and rows[-1] == row:  # the one before stands in no row: thinned out
                those[-1] = value
            else:
                rows.append(row)
                those.append(value)
        if not known or t_us - self._last_us < self._every_us:
            return
        self._last_us = t_us
        self._t_us.append(t_us)
        if row + 1 == WINDOW_ROWS:
            self._compare(t_us + 1)

    def _compare(self, until_us: int) -> None:
        """Compare all rows before an instant."""
        then = self._rows.take(until_us)
        again = Block(np.array(self._t_us, np.int64), {c.name: self._now(c) for c in self._columns})
        self._t_us.clear()
        if np.array_equal(then.t_us, again.t_us):
            common = then.t_us
        else:
            common, a, b = np.intersect1d(then.t_us, again.t_us, True, return_indices=True)
            self._lone(np.setdiff1d(then.t_us, common), then, True)
            self._lone(np.setdiff1d(again.t_us, common), again, False)
            then, again = _picked(then, a), _picked(again, b)
        for c in self._columns:
            self._column(c, common, then.values[c.name], again.values[c.name])

    def _now(self, c: Column) -> NDArray[Any]:
        """Return what was said of a signal, a line a row; empty its list."""
        rows, values = self._said[c.name]
        said = _matrix([self._held[c.name], *values], c)
        self._held[c.name] = values[-1] if values else self._held[c.name]
        count = len(self._t_us)
        standing = said[np.searchsorted(rows, np.arange(count), side="right")]
        rows.clear()
        values.clear()
        return standing

    def _lone(self, t_us: NDArray[np.int64], block: Block, recorded: bool) -> None:
        """Note rows that are in one of the two only."""
        if len(t_us):
            row = int(np.searchsorted(block.t_us, t_us[0]))
            c = self._columns[0]
            value = block.values[c.name][row, 0].item()
            pair = (value, None) if recorded else (None, value)
            found = Difference(int(t_us[0]), c.name, _element(c, 0), *pair)
            self.verdict.note(found, len(t_us))

    def _column(
        self, c: Column, t_us: NDArray[np.int64], then: NDArray[Any], again: NDArray[Any]
    ) -> None:
        wrong = then != again
        if wrong.any():
            row = int(np.argmax(wrong.any(axis=1)))
            k = int(np.argmax(wrong[row]))
            pair = then[row, k].item(), again[row, k].item()
            found = Difference(int(t_us[row]), c.name, _element(c, k), *pair)
            self.verdict.note(found, int(wrong.sum()))

    def message(self, index: int, port: str, t_us: int, sequence: int, message: Message) -> None:
        """Compare a message with the next one on record."""
        if index != self._member.index:
            return
        self._message_count += 1
        text = content_text(dict(message.data))
        again = (port, (t_us, message.t_us, sequence, message.kind, text))
        recorded = next(self._recorded, None)
        if recorded != again:
            self._note_message(recorded, again)

    def _note_message(
        self, recorded: tuple[str, Said] | None, again: tuple[str, Said] | None
    ) -> None:
        given = [said for said in (recorded, again) if said is not None]
        t_us, port = min((said[1][0], said[0]) for said in given)
        texts = [None if said is None else _words(said) for said in (recorded, again)]
        element = f"message {self._message_count}"
        self.verdict.note(Difference(t_us, port, element, *texts), 1)

    def close(self, until_us: int) -> None:
        """Compare what is left before an instant."""
        if self._columns:
            self._compare(until_us)
        for port, said in self._recorded:
            if said[0] < until_us:
                self._message_count += 1
                self._note_message((port, said), None)
        self._rows.close()


def _messages(run: Path, sender: str, from_us: int) -> Iterator[tuple[str, Said]]:
    """Yield port and content of what a federate said, in order."""
    for b in messages(run, {sender}, from_us, END_OF_TIME_US):
        said = zip(b.sent_us, b.arrival_us, b.sequence, b.kind, b.data, strict=True)
        yield from zip(b.port, said, strict=True)


def _words(said: tuple[str, Said]) -> str:
    port, (sent_us, arrival_us, _, kind, text) = said
    return f"{port} {kind} {text}, sent {sent_us} us, arriving {arrival_us} us"


def _element(c: Column, k: int) -> str:
    return "" if c.scalar else c.parts[k].removeprefix(f"{c.name}.")


def _nothing(c: Column) -> Any:
    """Return what stands in a row before the signal was first sent."""
    zeros = np.zeros(c.width, np.dtype(KINDS[c.kind][1]))
    return zeros[0].item() if c.scalar else zeros


def _last(matrix: NDArray[Any], c: Column) -> Any:
    return matrix[-1, 0].item() if c.scalar else matrix[-1]


def _matrix(values: list[Any], c: Column) -> NDArray[Any]:
    """Return rows as a matrix; what was held since before the replay is flat already."""
    rows = values if c.scalar else [value.ravel() for value in values]
    return np.array(rows, np.dtype(KINDS[c.kind][1])).reshape(-1, c.width)


def _picked(block: Block, rows: NDArray[np.intp]) -> Block:
    return Block(block.t_us[rows], {name: v[rows] for name, v in block.values.items()})
