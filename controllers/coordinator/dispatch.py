"""Dispatch: which circuits may use what the island has, by the worth of their energy.

The question is a packing problem: circuits (house and class) with an energy until the
sun returns and a power now, to be allowed whole or not at all, so that the worth of the
energy served is greatest while energy, the anchor's power and each private cable hold.
The limits are nested (a cable carries what is behind it, the anchor carries all), so
taking circuits in the order of worth is optimal for divisible circuits (a greedy
algorithm on a laminar polymatroid: Edmonds, 1970) and at most one circuit a limit short
of it for whole ones. Within one worth, those who were served least come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Limit:
    """A cable: what the houses behind it may draw together.

    Parameters
    ----------
    houses : ndarray of int
        Rows of the houses behind it.
    p_kw : float
        Power it carries. [kW]
    """

    houses: NDArray[np.int64]
    p_kw: float


@dataclass(frozen=True)
class Request:
    """What is asked of the island.

    Parameters
    ----------
    p_kw, e_kwh : ndarray, shape (n_house, 3)
        Power now and energy over the horizon of each circuit. [kW] [kWh]
    worth : ndarray, shape (3,)
        Worth of energy by class. [EUR/kWh]
    served_pu : ndarray, shape (n_house,)
        How well each house was served so far. [pu]
    connected : ndarray of bool, shape (n_house, 3)
        Circuits that are allowed now.
    """

    p_kw: Array
    e_kwh: Array
    worth: Array
    served_pu: Array
    connected: NDArray[np.bool_]


#: A circuit that is off must fit with this margin, so that it does not come and go.
RETURN_MARGIN = 1.15
#: Houses whose service differs by less than this count as served alike. [pu]
TURN_PU = 0.02


def dispatch(
    request: Request, e_kwh: float, p_kw: float, cables: Sequence[Limit] = ()
) -> NDArray[np.bool_]:
    """Return the circuits to allow, shape (n_house, 3).

    Parameters
    ----------
    request : Request
        What is asked.
    e_kwh : float
        Energy there is until the horizon. [kWh]
    p_kw : float
        Power there is now. [kW]
    cables : sequence of Limit
        Further limits on power.
    """
    houses, classes = request.p_kw.shape
    turn = np.floor(request.served_pu / TURN_PU)
    order = sorted(
        ((house, kind) for house in range(houses) for kind in range(classes)),
        key=lambda item: (-request.worth[item[1]], turn[item[0]], item[0]),
    )
    allowed = np.zeros((houses, classes), dtype=np.bool_)
    room = [cable.p_kw for cable in cables]
    behind = [
        [k for k, cable in enumerate(cables) if house in cable.houses] for house in range(houses)
    ]
    for house, kind in order:
        margin = 1.0 if request.connected[house, kind] else RETURN_MARGIN
        power, energy = request.p_kw[house, kind], request.e_kwh[house, kind]
        fits = energy * margin <= e_kwh and power * margin <= p_kw
        if fits and all(power * margin <= room[k] for k in behind[house]):
            allowed[house, kind] = True
            e_kwh -= energy
            p_kw -= power
            for k in behind[house]:
                room[k] -= power
    return allowed
