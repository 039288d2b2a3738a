"""Our fleet beside EPRI's OpenDER, step for step: the same course, powers within 5e-4 pu.

OpenDER models IEEE 1547-2018 at 60 Hz, one inverter an object. Steps are parts of a second
that a binary number holds exactly, so that no timer of either side falls beside the other's.

OpenDER integrates lags by the bilinear rule. With that rule ours agrees to rounding at any
step, so all else is the same; with the exact rule it agrees within 5e-4 pu at short steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import opender
import pytest

from simulators.inverters.standard.fleet import Fleet
from simulators.inverters.standard.layout import Status
from simulators.inverters.standard.rule_sets import adjusted, rule_set
from simulators.inverters.standard.rules import Rules

S_KVA = 100.0
TOLERANCE_PU = 5e-4
#: Steps from which the bilinear rule departs more than that from the exact one.
SHORT_S = 0.125
ROUNDING_PU = 1e-8
#: Seconds a part of the course lasts, voltage [pu], frequency [Hz], offered power [pu].
Course = Iterable[tuple[float, float, float, float]]
STATUS = {
    "Trip": Status.TRIPPED,
    "Entering Service": Status.ENTERING,
    "Continuous Operation": Status.CONTINUOUS,
    "Mandatory Operation": Status.MANDATORY,
    "Permissive Operation": Status.PERMISSIVE,
    "Momentary Cessation": Status.MOMENTARY,
    "Cease to Energize": Status.CEASED,
    "Not Defined": Status.FREE,
}
#: OpenDER's parameters for our names, where a test sets them.
MODES = {
    "volt_var": "QV_MODE_ENABLE",
    "constant_pf": "CONST_PF_MODE_ENABLE",
    "watt_var": "QP_MODE_ENABLE",
    "constant_q": "CONST_Q_MODE_ENABLE",
}


def rules(name: str = "ieee_1547_2018_b_iii", **changes: Any) -> Rules:
    """Return a set with the current's own lag off, and changes."""
    without_lag = adjusted(rule_set(name).rules, {"capability": {"response_s": 0.0}})
    return adjusted(without_lag, changes)


def theirs(ours: Rules, category: tuple[str, str] = ("CAT_B", "CAT_III")) -> Any:
    """Return OpenDER's inverter with the same settings, read from our set."""
    c, r, t, e = ours.capability, ours.reactive, ours.trip, ours.enter_service
    ride, d, vw = ours.ride_through, ours.frequency_droop, ours.volt_watt
    settings: dict[str, Any] = {
        "NP_NORMAL_OP_CAT": category[0],
        "NP_ABNORMAL_OP_CAT": category[1],
        "NP_Q_MAX_INJ": c.q_inject_pu * S_KVA * 1e3,
        "NP_Q_MAX_ABS": c.q_absorb_pu * S_KVA * 1e3,
        "NP_INV_DELAY": c.response_s,
        "NP_PRIO_OUTSIDE_MIN_Q_REQ": c.priority.upper(),
        "MC_RESP_T": ride.momentary_s,
        "NP_CTE_RESP_T": ride.cease_s,
        "MC_RETURN_T": ride.return_s,
        "NP_RT_RAMP_UP_TIME": ride.return_ramp_s,
        MODES[r.mode]: True,
        "CONST_PF": r.constant_pf.power_factor_pu,
        "CONST_PF_EXCITATION": "INJ" if r.constant_pf.injects else "ABS",
        "CONST_PF_RT": r.constant_pf.response_s,
        "CONST_Q": r.constant_q.q_pu,
        "CONST_Q_RT": r.constant_q.response_s,
        "QV_OLRT": r.volt_var.response_s,
        "QV_VREF_AUTO_MODE": r.volt_var.v_ref_follows,
        "QV_VREF_TIME": r.volt_var.v_ref_s,
        "QP_RT": r.watt_var.response_s,
        "PV_MODE_ENABLE": vw.enabled,
        "PV_OLRT": vw.response_s,
        "PF_DBOF": d.over_start_hz,
        "PF_DBUF": d.under_start_hz,
        "PF_KOF": d.over_droop_pu,
        "PF_KUF": d.under_droop_pu,
        "PF_OLRT": d.response_s,
        "ES_DELAY": e.delay_s,
        "ES_RAMP_RATE": e.ramp_s,
    }
    for n in range(4):
        settings[f"QV_CURVE_V{n + 1}"] = r.volt_var.v_pu[n]
        settings[f"QV_CURVE_Q{n + 1}"] = r.volt_var.q_pu[n]
    for n in range(3):
        settings[f"QP_CURVE_P{n + 1}_GEN"] = r.watt_var.p_pu[n]
        settings[f"QP_CURVE_Q{n + 1}_GEN"] = r.watt_var.q_pu[n]
    for n in range(2):
        settings[f"PV_CURVE_V{n + 1}"], settings[f"PV_CURVE_P{n + 1}"] = vw.v_pu[n], vw.p_pu[n]
        settings[f"OV{n + 1}_TRIP_V"], settings[f"OV{n + 1}_TRIP_T"] = t.over_v_pu[n], t.over_v_s[n]
        settings[f"UV{n + 1}_TRIP_V"] = t.under_v_pu[n]
        settings[f"UV{n + 1}_TRIP_T"] = t.under_v_s[n]
        settings[f"OF{n + 1}_TRIP_F"] = 60.0 + t.over_hz[n]
        settings[f"OF{n + 1}_TRIP_T"] = t.over_hz_s[n]
        settings[f"UF{n + 1}_TRIP_F"] = 60.0 - t.under_hz[n]
        settings[f"UF{n + 1}_TRIP_T"] = t.under_hz_s[n]
    file = opender.DERCommonFileFormat(**settings)
    # Setting a category resets the trips, so they are set once more.
    for name, value in settings.items():
        setattr(file, name, value)
    return opender.DER_PV(file)


def compare(
    ours: Rules,
    course: Course,
    step_s: float,
    category: tuple[str, str] = ("CAT_B", "CAT_III"),
    limit_pu: float | None = None,
    tolerance_pu: float = ROUNDING_PU,
) -> Mapping[str, np.ndarray]:
    """Run all over a course, hold their powers and status together; return our exact ones."""
    der = theirs(ours, category)
    if limit_pu is not None:
        der.der_file.AP_LIMIT_ENABLE, der.der_file.AP_LIMIT = True, limit_pu
        der.der_file.AP_RT = ours.rates.limit_s
    exact = Fleet([ours], [0], [S_KVA], step_s)
    bilinear = Fleet([ours], [0], [S_KVA], step_s, lag="bilinear")
    limit = None if limit_pu is None else [limit_pu]
    rows = []
    opender.DER.t_s = step_s
    for seconds, v, f_hz, power in course:
        for _ in range(round(seconds / step_s)):
            der.update_der_input(p_dc_pu=power, v_pu=v, f=f_hz)
            der.run()
            row = [float(der.p_out_pu), float(der.q_out_pu), int(STATUS[der.der_status])]
            for fleet in (exact, bilinear):
                fleet.step([v], f_hz - 60.0, [power * S_KVA], limit)
                row += [fleet.p_kw[0] / S_KVA, fleet.q_kvar[0] / S_KVA, fleet.status[0]]
            rows.append(row)
    table = np.array(rows).reshape(-1, 3, 3)  # step; theirs, exact, bilinear; p, q, status
    apart = np.abs(table[:, 1:, :2] - table[:, :1, :2]).max(axis=(0, 2))
    assert apart[1] <= tolerance_pu
    assert np.array_equal(table[:, 2, 2], table[:, 0, 2])
    if step_s <= SHORT_S:
        assert apart[0] <= TOLERANCE_PU
        assert np.array_equal(table[:, 1, 2], table[:, 0, 2])
    return dict(zip(("p", "q", "status"), table[:, 1].T, strict=True))


def stairs(values: Iterable[float], seconds: float, f_hz: float = 60.0, power: float = 1.0) -> Any:
    """Return a course of voltages."""
    return [(seconds, v, f_hz, power) for v in values]


VOLTAGES = (1.0, 1.03, 1.05, 1.07, 1.09, 1.06, 1.0, 0.97, 0.95, 0.91, 0.89, 0.96, 1.0)


@pytest.mark.parametrize("step_s", [1.0, 0.125])
@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("ieee_1547_2018_b_iii", ("CAT_B", "CAT_III")),
        ("ieee_1547_2018_b_ii", ("CAT_B", "CAT_II")),
        ("ieee_1547_2018_a_i", ("CAT_A", "CAT_I")),
    ],
)
@pytest.mark.parametrize("power", [0.03, 0.1, 0.6, 1.0])
def test_volt_var(step_s, name, category, power):
    ours = rules(name, reactive={"mode": "volt_var"})
    found = compare(ours, stairs(VOLTAGES, 16.0, power=power), step_s, category)
    if power > 0.5:
        assert found["q"].max() > 0.2
        assert found["q"].min() < -0.2


def test_volt_var_whose_reference_follows_the_voltage():
    ours = rules(reactive={"mode": "volt_var", "volt_var": {"v_ref_follows": True}})
    found = compare(ours, stairs((1.0, 1.05, 0.96), 150.0, power=0.5), 0.125)
    assert abs(found["q"][1250]) > 0.01


def test_volt_var_at_full_sun_with_active_power_first():
    ours = rules(reactive={"mode": "volt_var"}, capability={"priority": "active"})
    found = compare(ours, stairs((1.0, 1.07, 1.09), 30.0), 0.125)
    assert found["p"].min() == pytest.approx(np.sqrt(1 - 0.44**2), abs=1e-3)


@pytest.mark.parametrize("step_s", [1.0, 0.125])
@pytest.mark.parametrize("mode", ["constant_pf", "volt_var"])
def test_volt_watt(step_s, mode):
    ours = rules(volt_watt={"enabled": True}, reactive={"mode": mode})
    found = compare(ours, stairs((1.0, 1.05, 1.07, 1.08, 1.095, 1.065, 1.0), 25.0), step_s)
    assert found["p"].min() < 0.2
    assert found["p"][-1] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("power", [0.15, 0.35, 0.7, 0.95, 1.0])
def test_watt_var(power):
    ours = rules(reactive={"mode": "watt_var"})
    compare(ours, [(15.0, 1.0, 60.0, power), (15.0, 1.0, 60.0, 0.5 * power)], 0.125)


@pytest.mark.parametrize("injects", [True, False])
@pytest.mark.parametrize("pf", [1.0, 0.95, 0.9, 0.8])
@pytest.mark.parametrize("power", [0.3, 0.95, 1.0])
def test_constant_power_factor(injects, pf, power):
    ours = rules(reactive={"constant_pf": {"power_factor_pu": pf, "injects": injects}})
    compare(ours, [(10.0, 1.0, 60.0, power), (10.0, 1.0, 60.0, 0.6 * power)], 0.125)


@pytest.mark.parametrize("q_pu", [0.3, -0.44])
def test_constant_reactive_power(q_pu):
    ours = rules(reactive={"mode": "constant_q", "constant_q": {"q_pu": q_pu}})
    compare(ours, [(5.0, 1.0, 60.0, 0.5), (5.0, 1.0, 60.0, 0.1), (5.0, 1.0, 60.0, 1.0)], 0.125)


@pytest.mark.parametrize("limit_pu", [0.7, 0.3])
def test_a_power_limit_on_its_ramp(limit_pu):
    compare(rules(), [(20.0, 1.0, 60.0, 1.0), (20.0, 1.0, 60.0, 0.5)], 0.125, limit_pu=limit_pu)


FREQUENCIES = (60.0, 60.1, 60.6, 61.1, 60.3, 60.02, 60.0, 59.9, 59.3, 58.9, 59.98, 60.0)


@pytest.mark.parametrize("step_s", [1.0, 0.125])
@pytest.mark.parametrize("power", [1.0, 0.5])
def test_frequency_droop(step_s, power):
    found = compare(rules(), [(20.0, 1.0, f_hz, power) for f_hz in FREQUENCIES], step_s)
    assert found["p"].min() < power - 0.3


@pytest.mark.parametrize(
    ("droop", "deadband_hz", "response_s"), [(0.02, 0.017, 0.5), (0.03, 0.5, 8.0)]
)
def test_frequency_droop_of_other_settings(droop, deadband_hz, response_s):
    settings = {"over_droop_pu": droop, "over_start_hz": deadband_hz, "response_s": response_s}
    compare(rules(frequency_droop=settings), [(9.0, 1.0, f, 0.8) for f in FREQUENCIES], 1 / 64)


def test_clouds_during_frequency_droop():
    sky = (1.0, 0.4, 0.9, 0.2, 1.0)
    compare(rules(), [(5.0, 1.0, 60.5, power) for power in sky] + [(20.0, 1.0, 60.0, 1.0)], 0.125)


def test_frequency_droop_under_volt_watt():
    ours = rules(volt_watt={"enabled": True}, reactive={"mode": "volt_var"})
    course = [(10.0, 1.08, 60.0, 1.0), (10.0, 1.08, 60.4, 1.0), (20.0, 1.02, 60.0, 1.0)]
    compare(ours, course, 0.125)


@pytest.mark.parametrize(
    ("name", "category", "v", "f_hz", "seconds"),
    [
        # over- and undervoltage of each category, then frequency
        ("ieee_1547_2018_b_iii", "CAT_III", 1.15, 60.0, 16.0),
        ("ieee_1547_2018_b_iii", "CAT_III", 1.25, 60.0, 1.0),
        ("ieee_1547_2018_b_iii", "CAT_III", 0.8, 60.0, 25.0),
        ("ieee_1547_2018_b_iii", "CAT_III", 0.4, 60.0, 4.0),
        ("ieee_1547_2018_b_ii", "CAT_II", 1.15, 60.0, 3.0),
        ("ieee_1547_2018_b_ii", "CAT_II", 0.68, 60.0, 12.0),
        ("ieee_1547_2018_b_ii", "CAT_II", 0.4, 60.0, 1.0),
        ("ieee_1547_2018_b_ii", "CAT_II", 0.2, 60.0, 1.0),
        ("ieee_1547_2018_b_i", "CAT_I", 0.68, 60.0, 4.0),
        ("ieee_1547_2018_b_i", "CAT_I", 1.21, 60.0, 1.0),
        ("ieee_1547_2018_b_iii", "CAT_III", 1.0, 62.5, 1.0),
        ("ieee_1547_2018_b_iii", "CAT_III", 1.0, 56.0, 1.0),
        ("ieee_1547_2018_b_iii", "CAT_III", 1.0, 61.5, 310.0),
        ("ieee_1547_2018_b_iii", "CAT_III", 1.0, 58.0, 310.0),
    ],
)
def test_trips_after_their_clearing_times(name, category, v, f_hz, seconds):
    step_s = 1 / 32 if seconds < 30 else 0.125
    quiet = {"cease_s": 0.125, "momentary_s": 0.0625}
    course = [(1.0, 1.0, 60.0, 0.6), (seconds, v, f_hz, 0.6), (1.0, 1.0, 60.0, 0.6)]
    found = compare(rules(name, ride_through=quiet), course, step_s, ("CAT_B", category))
    assert found["status"][-1] == Status.TRIPPED
    assert found["status"][0] == Status.CONTINUOUS


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("ieee_1547_2018_b_i", "CAT_I"),
        ("ieee_1547_2018_b_ii", "CAT_II"),
        ("ieee_1547_2018_b_iii", "CAT_III"),
    ],
)
@pytest.mark.parametrize("returning", [(0.0, 0.0), (0.25, 0.0), (0.0, 2.0)])
def test_sags_and_swells_are_ridden_through(name, category, returning):
    dips = (0.85, 0.68, 0.55, 0.49, 0.35, 0.25, 1.12, 1.19, 1.25)
    course = [(1.0, 1.0, 60.0, 0.8)]
    for v in dips:
        course += [(0.125, v, 60.0, 0.8), (3.0, 1.0, 60.0, 0.8)]
    waits = {"cease_s": 0.0625, "momentary_s": 0.03125}
    waits |= {"return_s": returning[0], "return_ramp_s": returning[1]}
    ours = rules(name, ride_through=waits, reactive={"mode": "volt_var"})
    found = compare(ours, course, 1 / 32, ("CAT_B", category), tolerance_pu=TOLERANCE_PU)
    assert len(set(found["status"])) >= 3


@pytest.mark.parametrize("step_s", [1.0, 0.125])
def test_enter_service_after_a_trip(step_s):
    # 306.9 s, lest a step falls just beside 5 % of power or the ramp's end
    ours = rules(reactive={"mode": "volt_var"}, enter_service={"ramp_s": 306.9})
    course = [
        (5.0, 1.0, 60.0, 0.8),
        (2.0, 1.0, 62.5, 0.8),  # trips
        (100.0, 1.03, 60.05, 0.8),
        (2.0, 1.06, 60.0, 0.8),  # not good: the wait begins anew
        (290.0, 1.03, 60.05, 0.8),
        (2.0, 1.0, 60.2, 0.8),  # again
        (310.0, 1.03, 60.0, 0.8),  # 300 s later the ramp begins
        (150.0, 1.05, 60.0, 0.8),
        (150.0, 1.0, 60.0, 0.8),
    ]
    found = compare(ours, course, step_s)
    assert {Status.TRIPPED, Status.ENTERING, Status.CONTINUOUS} <= set(found["status"])
    assert found["p"][-1] == pytest.approx(0.8, abs=1e-6)


def test_frequency_rises_while_it_enters_service():
    quick = {"delay_s": 10.0, "ramp_s": 60.0}
    course = [
        (2.0, 1.0, 60.0, 1.0), (1.0, 1.0, 62.5, 1.0), (30.0, 1.0, 60.0, 1.0),
        (20.0, 1.0, 60.5, 1.0), (80.0, 1.0, 60.0, 1.0),
    ]  # fmt: skip
    compare(rules(enter_service=quick), course, 0.125)


@pytest.mark.parametrize("v", [0.6, 0.8])
def test_current_is_limited_at_low_voltage(v):
    ours = rules(reactive={"mode": "volt_var"})
    # OpenDER finds the limit by a search, to 1e-4 of the current.
    course = [(2.0, 1.0, 60.0, 1.0), (4.0, v, 60.0, 1.0)]
    found = compare(ours, course, 1 / 32, tolerance_pu=TOLERANCE_PU)
    assert found["p"][-1] < 1.2 * v + 1e-9


def test_the_currents_own_lag():
    ours = rules(capability={"response_s": 0.02}, reactive={"mode": "volt_var"})
    course = [(0.5, 1.0, 60.0, 0.9), (0.5, 1.05, 60.0, 0.9), (0.5, 0.98, 60.0, 0.7)]
    compare(ours, course, 1 / 1024)


def test_a_course_of_everything():
    rng = np.random.default_rng(20181)
    ours = rules(
        volt_watt={"enabled": True}, reactive={"mode": "volt_var"},
        enter_service={"delay_s": 8.0, "ramp_s": 15.0},
    )  # fmt: skip
    course = [
        (
            float(rng.uniform(1, 15)), float(rng.choice([1.0, rng.normal(1.0, 0.06)])),
            float(rng.choice([60.0, rng.normal(60.0, 0.7)])), float(rng.uniform(0.1, 1.0)),
        )
        for _ in range(60)
    ]  # fmt: skip
    found = compare(ours, course, 0.125)
    assert len(set(found["status"])) >= 4
