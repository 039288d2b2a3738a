"""MATLAB: the small part of the language that data files are written in.

Numbers, texts, matrices, cells, indices, arithmetic and elementary functions. Nothing is
executed: a statement that is not understood is told with its line, and what it would have
assigned is unknown from there on. Control flow is not understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridmodel.ingest.matlab_expression import NotUnderstoodError, Parser, Value, positions
from gridmodel.ingest.matlab_tokens import Token, statements

#: A function without arguments that gives several values, such as MATPOWER's column numbers.
Outputs = Mapping[str, Sequence[tuple[str, int]]]

_CONTROL = {"if", "for", "while", "switch", "try", "parfor", "else", "elseif", "case", "catch"}


@dataclass(frozen=True)
class Unknown:
    """A statement that was not understood.

    Parameters
    ----------
    line : int
        Its line.
    said : str
        How it starts.
    targets : tuple of str
        Names it would have assigned.
    reason : str
        What is not understood.
    control : bool
        Whether it decides about the statements after it.
    """

    line: int
    said: str
    targets: tuple[str, ...]
    reason: str
    control: bool


@dataclass
class Workspace:
    """What a file has assigned.

    Parameters
    ----------
    values : dict
        Values by name, fields included: ``mpc.bus``.
    lines : dict
        Line of each row of a matrix, where it was written out.
    assigned : dict
        Line of the last assignment of each name.
    unknown : list of Unknown
        Statements that were not understood.
    outputs : tuple of str
        Names the file's function gives back.
    """

    values: dict[str, Value] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)
    assigned: dict[str, int] = field(default_factory=dict)
    unknown: list[Unknown] = field(default_factory=list)
    outputs: tuple[str, ...] = ()


def evaluate(text: str, functions: Outputs) -> Workspace:
    """Return what a MATLAB file assigns.

    Parameters
    ----------
    text : str
        The file.
    functions : mapping
        Names and numbers that functions without arguments give, in order.
    """
    space = Workspace()
    for tokens in statements(text):
        try:
            with np.errstate(all="ignore"):
                _execute(tokens, space, functions)
        except (NotUnderstoodError, RecursionError, ValueError, TypeError) as error:
            reason = str(error) if isinstance(error, NotUnderstoodError) else "no such operation"
            said = " ".join(token.text.strip() for token in tokens[:12])
            targets, control = _targets(tokens), tokens[0].text in _CONTROL
            space.unknown.append(Unknown(tokens[0].line, said, targets, reason, control))
            for target in targets:  # what it had is old now
                space.values.pop(target, None)
    return space


def _targets(tokens: list[Token]) -> tuple[str, ...]:
    """Return the names a statement assigns."""
    texts = [token.text for token in tokens]
    if "=" not in texts or texts[0] in _CONTROL:
        return ()
    if texts[0] != "[":
        return (texts[0],)
    return tuple(t.text for t in tokens[: texts.index("=")] if t.kind == "name")


def _execute(tokens: list[Token], space: Workspace, functions: Outputs) -> None:
    first = tokens[0]
    if first.kind == "name" and first.text in _CONTROL:
        raise NotUnderstoodError("control flow is not followed")
    if first.text == "function":
        if space.values:
            raise NotUnderstoodError("only the first function is read")
        space.outputs = _targets(tokens[1:])
    elif first.kind == "name" and len(tokens) == 1:
        if first.text in functions:
            space.values.update({n: np.array([[float(k)]]) for n, k in functions[first.text]})
        elif first.text not in ("return", "end", "clc", "clear"):
            raise NotUnderstoodError("an unknown command")
    elif first.text == "[":
        _assign_several(tokens, space, functions)
    elif first.kind == "name":
        _assign(tokens, space)
    else:
        raise NotUnderstoodError("no assignment")


def _assign_several(tokens: list[Token], space: Workspace, functions: Outputs) -> None:
    names = [token.text for token in tokens if token.kind == "name"]
    texts = [token.text for token in tokens]
    if texts[-2:-1] != ["="] or names[-1] not in functions:
        raise NotUnderstoodError("several values of an unknown function")
    given = functions[names[-1]]
    if len(names) - 1 > len(given):
        raise NotUnderstoodError(f"'{names[-1]}' gives {len(given)} values")
    for name, (_, number) in zip(names[:-1], given, strict=False):
        space.values[name] = np.array([[float(number)]])


def _assign(tokens: list[Token], space: Workspace) -> None:
    name, parser = tokens[0].text, Parser(tokens[1:], space.values)
    where = parser.arguments(space.values.get(name)) if parser.sees("(") else None
    parser.expect("=")
    literal = parser.sees("[")
    value = parser.expression()
    parser.expect_end()
    if where is None:
        space.values[name] = value
        if literal:
            space.lines[name] = parser.row_lines
    else:
        _put(space.values.get(name), where, value)
    space.assigned[name] = tokens[0].line


def _put(matrix: Value, where: list[Any], value: Value) -> None:
    if not isinstance(matrix, np.ndarray) or not isinstance(value, np.ndarray):
        raise NotUnderstoodError("only parts of a known matrix can be assigned")
    if len(where) != 2:
        raise NotUnderstoodError("an index needs a row and a column")
    rows, columns = (positions(k, size) for k, size in zip(where, matrix.shape, strict=True))
    matrix[np.ix_(rows, columns)] = value
