"""A battery inverter inside the federation."""

from __future__ import annotations

from gridmodel.control import Terminal
from gridmodel.ports import InverterState


class SimulatedInverter:
    """The inverter of a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def read(self) -> InverterState:
        """Return the present state."""
        state = self._terminal.inverter
        if state is None:
            raise LookupError(f"node '{self._terminal.name}' has no inverter")
        return state

    def set_power(self, p_kw: float) -> None:
        """Set the power wanted while the grid is present, discharge positive. [kW]"""
        self._terminal.p_set_kw = p_kw
