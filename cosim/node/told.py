"""Told: whether a node's process was told to end, by a signal."""

from __future__ import annotations

from types import FrameType

from cosim.interrupt import Interrupt


class Told(Interrupt):
    """While it is entered, no signal acts: a node always brings its relays to safety first.

    It is entered before the node takes its first pin.
    """

    @property
    def why(self) -> str:
        """Why it is to end; empty while it is not."""
        return f"told to end by {self.by}" if self.asked else ""

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._note(number)
