"""A load shape's values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Profile:
    """A load shape's values.

    Parameters
    ----------
    step_s : float
        Time between two values. [s]
    p_pu, q_pu : ndarray
        Factors on p and q; q's are p's where the script has none. [pu]
    actual : bool
        The values are kW and kvar, not factors (``useactual``).
    """

    step_s: float
    p_pu: NDArray[np.float64]
    q_pu: NDArray[np.float64]
    actual: bool = False
