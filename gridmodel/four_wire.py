"""Four-wire impedances of a cable with earth return, from its positive-sequence data.

Carson's earth return in its usual simplification: a resistance of pi^2 f 1e-4 ohm/km in
every self and mutual term, and an equivalent depth De = 658.5 sqrt(rho / f) m. A data
sheet gives r1 and x1 only; with all four conductors alike at a mean distance D,

    z_self   = (r1 + re) + j w 2e-4 ln(De / GMR)      per km
    z_mutual =       re  + j w 2e-4 ln(De / D)

and x1 = w 2e-4 ln(D / GMR) fixes GMR, so positive sequence is exact and the zero sequence
is that of this geometry (Kersting, Distribution System Modeling and Analysis, chapter 4).
"""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from gridmodel.neighbourhood import LineCode

#: Mean distance of the conductors of a low-voltage cable. [m]
CONDUCTOR_DISTANCE_M = 0.02
#: Resistivity of the ground. [ohm m]
EARTH_RESISTIVITY_OHM_M = 100.0


def series_ohm_per_km(code: LineCode, f_hz: float) -> NDArray[np.complex128]:
    """Return the series impedance of phases A, B, C and neutral, shape (4, 4). [ohm/km]"""
    omega = 2 * pi * f_hz
    earth_ohm = pi**2 * f_hz * 1e-4
    depth_m = 658.5 * sqrt(EARTH_RESISTIVITY_OHM_M / f_hz)
    mutual = earth_ohm + 1j * omega * 2e-4 * log(depth_m / CONDUCTOR_DISTANCE_M)
    own = mutual + code.r_ohm_per_km + 1j * code.x_ohm_per_km
    matrix = np.full((4, 4), mutual)
    np.fill_diagonal(matrix, own)
    return matrix
