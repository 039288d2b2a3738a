"""Rows of pandapower's tables, and the library itself, which is an extra."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gridmodel.errors import MissingExtraError


@contextmanager
def pandapower(needed_for: str) -> Iterator[Any]:
    """Give the library; its and pandas' talk of deprecated calls is not our user's concern.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pandapower as library
        except ImportError as error:
            raise MissingExtraError("pandapower", needed_for) from error
        yield library


class Row:
    """One row of a table, with what is not there told from 0.

    Parameters
    ----------
    table : str
        Name of the table.
    index : int
        Label of the row.
    values : mapping
        Values by column.
    """

    def __init__(self, table: str, index: int, values: Mapping[Any, Any]) -> None:
        self.table, self.index, self._values = table, index, values

    def number(self, key: str, default: float = 0.0) -> float:
        """Return a number; the default where there is none."""
        value = self._values.get(key)
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):  # None, pandas' NA, text
            return default
        return default if math.isnan(number) else number

    def has(self, key: str) -> bool:
        """Return whether there is a number."""
        return not math.isnan(self.number(key, math.nan))

    def whole(self, key: str) -> int:
        """Return the label of another row; -1 where there is none."""
        return int(self.number(key, -1.0))

    def text(self, key: str, default: str = "") -> str:
        """Return a text; the default where there is none."""
        value = self._values.get(key)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return default
        text = str(value).strip()
        return default if text in ("", "nan", "None", "<NA>") else text

    def flag(self, key: str, default: bool = True) -> bool:
        """Return whether something holds."""
        return bool(self.number(key, float(default)))

    @property
    def name(self) -> str:
        """Its name, or table and label."""
        return self.text("name") or f"{self.table}_{self.index}"


def rows(net: Any, table: str) -> Iterator[Row]:
    """Yield the rows of a table; of one that is not there none."""
    frame = net.get(table)
    if frame is None or not len(frame):
        return
    for index, values in zip(frame.index.tolist(), frame.to_dict("records"), strict=True):
        yield Row(table, int(index), values)
