"""Traps in inverter settings that a street finds only when the lights are out.

Three kinds: PV that frequency cannot throttle enough (*curtailment*), an anchor whose
frequency moves faster than its street bears (*rate of change*), and bands that collide, where
one part's frequency means something else to another (*collision*). An island's warnings are
the texts of the first two; ``feedertwin inverter check`` prints all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, exp
from typing import Literal

from simulators.inverters.grid_codes import OFF, GridCode, least_power_pu
from simulators.inverters.grid_forming import AnchorConfig

#: A load step worth looking at: half the anchor's rating at once. [pu]
STEP_PU = 0.5
Kind = Literal["curtailment", "rate of change", "collision"]


@dataclass(frozen=True)
class Trap:
    """Something that settings cannot do, or do to each other.

    Parameters
    ----------
    kind : str
        Curtailment, rate of change or collision.
    who : str
        The settings it is about.
    found : str
        The figure, with its unit.
    limit : str
        What it should be.
    text : str
        Sentences for a person, the cure included.
    """

    kind: Kind
    who: str
    found: str
    limit: str
    text: str


def curtailment(
    codes: Mapping[str, GridCode], shift_max_hz: float, f_nominal_hz: float
) -> list[Trap]:
    """Find PV that frequency cannot bring to zero."""
    found = []
    for name, code in codes.items():
        least, _ = least_power_pu(code, shift_max_hz)
        at_trip, trip = least_power_pu(code)
        if at_trip > 0.0:
            text = (
                f"PV set to {name} cannot be throttled below {at_trip:.0%} by frequency: that is "
                f"what it still gives at its trip threshold of {f_nominal_hz + trip:g} Hz. Beyond "
                f"it the plant trips, waits {code.enter_delay_s:g} s and returns: a limit cycle. "
                "Use an off-grid set (zero at nominal + 2 Hz), or store or dump the surplus."
            )
            found.append(Trap("curtailment", name, f"{at_trip:.0%}", "0%", text))
        elif least > 0.0:
            text = (
                f"the anchor shifts frequency to {f_nominal_hz + shift_max_hz:g} Hz at most; PV set "
                f"to {name} still gives {least:.0%} there. Raise anchor.shift.max_hz to "
                f"{code.start_hz + 1 / code.slope_pu_per_hz:g} Hz."
            )
            found.append(Trap("curtailment", name, f"{least:.0%}", "0%", text))
    return found


def rate_of_change(
    anchor: AnchorConfig,
    codes: Mapping[str, GridCode],
    window_s: float,
    f_nominal_hz: float,
    step_pu: float = STEP_PU,
) -> list[Trap]:
    """Find an anchor whose frequency moves faster than its street's inverters allow."""
    limits = {
        name: c.rocof_trip_hz_per_s for name, c in codes.items() if c.rocof_trip_hz_per_s < OFF
    }
    if not limits:
        return []
    name, limit = min(limits.items(), key=lambda item: item[1])
    initial = anchor.initial_rocof_hz_per_s(step_pu, f_nominal_hz)
    if initial <= limit:
        return []
    seen = rocof_over_window(anchor, step_pu, window_s, f_nominal_hz)
    enough_h = f_nominal_hz * step_pu / (2 * limit)
    enough_s = 2 * anchor.droop_pu * (enough_h - anchor.inertia_s)
    share = "half" if step_pu == STEP_PU else f"{step_pu:.0%} of"
    text = (
        f"the anchor's droop of {anchor.droop_pu:g} pu behind a filter of "
        f"{1e3 * anchor.filter_s:g} ms and H of {anchor.inertia_s:g} s acts like H = {anchor.equivalent_inertia_s:.2g} s: a load "
        f"step of {share} its rating moves the frequency by {initial:.0f} Hz/s at first and "
        f"{seen:.1f} Hz/s over {1e3 * window_s:g} ms, above the {limit:g} Hz/s at which PV set to "
        f"{name} trips. Take filter_s >= {_up(enough_s):g}, or inertia_s >= {_up(enough_h):g}."
    )
    return [Trap("rate of change", name, f"{initial:.1f} Hz/s", f"{limit:g} Hz/s", text)]


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


def collisions(
    anchor: AnchorConfig,
    codes: Mapping[str, GridCode],
    relays: Mapping[str, float],
    f_nominal_hz: float,
) -> list[Trap]:
    """Find bands of frequency that mean two things.

    Parameters
    ----------
    anchor : AnchorConfig
        The grid-forming inverter.
    codes : mapping
        The PV inverters' settings by name.
    relays : mapping
        Under-frequency relays by name: distance under nominal at which they open. [Hz]
    f_nominal_hz : float
        Nominal frequency. [Hz]
    """
    swing = anchor.droop_pu * f_nominal_hz
    found = []
    for name, code in codes.items():
        found += _of_droop(name, code, swing, f_nominal_hz)
        found += _of_shift(name, code, anchor, swing, f_nominal_hz)
    nearest_trip = min((min(code.under_hz) for code in codes.values()), default=OFF)
    for name, under in relays.items():
        found += _of_relay(name, under, anchor, swing, nearest_trip, f_nominal_hz)
    return found


def _of_droop(name: str, code: GridCode, swing: float, f0: float) -> list[Trap]:
    """Droop that PV takes for the message of a full battery, or that keeps it out."""
    found = []
    up_to = f"{f0 + swing:g} Hz"
    if swing > code.start_hz:
        text = (
            f"charging with all its rating, the anchor's droop alone raises the frequency to "
            f"{up_to}; PV set to {name} throttles from {f0 + code.start_hz:g} Hz, though the "
            f"battery takes more. Take droop_pu <= {_down(code.start_hz / f0):g}."
        )
        found.append(Trap("collision", name, up_to, f"{f0 + code.start_hz:g} Hz", text))
    if swing > code.enter_high_hz:
        share = code.enter_high_hz / swing
        text = (
            f"PV set to {name} enters service up to {f0 + code.enter_high_hz:g} Hz; the anchor's "
            f"droop is beyond that while it charges with more than {share:.0%} of its rating, so "
            f"PV that has tripped stays out then. Take droop_pu <= "
            f"{_down(code.enter_high_hz / f0):g}, or charge less until it is back."
        )
        found.append(Trap("collision", name, up_to, f"{f0 + code.enter_high_hz:g} Hz", text))
    return found


def _of_shift(
    name: str, code: GridCode, anchor: AnchorConfig, swing: float, f0: float
) -> list[Trap]:
    """Shift, with the droop on top, that trips the PV it speaks to."""
    found = []
    for side, reach, trip in (
        (1, anchor.shift.max_hz, min(code.over_hz)),
        (-1, anchor.shift.min_hz, min(code.under_hz)),
    ):
        if reach + swing > trip:
            what = "max_hz" if side > 0 else "min_hz"
            text = (
                f"the anchor's shift and droop together reach {f0 + side * (reach + swing):g} Hz; "
                f"PV set to {name} trips at {f0 + side * trip:g} Hz. Take shift.{what} <= "
                f"{max(_down(trip - swing), 0.0):g}."
            )
            limit = f"{f0 + side * trip:g} Hz"
            found.append(
                Trap("collision", name, f"{f0 + side * (reach + swing):g} Hz", limit, text)
            )
    return found


def _of_relay(
    name: str, under: float, anchor: AnchorConfig, swing: float, nearest_trip: float, f0: float
) -> list[Trap]:
    """Relay that sheds on mere load, never sheds, or sheds when PV has already gone."""
    found = []
    at = f"{f0 - under:g} Hz"
    lowest = anchor.shift.min_hz + swing
    if under < swing:
        text = (
            f"relay {name} opens at {at}; the anchor's droop alone is there at "
            f"{under / swing:.0%} of its rating, though its battery is not empty. Set the relay "
            f"below {f0 - swing:g} Hz."
        )
        found.append(Trap("collision", name, at, f"{f0 - swing:g} Hz", text))
    if under > lowest + anchor.limiter_max_hz:
        text = (
            f"relay {name} opens at {at}, and the anchor never goes below "
            f"{f0 - lowest - anchor.limiter_max_hz:g} Hz: it sheds nothing."
        )
        reach = f"{f0 - lowest - anchor.limiter_max_hz:g} Hz"
        found.append(Trap("collision", name, at, reach, text))
    if under > nearest_trip:
        text = (
            f"relay {name} opens at {at}, when PV has tripped at {f0 - nearest_trip:g} Hz and made "
            "the want greater. Set the relay above."
        )
        found.append(Trap("collision", name, at, f"{f0 - nearest_trip:g} Hz", text))
    return found


def _down(value: float) -> float:
    """Return a figure with four decimals that is not greater."""
    return int(value * 1e4) / 1e4
