"""Street: grid formers, loads with relays, PV and a secondary control on one frequency.

Formers share load by their droops. Under-frequency relays open a load when the frequency has
been below their threshold for their delay; the passing is found to a microsecond. Secondary
control moves all set-points alike until the frequency is back, so it leaves the sharing as it
is. State of charge moves a former's set-point by its frequency shift, once each `advance`.

Left out: transformer inrush at a black start, cables between houses, faults.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.errors import SolverError
from simulators.inverters.forming import former as f
from simulators.inverters.forming import motion, substeps
from simulators.inverters.forming.former import GridFormer, parameters
from simulators.inverters.grid_codes import GridCode

Array = NDArray[np.float64]

#: Below this rounding is greater.
LEAST_TOLERANCE_HZ = 1e-9
#: How exactly a relay's threshold is found. [s]
EXACTLY_S = 1e-6


@dataclass(frozen=True)
class Relay:
    """An under-frequency relay on one load.

    Parameters
    ----------
    load : str
        The load it opens.
    under_hz : float
        Distance under nominal. [Hz]
    delay_s : float
        Time it must last. [s]
    """

    load: str
    under_hz: float
    delay_s: float


@dataclass(frozen=True)
class PvGroup:
    """PV plants of one frequency behaviour.

    Parameters
    ----------
    code : GridCode
        Its frequency-watt slope; trips and returns are the standard fleet's business.
    available_kw : float
        Power on offer. [kW]
    """

    code: GridCode
    available_kw: float


@dataclass(frozen=True)
class Passage:
    """What an advance has seen.

    Parameters
    ----------
    f_min_hz, f_max_hz : float
        Extremes of the bus's frequency. [Hz]
    rocof_hz_per_s : float
        Greatest rate of change from one sub-step to the next. [Hz/s]
    substeps : int
        Sub-steps taken.
    opened : tuple of (str, float)
        Loads that relays opened, and when. [s since `settle` or the start]
    """

    f_min_hz: float
    f_max_hz: float
    rocof_hz_per_s: float
    substeps: int
    opened: tuple[tuple[str, float], ...]


class FormedStreet:
    """A street whose frequency and voltage are made by several grid formers.

    Parameters
    ----------
    formers : sequence of GridFormer
        The grid-forming inverters.
    loads_kw : mapping
        Loads by name, consumption as positive numbers. [kW]
    f_nominal_hz : float
        Nominal frequency. [Hz]
    load_q_kvar : float
        Reactive power all loads take together. [kvar]
    damping_pu : float
        Part by which load follows frequency (1: 1 % for 1 %).
    pv : sequence of PvGroup
        PV that frequency throttles.
    relays : sequence of Relay
        Under-frequency relays.
    secondary_per_s : float
        Gain of the secondary control; 0 is none. [1/s]
    soc_pu : float
        State of charge at the start.
    tolerance_hz : float
        Error a second of simulated time may add to the frequency. [Hz]

    Attributes
    ----------
    states : ndarray
        All states; see `motion`.

    Raises
    ------
    ValueError
        If there is no former, or a relay's load does not exist.
    """

    def __init__(  # noqa: PLR0913  a street has no less
        self,
        formers: Sequence[GridFormer],
        loads_kw: Mapping[str, float],
        f_nominal_hz: float = 50.0,
        *,
        load_q_kvar: float = 0.0,
        damping_pu: float = 0.0,
        pv: Sequence[PvGroup] = (),
        relays: Sequence[Relay] = (),
        secondary_per_s: float = 0.0,
        soc_pu: float = 0.5,
        tolerance_hz: float = 1e-4,
    ) -> None:
        if tolerance_hz < LEAST_TOLERANCE_HZ:
            raise ValueError(f"tolerance_hz must be at least {LEAST_TOLERANCE_HZ:g}")
        if not formers:
            raise ValueError("a street needs at least one grid former")
        missing = {relay.load for relay in relays} - set(loads_kw)
        if missing:
            raise ValueError(f"relays name loads that do not exist: {', '.join(sorted(missing))}")
        self.formers, self.relays = tuple(formers), tuple(relays)
        self.loads_kw, self.closed = dict(loads_kw), dict.fromkeys(loads_kw, True)
        self._f0 = f_nominal_hz
        self._base = sum(one.s_kva for one in formers)
        self._a = parameters(self.formers, self._base)
        self._pv = np.array([_pv_row(group, self._base) for group in pv]).reshape(-1, motion.PV)
        self._held = np.zeros(motion.HELD)
        self._held[motion.LOAD_Q] = load_q_kvar / self._base
        self._held[motion.DAMPING], self._held[motion.F0] = damping_pu, f_nominal_hz
        self._held[motion.K_SECONDARY] = secondary_per_s
        self._held[motion.RAMP_FROM] = 1.0
        n, m = len(self.formers), len(pv)
        self.states = np.zeros(n * f.STATES + m + 1)
        self._rows[:, [f.VF, f.E]] = 1.0
        self.states[n * f.STATES : n * f.STATES + m] = 1.0
        self._sets = np.zeros((n, 3))
        self._sets[:, motion.RATE] = [one.slew_hz_per_s / f_nominal_hz for one in self.formers]
        self.soc_pu = np.full(n, soc_pu)
        self._tolerance = self._tolerances(tolerance_hz / f_nominal_hz, m)
        self._picked: dict[int, float] = {}
        self._t_s, self._h = 0.0, 1e-3

    @property
    def _rows(self) -> Array:
        """The formers' states, shape (n, STATES); a view."""
        return self.states[: len(self.formers) * f.STATES].reshape(-1, f.STATES)

    def _tolerances(self, dev_pu: float, groups: int) -> Array:
        """Return each state's tolerance: what moves the frequency by one tolerance."""
        power = dev_pu / max(one.droop_pu for one in self.formers)
        row = np.full(f.STATES, min(power, 1e-2))
        row[[f.X_MAX, f.X_MIN, f.OMEGA]] = dev_pu
        row[f.WORK] = 1.0
        tail = np.full(groups + 1, min(power, 1e-2))
        tail[-1] = dev_pu
        return np.concatenate([np.tile(row, len(self.formers)), tail])

    def black_start(self, ramp_s: float) -> None:
        """Begin from nothing: voltage rises over ``ramp_s`` seconds, all formers together."""
        self._rows[:, :] = 0.0
        self.states[-1] = 0.0
        self._held[motion.RAMP_FROM], self._held[motion.RAMP_RATE] = 0.0, 1.0 / ramp_s
        self._sets[:, [motion.FROM, motion.TO]] = 0.0

    def settle(self, seconds: float = 60.0) -> None:
        """Go to the steady state, with relays and secondary control looking away."""
        relays, self.relays = self.relays, ()
        gain, self._held[motion.K_SECONDARY] = self._held[motion.K_SECONDARY], 0.0
        self.advance(seconds)
        self.relays, self._held[motion.K_SECONDARY] = relays, gain
        self._t_s = 0.0

    def advance(self, seconds: float) -> Passage:
        """Advance by a time in which loads and PV are held.

        Raises
        ------
        SolverError
            If the error bound cannot be kept, with the time and the states.
        """
        self._aim()
        before = self._rows[:, f.WORK].copy()
        extremes = np.array([np.inf, -np.inf, 0.0])
        t, taken = 0.0, 0
        opened: list[tuple[str, float]] = []
        while t < seconds - 1e-12:
            self._load()
            end = min([seconds, *(due - self._t_s for due in self._picked.values())])
            t, self._h, passed, count = substeps.advance(
                max(end, t), self._h, self.states, self._a, self._sets, self._pv, self._held,
                self._tolerance, self._thresholds(), EXACTLY_S, t, extremes,
            )  # fmt: skip
            if passed == -2:
                raise SolverError(
                    f"the street's frequency at {self._t_s + t:.6f} s cannot be kept within its "
                    f"tolerance: {self.f_hz:g} Hz, {self.v_pu:g} pu. Ask for a larger one."
                )
            taken += count
            now = self._relays(self._t_s + t)
            if now:
                self._h = min(self._h, 1e-3)
                opened += now
        self._t_s += t
        self._arrive(t, before)
        low, high, rate = (self._f0 * float(one) for one in extremes)
        return Passage(self._f0 + low, self._f0 + high, rate, taken, tuple(opened))

    def _load(self) -> None:
        load = sum(kw for name, kw in self.loads_kw.items() if self.closed[name])
        self._held[motion.LOAD] = load / self._base

    def _aim(self) -> None:
        """Aim the set-points at the shift that the states of charge ask for."""
        for k, one in enumerate(self.formers):
            if one.shift is not None:
                self._sets[k, motion.TO] = one.shift.at(float(self.soc_pu[k])) / self._f0

    def _arrive(self, t: float, before: Array) -> None:
        """Move what goes with the interval's time: set-points, ramp, states of charge."""
        sets, held = self._sets, self._held
        way = sets[:, motion.TO] - sets[:, motion.FROM]
        most = sets[:, motion.RATE] * t
        sets[:, motion.FROM] += np.clip(way, -most, most)
        held[motion.RAMP_FROM] = min(held[motion.RAMP_FROM] + held[motion.RAMP_RATE] * t, 1.0)
        work_kwh = (self._rows[:, f.WORK] - before) * self.s_kva / 3600.0
        for k, one in enumerate(self.formers):
            if one.e_kwh is not None:
                self.soc_pu[k] = np.clip(self.soc_pu[k] - work_kwh[k] / one.e_kwh, 0.0, 1.0)

    def _thresholds(self) -> Array:
        unders = {relay.under_hz for relay in self.relays if self.closed[relay.load]}
        return -np.array(sorted(unders)) / self._f0

    def _relays(self, now_s: float) -> list[tuple[str, float]]:
        """Pick up, let go, and open; return the loads opened."""
        dev_hz = self._look()[motion.DEV] * self._f0
        opened = []
        for number, relay in enumerate(self.relays):
            if not self.closed[relay.load] or dev_hz >= -relay.under_hz:
                self._picked.pop(number, None)
                continue
            due = self._picked.setdefault(number, now_s + relay.delay_s)
            if now_s >= due - 1e-9:
                self.closed[relay.load] = False
                del self._picked[number]
                opened.append((relay.load, now_s))
        return opened

    def _look(self, t: float = 0.0) -> Array:
        """Return what a look at the street gives now."""
        seen = np.zeros(motion.SEEN)
        self._rate(t, seen)
        return seen

    def _rate(self, t: float, seen: Array) -> tuple[Array, NDArray[np.complex128]]:
        d, current = np.zeros_like(self.states), np.zeros(len(self.formers), np.complex128)
        motion.rates(
            t, self.states, self._a, self._sets, self._pv, self._held, d, current, seen
        )  # fmt: skip
        return d, current

    def rates(self, t: float, states: Array) -> Array:
        """Return the rate of every state, for another solver. [1/s]"""
        states = np.ascontiguousarray(states)
        d, current = np.zeros_like(states), np.zeros(len(self.formers), np.complex128)
        seen = np.zeros(motion.SEEN)
        self._load()
        motion.rates(t, states, self._a, self._sets, self._pv, self._held, d, current, seen)
        return d

    def frequency_of(self, t: float, states: Array) -> float:
        """Return the bus's frequency that states mean. [Hz]"""
        dev = motion.bus_frequency(
            self._a, states[: self._rows.size].reshape(-1, f.STATES), self._sets, states[-1], t
        )
        return self._f0 + self._f0 * float(dev)

    @property
    def s_kva(self) -> Array:
        """Ratings, shape (n,). [kVA]"""
        return np.array([one.s_kva for one in self.formers])

    @property
    def f_hz(self) -> float:
        """Frequency of the bus. [Hz]"""
        return self._f0 + self._f0 * float(self._look()[motion.DEV])

    @property
    def v_pu(self) -> float:
        """Voltage of the bus. [pu]"""
        return float(self._look()[motion.V])

    @property
    def p_kw(self) -> Array:
        """Power each former gives now, shape (n,). [kW]"""
        d, _ = self._rate(0.0, np.zeros(motion.SEEN))
        return np.asarray(d[: self._rows.size].reshape(-1, f.STATES)[:, f.WORK] * self.s_kva)

    @property
    def q_kvar(self) -> Array:
        """Reactive power each former has given lately, shape (n,). [kvar]"""
        return self._rows[:, f.QF] * self.s_kva

    @property
    def current_pu(self) -> Array:
        """Current of each former on its own rating, shape (n,). [pu]"""
        _, current = self._rate(0.0, np.zeros(motion.SEEN))
        return np.abs(current) * self._base / self.s_kva

    @property
    def pv_kw(self) -> float:
        """Power PV gives. [kW]"""
        return float(self._look()[motion.P_PV]) * self._base

    def offer(self, group: int, available_kw: float) -> None:
        """Change what a PV group offers. [kW]"""
        self._pv[group, motion.OFFER] = available_kw / self._base

    def snapshot(self) -> Any:
        """Return all that changes, as one object."""
        names = (
            "states", "soc_pu", "loads_kw", "closed", "_sets", "_held", "_pv", "_picked", "_t_s",
            "_h",
        )  # fmt: skip
        return copy.deepcopy({name: getattr(self, name) for name in names})

    def restore(self, state: Any) -> None:
        """Take over what `snapshot` gave."""
        for name, value in copy.deepcopy(state).items():
            setattr(self, name, value)


def _pv_row(group: PvGroup, base_kva: float) -> tuple[float, float, float, float]:
    code = group.code
    offer = group.available_kw / base_kva
    return offer, code.slope_pu_per_hz, code.start_hz, code.response_s / log(10.0)
