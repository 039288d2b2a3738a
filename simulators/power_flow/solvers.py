"""Solvers: the power flows there are, by name, asked in one way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gridmodel.errors import Fault, InputError, NetworkError
from gridmodel.network.network import Network
from gridmodel.settings import near
from simulators.power_flow.result import PowerFlow


@dataclass(frozen=True, slots=True)
class Solver:
    """A power flow.

    Parameters
    ----------
    name : str
        What it is called on a command line.
    about : str
        What it is.
    moves_taps : bool
        Whether it has the controls of taps, capacitors and inverters; else they stay.
    run : callable
        Takes a network and whether its controls act.
    """

    name: str
    about: str
    moves_taps: bool
    run: Callable[[Network, bool], PowerFlow]


def _fbs(network: Network, controls: bool) -> PowerFlow:
    from simulators.power_flow.fbs import solve_fbs

    return solve_fbs(network, controls)


def _opendss(network: Network, controls: bool) -> PowerFlow:
    from simulators.power_flow.opendss import solve_opendss

    return solve_opendss(network, controls)


def _pandapower(network: Network, controls: bool) -> PowerFlow:
    """Solve the positive sequence if the phases are alike, else three phases."""
    from simulators.power_flow.pandapower import solve_pandapower

    try:
        return solve_pandapower(network)
    except NetworkError:  # single-phase loads, or what pandapower has in neither way
        return solve_pandapower(network, unbalanced=True)


#: Solvers by name, the usual one first.
SOLVERS = {
    one.name: one
    for one in (
        Solver("fbs", "forward-backward sweep, our own", True, _fbs),
        Solver("opendss", "OpenDSS", True, _opendss),
        Solver(
            "pandapower", "pandapower, where phases and vector groups let it", False, _pandapower
        ),
    )
}


def faults_of_solver(name: str, option: str = "solver") -> list[Fault]:
    """Return what is wrong with the name of a solver, given at an option."""
    if name in SOLVERS:
        return []
    return [Fault(option, "", f"there is no solver '{name}'.", near(name, SOLVERS))]


def solve(network: Network, solver: str = "fbs", controls: bool = True) -> PowerFlow:
    """Return a network's power flow by a solver.

    Parameters
    ----------
    network : Network
        The network; taps and capacitors start as it says.
    solver : str
        Name of the solver.
    controls : bool
        Whether controls act, if the solver has any.

    Raises
    ------
    InputError
        If there is no such solver.
    NetworkError
        If the solver cannot hold the network; says why.
    MissingExtraError
        If it is not installed.
    """
    faults = faults_of_solver(solver)
    if faults:
        raise InputError("power flow cannot be solved", faults)
    return SOLVERS[solver].run(network, controls)
