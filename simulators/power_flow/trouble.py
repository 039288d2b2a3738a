"""Trouble of a sweep: which scenario, island and bus, and what usually causes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.power_flow.compiled import Compiled
from simulators.power_flow.result import Trouble


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
        Which scenario or hour.
    residuals_pu : tuple of float
        Greatest change of a voltage, iteration by iteration. [pu]
    """
    worst = int(np.argmax(np.where(compiled.conductor < 3, moved_pu, -np.inf)))
    island = compiled.source_of(worst)
    where = f"{what}island of '{island}', bus {compiled.node_name(worst)}"
    if code == -2:
        problem = "the controls still want to act after the most solutions they may take."
        advice = (
            "Usual causes: a band narrower than two steps, two controls that work against "
            "each other."
        )
        return Trouble(where, problem, advice, residuals_pu)
    last = f", the last change was {residuals_pu[-1]:.2g} pu" if residuals_pu else ""
    problem = f"no solution; one iteration moves it by {moved_pu[worst]:.2g} pu{last}."
    advice = (
        "Usual causes: more load than the lines can carry, a wrong rated voltage, a length in "
        "the wrong unit, strong loops (the sweep is for radial and weakly meshed networks)."
    )
    return Trouble(where, problem, advice, residuals_pu)
