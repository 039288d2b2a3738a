"""A relay inside the federation: one contact of its node's terminal."""

from __future__ import annotations

from gridmodel.control import Terminal


class SimulatedRelay:
    """A contact of a terminal, by name."""

    def __init__(self, terminal: Terminal, name: str) -> None:
        self._terminal = terminal
        self._name = name

    def open(self) -> None:
        """Disconnect."""
        self._terminal.relays[self._name] = False

    def close(self) -> None:
        """Connect."""
        self._terminal.relays[self._name] = True

    @property
    def closed(self) -> bool:
        """Read-back of the contact."""
        return self._terminal.relays[self._name]
