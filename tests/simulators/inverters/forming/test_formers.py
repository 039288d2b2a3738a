"""Grid formers together: sharing, limits, voltage, black start, state of charge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gridmodel.errors import SolverError
from simulators.inverters.forming.former import GridFormer
from simulators.inverters.forming.street import FormedStreet, PvGroup, Relay
from simulators.inverters.grid_codes import GRID_CODES

F0 = 50.0


def former(**settings: Any) -> GridFormer:
    return GridFormer.model_validate({"s_kva": 60.0, "filter_s": 0.1} | settings)


def settled(formers: list[GridFormer], load_kw: float, seconds: float = 30.0, **more: Any) -> Any:
    made = FormedStreet(formers, {"all": load_kw}, F0, **more)
    made.settle(seconds)
    return made


inertia = st.one_of(st.just(0.0), st.floats(0.05, 3.0))
fleets = st.lists(
    st.tuples(st.floats(10.0, 100.0), st.floats(0.003, 0.03), inertia),
    min_size=2, max_size=4,
)  # fmt: skip


@given(fleet=fleets, part=st.floats(-0.7, 0.7))
@settings(max_examples=25)
def test_formers_share_the_load_by_their_droops(fleet, part):
    # A machine behind a slow power filter swings: its filter is that of REGFM_A1.
    formers = [former(s_kva=s, droop_pu=mp, inertia_s=h, filter_s=0.01 if h else 0.1,
                      p_max_pu=2.0, p_min_pu=-2.0) for s, mp, h in fleet]  # fmt: skip
    strength = np.array([s / mp for s, mp, _ in fleet])
    load_kw = part * sum(s for s, _, _ in fleet)
    made = settled(formers, load_kw, 60.0)
    wanted = load_kw * strength / strength.sum()
    assert made.p_kw == pytest.approx(wanted, abs=1e-3 * abs(load_kw) + 1e-3)
    dev = -F0 * load_kw / strength.sum()
    assert made.f_hz - F0 == pytest.approx(dev, abs=2e-4)


@given(fleet=fleets, part=st.floats(0.0, 0.6), q=st.floats(-10.0, 10.0), pv=st.floats(0.0, 20.0))
@settings(max_examples=20)
def test_what_the_formers_and_pv_give_is_what_the_loads_take(fleet, part, q, pv):
    formers = [former(s_kva=s, droop_pu=mp, inertia_s=h) for s, mp, h in fleet]
    load_kw = part * sum(s for s, _, _ in fleet)
    group = PvGroup(GRID_CODES["sma_off_grid"], pv)
    made = FormedStreet(formers, {"all": load_kw}, F0, load_q_kvar=q, pv=[group])
    for _ in range(5):
        made.advance(0.03)
        assert made.v_pu > 0.9
        assert made.p_kw.sum() + made.pv_kw == pytest.approx(load_kw, abs=1e-6)


def test_the_order_of_the_formers_does_not_matter():
    a, b = former(droop_pu=0.02), former(s_kva=20.0, inertia_s=1.0)
    courses = []
    for formers in ([a, b], [b, a]):
        made = FormedStreet(formers, {"all": 30.0}, F0)
        made.advance(0.5)
        courses.append((made.f_hz, sorted(made.p_kw)))
    assert courses[0][0] == pytest.approx(courses[1][0], abs=2e-4)
    assert courses[0][1] == pytest.approx(courses[1][1], abs=0.05)


def test_a_former_at_its_power_limit_leaves_the_rest_to_the_others():
    weak, strong = former(p_max_pu=0.4), former(p_max_pu=0.95)
    made = settled([weak, strong], 70.0, 120.0)
    assert made.p_kw[0] == pytest.approx(0.4 * 60.0, abs=0.1)
    assert made.p_kw[1] == pytest.approx(70.0 - 0.4 * 60.0, abs=0.1)


def test_a_full_battery_at_its_charging_limit_raises_the_frequency_until_pv_throttles():
    pv = PvGroup(GRID_CODES["sma_off_grid"], 50.0)
    made = settled([former(p_min_pu=-0.2)], 10.0, 300.0, pv=[pv])
    assert made.p_kw[0] == pytest.approx(-12.0, abs=0.2)
    assert made.f_hz > 51.0
    assert made.pv_kw == pytest.approx(22.0, abs=0.2)


@pytest.mark.parametrize("q_kvar", [-20.0, 0.0, 20.0])
def test_voltage_droops_with_reactive_power(q_kvar):
    made = settled([former()], 10.0, load_q_kvar=q_kvar)
    assert made.v_pu == pytest.approx(1.0 - 0.05 * q_kvar / 60.0, abs=1e-4)
    assert made.q_kvar[0] == pytest.approx(q_kvar, abs=1e-3)


def test_reactive_power_is_shared_by_voltage_droops_and_lines_disturb_it():
    even = settled([former(), former(s_kva=30.0)], 20.0, load_q_kvar=15.0)
    assert even.q_kvar == pytest.approx([10.0, 5.0], abs=1e-3)
    uneven = settled([former(), former(s_kva=30.0, line_x_pu=0.1)], 20.0, load_q_kvar=15.0)
    assert uneven.q_kvar[1] < 4.5


@pytest.mark.parametrize("load_kw", [60.0, 120.0, 300.0, 2000.0])
def test_no_load_draws_more_than_the_current_limit(load_kw):
    made = FormedStreet([former(), former(s_kva=30.0, current_max_pu=1.5)], {"all": load_kw}, F0)
    for _ in range(20):
        made.advance(0.05)
        assert made.current_pu[0] <= 2.0 + 1e-6
        assert made.current_pu[1] <= 1.5 + 1e-6


def test_a_black_start_raises_the_voltage_softly_with_the_load_on():
    made = FormedStreet([former(), former(s_kva=30.0)], {"all": 30.0}, F0)
    made.black_start(5.0)
    volts = []
    for _ in range(100):
        made.advance(0.1)
        volts.append(made.v_pu)
    assert volts[0] < 0.03
    assert np.diff(volts).min() > -5e-3
    assert np.diff(volts).max() < 0.05
    assert max(volts) < 1.02
    assert volts[-1] == pytest.approx(1.0, abs=5e-3)
    assert made.p_kw == pytest.approx([20.0, 10.0], abs=0.05)


def test_a_virtual_impedance_lessens_the_current_of_a_sudden_load():
    peaks = []
    for virtual in (0.0, 0.3):
        formers = [former(virtual_x_pu=virtual), former()]
        made = FormedStreet(formers, {"all": 0.0}, F0)
        made.settle(5.0)
        made.loads_kw["all"] = 60.0
        made.advance(1e-3)
        peaks.append(made.p_kw[0])
    assert peaks[1] < 0.6 * peaks[0]


def test_the_state_of_charge_is_the_energy_that_went():
    made = FormedStreet([former(e_kwh=10.0)], {"all": 36.0}, F0, soc_pu=0.8)
    made.settle(1.0)
    start = made.soc_pu[0]
    for _ in range(10):
        made.advance(10.0)
    assert start - made.soc_pu[0] == pytest.approx(36.0 * 100.0 / 3600.0 / 10.0, rel=1e-4)


@pytest.mark.parametrize(
    ("soc_pu", "shift_hz"), [(0.5, 0.0), (0.915, 1.0), (0.97, 2.0), (0.05, -1.4)]
)
def test_the_frequency_tells_how_full_the_battery_is(soc_pu, shift_hz):
    shift = {"soc_start_pu": 0.88, "soc_full_pu": 0.95, "max_hz": 2.0}
    made = FormedStreet([former(shift=shift, e_kwh=1e6)], {"all": 0.0}, F0, soc_pu=soc_pu)
    made.advance(0.5)
    assert abs(made.f_hz - F0) <= 0.5 + 1e-6  # no faster than its slew
    made.advance(10.0)
    assert made.f_hz - F0 == pytest.approx(shift_hz, abs=1e-3)


def test_secondary_control_leaves_the_sharing_as_the_droops_made_it():
    formers = [former(), former(s_kva=30.0, droop_pu=0.02)]
    made = FormedStreet(formers, {"all": 45.0}, F0, secondary_per_s=0.5)
    made.settle(10.0)
    before = made.p_kw
    assert made.f_hz < F0 - 0.2
    made.advance(30.0)
    assert made.f_hz == pytest.approx(F0, abs=1e-3)
    assert made.p_kw == pytest.approx(before, abs=1e-2)


def test_a_snapshot_goes_on_to_the_last_bit():
    def new() -> FormedStreet:
        return FormedStreet(
            [former(), former(inertia_s=1.0)], {"all": 40.0}, F0, relays=[Relay("all", 0.15, 0.5)]
        )

    made, other = new(), new()
    made.advance(0.4)
    other.restore(made.snapshot())
    first, second = (one.advance(2.0) for one in (made, other))
    assert first == second
    assert np.array_equal(made.states, other.states)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"p_min_pu": 0.95}, "p_min_pu < p_max_pu"),
        ({"droop_pu": 0.0}, "greater than 0"),
        ({"droop": 0.01}, "droop"),
        ({"inertia_s": 1e-4}, "at least 0.01"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, problem):
    with pytest.raises(ValidationError, match=problem):
        former(**changes)


def test_a_street_without_former_or_with_a_relay_on_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        FormedStreet([], {"all": 1.0})
    with pytest.raises(ValueError, match="do not exist: some"):
        FormedStreet([former()], {"all": 1.0}, relays=[Relay("some", 1.0, 0.1)])


def test_a_state_that_cannot_be_says_so_and_when():
    made = FormedStreet([former()], {"all": 40.0}, F0)
    made.advance(0.5)
    made.states[0] = np.nan
    with pytest.raises(SolverError, match=r"0\.500000 s cannot be kept"):
        made.advance(1.0)


def test_a_tolerance_below_rounding_is_refused():
    with pytest.raises(ValueError, match="at least 1e-09"):
        FormedStreet([former()], {"all": 40.0}, F0, tolerance_hz=1e-12)
