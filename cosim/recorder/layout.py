"""Layout: how a federate's output signals lie in a row, and what its columns are called."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from gridmodel.federate import Signal

TIME = "t_us"
#: By type of signal: code in a row (struct module), type in memory, type in a table.
KINDS: dict[str, tuple[str, str, pa.DataType]] = {
    "float": ("d", "<f8", pa.float64()),
    "int": ("q", "<i8", pa.int64()),
    "bool": ("?", "?", pa.bool_()),
}


@dataclass(frozen=True)
class Column:
    """One signal in a row: its type, its width, and the names of its elements.

    Before ``since_us`` the signal was not sent yet, and what stands in its column is
    nothing; None means never.
    """

    name: str
    kind: str
    width: int
    scalar: bool
    parts: tuple[str, ...]
    unit: str
    about: str
    since_us: int | None = None

    @property
    def code(self) -> str:
        """Its code in a row: a number, or the bytes of an array."""
        code, memory, _ = KINDS[self.kind]
        return code if self.scalar else f"{self.width * np.dtype(memory).itemsize}s"

    @property
    def arrow(self) -> pa.DataType:
        """Its type in a table."""
        return KINDS[self.kind][2]


@dataclass(frozen=True)
class Layout:
    """Columns of a federate's table.

    A row ends with its stamp, the instant plus one, so that a row that was cut off in the
    middle, or never written, has none.
    """

    columns: tuple[Column, ...]

    @property
    def code(self) -> str:
        """The row in the language of the struct module."""
        return "<" + "".join(column.code for column in self.columns) + "q"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The row in the language of NumPy."""
        fields = [
            (c.name, KINDS[c.kind][1]) if c.scalar else (c.name, KINDS[c.kind][1], (c.width,))
            for c in self.columns
        ]
        return np.dtype([*fields, (TIME, "<i8")])

    @property
    def chunk_rows(self) -> int:
        """Rows of a chunk: about a megabyte, 64 to 4096."""
        return int(min(max(1_000_000 // self.dtype.itemsize, 64), 4096))

    def stream_schema(self) -> pa.Schema:
        """Return the schema of the live stream: one list column a signal."""
        fields = [pa.field(TIME, pa.int64())]
        fields += [pa.field(c.name, pa.list_(c.arrow, c.width)) for c in self.columns]
        return pa.schema(fields)

    def table_schema(self) -> pa.Schema:
        """Return the schema of the compact table: one column an element."""
        fields = [pa.field(TIME, pa.int64(), metadata={"unit": "us", "about": "instant"})]
        for c in self.columns:
            meta = {"unit": c.unit, "about": c.about}
            fields += [pa.field(name, c.arrow, metadata=meta) for name in c.parts]
        return pa.schema(fields, metadata={"layout": self.to_json()})

    def to_json(self) -> str:
        """Return the layout as text."""
        return json.dumps([asdict(column) for column in self.columns])

    def sent(self, names: Collection[str], t_us: int) -> Layout:
        """Return the layout in which some signals are sent since an instant."""
        return Layout(
            tuple(replace(c, since_us=t_us) if c.name in names else c for c in self.columns)
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Layout:
        """Return the layout that `to_json` wrote."""
        columns = [Column(**{**c, "parts": tuple(c["parts"])}) for c in json.loads(text)]
        return cls(tuple(columns))


def layout(signals: Sequence[Signal]) -> Layout:
    """Return the layout of a federate's output signals; empty arrays are left out."""
    columns = []
    for signal in signals:
        shape: tuple[Any, ...] = signal.shape or ()
        width = int(np.prod(shape, dtype=int))
        if width > 0:
            kind, parts = signal.dtype.__name__, part_names(signal)
            columns.append(
                Column(signal.name, kind, width, not shape, parts, signal.unit, signal.about)
            )
    return Layout(tuple(columns))


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
