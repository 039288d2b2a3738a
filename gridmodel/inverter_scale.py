"""Inverter scale: the steps in which a SunSpec inverter tells and takes its values.

Every body of the inverter port can round to the same steps, or a node would decide
otherwise on the bench than in the simulation. SunSpec gives a number as an integer and a
power of ten (SunSpec Device Information Model Specification, scale factors).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from gridmodel.ports import InverterState

#: Largest magnitudes of SunSpec's types; one below (int16) and two below (uint16) the
#: bit pattern that means "not implemented".
INT16_MAX = 32767
UINT16_MAX = 65534
INT32_MAX = 2**31 - 1


def to_raw(value: float, power: int, most: int, least: int = 0) -> int:
    """Return the integer that stands for a value in steps of ``10**power``, held in range.

    >>> to_raw(-1234.4, 1, INT16_MAX, -INT16_MAX)
    -123
    """
    steps: float = value / 10**power if power >= 0 else value * 10**-power
    return min(max(round(steps), least), most)


def from_raw(raw: int, power: int) -> float:
    """Return the value of an integer in steps of ``10**power``.

    Divides by a whole power of ten, so that it is the double nearest to the decimal.

    >>> from_raw(12345, -3)
    12.345
    """
    return float(raw * 10**power) if power >= 0 else raw / 10**-power


@dataclass(frozen=True, slots=True)
class InverterScale:
    """Powers of ten of an inverter's points.

    Parameters
    ----------
    w_power : int
        Of active power in W (16 bits with sign).
    wh_power : int
        Of energy in Wh (16 bits).
    pct_power : int
        Of the state of charge in per cent.
    w_set_power : int
        Of the power set-point in W (32 bits with sign).
    """

    w_power: int = 0
    wh_power: int = 0
    pct_power: int = -2
    w_set_power: int = -1

    @classmethod
    def for_rating(cls, p_rated_kw: float, e_rated_kwh: float) -> InverterScale:
        """Return the finest scale for a rating; overloads to twice the rating still fit.

        >>> InverterScale.for_rating(5.0, 13.5).w_power, InverterScale.for_rating(60.0, 180.0)
        (0, InverterScale(w_power=1, wh_power=1, pct_power=-2, w_set_power=-1))
        """
        return cls(
            _power(2e3 * p_rated_kw, INT16_MAX),
            _power(1e3 * e_rated_kwh, UINT16_MAX),
        )

    def seen(self, state: InverterState) -> InverterState:
        """Return the state as a client of such an inverter sees it."""
        watt, percent = self.w_power, self.pct_power
        return InverterState(
            from_raw(to_raw(1e3 * state.p_kw, watt, INT16_MAX, -INT16_MAX), watt - 3),
            from_raw(to_raw(1e2 * state.soc_pu, percent, UINT16_MAX), percent - 2),
            from_raw(to_raw(1e3 * state.p_max_kw, watt, UINT16_MAX), watt - 3),
            from_raw(to_raw(1e3 * state.e_kwh, self.wh_power, UINT16_MAX), self.wh_power - 3),
        )

    def taken_kw(self, p_kw: float) -> float:
        """Return a power set-point as such an inverter takes it. [kW]"""
        power = self.w_set_power
        return from_raw(to_raw(1e3 * p_kw, power, INT32_MAX, -INT32_MAX), power - 3)


def _power(largest: float, most: int) -> int:
    """Return the smallest power of ten, 0 or more, with which a value fits."""
    if not isfinite(largest):
        raise ValueError(f"rating: {largest} is no rating; give a finite number")
    power = 0
    while largest > most * 10**power:
        power += 1
    return power
