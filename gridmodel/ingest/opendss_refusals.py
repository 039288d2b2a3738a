"""OpenDSS's refusals: the errors of a script that are causes, without those that follow.

A script goes on after an error, so one mistyped word makes every later command fail that
needs what it should have made. A refusal counts as a consequence if it looks for something
whose own command was refused, for a circuit that could not be made, for what a missing file
may have held, or if it goes on with an element that was never begun. A consequence is
counted with its cause and not told. A word OpenDSS does not know is always a cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from gridmodel.errors import Fault
from gridmodel.ingest.opendss_script import Command
from gridmodel.settings import near

#: Errors of the engine: no such property, no such class, no such command, no such option.
_PROPERTY, _CLASS, _COMMAND, _OPTION = 110, 263, 302, 130
_VALUE = 303
#: Errors that blame the very words of a command.
_OWN = frozenset((_PROPERTY, _CLASS, _COMMAND, _OPTION, _VALUE))
#: There is no circuit yet.
_NO_CIRCUIT = frozenset((265, 301))
#: Something is looked for and not there.
_MISSED = re.compile(r"(\w+) (?:object|element) \"([^\"]+)\" not found|is not set", re.IGNORECASE)
_REASON = re.compile(r"Error Description:\s*(.*?)\s*(?:Probable Cause:.*)?$")
#: What a refused command would have made, whatever is wrong with its words.
_NAMED = re.compile(r"\S+\s+(?:object\s*=\s*)?[\"'\[({]?\s*(\w+)\.([^\s\"'=,)\]}]+)")
_WORDS = re.compile(r"[^\s=,\"'()\[\]{}|]+")
_BAD_WORD = re.compile(r"\"([^\"]*)\"")
#: Commands whose file has coordinates and nothing to refer to.
_PLACES = ("busc", "latl")
#: Characters of a command that are told.
_TOLD = 60


@dataclass
class _Cause:
    """A fault that is told, and how many refusals follow from it."""

    fault: Fault
    followers: int = 0


class Refusals:
    """Collects what a script's run could not do.

    Parameters
    ----------
    dss : object
        The engine; asked for what a mistyped word may have meant.
    """

    def __init__(self, dss: Any) -> None:
        self._dss = dss
        self._causes: list[_Cause] = []
        self._lost: dict[str, _Cause] = {}  # names of what was not made
        self._circuit: _Cause | None = None  # why there may be no circuit
        self._file: _Cause | None = None
        self._unbegun: _Cause | None = None  # what lines that go on would go on with

    def __len__(self) -> int:
        """Return how many causes there are."""
        return len(self._causes)

    @property
    def faults(self) -> list[Fault]:
        """The causes, each with the number of errors that follow from it."""
        return [_with_followers(cause) for cause in self._causes]

    def missing(self, fault: Fault) -> None:
        """Take a file that cannot be read: what it would have made is not there."""
        cause = self._cause(fault)
        if not fault.key.startswith(_PLACES):
            self._file = self._circuit = cause

    def passed(self, command: Command) -> None:
        """Take a command that the engine obeyed."""
        if not _goes_on(command):
            self._unbegun = None

    def refused(self, command: Command, error: Exception, known: Iterable[str]) -> None:
        """Take a command that the engine refused.

        Parameters
        ----------
        command : Command
            The command.
        error : Exception
            The engine's.
        known : iterable of str
            What the script has made so far, as ``class.name``.
        """
        number, text = error.args if len(error.args) == 2 else (0, str(error))
        text = " ".join(str(text).split()).removesuffix(" ".join(command.text.split())).strip()
        number = _COMMAND if number == 301 and self._is_no_command(command) else number
        cause = self._cause_of(command, number, text)
        if cause is None:
            cause = self._cause(self._fault(command, number, text, known))
            if number in _NO_CIRCUIT or "circ" in command.text.lower():
                self._circuit = cause
            missed = _MISSED.search(text)
            if missed and missed[2]:  # the next one that looks for it is told nothing new
                self._lost.setdefault(missed[2].lower(), cause)
        else:
            cause.followers += 1
        named = _NAMED.match(command.text)
        if named and (command.creates or number in (_CLASS, _COMMAND)):
            self._lost.setdefault(named[2].lower(), cause)
        if not _goes_on(command):
            begun = number not in (_CLASS, _COMMAND) and number not in _NO_CIRCUIT
            self._unbegun = None if begun else cause

    def _cause(self, fault: Fault) -> _Cause:
        self._causes.append(_Cause(fault))
        return self._causes[-1]

    def _cause_of(self, command: Command, number: int, text: str) -> _Cause | None:
        """Return what a refusal follows from; nothing if it is a cause itself."""
        if _goes_on(command) and self._unbegun is not None:
            return self._unbegun
        if number in _NO_CIRCUIT:
            return self._circuit or (self._causes[0] if self._causes else None)
        if number in _OWN:
            return None
        missed = _MISSED.search(text)
        words = [missed[2]] if missed and missed[2] else _WORDS.findall(command.text)
        for word in map(str.lower, words):
            for name in (word, word.partition(".")[2]):
                if name in self._lost and name != _own_name(command):
                    return self._lost[name]
        if self._file is not None and missed:
            return self._file
        if command.text.lower().startswith("calc") and self._causes:  # it looks at all there is
            return self._causes[-1]
        return None

    def _fault(self, command: Command, number: int, text: str, known: Iterable[str]) -> Fault:
        reason = _REASON.search(text)
        problem = reason[1] if reason else text
        if number == _COMMAND:
            problem = f"there is no command '{command.text.split()[0]}'."
        elif number in _NO_CIRCUIT:
            problem = "there is no circuit yet."
        told = command.text[:_TOLD] + "..." * (len(command.text) > _TOLD)
        problem += "" if problem.endswith((".", "!")) else "."
        told_number = f" (error {number})" if number else ""
        advice = self._advice(command, number, text, known)
        return Fault(command.where, told, f"OpenDSS refuses it{told_number}: {problem}", advice)

    def _advice(self, command: Command, number: int, text: str, known: Iterable[str]) -> str:
        """Return what was meant, where that is likely."""
        missed, bad = _MISSED.search(text), _BAD_WORD.search(text)
        if number in _NO_CIRCUIT:
            return "A script makes one first: 'new circuit.NAME'."
        if number == _COMMAND:
            return _meant(command.text.split()[0], self._commands())
        if missed and missed[2]:
            kind = f"{missed[1].lower()}."
            names = [name.removeprefix(kind) for name in known if name.startswith(kind)]
            return _meant(missed[2].lower(), (one for one in names if one not in self._lost))
        if bad and number == _CLASS:
            return _meant(bad[1].lower(), ("circuit", *map(str.lower, self._dss.Basic.Classes())))
        if bad and number == _PROPERTY:
            return _meant(bad[1].lower(), map(str.lower, self._dss.Element.AllPropertyNames()))
        return ""

    def _commands(self) -> list[str]:
        executive = self._dss.Executive
        return [executive.Command(k + 1).lower() for k in range(executive.NumCommands())]

    def _is_no_command(self, command: Command) -> bool:
        """Return whether the engine would not know a command if it had a circuit."""
        verb = command.text.split()[0].lower()
        return "." not in verb and not any(one.startswith(verb) for one in self._commands())


def _goes_on(command: Command) -> bool:
    """Return whether a line sets more of the element before it."""
    return command.text.startswith("~") or command.text.split()[0].lower() in ("m", "more")


def _own_name(command: Command) -> str:
    return command.creates.partition(".")[2]


def _meant(word: str, known: Iterable[str]) -> str:
    """Return ``Did you mean 'x'?``, or nothing: a list of all there is would be no help here."""
    advice = near(word, known)
    return advice if advice.startswith("Did") else ""


def _with_followers(cause: _Cause) -> Fault:
    if not cause.followers:
        return cause.fault
    many = (
        "1 later error follows"
        if cause.followers == 1
        else (f"{cause.followers:,} later errors follow")
    )
    advice = f"{cause.fault.advice} {many} from this one.".strip()
    return replace(cause.fault, advice=advice)
