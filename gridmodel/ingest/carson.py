"""Line constants: impedance and capacitance of a line from where its wires hang.

Carson's equations with the first terms of his series, and cables with concentric neutrals
or tape shields, as in W. H. Kersting, Distribution System Modeling and Analysis, 3rd ed.
(2012), chapters 4 and 5. Left out: Carson's higher terms (below 0.1 % at power frequency),
bundles, and the capacitance between cables, which their shields stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]

#: Permittivity of vacuum. [F/km]
_EPSILON = 8.8541878e-9
#: Resistivity of the copper of a tape shield at 50 degrees C. [ohm m]
_RHO_TAPE = 2.3718e-8


@dataclass(frozen=True, slots=True)
class Shield:
    """The neutral wires or the tape round a cable's core, as one conductor.

    Parameters
    ----------
    r_ohm_per_km : float
        Its resistance.
    gmr_m : float
        Its geometric mean radius.
    radius_m : float
        Its distance from the core.
    """

    r_ohm_per_km: float
    gmr_m: float
    radius_m: float


@dataclass(frozen=True, slots=True)
class Wire:
    """A wire or cable and its place.

    Parameters
    ----------
    x_m, y_m : float
        Its place; y is the height above ground (negative: below).
    r_ohm_per_km, gmr_m, radius_m : float
        Resistance, geometric mean radius and radius of the wire or of a cable's core.
    shield : Shield or None
        A cable's shield, earthed at both ends.
    insulation_m : float
        Outer radius of a cable's insulation.
    permittivity : float
        Relative permittivity of a cable's insulation.
    """

    x_m: float
    y_m: float
    r_ohm_per_km: float
    gmr_m: float
    radius_m: float
    shield: Shield | None = None
    insulation_m: float = 0.0
    permittivity: float = 1.0


def concentric_neutral(
    count: int, r_ohm_per_km: float, gmr_m: float, over_neutral_m: float, strand_m: float
) -> Shield:
    """Return the shield that equals strands in a circle (Kersting, eq. 4.88 to 4.90).

    Parameters
    ----------
    count : int
        Number of strands.
    r_ohm_per_km, gmr_m : float
        Resistance and geometric mean radius of a strand.
    over_neutral_m, strand_m : float
        Diameter over the neutral, and of a strand.
    """
    circle = (over_neutral_m - strand_m) / 2.0
    gmr = (gmr_m * count * circle ** (count - 1)) ** (1.0 / count)
    return Shield(r_ohm_per_km / count, gmr, circle)


def tape_shield(over_screen_m: float, tape_m: float, lap_percent: float) -> Shield:
    """Return the shield that equals a lapped copper tape.

    Parameters
    ----------
    over_screen_m, tape_m : float
        Diameter under the tape, and the tape's thickness.
    lap_percent : float
        How much of a turn lies on the one before.
    """
    outer = over_screen_m + 2.0 * tape_m
    lapped = (50.0 / (100.0 - lap_percent)) ** 0.5
    r_ohm_per_km = 1e3 * _RHO_TAPE / (np.pi * outer * tape_m * lapped)
    radius = (outer - tape_m) / 2.0
    return Shield(float(r_ohm_per_km), radius, radius)


def series_impedance(
    wires: Sequence[Wire], keep: int, f_hz: float, rho_ohm_m: float = 100.0
) -> Complex:
    """Return the series impedance of the first `keep` wires. [ohm/km], shape (keep, keep)

    All further wires and the shields are neutrals that are earthed along the line, and
    eliminated (Kron).

    Parameters
    ----------
    wires : sequence of Wire
        Phases first.
    keep : int
        Number of wires that stay.
    f_hz : float
        Frequency. [Hz]
    rho_ohm_m : float
        Resistivity of the earth. [ohm m]
    """
    shields = [(wire, wire.shield) for wire in wires if wire.shield is not None]
    x = np.array([wire.x_m for wire in wires] + [wire.x_m for wire, _ in shields])
    y = np.array([wire.y_m for wire in wires] + [wire.y_m for wire, _ in shields])
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    own = [k for k, wire in enumerate(wires) if wire.shield is not None]
    for k, (_, shield) in enumerate(shields):
        row = len(wires) + k
        distance[row, own[k]] = distance[own[k], row] = shield.radius_m
    gmr = [wire.gmr_m for wire in wires] + [shield.gmr_m for _, shield in shields]
    np.fill_diagonal(distance, gmr)
    r = [wire.r_ohm_per_km for wire in wires] + [shield.r_ohm_per_km for _, shield in shields]
    # Kersting, eq. 4.39 and 4.40, in ohm/km and m.
    depth = 658.5 * (rho_ohm_m / f_hz) ** 0.5
    earth = np.pi**2 * f_hz * 1e-4
    z = np.diag(r) + earth + 4j * np.pi * f_hz * 1e-4 * np.log(depth / distance)
    return _eliminate(z, keep)


def capacitance(wires: Sequence[Wire], keep: int) -> Real:
    """Return the capacitance of the first `keep` wires. [nF/km], shape (keep, keep)

    Overhead wires by their images; a cable against its own shield.
    """
    if any(wire.shield is not None for wire in wires):
        values = [_coaxial(wire) for wire in wires[:keep]]
        return np.diag(values)
    x = np.array([wire.x_m for wire in wires])
    y = np.array([wire.y_m for wire in wires])
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(distance, [wire.radius_m for wire in wires])
    image = np.hypot(x[:, None] - x, y[:, None] + y)
    potential = np.log(image / distance) / (2.0 * np.pi * _EPSILON)
    reduced = _eliminate(potential.astype(complex), keep).real
    return np.asarray(np.linalg.inv(reduced) * 1e9)


def _coaxial(wire: Wire) -> float:
    """Return the capacitance of a cable's core against its shield. [nF/km]"""
    if wire.shield is None or not 0.0 < wire.radius_m < wire.insulation_m:
        return 0.0
    return float(
        2e9 * np.pi * _EPSILON * wire.permittivity / np.log(wire.insulation_m / wire.radius_m)
    )


def _eliminate(matrix: Complex, keep: int) -> Complex:
    """Return a matrix without its rows from `keep` on, whose voltages are 0 (Kron)."""
    if keep == len(matrix):
        return matrix
    a, b = matrix[:keep, :keep], matrix[:keep, keep:]
    return np.asarray(a - b @ np.linalg.solve(matrix[keep:, keep:], b.T))
