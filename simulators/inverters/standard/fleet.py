"""Fleet: any number of grid-following inverters, stepped together.

Each step: may it run (`supply`), what would it give (`active_power`, `reactive_power`), what
does its rating leave, and what does its current make of that. The order is that of EPRI's
OpenDER (report 3002030962), so that both can be compared step for step; the code is our own.

Left out: unbalanced currents and dynamic voltage support during ride-through, changes of
settings while running, storage that charges.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from simulators.inverters.standard import active_power, reactive_power, supply
from simulators.inverters.standard import layout as at
from simulators.inverters.standard.lag import Rule
from simulators.inverters.standard.layout import Array, Status
from simulators.inverters.standard.rules import OFF, Rules

#: Slots of the sliding mean of the voltage.
SLOTS = 200


class Fleet:
    """Inverters that obey rule sets.

    Parameters
    ----------
    rules : sequence of Rules
        The rule sets in use.
    which : array_like of int, shape (n,)
        Each inverter's rule set.
    s_kva : array_like, shape (n,)
        Rated apparent power. [kVA]
    step_s : float
        Length of a step. [s]
    p_rated_kw : array_like, shape (n,), optional
        Rated active power; the apparent power if none is given. [kW]
    lag : {"exact", "bilinear"}
        How lags are integrated (`simulators.inverters.standard.lag`).

    Attributes
    ----------
    p_kw, q_kvar : ndarray, shape (n,)
        Powers after the last step; injection positive. [kW, kvar]
    state : ndarray, shape (n, STATES)
        All that changes while running.

    Raises
    ------
    ValueError
        If lengths differ, a rating is not positive, or there is no such rule set.

    Examples
    --------
    >>> from simulators.inverters.standard.rule_sets import rule_set
    >>> fleet = Fleet([rule_set("sma_off_grid").rules], [0, 0], [10.0, 5.0], 1.0)
    >>> fleet.step([1.0, 1.0], 0.0, [8.0, 7.0])
    >>> fleet.p_kw
    array([8., 5.])
    """

    def __init__(
        self,
        rules: Sequence[Rules],
        which: ArrayLike,
        s_kva: ArrayLike,
        step_s: float,
        p_rated_kw: ArrayLike | None = None,
        lag: Rule = "exact",
    ) -> None:
        self.rules = tuple(rules)
        self.step_s = step_s
        self._which = np.array(which, dtype=np.int64)
        self.s_kva = np.array(s_kva, dtype=np.float64)
        rated = self.s_kva if p_rated_kw is None else np.array(p_rated_kw, dtype=np.float64)
        n = len(self.s_kva)
        if self._which.shape != (n,) or rated.shape != (n,):
            raise ValueError(f"which and p_rated_kw must have {n} entries, one an inverter")
        if n and (not self.s_kva.min() > 0.0 or not rated.min() > 0.0 or step_s <= 0.0):
            raise ValueError("ratings and step_s must be over 0")
        if n and not 0 <= self._which.min() <= self._which.max() < len(self.rules):
            raise ValueError(f"which must be 0..{len(self.rules) - 1}")
        self._ratio = rated / self.s_kva
        self._table = np.array([at.parameters(one, step_s, lag) for one in self.rules]).reshape(
            len(self.rules), at.PARAMETERS
        )
        self.state = np.zeros((n, at.STATES))
        self.state[:, at.STATUS] = at.CONTINUOUS
        self.state[:, [at.DONE, at.FRESH, at.LIMIT, at.VW_IN, at.VW_OUT]] = 1.0
        self.state[:, at.SOFT] = 1.1
        self.p_kw, self.q_kvar = np.zeros(n), np.zeros(n)
        self._mean = self._sliding_mean(n)
        self._seen = np.zeros((5, n))
        self._permit = np.ones(n, dtype=np.bool_)

    def _sliding_mean(self, n: int) -> _SlidingMean | None:
        watched = [one.trip.mean_s for one in self.rules if one.trip.mean_v_pu < OFF]
        return _SlidingMean(n, max(watched), self.step_s) if watched else None

    def step(
        self,
        v_pu: ArrayLike,
        dev_hz: float,
        available_kw: ArrayLike,
        limit_pu: ArrayLike | None = None,
        rocof_hz_per_s: float = 0.0,
        extremes_pu: tuple[ArrayLike, ArrayLike] | None = None,
        permit: ArrayLike | None = None,
    ) -> None:
        """Advance all inverters by one step.

        Parameters
        ----------
        v_pu : array_like, shape (n,)
            Voltage at the terminals, mean of the phases. [pu]
        dev_hz : float
            Frequency minus nominal. [Hz]
        available_kw : array_like, shape (n,)
            What the panels offer. [kW]
        limit_pu : array_like, shape (n,), optional
            Limit that an operator sets; 1 if none is given. [pu of rated active power]
        rocof_hz_per_s : float
            Rate of change of frequency over the measuring window. [Hz/s]
        extremes_pu : pair of array_like, optional
            Lowest and highest voltage of phases and pairs of phases, which trip and
            ride-through look at; ``v_pu`` if none are given. [pu]
        permit : array_like of bool, optional
            Permission to be in service; all have it if none is given.
        """
        # Own arrays, so that one compiled kernel serves read-only and other inputs alike.
        v, low, high, available, limit = self._seen
        v[:], available[:] = v_pu, available_kw
        low[:], high[:] = (v, v) if extremes_pu is None else extremes_pu
        limit[:] = 1.0 if limit_pu is None else limit_pu
        self._permit[:] = True if permit is None else permit
        mean = v if self._mean is None else self._mean.after(v)
        _advance(
            self._table,
            self._which,
            self.state,
            self._ratio,
            self.s_kva,
            (v, low, high, mean),
            (dev_hz, rocof_hz_per_s, self.step_s),
            available,
            limit,
            self._permit,
            self.p_kw,
            self.q_kvar,
            self._mean is not None,
        )

    def memory(self) -> Any:
        """Return a copy of all that changes while running."""
        return copy.deepcopy((self.state, self._mean))

    def remember(self, memory: Any) -> None:
        """Take over what `memory` gave, also of a fleet with other rules."""
        self.state, mean = copy.deepcopy(memory)
        if self._mean is not None and mean is not None:
            self._mean = mean

    @property
    def status(self) -> NDArray[np.int64]:
        """What each is doing, as `Status`; shape (n,)."""
        return self.state[:, at.STATUS].astype(np.int64)

    @property
    def trip_count(self) -> NDArray[np.int64]:
        """How often each has tripped; shape (n,)."""
        return self.state[:, at.TRIPS].astype(np.int64)

    def status_of(self, k: int) -> Status:
        """Return what one inverter is doing."""
        return Status(int(self.state[k, at.STATUS]))


class _SlidingMean:
    """Mean voltage over the last ten minutes or so, from block means.

    Below its first full window it is the mean so far.
    """

    def __init__(self, n: int, time_s: float, step_s: float) -> None:
        self._per_slot = max(round(time_s / SLOTS / step_s), 1)
        count = max(round(time_s / step_s / self._per_slot), 1)
        self._ring = np.zeros((count, n))
        self._sum = np.zeros(n)
        self._block = np.zeros(n)
        self._steps = 0
        self._mean = np.zeros(n)

    def after(self, v: Array) -> Array:
        """Return the mean after one more step. [pu]"""
        self._block += v
        self._steps += 1
        full, rest = divmod(self._steps, self._per_slot)
        if rest == 0:
            row = self._ring[(full - 1) % len(self._ring)]
            self._sum -= row
            row[:] = self._block / self._per_slot
            self._sum += row
            self._block[:] = 0.0
            self._mean = self._sum / min(full, len(self._ring))
        return self._mean


@njit(cache=True, forceinline=True, error_model="numpy")
def _control(p: Array, r: int, x: Array, k: int, status: int, h: float) -> bool:
    """Return whether current flows, after the waits of cessation and return."""
    current = x[k, at.CURRENT]
    if status != at.MOMENTARY and status != at.CEASED:
        if current == at.NORMAL:
            return True
        x[k, at.T_RETURN] += h
        if current == at.WAITING or x[k, at.T_RETURN] >= p[r, at.RETURN_S] - at.JUST:
            x[k, at.CURRENT] = at.NORMAL
        return bool(x[k, at.CURRENT] == at.NORMAL)
    if current == at.NORMAL:
        x[k, at.CURRENT] = at.WAITING
        x[k, at.T_CEASE] = 0.0
    x[k, at.T_RETURN] = 0.0
    x[k, at.T_CEASE] += h
    wait_s = p[r, at.CEASE_S] if status == at.CEASED else p[r, at.MOM_S]
    if x[k, at.T_CEASE] >= wait_s - at.JUST:
        x[k, at.CURRENT] = at.BLOCKED
    return bool(x[k, at.CURRENT] != at.BLOCKED)


@njit(cache=True, forceinline=True, error_model="numpy")
def _no_current(x: Array, k: int) -> None:
    for column in (at.ID_IN, at.ID_OUT, at.IQ_IN, at.IQ_OUT, at.ID_RAMP, at.P_OUT):
        x[k, column] = 0.0


@njit(cache=True, forceinline=True, error_model="numpy")
def _current(
    p: Array, r: int, x: Array, k: int, v: float, power: float, q: float
) -> tuple[float, float]:
    """Return the powers after current limit, return ramp and the inverter's own lag. [pu of S]"""
    volts = max(v, 1e-4)
    i_d, i_q = power / volts, q / volts
    most = p[r, at.I_MAX]
    if i_d * i_d + i_q * i_q > most * most:  # reactive current stays
        i_q = min(max(i_q, -most), most)
        i_d = min(i_d, sqrt(most * most - i_q * i_q))
    if x[k, at.FRESH] > 0.0:
        x[k, at.ID_IN] = x[k, at.ID_OUT] = x[k, at.ID_RAMP] = i_d
        x[k, at.IQ_IN] = x[k, at.IQ_OUT] = i_q
    i_d = min(i_d, x[k, at.ID_RAMP] + p[r, at.I_RISE])
    x[k, at.ID_RAMP] = i_d
    d = active_power.lagged(p, r, at.I_LAG, x, k, at.ID_IN, at.ID_OUT, i_d)
    q_out = active_power.lagged(p, r, at.I_LAG, x, k, at.IQ_IN, at.IQ_OUT, i_q)
    return d * v, q_out * v


@njit(cache=True, forceinline=True, error_model="numpy")
def _rest(x: Array, k: int) -> None:
    """Bring a tripped inverter's functions to rest."""
    _no_current(x, k)
    for column in (
        at.Q_IN, at.Q_OUT, at.PF_IN, at.PF_OUT, at.SOFT, at.DONE, at.LATCHED, at.ACTIVE,
        at.P_WANTED, at.CALM, at.CURRENT,
    ):  # fmt: skip
        x[k, column] = 0.0
    x[k, at.VW_IN] = x[k, at.VW_OUT] = x[k, at.LIMIT] = 1.0


@njit(cache=True, forceinline=True, error_model="numpy")
def _calmness(x: Array, k: int) -> int:
    """Return how much there is to look at in a next step that is no worse."""
    if (
        x[k, at.STATUS] != at.CONTINUOUS
        or x[k, at.TIMING] != 0.0
        or x[k, at.DONE] == 0.0
        or x[k, at.CURRENT] != at.NORMAL
    ):
        return at.DISTURBED
    return at.CALM_ALL if x[k, at.ACTIVE] == 0.0 and x[k, at.LATCHED] == 0.0 else at.DROOPING


@njit(cache=True, error_model="numpy")
def _advance(  # noqa: PLR0913  one loop, kept whole so that it compiles to one
    p: Array,
    which: NDArray[np.int64],
    x: Array,
    ratio: Array,
    s_kva: Array,
    volts: tuple[Array, Array, Array, Array],
    frequency: tuple[float, float, float],
    available_kw: Array,
    limit: Array,
    permit: NDArray[np.bool_],
    p_kw: Array,
    q_kvar: Array,
    watch_mean: bool,
) -> None:
    v_pu, v_low, v_high, v_mean = volts
    dev, rocof, h = frequency
    for k in range(x.shape[0]):
        r = which[k]
        v = v_pu[k]
        mean = v_mean[k] if watch_mean else 0.0
        available = max(available_kw[k] / (s_kva[k] * ratio[k]), 0.0)
        good = (
            x[k, at.CALM] != at.DISTURBED
            and p[r, at.CALM_V_LOW] <= v_low[k]
            and v_high[k] <= p[r, at.CALM_V_HIGH]
            and p[r, at.GOOD_LOW_HZ] <= dev <= p[r, at.GOOD_HIGH_HZ]
            and abs(rocof) <= p[r, at.ROCOF]
            and mean <= p[r, at.MEAN_V]
            and permit[k]
        )
        calm = (
            good
            and x[k, at.CALM] == at.CALM_ALL
            and p[r, at.CALM_LOW_HZ] <= dev <= p[r, at.CALM_HIGH_HZ]
        )
        if calm:
            top = min(active_power.limited(p, r, x, k, limit[k]), 1.0)
            power = min(available, top, active_power.volt_watt(p, r, x, k, v))
            x[k, at.PF_IN] = x[k, at.PF_OUT] = power
            power = active_power.rated(p, r, x, k, power)
        else:
            if not good:
                status = supply.determine(
                    p, r, x, k, v_low[k], v_high[k], dev, rocof, mean, permit[k], h
                )
                x[k, at.STATUS] = status
                if status == at.TRIPPED:
                    _rest(x, k)
                    x[k, at.FRESH] = 0.0
                    p_kw[k] = q_kvar[k] = 0.0
                    continue
            power = active_power.wanted(p, r, x, k, v, dev, available, limit[k])
        q = reactive_power.wanted(p, r, x, k, v, power, ratio[k])
        of_s, q = reactive_power.fitted(p, r, power, q, ratio[k])
        if good or _control(p, r, x, k, int(x[k, at.STATUS]), h):
            of_s, q = _current(p, r, x, k, v, of_s, q)
        else:
            _no_current(x, k)
            of_s = q = 0.0
        x[k, at.P_OUT] = of_s / ratio[k]
        x[k, at.FRESH] = 0.0
        p_kw[k] = of_s * s_kva[k]
        q_kvar[k] = q * s_kva[k]
        if not calm:
            x[k, at.CALM] = _calmness(x, k)
