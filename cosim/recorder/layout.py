"""Layout: how a federate's output signals lie in a row, and what its columns are called."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from gridmodel.federate import Signal

TIME = "t_us"
_KINDS: dict[type, tuple[str, pa.DataType]] = {
    float: ("f", pa.float64()),
    int: ("i", pa.int64()),
    bool: ("b", pa.bool_()),
}


@dataclass(frozen=True)
class Column:
    """One signal's place in a row.

    ``kind`` is the block (``f``, ``i`` or ``b``), ``start`` and ``width`` the place in it.
    """

    name: str
    kind: str
    start: int
    width: int
    scalar: bool
    parts: tuple[str, ...]
    unit: str
    about: str


@dataclass(frozen=True)
class Layout:
    """Columns of a federate's table and the widths of the three blocks of a row."""

    columns: tuple[Column, ...]
    widths: dict[str, int]

    @property
    def row_bytes(self) -> int:
        """Size of a row, with its time. [B]"""
        return 8 + 8 * (self.widths["f"] + self.widths["i"]) + self.widths["b"]

    @property
    def chunk_rows(self) -> int:
        """Rows of a chunk: about a megabyte, 64 to 4096."""
        return int(min(max(1_000_000 // self.row_bytes, 64), 4096))

    def stream_schema(self) -> pa.Schema:
        """Return the schema of the live stream: one list column a signal."""
        fields = [pa.field(TIME, pa.int64())]
        fields += [pa.field(c.name, pa.list_(_type(c.kind), c.width)) for c in self.columns]
        return pa.schema(fields)

    def table_schema(self) -> pa.Schema:
        """Return the schema of the compact table: one column an element."""
        fields = [pa.field(TIME, pa.int64(), metadata={"unit": "us", "about": "instant"})]
        for c in self.columns:
            meta = {"unit": c.unit, "about": c.about}
            fields += [pa.field(name, _type(c.kind), metadata=meta) for name in c.parts]
        return pa.schema(fields, metadata={"layout": self.to_json()})

    def to_json(self) -> str:
        """Return the layout as text."""
        return json.dumps({"columns": [asdict(c) for c in self.columns], "widths": self.widths})

    @classmethod
    def from_json(cls, text: str | bytes) -> Layout:
        """Return the layout that `to_json` wrote."""
        data = json.loads(text)
        columns = tuple(Column(**{**c, "parts": tuple(c["parts"])}) for c in data["columns"])
        return cls(columns, data["widths"])


def _type(kind: str) -> pa.DataType:
    return {k: t for k, t in _KINDS.values()}[kind]


def layout(signals: Sequence[Signal]) -> Layout:
    """Return the layout of a federate's output signals."""
    widths = {"f": 0, "i": 0, "b": 0}
    columns = []
    for signal in signals:
        kind, _ = _KINDS[signal.dtype]
        shape = signal.shape or ()
        width = int(np.prod(shape, dtype=int)) if shape else 1
        if width == 0:
            continue
        start = widths[kind]
        widths[kind] += width
        parts = part_names(signal)
        columns.append(
            Column(signal.name, kind, start, width, not shape, parts, signal.unit, signal.about)
        )
    return Layout(tuple(columns), widths)


def part_names(signal: Signal) -> tuple[str, ...]:
    """Return the column names of a signal: ``p_kw.house_01``, ``closed.house_01.normal``."""
    shape: tuple[Any, ...] = signal.shape or ()
    if not shape:
        return (signal.name,)
    first = signal.labels or tuple(str(k) for k in range(shape[0]))
    if len(shape) == 1:
        return tuple(f"{signal.name}.{label}" for label in first)
    count = int(np.prod(shape[1:]))
    second = signal.columns or tuple(str(k) for k in range(count))
    return tuple(f"{signal.name}.{label}.{column}" for label in first for column in second)
