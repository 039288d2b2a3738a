"""A thermometer inside the federation: it reads its node's terminal."""

from __future__ import annotations

from gridmodel.control import Terminal


class SimulatedThermometer:
    """The temperature beside a terminal's contacts."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def read(self) -> float:
        """Return the present temperature. [deg C]"""
        temp_c = self._terminal.temp_c
        if temp_c is None:
            raise LookupError(f"node '{self._terminal.name}' has no thermometer")
        return temp_c
