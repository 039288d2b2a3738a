"""Isolation: how much stronger a packet must be than another to survive an overlap.

Two published matrices for SF7 to SF12 disagree by up to 18 dB, so a study names the one
it used. ``croce``: measured on SX127x (Croce et al., IEEE Communications Letters 22(4),
2018, as FLoRa has it). ``goursaud``: theory (Goursaud and Gorce, EAI Endorsed
Transactions on IoT, 2015, as the LoRaWAN module for ns-3 has it). ``none``: spreading
factors do not hurt each other. SF5 and SF6 are in neither: they are taken as isolated.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Lowest and highest spreading factor of `thresholds_db`.
SF_MIN, SF_MAX = 5, 12
#: Power over another packet of the same spreading factor that saves a packet, where a
#: matrix has none of its own (LoRaSim, ns-3). [dB]
CO_SF_DB = 6.0

_CROCE = (
    (1, -8, -9, -9, -9, -9),
    (-11, 1, -11, -12, -13, -13),
    (-15, -13, 1, -13, -14, -15),
    (-19, -18, -17, 1, -17, -18),
    (-22, -22, -21, -20, 1, -20),
    (-25, -25, -25, -24, -23, 1),
)
_GOURSAUD = (
    (6, -16, -18, -19, -19, -20),
    (-24, 6, -20, -22, -22, -22),
    (-27, -27, 6, -23, -25, -25),
    (-30, -30, -30, 6, -26, -28),
    (-33, -33, -33, -33, 6, -29),
    (-36, -36, -36, -36, -36, 6),
)
#: Rows: wanted SF7 to SF12; columns: interfering SF7 to SF12. [dB]
MATRICES: Mapping[str, tuple[tuple[int, ...], ...] | None] = {
    "none": None,
    "croce": _CROCE,
    "goursaud": _GOURSAUD,
}


def thresholds_db(matrix: str, capture_db: float | None = None) -> Array:
    """Return by how much a packet must exceed another that overlaps it.

    Parameters
    ----------
    matrix : str
        ``none``, ``croce`` or ``goursaud``.
    capture_db : float or None
        Threshold among packets of one spreading factor; the matrix's own if None
        (1 dB for ``croce``, 6 dB for the others). [dB]

    Returns
    -------
    ndarray
        Shape (8, 8), rows wanted and columns interfering SF5 to SF12; ``-inf`` where
        one never harms the other. [dB]

    Raises
    ------
    KeyError
        If there is no such matrix.

    Examples
    --------
    >>> float(thresholds_db("croce")[7 - SF_MIN, 8 - SF_MIN])
    -8.0
    """
    count = SF_MAX - SF_MIN + 1
    table = np.full((count, count), -np.inf)
    np.fill_diagonal(table, CO_SF_DB)
    published = MATRICES[matrix]
    if published is not None:
        table[2:, 2:] = published
        table[0, 0] = table[1, 1] = table[2, 2]
    if capture_db is not None:
        np.fill_diagonal(table, capture_db)
    return table
