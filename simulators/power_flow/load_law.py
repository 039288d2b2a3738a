"""Load law: what everything connected injects at given voltages, in NumPy.

The same law as in `sweep`, whose compiled code works lane by lane; this one is for sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.power_flow.compiled import EXPONENT, ZIP, Compiled
from simulators.power_flow.rows import LOW_PU

Complex = NDArray[Any]
Real = NDArray[np.float64]


def injections_kva(compiled: Compiled, v_v: Complex, p_kw: Real, q_kvar: Real) -> Complex:
    """Return what each element injects at given voltages, (n_element,). [kW, kvar]

    Parameters
    ----------
    compiled : Compiled
        The network.
    v_v : ndarray of complex, shape (n_node,)
        Voltages to earth. [V]
    p_kw, q_kvar : ndarray, shape (n_element,)
        What each would inject at rated voltage, where the controls have left it. [kW, kvar]
    """
    e = compiled.elements
    across = v_v[e.i] - np.where(e.j >= 0, v_v[e.j], 0.0)
    low, high = np.maximum(e.v_min_pu, 0.1), e.v_max_pu
    u = np.abs(across) / e.v0_v
    inside = np.clip(u, low, high)
    s = e.zip_pu
    of_p, of_q = np.ones(len(u)), np.ones(len(u))
    zips, powers = e.kind == ZIP, e.kind == EXPONENT
    of_p[zips] = (s[:, 0] * inside**2 + s[:, 1] * inside + s[:, 2])[zips]
    of_q[zips] = (s[:, 3] * inside**2 + s[:, 4] * inside + s[:, 5])[zips]
    of_p[powers] = np.where(u > high, 1.0, inside ** s[:, 0])[powers]
    of_q[powers] = np.where(u > high, 1.0, inside ** s[:, 3])[powers]
    kva: Complex = (p_kw * of_p + 1j * (q_kvar * of_q)) * (u / inside) ** 2
    below = e.ramp & (u < low)  # the law of sweep._giving_way
    if below.any():
        share = np.where((e.kind == ZIP)[:, None], s, [0.0, 0.0, 1.0, 0.0, 0.0, 1.0])[below]
        u, low = np.maximum(u[below], 1e-9), low[below]
        way = np.clip(u - LOW_PU, 0.0, None) / (low - LOW_PU)
        power = np.where(u > LOW_PU, (0.5 + (1 / low - 0.5) * way) / u, 1.0)
        current = np.where(u > LOW_PU, (0.5 + 0.5 * way) / u, 1.0)
        laws = np.stack([np.ones(len(u)), current, power], axis=1)
        of_p, of_q = (share[:, :3] * laws).sum(axis=1), (share[:, 3:] * laws).sum(axis=1)
        kva[below] = (p_kw[below] * of_p + 1j * (q_kvar[below] * of_q)) * u**2
    return kva
