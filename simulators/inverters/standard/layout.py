"""Layout: which number of the kernel's tables is which.

Rules become one row of the parameter table for each rule set (a fleet has few, and a row stays
in the processor's cache); the state has one row for each inverter, what calm times need first.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from simulators.inverters.standard.lag import Rule, of_time_constant, weights
from simulators.inverters.standard.rules import Rules

Array = NDArray[np.float64]


class Status(IntEnum):
    """What an inverter is doing (IEEE 1547-2018, 6.4.2)."""

    TRIPPED = 0
    ENTERING = 1  # on its enter-service ramp
    CONTINUOUS = 2
    MANDATORY = 3
    PERMISSIVE = 4
    MOMENTARY = 5  # momentary cessation
    CEASED = 6  # cease to energize
    FREE = 7  # frequency so far off that nothing is asked for


TRIPPED, ENTERING, CONTINUOUS, MANDATORY, PERMISSIVE, MOMENTARY, CEASED, FREE = map(int, Status)
CONSTANT_PF, VOLT_VAR, WATT_VAR, CONSTANT_Q = range(4)
MODES = ("constant_pf", "volt_var", "watt_var", "constant_q")
DISTURBED, DROOPING, CALM_ALL = range(3)  # how much there is to look at
NORMAL, WAITING, BLOCKED = range(3)  # current flows, flows until a wait is over, does not

# Parameters: calm window, lags (three weights each), curves, thresholds.
CALM_V_LOW, CALM_V_HIGH, CALM_LOW_HZ, CALM_HIGH_HZ = range(4)
Q_LAG, VW_LAG, I_LAG, PF_LAG, REF_LAG = 4, 7, 10, 13, 16
MODE, VW_ON, VW_V1, VW_V2, VW_P1, VW_P2 = range(19, 25)
VV_V, VV_Q = 25, 29  # four each
V_REF, REF_FOLLOWS, REF_LOW, REF_HIGH = range(33, 37)
WV_P, WV_Q = 37, 40  # three each
TAN_PHI, Q_CONST, Q_INJECT, Q_ABSORB, Q_NEED_INJECT, Q_NEED_ABSORB = range(43, 49)
P_FIRST, Q_FROM, Q_FULL, I_MAX, I_RISE = range(49, 54)
DROOP_ON, OVER_START, OVER_SLOPE, OVER_RELEASE, UNDER_START, UNDER_SLOPE = range(54, 60)
CROSSING, RETURN, RISE, FALL, LIMIT_STEP = range(60, 65)
OV, OV_S, UV, UV_S = 65, 67, 69, 72
OF, OF_S, UF, UF_S = 75, 77, 79, 81
ROCOF, MEAN_V = 83, 84
MAND_UV, PERM_UV, MOM_UV, CEASE_UV, MAND_OV, PERM_OV, MOM_OV, CEASE_OV = range(85, 93)
MAND_OF, MAND_UF, FREE_OF, FREE_UF, CEASE_S, MOM_S, RETURN_S = range(93, 100)
ENTER_V_LOW, ENTER_V_HIGH, ENTER_LOW, ENTER_HIGH, ENTER_S, ENTER_RISE = range(100, 106)
GOOD_LOW_HZ, GOOD_HIGH_HZ = 106, 107
PARAMETERS = 108

# State: calm times touch the first two cache lines of a row, droop the third.
STATUS, CALM, Q_IN, Q_OUT, VW_IN, VW_OUT, LIMIT, P_OUT = range(8)
ID_IN, ID_OUT, IQ_IN, IQ_OUT, PF_IN, PF_OUT, P_WANTED, FRESH = range(8, 16)
SOFT, DONE, LATCHED, ACTIVE, P_CROSSING, LOWEST, CURRENT, TIMING = range(16, 24)
T_OV, T_UV, T_OF, T_UF = 24, 26, 29, 31
T_ENTER, T_CEASE, T_RETURN, REF_IN, REF_OUT, ID_RAMP, TRIPS = range(33, 40)
STATES = 40

#: A timer that lacks less than this has run out. [s]
JUST = 1e-9


def parameters(rules: Rules, step_s: float, rule: Rule = "exact") -> Array:
    """Return the row of a rule set for a length of step, shape (PARAMETERS,)."""
    row = np.zeros(PARAMETERS)
    _lags(row, rules, step_s, rule)
    _reactive(row, rules, step_s)
    _active(row, rules, step_s)
    _supply(row, rules, step_s)
    return row


def _lags(row: Array, rules: Rules, step_s: float, rule: Rule) -> None:
    reactive = rules.reactive
    for lag, response_s in (
        (Q_LAG, getattr(reactive, reactive.mode).response_s),
        (VW_LAG, rules.volt_watt.response_s),
        (I_LAG, rules.capability.response_s),
        (PF_LAG, rules.frequency_droop.response_s),
    ):
        row[lag : lag + 3] = weights(response_s, step_s, rule)
    row[REF_LAG : REF_LAG + 3] = of_time_constant(reactive.volt_var.v_ref_s, step_s, rule)


def _reactive(row: Array, rules: Rules, step_s: float) -> None:
    c, r = rules.capability, rules.reactive
    vv, wv, pf, const = r.volt_var, r.watt_var, r.constant_pf, r.constant_q
    row[MODE] = MODES.index(r.mode)
    row[VV_V : VV_V + 4], row[VV_Q : VV_Q + 4] = vv.v_pu, vv.q_pu
    row[V_REF], row[REF_FOLLOWS] = vv.v_ref_pu, vv.v_ref_follows
    row[REF_LOW], row[REF_HIGH] = vv.v_ref_low_pu, vv.v_ref_high_pu
    row[WV_P : WV_P + 3], row[WV_Q : WV_Q + 3] = wv.p_pu, wv.q_pu
    row[TAN_PHI] = (
        (1.0 if pf.injects else -1.0) * (1.0 - pf.power_factor_pu**2) ** 0.5 / pf.power_factor_pu
    )
    row[Q_CONST] = const.q_pu
    row[Q_INJECT], row[Q_ABSORB] = c.q_inject_pu, c.q_absorb_pu
    row[Q_NEED_INJECT], row[Q_NEED_ABSORB] = c.q_inject_required_pu, c.q_absorb_required_pu
    row[P_FIRST] = c.priority == "active"
    row[Q_FROM], row[Q_FULL], row[I_MAX] = c.q_from_p_pu, c.q_full_from_p_pu, c.current_pu
    row[I_RISE] = _step(rules.ride_through.return_ramp_s, step_s)


def _active(row: Array, rules: Rules, step_s: float) -> None:
    vw, d, rates = rules.volt_watt, rules.frequency_droop, rules.rates
    row[VW_ON] = vw.enabled
    (row[VW_V1], row[VW_V2]), (row[VW_P1], row[VW_P2]) = vw.v_pu, vw.p_pu
    row[DROOP_ON] = d.enabled
    row[OVER_START], row[OVER_SLOPE] = d.over_start_hz, rules.over_slope_pu_per_hz
    row[OVER_RELEASE] = d.over_start_hz if d.over_release_hz is None else d.over_release_hz
    row[UNDER_START], row[UNDER_SLOPE] = d.under_start_hz, rules.under_slope_pu_per_hz
    row[CROSSING] = d.base == "crossing"
    row[RETURN] = d.return_percent_per_min / 100.0 / 60.0 * step_s
    row[RISE] = rates.rise_percent_per_min / 100.0 / 60.0 * step_s
    row[FALL] = rates.fall_percent_per_min / 100.0 / 60.0 * step_s
    row[LIMIT_STEP] = _step(rates.limit_s, step_s)


def _supply(row: Array, rules: Rules, step_s: float) -> None:
    t, r, e = rules.trip, rules.ride_through, rules.enter_service
    row[OV : OV + 2], row[OV_S : OV_S + 2] = t.over_v_pu, t.over_v_s
    row[UV : UV + 3], row[UV_S : UV_S + 3] = t.under_v_pu, t.under_v_s
    row[OF : OF + 2], row[OF_S : OF_S + 2] = t.over_hz, t.over_hz_s
    row[UF : UF + 2], row[UF_S : UF_S + 2] = t.under_hz, t.under_hz_s
    row[ROCOF], row[MEAN_V] = t.rocof_hz_per_s, t.mean_v_pu
    row[MAND_UV], row[PERM_UV] = r.mandatory_under_v_pu, r.permissive_under_v_pu
    row[MOM_UV], row[CEASE_UV] = r.momentary_under_v_pu, r.cease_under_v_pu
    row[MAND_OV], row[PERM_OV] = r.mandatory_over_v_pu, r.permissive_over_v_pu
    row[MOM_OV], row[CEASE_OV] = r.momentary_over_v_pu, r.cease_over_v_pu
    row[MAND_OF], row[MAND_UF] = r.mandatory_over_hz, r.mandatory_under_hz
    row[FREE_OF], row[FREE_UF] = r.free_over_hz, r.free_under_hz
    row[CEASE_S], row[MOM_S], row[RETURN_S] = r.cease_s, r.momentary_s, r.return_s
    row[ENTER_V_LOW], row[ENTER_V_HIGH] = e.v_low_pu, e.v_high_pu
    row[ENTER_LOW], row[ENTER_HIGH] = e.low_hz, e.high_hz
    row[ENTER_S], row[ENTER_RISE] = e.delay_s, _step(e.ramp_s, step_s)
    # Between these no rule but the curves has anything to say.
    row[CALM_V_LOW] = max(*t.under_v_pu, *row[[MAND_UV, PERM_UV, MOM_UV, CEASE_UV]]) + JUST
    row[CALM_V_HIGH] = min(*t.over_v_pu, *row[[MAND_OV, PERM_OV, MOM_OV, CEASE_OV]])
    row[GOOD_HIGH_HZ] = min(*t.over_hz, r.mandatory_over_hz, r.free_over_hz) - JUST
    row[GOOD_LOW_HZ] = -min(*t.under_hz, r.mandatory_under_hz, r.free_under_hz) + JUST
    droop = (row[OVER_START], row[UNDER_START]) if row[DROOP_ON] else (np.inf, np.inf)
    row[CALM_HIGH_HZ] = min(row[GOOD_HIGH_HZ], droop[0])
    row[CALM_LOW_HZ] = max(row[GOOD_LOW_HZ], -droop[1])


def _step(time_s: float, step_s: float) -> float:
    """Return how far a ramp over the rating gets in one step."""
    return step_s / time_s if time_s > 0.0 else np.inf
