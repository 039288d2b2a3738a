"""The clock's law: which value a link delivers, and in which order federates run.

Every engine uses these functions and only moves stamped values, so results are the same
on all of them. See ``docs/explanation/time.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gridmodel.federate import Message

#: Stamp of a value that is older than every instant.
BEFORE = -1


class Slot:
    """The two newest values a source has sent, with their stamps."""

    __slots__ = ("new", "new_us", "old", "old_us")

    def __init__(self, initial: Any) -> None:
        self.new = self.old = initial
        self.new_us = self.old_us = BEFORE

    def put(self, t_us: int, value: Any) -> None:
        """Take a value sent at ``t_us``; a second one of the same instant replaces it."""
        if t_us != self.new_us:
            self.old, self.old_us = self.new, self.new_us
        self.new, self.new_us = value, t_us


def newest(slot: Slot, t_us: int, delayed: bool) -> Any:
    """Return what a link delivers at an instant.

    Parameters
    ----------
    slot : Slot
        What the source has sent.
    t_us : int
        The present instant. [us]
    delayed : bool
        Deliver the newest value from strictly before ``t_us``; else at or before.
    """
    if slot.new_us < t_us or (slot.new_us == t_us and not delayed):
        return slot.new
    return slot.old


def arrival_us(message: Message, t_us: int, delayed: bool, passed: bool) -> int:
    """Return when a message sent at ``t_us`` reaches its receiver. [us]

    Parameters
    ----------
    message : Message
        With the instant its sender asked for, not before ``t_us``.
    t_us : int
        Instant of the sender's step. [us]
    delayed : bool
        The link is delayed.
    passed : bool
        The receiver's level has passed in this instant.
    """
    if message.t_us > t_us:
        return message.t_us
    return t_us + 1 if delayed or passed else t_us


class CycleError(ValueError):
    """A loop of undelayed links; ``names`` are the federates along it."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(" -> ".join((*names, names[0])))


def levels(names: Iterable[str], edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return each federate's level: the longest undelayed path that leads to it.

    Parameters
    ----------
    names : iterable of str
        Federates.
    edges : iterable of (str, str)
        Undelayed links, source and target.

    Raises
    ------
    CycleError
        If the links form a loop.

    Examples
    --------
    >>> levels(["a", "b", "c"], [("a", "b"), ("b", "c"), ("a", "c")])
    {'a': 0, 'b': 1, 'c': 2}
    """
    sources: dict[str, set[str]] = {name: set() for name in names}
    for source, target in edges:
        sources[target].add(source)
    found: dict[str, int] = {}
    waiting = dict(sources)
    while waiting:
        ready = [name for name, before in waiting.items() if before <= found.keys()]
        if not ready:
            raise CycleError(_cycle(waiting))
        for name in ready:
            found[name] = max((found[s] + 1 for s in sources[name]), default=0)
            del waiting[name]
    return {name: found[name] for name in sources}


def _cycle(waiting: Mapping[str, set[str]]) -> list[str]:
    """Return one loop among federates that wait for each other, in the links' direction."""
    path = [min(waiting)]
    while True:
        before = min(s for s in waiting[path[-1]] if s in waiting)
        if before in path:
            loop = path[path.index(before) :]
            loop.reverse()
            start = loop.index(min(loop))
            return loop[start:] + loop[:start]
        path.append(before)
