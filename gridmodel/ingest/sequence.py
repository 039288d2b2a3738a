"""Sequence: matrices of phases from positive and zero sequence, and back.

Fortescue's transformation for conductors that are alike and fully transposed.
"""

from __future__ import annotations

from gridmodel.network.conductors import Matrix


def phase_matrix(positive: float, zero: float) -> Matrix:
    """Return the matrix of three phases that has these sequence values.

    Parameters
    ----------
    positive, zero : float
        Impedance or capacitance of the positive (and negative) and of the zero sequence.

    Examples
    --------
    >>> phase_matrix(1.0, 4.0)
    ((2.0, 1.0, 1.0), (1.0, 2.0, 1.0), (1.0, 1.0, 2.0))
    """
    own, mutual = (zero + 2.0 * positive) / 3.0, (zero - positive) / 3.0
    if zero == positive:  # exactly: thirds do not add up in binary
        own, mutual = positive, 0.0
    rows = range(3)
    return tuple(tuple(own if i == j else mutual for j in rows) for i in rows)


def sequences(matrix: Matrix) -> tuple[float, float]:
    """Return the positive and zero sequence of three phases, unlike ones averaged.

    Examples
    --------
    >>> sequences(((2.0, 1.0, 1.0), (1.0, 2.0, 1.0), (1.0, 1.0, 2.0)))
    (1.0, 4.0)
    """
    own = sum(matrix[k][k] for k in range(3)) / 3.0
    mutual = (matrix[0][1] + matrix[0][2] + matrix[1][2]) / 3.0
    return own - mutual, own + 2.0 * mutual


def transposed(matrix: Matrix) -> bool:
    """Return whether the three phases are alike, to a millionth."""
    positive, zero = sequences(matrix)
    alike = phase_matrix(positive, zero)
    most = max(abs(value) for row in matrix for value in row)
    return all(
        abs(a - b) <= 1e-6 * most
        for row, other in zip(matrix, alike, strict=True)
        for a, b in zip(row, other, strict=True)
    )
