"""Simulated inverter: it shows the battery to its controller and takes a set-point."""

from __future__ import annotations

import pytest

from gridmodel.control import Terminal
from gridmodel.ports import Inverter, InverterState
from hardware_bridges.inverter.simulated import SimulatedInverter


def test_it_reads_the_state_the_terminal_has_now():
    terminal = Terminal("house_02", inverter=InverterState(0.0, 0.5, 60.0, 180.0))
    inverter: Inverter = SimulatedInverter(terminal)
    assert inverter.read() == (0.0, 0.5, 60.0, 180.0)
    terminal.inverter = InverterState(-12.0, 0.6, 55.0, 180.0)
    assert inverter.read() == (-12.0, 0.6, 55.0, 180.0)


@pytest.mark.parametrize("p_kw", [12.5, -12.5, 0.0])  # discharge, charge, rest
def test_a_set_point_reaches_the_terminal(p_kw):
    terminal = Terminal("house_02", inverter=InverterState(0.0, 0.5, 60.0, 180.0))
    SimulatedInverter(terminal).set_power(p_kw)
    assert terminal.p_set_kw == p_kw


def test_a_node_without_one_says_so():
    with pytest.raises(LookupError, match="node 'house_03' has no inverter"):
        SimulatedInverter(Terminal("house_03")).read()
