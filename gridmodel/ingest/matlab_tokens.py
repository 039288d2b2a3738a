"""Tokens of a MATLAB file, statement by statement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"(?P<number>(?:\d+(?:\.\d+|\.(?![*/^']))?|\.\d+)(?:[eEdD][-+]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)"
    r"|(?P<op>\.[*/^']|==|~=|<=|>=|&&|\|\||[-+*/^(){}\[\],;:=<>&|~'])"
)
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Token:
    """A number, a name (with its fields), a text, an operator or the end of a line.

    Parameters
    ----------
    kind : str
        ``number``, ``name``, ``text``, ``op``, ``line`` or ``other`` (no MATLAB we know).
    text : str
        As it stands; of a text, what is between its quotes.
    line : int
        Line in the file, from 1.
    apart : bool
        Whether white space is in front of it.
    """

    kind: str
    text: str
    line: int
    apart: bool


def statements(text: str) -> Iterator[list[Token]]:
    """Yield the statements of a MATLAB file; what is in brackets stays together."""
    statement: list[Token] = []
    depth = 0
    for token in _tokens(text):
        if token.kind == "op":
            depth += (token.text in _OPEN) - (token.text in _CLOSE)
        if depth <= 0 and (token.kind == "line" or (token.kind, token.text) in _ENDS):
            depth = 0
            if statement:
                yield statement
            statement = []
        elif statement or token.kind != "line":
            statement.append(token)
    if statement:
        yield statement


_ENDS = {("op", ";"), ("op", ",")}


def _tokens(text: str) -> Iterator[Token]:
    block = 0
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare in ("%{", "%}"):
            block += 1 if bare == "%{" else -min(block, 1)
        elif not block:
            yield from _of_line(line, number)


def _of_line(line: str, number: int) -> Iterator[Token]:
    at, apart, last = 0, True, ""
    while at < len(line):
        rest = line[at]
        if rest.isspace():
            at, apart = at + 1, True
            continue
        if rest == "%":
            break
        if line.startswith("...", at):  # goes on in the next line, as if by a space
            return
        if rest in "\"'" and (rest == '"' or apart or not _ends_value(last)):
            token, at = _quoted(line, at, number, apart)
        elif match := _TOKEN.match(line, at):
            token = Token(str(match.lastgroup), match.group(), number, apart)
            at = match.end()
        else:
            token, at = Token("other", rest, number, apart), at + 1
        yield token
        last, apart = (token.text if token.kind == "op" else token.kind), False
    yield Token("line", "\n", number, apart)


def _ends_value(last: str) -> bool:
    """Return whether a quote after this is a transposition and opens no text."""
    return last in {"number", "name", "text", ")", "]", "}", "'", ".'"}


def _quoted(line: str, at: int, number: int, apart: bool) -> tuple[Token, int]:
    quote = line[at]
    pattern = re.compile(rf"{quote}((?:[^{quote}]|{quote}{quote})*){quote}")
    match = pattern.match(line, at)
    if match is None:
        return Token("other", line[at:], number, apart), len(line)
    return Token("text", match.group(1).replace(quote * 2, quote), number, apart), match.end()
