"""Outbox: packets that wait for their radio, for the law, or for a clear channel.

A radio sends one packet at a time. A packet that may not go now is refused with the
instant from which it may, or waits for it; it is never sent against the law. With listen
before talk packets wait their turn in any case.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gridmodel.wire.duty_cycle import AirtimeAccount
from gridmodel.wire.lora import Modem
from simulators.radio.clear_channel import ListenBeforeTalk
from simulators.radio.draws import BACK_OFF, FALSE_ALARM, MISS, unit


class Wish(NamedTuple):
    """A packet that a radio wants to send."""

    radio: int
    frame: bytes
    modem: Modem
    airtime_us: int


class Go(NamedTuple):
    """A packet starts now."""

    wish: Wish


class Refused(NamedTuple):
    """A packet is not sent; it might be from an instant on, or never if that is None."""

    wish: Wish
    why: str
    from_us: int | None


Fate = Go | Refused


class Ears(NamedTuple):
    """What radios can tell of the air.

    ``finds``: whether a packet has been on a modem's channel since an instant, at a radio.
    ``receives``: whether a radio that has been free since an instant is receiving a packet.
    """

    finds: Callable[[int, Modem, int], bool]
    receives: Callable[[int, int], bool]


@dataclass
class _Desk:
    """One radio's waiting packets, and what it is doing about the first."""

    account: AirtimeAccount = field(default_factory=AirtimeAccount)
    waiting: deque[Wish] = field(default_factory=deque)
    stage: str = "idle"  # or "wait", "detect", "turn"
    free_us: int = 0
    tries: int = 0


class Outbox:
    """What waits at all radios.

    Parameters
    ----------
    queue : bool
        Packets that may not go now wait instead of being refused.
    room : int
        Packets that may wait at a radio.
    listen : ListenBeforeTalk or None
        How radios listen before they talk, if they do.
    key : numpy.uint64
        Of the random numbers.
    """

    def __init__(
        self, queue: bool, room: int, listen: ListenBeforeTalk | None, key: np.uint64
    ) -> None:
        self._queue, self._room, self._listen, self._key = queue, room, listen, key
        self._desks: dict[int, _Desk] = {}
        self._timers: list[tuple[int, int, int]] = []  # (instant, count, radio)
        self._count = 0
        self.listened: list[tuple[int, int]] = []  # (radio, time in us), for whoever counts

    @property
    def next_us(self) -> int | None:
        """When some radio acts next. [us]"""
        return self._timers[0][0] if self._timers else None

    def ask(self, t_us: int, wish: Wish, ears: Ears) -> list[Fate]:
        """Take a packet from its node; return what becomes of it now, if anything does."""
        desk = self._desks.setdefault(wish.radio, _Desk())
        try:
            earliest = desk.account.earliest_us(
                max(t_us, desk.free_us), wish.modem, wish.airtime_us
            )
        except ValueError:
            return [Refused(wish, "forbidden", None)]
        if not self._listen and not desk.waiting and earliest == t_us:
            return [self._go(t_us, desk, wish)]
        if not self._listen and not self._queue:
            why = "busy" if t_us < desk.free_us else "limit"
            return [Refused(wish, why, earliest)]
        if len(desk.waiting) >= self._room:
            return [Refused(wish, "full", None)]
        desk.waiting.append(wish)
        return self._advance(t_us, desk, ears) if desk.stage == "idle" else []

    def act(self, t_us: int, ears: Ears) -> list[Fate]:
        """Let the radios act whose time has come."""
        fates: list[Fate] = []
        while self._timers and self._timers[0][0] <= t_us:
            desk = self._desks[heapq.heappop(self._timers)[2]]
            fates += self._advance(t_us, desk, ears)
        return fates

    def used_pu(self, end_us: int, wish: Wish) -> float:
        """Return how far a radio has used up its limits, in the window to an instant. [pu]"""
        return self._desks[wish.radio].account.used_pu(end_us, wish.modem)

    def _advance(self, t_us: int, desk: _Desk, ears: Ears) -> list[Fate]:
        """Do what is next with the first packet of a radio, until something takes time."""
        fates: list[Fate] = []
        while desk.waiting:
            wish = desk.waiting[0]
            if desk.stage == "turn":
                fates.append(self._go(t_us, desk, desk.waiting.popleft()))
            elif desk.stage == "detect":
                assert self._listen is not None
                if not self._finds(t_us, desk, wish, ears):
                    self._at(t_us + self._listen.turnaround_us, desk, "turn", wish.radio)
                    return fates
                if not self._gives_up(t_us, desk, self._listen, fates):
                    return fates
            else:
                since = max(t_us, desk.free_us)
                earliest = desk.account.earliest_us(since, wish.modem, wish.airtime_us)
                if earliest > since and not self._queue:
                    fates.append(Refused(desk.waiting.popleft(), "limit", earliest))
                elif earliest > t_us:
                    self._at(earliest, desk, "wait", wish.radio)
                    return fates
                elif self._listen is not None:
                    receives = ears.receives(wish.radio, desk.free_us)
                    if not self._look(t_us, desk, self._listen, receives, fates):
                        return fates
                else:
                    fates.append(self._go(t_us, desk, desk.waiting.popleft()))
        desk.stage = "idle"
        return fates

    def _look(
        self, t_us: int, desk: _Desk, listen: ListenBeforeTalk, receives: bool, fates: list[Fate]
    ) -> bool:
        """Begin a detection for the first packet; return whether it was given up instead.

        A detection would end a reception, so a radio that receives knows enough without one.
        """
        if receives:
            desk.tries += 1
            return self._gives_up(t_us, desk, listen, fates)
        wish = desk.waiting[0]
        cad_us = listen.cad_us(wish.modem)
        self.listened.append((wish.radio, cad_us))
        self._at(t_us + cad_us, desk, "detect", wish.radio)
        return False

    def _gives_up(
        self, t_us: int, desk: _Desk, listen: ListenBeforeTalk, fates: list[Fate]
    ) -> bool:
        """Let the first packet wait after a find, or refuse it after too many."""
        wish = desk.waiting[0]
        if desk.tries >= listen.tries_count:
            fates.append(Refused(desk.waiting.popleft(), "occupied", t_us))
            desk.tries, desk.stage = 0, "idle"
            return True
        lot = unit(self._key, BACK_OFF, self._count, wish.radio)
        self._at(t_us + listen.wait_us(desk.tries, lot), desk, "wait", wish.radio)
        return False

    def _finds(self, t_us: int, desk: _Desk, wish: Wish, ears: Ears) -> bool:
        """Return what a detection that ends now says."""
        assert self._listen is not None
        there = ears.finds(wish.radio, wish.modem, t_us - self._listen.cad_us(wish.modem))
        stream = MISS if there else FALSE_ALARM
        wrong_pu = self._listen.miss_pu if there else self._listen.false_alarm_pu
        wrong = bool(unit(self._key, stream, self._count, wish.radio) < wrong_pu)
        desk.tries += there != wrong
        return there != wrong

    def _go(self, t_us: int, desk: _Desk, wish: Wish) -> Go:
        desk.account.book(t_us, wish.modem, wish.airtime_us)
        desk.free_us = t_us + wish.airtime_us
        desk.tries, desk.stage = 0, "idle"
        return Go(wish)

    def _at(self, t_us: int, desk: _Desk, stage: str, radio: int) -> None:
        desk.stage = stage
        self._count += 1
        heapq.heappush(self._timers, (t_us, self._count, radio))
