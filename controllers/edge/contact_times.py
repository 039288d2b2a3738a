"""Contact times: contacts and what is behind them are spared by least times on and off."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge
from pydantic import Field

from gridmodel.codes import CIRCUITS
from gridmodel.settings import Settings
from gridmodel.units import microseconds

NonNegative = Annotated[float, Ge(0.0)]


class ContactTimesConfig(Settings):
    """How long a contact stays, and how circuits come back one by one."""

    min_on_s: NonNegative = Field(
        0.0, description="a closed contact stays so; orders wait, dangers do not"
    )
    min_off_s: NonNegative = Field(0.0, description="an open contact stays so, as compressors need")
    stage_s: NonNegative = Field(
        0.0,
        description="after an interruption each circuit comes this much after the one before it",
    )


@dataclass(slots=True)
class ContactTimes:
    """Times of one node's contacts."""

    config: ContactTimesConfig
    closed: int
    since_us: list[int] = field(default_factory=lambda: [-(1 << 62)] * len(CIRCUITS))
    back_us: int = -1  # since when anything may be connected; -1: nothing may
    _next_us: int = 0

    def observe(self, now_us: int, closed: int) -> None:
        """Take the contacts as they are read back."""
        for k in range(len(CIRCUITS)):
            if (closed ^ self.closed) >> k & 1:
                self.since_us[k] = now_us
        self.closed = closed

    def opened(self, now_us: int) -> None:
        """Take the contacts that are open for opened now."""
        for k in range(len(CIRCUITS)):
            if not self.closed >> k & 1:
                self.since_us[k] = now_us

    def limit(self, now_us: int, wanted: int, safe: int) -> int:
        """Return what may be connected now.

        Parameters
        ----------
        now_us : int
            The instant. [us]
        wanted : int
            Circuits to connect, as a mask.
        safe : int
            Circuits that no danger forbids: the others open at once.
        """
        if not wanted:
            self.back_us = -1
        elif self.back_us < 0:
            self.back_us = now_us if not self.closed else -(1 << 62)
        mask, self._next_us = 0, 0
        for k in range(len(CIRCUITS)):
            mask |= self._stays(now_us, k, wanted >> k & 1, safe >> k & 1) << k
        self.observe(now_us, mask)
        return mask

    def _stays(self, now_us: int, k: int, want: int, safe: int) -> int:
        c, is_closed = self.config, self.closed >> k & 1
        if is_closed and not want and safe:
            return self._until(now_us, self.since_us[k] + microseconds(c.min_on_s), 1, want)
        if not is_closed and want:
            free_us = max(
                self.since_us[k] + microseconds(c.min_off_s),
                self.back_us + k * microseconds(c.stage_s),
            )
            return self._until(now_us, free_us, 0, want)
        return want

    def _until(self, now_us: int, free_us: int, before: int, after: int) -> int:
        if now_us >= free_us:
            return after
        self._next_us = min(self._next_us or free_us, free_us)
        return before

    @property
    def timer_us(self) -> int:
        """When a contact that waits may move; 0 if none waits. [us]"""
        return self._next_us
