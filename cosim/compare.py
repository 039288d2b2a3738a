"""Compare: where, and by how much, two runs part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import dropwhile, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim import run_folder
from cosim.clock import levels
from cosim.recorder.compact import message_batches
from cosim.recorder.layout import KINDS, Column
from cosim.recorder.rows import END_OF_TIME_US, Block, Rows, joined


@dataclass(frozen=True)
class Parting:
    """How one output of one federate differs between two runs.

    Parameters
    ----------
    federate, port : str
        Whose output.
    t_us : int
        First instant at which it differs. [us]
    element : str
        Name of the element that differs there; empty for a single value.
    first, second : object
        What the two runs have there; None where one has nothing.
    count : int
        Values that differ; instants of both runs together.
    most : float
        Greatest difference, second minus first; 0 for messages. Of angles, the short way.
    most_t_us : int
        When it is greatest. [us]
    most_element : str
        And in which element.
    range_size : float
        Difference between the highest and the lowest value in the first run.
    unit : str
        Unit of the values.
    """

    federate: str
    port: str
    t_us: int
    element: str
    first: Any
    second: Any
    count: int
    most: float = 0.0
    most_t_us: int = 0
    most_element: str = ""
    range_size: float = 0.0
    unit: str = ""


@dataclass(frozen=True)
class KpiDelta:
    """A key figure that differs; None where a run has none of that name."""

    name: str
    first: float | None
    second: float | None
    unit: str


@dataclass(frozen=True)
class Comparison:
    """Two runs beside each other; partings in the order of the clock."""

    until_us: int
    partings: tuple[Parting, ...]
    kpis: tuple[KpiDelta, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether they are the same as far as both go."""
        return not (self.partings or self.only_first or self.only_second)


def compare(first: Path, second: Path) -> Comparison:
    """Return where two runs part, as far as both go.

    Raises
    ------
    RunError
        If one of them is no run, or is not whole.
    """
    runs = run_folder.read_run(first), run_folder.read_run(second)
    until_us = min(int(run["t_us"]) for run in runs)
    names = [_recorded(folder) for folder in (first, second)]
    partings: list[Parting] = []
    only: tuple[list[str], list[str]] = ([], [])
    for name in sorted(names[0] | names[1]):
        pair = Rows(first, name), Rows(second, name)
        known = [{c.name: c for c in rows.columns} for rows in pair]
        for k in (0, 1):
            missing = [p for p in known[k] if p not in known[1 - k]]
            only[k].extend(f"{name}.{port}" for port in missing)
        shared = [c for c in known[0].values() if known[1].get(c.name, c).parts == c.parts]
        columns = [c for c in shared if c.name in known[1]]
        differ = [c.name for c in known[0].values() if c.name in known[1] and c not in columns]
        only[0].extend(f"{name}.{port} (other elements)" for port in differ)
        partings += _signals(name, pair, columns, until_us)
        for rows in pair:
            rows.close()
    partings += _messages(first, second, until_us)
    rank = _ranks(runs[0])
    partings.sort(key=lambda p: (p.t_us, rank.get(p.federate, -1), p.federate, p.port))
    return Comparison(until_us, tuple(partings), _kpis(*runs), tuple(only[0]), tuple(only[1]))


def _recorded(run: Path) -> set[str]:
    return {path.stem for path in (run / "signals").glob("*.parquet")}


class _Tally:
    """Collects how one signal differs."""

    def __init__(self, federate: str, column: Column) -> None:
        self._federate, self._column = federate, column
        self._first: tuple[int, str, Any, Any] | None = None
        self._count = 0
        self._most: tuple[float, int, str] = (0.0, 0, "")
        self._low, self._high = np.inf, -np.inf

    def add(self, t_us: NDArray[np.int64], a: NDArray[Any], b: NDArray[Any]) -> None:
        """Take rows of both runs at the same instants."""
        self._low = min(self._low, float(a.min()))
        self._high = max(self._high, float(a.max()))
        wrong = a != b
        if not wrong.any():
            return
        self._count += int(wrong.sum())
        if self._first is None:
            row = int(np.argmax(wrong.any(axis=1)))
            k = int(np.argmax(wrong[row]))
            self._first = int(t_us[row]), self._name(k), a[row, k].item(), b[row, k].item()
        delta = b.astype(np.float64) - a.astype(np.float64)
        if self._column.unit == "deg":  # 359 is 1 before the full turn
            delta = (delta + 180.0) % 360.0 - 180.0
        row, k = divmod(int(np.argmax(np.abs(delta))), delta.shape[1])
        if abs(delta[row, k]) > abs(self._most[0]):
            self._most = float(delta[row, k]), int(t_us[row]), self._name(k)

    def _name(self, k: int) -> str:
        return "" if self._column.scalar else self._column.parts[k].partition(".")[2]

    def parting(self) -> Parting | None:
        """Return what was found, if they differ."""
        if self._first is None:
            return None
        return Parting(
            self._federate, self._column.name, *self._first, self._count, *self._most,
            self._high - self._low, self._column.unit,
        )  # fmt: skip


def _signals(
    name: str, pair: tuple[Rows, Rows], columns: list[Column], until_us: int
) -> list[Parting]:
    tallies = {c.name: _Tally(name, c) for c in columns}
    for t_us, a, b in _together(pair, columns, until_us):
        for port, tally in tallies.items():
            tally.add(t_us, a[port], b[port])
    found = (tally.parting() for tally in tallies.values())
    return [parting for parting in found if parting is not None]


Values = Mapping[str, NDArray[Any]]
#: sender, sent, port, arrival, kind, content
Told = tuple[str, int, str, int, str, str]


def _together(
    pair: tuple[Rows, Rows], columns: list[Column], until_us: int
) -> Iterator[tuple[NDArray[np.int64], Values, Values]]:
    """Yield the rows of two runs at the instants of either; values hold until the next row."""
    held = [_zeros(columns), _zeros(columns)]
    while True:
        lead = pair[0].next_batch()
        end_us = int(lead.t_us[-1]) + 1 if lead is not None else END_OF_TIME_US
        ours = held[0].part(0, 0) if lead is None else lead
        ours = ours.part(0, int(np.searchsorted(ours.t_us, until_us)))
        blocks = ours, pair[1].take(min(end_us, until_us))
        t_us = np.union1d(blocks[0].t_us, blocks[1].t_us)
        if len(t_us):
            values = []
            for k in (0, 1):
                whole = joined([held[k], blocks[k]])
                rows = np.searchsorted(whole.t_us, t_us, side="right") - 1
                values.append({c.name: whole.values[c.name][rows] for c in columns})
                count = len(whole.t_us)
                held[k] = whole.part(count - 1, count)
            yield t_us, values[0], values[1]
        if lead is None or end_us > until_us:
            return


def _zeros(columns: list[Column]) -> Block:
    """Return a row from before the first, with what stands for values not sent yet."""
    values = {c.name: np.zeros((1, c.width), np.dtype(KINDS[c.kind][1])) for c in columns}
    return Block(np.array([-1], np.int64), values)


def _messages(first: Path, second: Path, until_us: int) -> list[Parting]:
    """Return, by sender, the first message that differs and how many do."""
    told: dict[str, tuple[list[Told], list[Told]]] = {}
    pairs = zip_longest(_rows(first, until_us), _rows(second, until_us))
    for pair in dropwhile(lambda pair: pair[0] == pair[1], pairs):
        for k, row in enumerate(pair):
            if row is not None:
                told.setdefault(row[0], ([], []))[k].append(row)
    found = (_told_differently(sender, *both) for sender, both in told.items())
    return [parting for parting in found if parting is not None]


def _told_differently(sender: str, ours: list[Told], theirs: list[Told]) -> Parting | None:
    """Return where what one sender says differs, message by message."""
    pairs = [(a, b) for a, b in zip_longest(ours, theirs) if a != b]
    if not pairs:
        return None
    a, b = pairs[0]
    t_us, port = min((row[1], row[2]) for row in (a, b) if row is not None)
    return Parting(sender, port, t_us, "message", _words(a), _words(b), len(pairs))


def _rows(run: Path, until_us: int) -> Iterator[Told]:
    """Yield a run's messages: sender, sent, port, arrival, kind, content."""
    for batch in message_batches(run):
        for row in batch.to_pylist():
            if row["sent_t_us"] < until_us:
                yield (
                    row["sender"], row["sent_t_us"], row["port"], row["t_us"], row["kind"],
                    row["data"],
                )  # fmt: skip


def _words(row: Told | None) -> str | None:
    return None if row is None else f"{row[4]} {row[5]}"


def _ranks(run: Mapping[str, Any]) -> dict[str, int]:
    """Return the levels of a run's federates, from the links of its scenario."""
    resolved = run["resolved"]
    ends = [
        (item["link"].split("->")[0].strip(), item["link"].split("->")[1].strip())
        for item in resolved.get("links", ())
        if not item["delayed"]
    ]
    edges = [(source.split(".")[0], target.split(".")[0]) for source, target in ends]
    names = {*resolved.get("federates", {}), *(name for edge in edges for name in edge)}
    return levels(sorted(names), edges)


def _kpis(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[KpiDelta, ...]:
    a, b = first["kpis"], second["kpis"]
    deltas = []
    for name in dict.fromkeys((*a, *b)):
        values = [k[name]["value"] if name in k else None for k in (a, b)]
        if values[0] != values[1]:
            deltas.append(KpiDelta(name, values[0], values[1], (a.get(name) or b[name])["unit"]))
    return tuple(deltas)
