"""Line constants against published examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gridmodel.ingest.carson import (
    Wire,
    capacitance,
    concentric_neutral,
    series_impedance,
    tape_shield,
)

MILE_KM = 1.609344


def _overhead(x_ft: float, y_ft: float, r: float, gmr_ft: float, diameter_in: float) -> Wire:
    foot, inch = 0.3048, 0.0254
    return Wire(x_ft * foot, y_ft * foot, r / MILE_KM, gmr_ft * foot, diameter_in * inch / 2)


def test_carson_gives_the_published_overhead_line() -> None:
    """Kersting, Distribution System Modeling and Analysis, example 4.1 (IEEE line 602 wires)."""
    wires = [_overhead(x, 28.0, 0.306, 0.0244, 0.721) for x in (0.0, 2.5, 7.0)]
    wires.append(_overhead(4.0, 24.0, 0.592, 0.00814, 0.563))
    z = series_impedance(wires, 3, 60.0) * MILE_KM
    expected = [
        [0.4576 + 1.0780j, 0.1560 + 0.5017j, 0.1535 + 0.3849j],
        [0.1560 + 0.5017j, 0.4666 + 1.0482j, 0.1580 + 0.4236j],
        [0.1535 + 0.3849j, 0.1580 + 0.4236j, 0.4615 + 1.0651j],
    ]
    assert np.abs(z - expected).max() < 5e-4


def test_carson_gives_the_published_concentric_neutral_cable() -> None:
    """Kersting, example 4.2 (IEEE line 606)."""
    inch = 0.0254
    shield = concentric_neutral(13, 14.87 / MILE_KM, 0.00208 * 0.3048, 1.29 * inch, 0.0641 * inch)
    wires = [
        Wire(x * inch, -1.0, 0.41 / MILE_KM, 0.0171 * 0.3048, 0.567 / 2 * inch, shield)
        for x in (0.0, 6.0, 12.0)
    ]
    z = series_impedance(wires, 3, 60.0) * MILE_KM
    expected = [
        [0.7981 + 0.4467j, 0.3188 + 0.0334j, 0.2848 - 0.0138j],
        [0.3188 + 0.0334j, 0.7890 + 0.4048j, 0.3188 + 0.0334j],
        [0.2848 - 0.0138j, 0.3188 + 0.0334j, 0.7981 + 0.4467j],
    ]
    assert np.abs(z - expected).max() < 1e-3


def test_a_tape_shield_has_the_published_resistance() -> None:
    """Kersting, example 4.3: 0.88 in over the shield, 5 mil of tape: 4.2786 ohm per mile."""
    inch = 0.0254
    shield = tape_shield(0.87 * inch, 0.005 * inch, 50.0)
    assert shield.r_ohm_per_km * MILE_KM == pytest.approx(4.2786, rel=1e-3)
    assert shield.gmr_m / 0.3048 == pytest.approx(0.0365, abs=1e-4)


def test_images_give_the_published_capacitance() -> None:
    """Kersting, example 5.1: susceptance in microsiemens per mile at 60 Hz."""
    wires = [_overhead(x, 29.0, 0.306, 0.0244, 0.721) for x in (0.0, 2.5, 7.0)]
    wires.append(_overhead(4.0, 25.0, 0.592, 0.00814, 0.563))
    b = capacitance(wires, 3) * 2e-3 * math.pi * 60.0 * MILE_KM
    expected = [
        [5.6712, -1.8362, -0.7034], [-1.8362, 5.9774, -1.1690], [-0.7034, -1.1690, 5.3911]
    ]  # fmt: skip
    assert np.abs(b / expected - 1.0).max() < 1e-3
