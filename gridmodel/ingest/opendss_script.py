"""OpenDSS scripts as commands one by one, each with its file and line.

The engine runs every command; this only follows ``redirect`` and ``compile`` itself, so
that a file is found whatever the case of its letters, an error has a line, and every
element has an origin. Commands that draw, print or solve are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from gridmodel.errors import Fault
from gridmodel.ingest.plain_text import plain_text
from gridmodel.settings import near

#: Commands that show something, write files or run other programs, also by their first letters.
_SKIPPED = ("show", "plot", "export", "visualize", "save", "dump", "help", "about", "panel")
#: The same, written out; shorter they would be something else.
_SKIPPED_WHOLE = """
    cd cleanup closedi comparecases di_plot doscmd fileedit formedit nodelist quit sample
    variable wait yearlycurves ysc zscrefresh
"""
#: Files nested deeper redirect to each other in a circle.
_DEEPEST = 50
_NEW = re.compile(r"new\s+(?:object\s*=\s*)?[\"'\[({]?\s*(\w+)\.([^\s\"'=,]+)", re.IGNORECASE)
_FILE = re.compile(
    r"\b((?:csv|sng|dbl|pqcsv|mmap)?file\s*=\s*)(\"[^\"]+\"|'[^']+'|[^\s\"'()\[\]{},|]+)",
    re.IGNORECASE,
)
#: What our writer adds behind a command for what OpenDSS has no property for.
_TAG = re.compile(r"!\s*feedertwin\s+(.*)$")


@dataclass(frozen=True)
class Command:
    """One command of a script."""

    where: str
    text: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def creates(self) -> str:
        """``class.name`` of the element it makes, or nothing; a circuit makes its source."""
        found = _NEW.match(self.text)
        if not found:
            return ""
        kind, name = found[1].lower(), found[2].rstrip(")]}").lower()
        if found[2].count("(") == found[2].count(")"):  # SMART-DS: line.l(r:a-b)
            name = found[2].lower()
        return "vsource.source" if kind == "circuit" else f"{kind}.{name}"


@dataclass(frozen=True)
class Skipped:
    """A command that is not for a reader."""

    where: str
    text: str

    @property
    def solves(self) -> bool:
        """Whether it asks for a solution, which a reader leaves to the solvers."""
        return _is(self.text.split()[0], "solve", 3)


def read_script(path: Path) -> Iterator[Command | Skipped | Fault]:
    """Yield the commands of a script and of all it redirects to, in order.

    Parameters
    ----------
    path : Path
        The master file.

    Yields
    ------
    Command, Skipped or Fault
        A fault is a file that cannot be read.
    """
    yield from _file(path, str(path), 0)


def _file(path: Path, where: str, depth: int) -> Iterator[Command | Skipped | Fault]:
    try:
        text = plain_text(path.read_bytes())
    except OSError as error:
        reason = error.strerror or error
        yield Fault(where, path.name, f"cannot be read: {reason}.", "Check path and rights.")
        return
    if text is None:
        advice = "A script is plain text; name the master file itself."
        yield Fault(where, path.name, "is not text.", advice)
        return
    if depth > _DEEPEST:
        yield Fault(where, path.name, "redirects to itself.", "Take the circle out.")
        return
    for number, line in _lines(text):
        place = f"{path}:{number}"
        verb, _, rest = line.replace("\t", " ").partition(" ")
        if _is(verb, "redirect", 4) or _is(verb, "compile", 4):
            yield from _redirected(path, (verb, rest), place, depth)
        else:
            yield _command(line, verb, path, place)


def _redirected(
    path: Path, command: tuple[str, str], where: str, depth: int
) -> Iterator[Command | Skipped | Fault]:
    name = _unquoted(command[1])
    found = find(path.parent, name)
    if found:
        yield from _file(found, where, depth + 1)
    else:
        advice = _beside(path.parent, name)
        yield Fault(where, command[0].lower(), f"'{name}' does not exist.", advice)


def _beside(folder: Path, name: str) -> str:
    """Return a file that may be meant, or that none of the name is there."""
    given = folder / name.replace("\\", "/")
    there = given.parent.iterdir() if given.parent.is_dir() else ()
    advice = near(given.name, (one.name for one in there))
    if advice.startswith("Did"):
        return advice
    return "No file of that name is there, in whatever case of letters."


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines that are no comment, with their numbers."""
    blocked = False
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().lstrip("\ufeff")
        if not blocked and line.startswith("/*"):
            blocked = True
        if blocked:
            blocked = "*/" not in line
        elif line and not line.startswith(("!", "//")):
            yield number, line


def _command(line: str, verb: str, path: Path, where: str) -> Command | Skipped | Fault:
    skipped = verb.lower() in _SKIPPED_WHOLE.split() or any(_is(verb, word, 3) for word in _SKIPPED)
    if skipped or _is(verb, "solve", 3) or re.match(r"set\s+datapath", line, re.IGNORECASE):
        return Skipped(where, line)
    if _is(verb, "buscoords", 4) or _is(verb, "latlongcoords", 4):
        name = _unquoted(line[len(verb) :])
        found = find(path.parent, name)
        if found is None:
            problem = f"'{name}' does not exist."
            return Fault(where, verb.lower(), problem, "Leave the line out, or bring the file.")
        return Command(where, f'{verb} "{found.absolute()}"')
    tag = _TAG.search(line)
    parts = [part.partition("=") for part in tag[1].split()] if tag else []
    tags = {key: unquote(value) for key, _, value in parts}
    if "file" in line.lower():  # where from the engine looks for files is not told here
        line = _FILE.sub(lambda m: m[1] + _absolute(path, m[2]), line)
    return Command(where, line, tags)


def _is(verb: str, word: str, least: int) -> bool:
    """Return whether a verb is a word or the beginning of one, as OpenDSS allows."""
    verb = verb.lower()
    return len(verb) >= min(least, len(word)) and word.startswith(verb)


def _unquoted(text: str) -> str:
    text = text.strip()
    for left, right in ('""', "''", "()", "[]", "{}"):
        if text.startswith(left) and right in text[1:]:
            return text[1 : text.index(right, 1)]
    text = re.split(r"!|//|\s", text, maxsplit=1)[0]
    return text.removeprefix("file=")


def _absolute(path: Path, name: str) -> str:
    found = find(path.parent, name.strip("\"'"))
    if found is None:
        return name
    name = str(found.absolute())
    return f'"{name}"' if " " in name else name


def find(folder: Path, name: str) -> Path | None:
    r"""Return a file by its name relative to a folder, whatever its letters' case.

    Parameters
    ----------
    folder : Path
        Where the name counts from.
    name : str
        Path with ``/`` or ``\``.

    Returns
    -------
    Path or None
        The file as it is called on disk; nothing if there is none.
    """
    given = name.replace("\\", "/")
    exact = folder / given
    if exact.is_file():
        return exact
    at = Path("/") if given.startswith("/") else folder
    for part in given.strip("/").split("/"):
        step = at / part
        if not step.exists():
            if not at.is_dir():
                return None
            alike = sorted(one for one in at.iterdir() if one.name.lower() == part.lower())
            if not alike:
                return None
            step = alike[0]
        at = step
    return at if at.is_file() else None
