"""A meter inside the federation: it reads its node's terminal."""

from __future__ import annotations

from gridmodel.control import Terminal
from gridmodel.ports import Measurement


class SimulatedMeter:
    """One reading of a terminal, by name; the terminal's values are already rounded."""

    def __init__(self, terminal: Terminal, name: str) -> None:
        self._terminal = terminal
        self._name = name

    def read(self, now_us: int) -> Measurement:
        """Return the present reading."""
        return self._terminal.readings[self._name]
