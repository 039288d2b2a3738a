"""Traps in inverter settings that a street finds only when the lights are out."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, exp

from simulators.inverters.grid_codes import OFF, GridCode, least_power_pu
from simulators.inverters.grid_forming import AnchorConfig

#: A load step worth looking at: half the anchor's rating at once. [pu]
STEP_PU = 0.5


def curtailment_warnings(
    codes: Mapping[str, GridCode], shift_max_hz: float, f_nominal_hz: float
) -> list[str]:
    """Warn of PV that frequency cannot bring to zero."""
    found = []
    for name, code in codes.items():
        least, _ = least_power_pu(code, shift_max_hz)
        at_trip, trip = least_power_pu(code)
        if at_trip > 0.0:
            found.append(
                f"PV set to {name} cannot be throttled below {at_trip:.0%} by frequency: that is "
                f"what it still gives at its trip threshold of {f_nominal_hz + trip:g} Hz. Beyond "
                f"it the plant trips, waits {code.enter_delay_s:g} s and returns: a limit cycle. "
                "Use an off-grid set (zero at nominal + 2 Hz), or store or dump the surplus."
            )
        elif least > 0.0:
            found.append(
                f"the anchor shifts frequency to {f_nominal_hz + shift_max_hz:g} Hz at most; PV set "
                f"to {name} still gives {least:.0%} there. Raise anchor.shift.max_hz to "
                f"{code.start_hz + 1 / code.slope_pu_per_hz:g} Hz."
            )
    return found


def rocof_warnings(
    anchor: AnchorConfig, codes: Mapping[str, GridCode], window_s: float, f_nominal_hz: float
) -> list[str]:
    """Warn of an anchor whose frequency moves faster than its street's inverters allow."""
    limits = {
        name: c.rocof_trip_hz_per_s for name, c in codes.items() if c.rocof_trip_hz_per_s < OFF
    }
    if not limits:
        return []
    name, limit = min(limits.items(), key=lambda item: item[1])
    initial = anchor.initial_rocof_hz_per_s(STEP_PU, f_nominal_hz)
    if initial <= limit:
        return []
    seen = rocof_over_window(anchor, STEP_PU, window_s, f_nominal_hz)
    enough_h = f_nominal_hz * STEP_PU / (2 * limit)
    enough_s = 2 * anchor.droop_pu * (enough_h - anchor.inertia_s)
    return [
        f"the anchor's droop of {anchor.droop_pu:g} pu behind a filter of "
        f"{1e3 * anchor.filter_s:g} ms and H of {anchor.inertia_s:g} s acts like H = {anchor.equivalent_inertia_s:.2g} s: a load "
        f"step of half its rating moves the frequency by {initial:.0f} Hz/s at first and "
        f"{seen:.1f} Hz/s over {1e3 * window_s:g} ms, above the {limit:g} Hz/s at which PV set to "
        f"{name} trips. Take filter_s >= {_up(enough_s):g}, or inertia_s >= {_up(enough_h):g}."
    ]


def _up(value: float) -> float:
    """Return a figure with three decimals that is not smaller."""
    return ceil(value * 1e3) / 1e3


def rocof_over_window(
    anchor: AnchorConfig, step_pu: float, window_s: float, f_nominal_hz: float
) -> float:
    """Return the rate of change an inverter measures after a load step. [Hz/s]

    Filter and virtual inertia are taken as one lag of the same total.
    """
    lag_s = 2 * anchor.droop_pu * anchor.equivalent_inertia_s
    return anchor.droop_pu * f_nominal_hz * step_pu * (1 - exp(-window_s / lag_s)) / window_s
