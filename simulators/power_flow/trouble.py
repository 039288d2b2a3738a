"""Trouble of a sweep: which scenario, island and bus, and what usually causes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gridmodel.counted import counted
from simulators.power_flow.compiled import Compiled
from simulators.power_flow.result import Trouble

#: Drop by the currents of full voltage from which on a line Z may not bring a load of power S:
#: Z S / V0^2 is at most 1 / (2 + 2 cos a), a the angle between Z and conj(S): 0.25 where they
#: are in line, 0.5 at right angles.
_TOO_MUCH_PU = 0.25
#: Residuals that fell by less than this from first to last did not come closer.
_CLOSER = 0.5

OVERLOAD = (
    "Usual causes: more load than the lines can carry, a wrong rated voltage, a length in the wrong "
    "unit."
)
_LOOPS = (
    "Usual causes: strong loops (the sweep is for radial and weakly meshed networks), a wrong rated "
    "voltage, a length in the wrong unit, more load than the lines can carry."
)
_TRY = (
    "Try the solver 'opendss': a solution there means that only the sweep is at its limit. If there "
    "is none either, scale the loads down until there is one, and check lengths, impedances and "
    "rated voltages between '{source}' and {bus}."
)
_HUNTING = (
    "Usual causes: a band narrower than two steps, two controls that work against each other. Try "
    "without controls to see the voltages; then widen the bands, or leave out one control after "
    "the other."
)


def trouble(
    compiled: Compiled,
    moved_pu: NDArray[np.float64],
    code: int,
    what: str,
    residuals_pu: tuple[float, ...],
) -> Trouble:
    """Return why a scenario has no solution.

    Parameters
    ----------
    compiled : Compiled
        The network.
    moved_pu : ndarray, shape (n_node,)
        How far each voltage is from that without load, after the first iteration or, where
        controls hunt, the last: most where there is too much load, even if it overshoots. [pu]
    code : int
        -1: no voltages, -2: the controls hunt.
    what : str
        Which scenario or hour; empty if there is but one.
    residuals_pu : tuple of float
        Greatest change of a voltage, iteration by iteration. [pu]
    """
    worst = int(np.argmax(np.where(compiled.conductor < 3, moved_pu, -np.inf)))
    source, moved = compiled.source_of(worst), float(moved_pu[worst])
    bus, _, phase = compiled.node_name(worst).rpartition(".")
    where = f"{what}island fed by '{source}', bus {bus}, phase {phase}"
    if code == -2:
        problem = (
            "voltages were found, but after each solution the controls want to act again, as often "
            f"as they may. This bus is furthest from its voltage without load, by {moved:.2g} pu."
        )
        return Trouble(where, problem, _HUNTING, residuals_pu)
    problem = (
        f"no voltages fit the loads{_course(residuals_pu)}. The first iteration, with the currents "
        f"of full voltage, moves this bus furthest, by {moved:.2g} pu."
    )
    if moved > _TOO_MUCH_PU:
        problem += " A line brings constant power up to a drop of 0.25 to 0.5 pu, and no more."
    causes = OVERLOAD if moved > _TOO_MUCH_PU else _LOOPS
    advice = f"{causes} {_TRY.format(source=source, bus=bus)}"
    return Trouble(where, problem, advice, residuals_pu)


def _course(residuals_pu: tuple[float, ...]) -> str:
    """Return how the iterations went."""
    if not residuals_pu:
        return ""
    first, last, count = residuals_pu[0], residuals_pu[-1], len(residuals_pu)
    after = f": after {counted(count, 'iteration')} they still change by {last:.2g} pu"
    if last < _CLOSER * first:
        return f"{after}, less and less but too slowly"
    return f"{after} and run away" if last > 10.0 * first else f"{after} and come no closer"
