"""Expressions of MATLAB: matrices, texts, cells, indices, arithmetic; computed as they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.ingest.matlab_tokens import Token

#: A matrix (also of one number), a text, or a cell array as a list.
Value = Any
Matrix = NDArray[np.float64]

_FUNCTIONS: dict[str, Callable[[Matrix], Any]] = {
    "abs": np.abs, "acos": np.arccos, "asin": np.arcsin, "atan": np.arctan, "cos": np.cos,
    "exp": np.exp, "log": np.log, "log10": np.log10, "sin": np.sin, "sqrt": np.sqrt, "tan": np.tan,
}  # fmt: skip
_CONSTANTS = {"pi": np.pi, "Inf": np.inf, "inf": np.inf, "NaN": np.nan, "nan": np.nan}
_LEVELS: tuple[dict[str, Callable[[Any, Any], Any]], ...] = (
    {"||": np.logical_or, "|": np.logical_or},
    {"&&": np.logical_and, "&": np.logical_and},
    {
        "==": np.equal, "~=": np.not_equal, "<": np.less, ">": np.greater,
        "<=": np.less_equal, ">=": np.greater_equal,
    },
)  # fmt: skip
#: Longest range that is written out; a longer one is no data.
_MOST = 10_000_000


class NotUnderstoodError(Exception):
    """A statement is outside the part of MATLAB known here."""


def positions(index: Any, size: int) -> NDArray[np.int64]:
    """Return places, from 0, of an index of MATLAB's."""
    if isinstance(index, slice):
        return np.arange(size)
    if index.dtype == bool:
        return np.flatnonzero(index.ravel(order="F"))
    flat = index.ravel(order="F")
    if not np.all(np.isfinite(flat)) or np.any(flat != np.round(flat)):
        raise NotUnderstoodError("an index must be a whole number")
    if np.any(flat < 1) or np.any(flat > size):
        raise NotUnderstoodError(f"an index is outside 1 to {size}")
    places: NDArray[np.int64] = flat.astype(np.int64) - 1
    return places


class Parser:
    """Reads an expression and computes it on the way."""

    def __init__(self, tokens: list[Token], values: Mapping[str, Value]) -> None:
        self._tokens = tokens
        self._values = values
        self._at = 0
        self._in_matrix = False
        self.row_lines: list[int] = []

    def sees(self, *texts: str) -> bool:
        """Return whether an operator comes next."""
        token = self._peek()
        return token is not None and token.kind in ("op", "line") and token.text in texts

    def expect(self, text: str) -> None:
        """Pass over an operator that must be there."""
        if not self.sees(text):
            token = self._peek()
            raise NotUnderstoodError(f"'{text}' should stand {_before(token)}")
        self._at += 1

    def expect_end(self) -> None:
        """Refuse anything more."""
        token = self._peek()
        if token is not None:
            raise NotUnderstoodError(f"'{token.text}' is too much")

    def arguments(self, indexed: Value) -> list[Any]:
        """Return what stands in round brackets: values, or slices for ``:``."""
        self.expect("(")
        outside, self._in_matrix = self._in_matrix, False
        found: list[Any] = []
        while not self.sees(")"):
            if self.sees(":"):
                self._at += 1
                found.append(slice(None))
            else:
                found.append(self.expression())
            if not self.sees(")"):
                self.expect(",")
        self._at += 1
        self._in_matrix = outside
        return found

    def expression(self, level: int = 0) -> Value:
        """Return the value of what comes next."""
        if level == len(_LEVELS):
            return self._range()
        value = self.expression(level + 1)
        while self.sees(*_LEVELS[level]) and not self._new_element():
            operation = _LEVELS[level][self._take().text]
            value = operation(_number(value), _number(self.expression(level + 1)))
        return value

    def _range(self) -> Value:
        value = self._sum()
        if not self.sees(":"):
            return value
        parts = [_scalar(value)]
        while self.sees(":"):
            self._at += 1
            parts.append(_scalar(self._sum()))
        start, step, stop = parts if len(parts) == 3 else (parts[0], 1.0, parts[-1])
        count = (stop - start) / step if step else np.inf
        if len(parts) > 3 or not count < _MOST:
            raise NotUnderstoodError("a range that long")
        return (start + step * np.arange(int(np.floor(count + 1e-10)) + 1)).reshape(1, -1)

    def _sum(self) -> Value:
        value = self._product()
        while self.sees("+", "-") and not self._new_element():
            sign = self._take().text
            other = _number(self._product())
            value = _number(value) + (other if sign == "+" else -other)
        return value

    def _product(self) -> Value:
        value = self._signed()
        while self.sees("*", "/", ".*", "./"):
            sign = self._take().text
            one, other = _number(value), _number(self._signed())
            if sign == "*" and one.size != 1 and other.size != 1:
                value = one @ other
            elif sign == "/" and other.size != 1:
                raise NotUnderstoodError("a division by a matrix")
            else:
                value = one * other if "*" in sign else one / other
        return value

    def _signed(self) -> Value:
        if self.sees("-", "+", "~"):
            sign = self._take().text
            value = _number(self._signed())
            return {"-": np.negative, "+": np.positive, "~": np.logical_not}[sign](value)
        return self._power()

    def _power(self) -> Value:
        value = self._postfix()
        while self.sees("^", ".^"):
            sign = self._take().text
            one = _number(value)
            other = _number(self._signed() if self.sees("-", "+") else self._postfix())
            if sign == "^" and (one.size != 1 or other.size != 1):
                raise NotUnderstoodError("a power of a matrix")
            value = np.power(one.astype(float), other)
        return value

    def _postfix(self) -> Value:
        value = self._atom()
        while self.sees("'", ".'"):
            self._at += 1
            value = _number(value).T
        return value

    def _atom(self) -> Value:
        token = self._take()
        if token.kind == "number":
            return np.array([[float(token.text.lower().replace("d", "e"))]])
        if token.kind == "text":
            return token.text
        if token.kind == "name":
            return self._named(token)
        if token.text == "(":
            outside, self._in_matrix = self._in_matrix, False
            value = self.expression()
            self.expect(")")
            self._in_matrix = outside
            return value
        if token.text in ("[", "{"):
            return self._rows("]" if token.text == "[" else "}")
        raise NotUnderstoodError(f"'{token.text}' is not known here")

    def _named(self, token: Token) -> Value:
        name = token.text
        following = self._peek()
        called = self.sees("(") and not (self._in_matrix and following and following.apart)
        if name in self._values:
            value = self._values[name]
            if not called:
                return value.copy() if isinstance(value, np.ndarray) else value
            return _part(_number(value), self.arguments(value))
        if name in _CONSTANTS and not called:
            return np.array([[_CONSTANTS[name]]])
        if name in _FUNCTIONS and called:
            arguments = self.arguments(None)
            if len(arguments) == 1 and not isinstance(arguments[0], slice):
                return _FUNCTIONS[name](_number(arguments[0]))
        raise NotUnderstoodError(f"'{name}' is not known")

    def _rows(self, close: str) -> Value:
        outside, self._in_matrix = self._in_matrix, True
        rows: list[list[Value]] = []
        row: list[Value] = []
        lines: list[int] = []
        while not self.sees(close):
            if self.sees(";", "\n"):
                self._at += 1
                rows, row = _more(rows, row), []
            elif self.sees(","):
                self._at += 1
            else:
                token = self._peek()
                if not row and token is not None:
                    lines.append(token.line)
                row.append(self._element())
        self._at += 1
        self._in_matrix = outside
        rows = _more(rows, row)
        if not outside:
            self.row_lines = lines
        if close == "}":
            return [value for row in rows for value in row]
        return _stack(rows)

    def _element(self) -> Value:
        """Return the next element of a matrix; a bare number, the usual case, at once."""
        token = self._peek()
        if token is not None and token.kind == "number" and self._at + 1 < len(self._tokens):
            after = self._tokens[self._at + 1]
            if after.kind in ("number", "line") or after.text in (";", ",", "]", "}"):
                self._at += 1
                return float(token.text.lower().replace("d", "e"))
        return self.expression()

    def _new_element(self) -> bool:
        """Return whether white space makes a sign the start of a matrix's next element."""
        if not self._in_matrix or self._at + 1 >= len(self._tokens):
            return False
        return self._tokens[self._at].apart and not self._tokens[self._at + 1].apart

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self) -> Token:
        token = self._peek()
        if token is None:
            raise NotUnderstoodError("it ends too early")
        self._at += 1
        return token


def _before(token: Token | None) -> str:
    return f"before '{token.text.strip()}'" if token else "at its end"


def _more(rows: list[list[Value]], row: list[Value]) -> list[list[Value]]:
    if row:
        rows.append(row)
    return rows


def _stack(rows: list[list[Value]]) -> Matrix:
    if not rows:
        return np.zeros((0, 0))
    if any(isinstance(value, str | list) for row in rows for value in row):
        raise NotUnderstoodError("a text in a matrix")
    if all(isinstance(value, float) for row in rows for value in row):
        if len({len(row) for row in rows}) > 1:
            raise NotUnderstoodError("its rows differ in length")
        return np.array(rows)
    try:
        return np.vstack([np.hstack([np.atleast_2d(value) for value in row]) for row in rows])
    except ValueError as error:
        raise NotUnderstoodError("its rows differ in length") from error


def _part(matrix: Matrix, where: list[Any]) -> Matrix:
    if len(where) == 1:
        flat = matrix.ravel(order="F")
        part = flat[positions(where[0], flat.size)]
        return part.reshape(1, -1) if matrix.shape[0] == 1 else part.reshape(-1, 1)
    if len(where) != 2:
        raise NotUnderstoodError("an index needs a row and a column")
    rows, columns = (positions(k, size) for k, size in zip(where, matrix.shape, strict=True))
    return matrix[np.ix_(rows, columns)]


def _number(value: Value) -> Any:
    if isinstance(value, float):
        return np.array([[value]])
    if not isinstance(value, np.ndarray):
        raise NotUnderstoodError("a text where a number should be")
    return value


def _scalar(value: Value) -> float:
    number = _number(value)
    if number.size != 1:
        raise NotUnderstoodError("a matrix where one number should be")
    return float(number.ravel()[0])
