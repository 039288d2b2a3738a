"""A flash inside the federation: it survives what its node's program does not."""

from __future__ import annotations

from gridmodel.control import Terminal


class SimulatedStorage:
    """The flash of a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def load(self) -> bytes | None:
        """Return what was saved last, or None."""
        return self._terminal.kept

    def save(self, data: bytes) -> None:
        """Save, and count it: flash wears."""
        self._terminal.kept = data
        self._terminal.write_count += 1
