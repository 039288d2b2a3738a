"""Bus: currents between inner voltages behind impedances and one bus with loads and PV.

The street is one bus (its cables are short beside the coupling reactances); each former has
its line to it. Loads take constant power down to 0.9 pu and are impedances below, so a
voltage exists at any load. Only the magnitude of the bus voltage is iterated.
"""

from __future__ import annotations

from math import cos, sin

import numpy as np
from numba import njit
from numpy.typing import NDArray

from simulators.inverters.forming import former as f

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

#: Loads are impedances below this voltage. [pu]
STIFF_PU = 0.9
_SWEEPS = 200
_ENOUGH = 1e-13


@njit(cache=True, error_model="numpy")
def solve(a: Array, y: Array, p: float, q: float, current: Complex) -> complex:
    """Solve the bus; return its voltage.

    Parameters
    ----------
    a, y : ndarray
        Parameters and states of the formers.
    p, q : float
        Power that loads take less what PV gives, at nominal voltage. [pu of the base]
    current : ndarray of complex, shape (n,)
        Receives each former's current. [pu of the base]

    Returns
    -------
    complex
        Voltage of the bus. [pu]
    """
    n = a.shape[0]
    scale = np.ones(n)
    size = 1.0
    v = 1.0 + 0.0j
    for _ in range(_SWEEPS):
        total = 0.0 + 0.0j
        pushed = 0.0 + 0.0j
        for k in range(n):
            admittance = scale[k] * (a[k, f.G] + 1j * a[k, f.B])
            inner = y[k, f.E] * (cos(y[k, f.DELTA]) + 1j * sin(y[k, f.DELTA]))
            total += admittance
            pushed += admittance * inner
        stiff = max(size, STIFF_PU)
        v = pushed / (total + (p - 1j * q) / (stiff * stiff))
        apart = abs(abs(v) - size)
        size = abs(v)
        for k in range(n):
            admittance = a[k, f.G] + 1j * a[k, f.B]
            inner = y[k, f.E] * (cos(y[k, f.DELTA]) + 1j * sin(y[k, f.DELTA]))
            current[k] = scale[k] * admittance * (inner - v)
            free = abs(admittance * (inner - v))
            wanted = min(1.0, a[k, f.I_MAX] * a[k, f.S] / max(free, 1e-12))
            apart = max(apart, abs(wanted - scale[k]))
            scale[k] += 0.7 * (wanted - scale[k])  # damped: the limit and the voltage chase
            if abs(wanted - scale[k]) < 1e-15:
                scale[k] = wanted
        if apart < _ENOUGH:
            break
    return v
