"""Grid-following inverters: lag, slope, trips and return, one inverter at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulators.inverters import grid_following as gfl
from simulators.inverters.grid_codes import GRID_CODES, GridCode, least_power_pu

S_KVA = 10.0


class Plant:
    """One inverter at a sub-step of its own, that has worked at full sun for a while."""

    def __init__(self, code: str | GridCode, h: float = 0.01, sun_kw: float = S_KVA) -> None:
        self.code = GRID_CODES[code] if isinstance(code, str) else code
        self.h = h
        self.table = gfl.parameters([self.code], [S_KVA], h)
        self.state = gfl.running_fleet(self.table)
        self.sun_kw = sun_kw
        self.go(2 * h)

    def go(
        self, t_s: float, dev_hz: float = 0.0, alive: bool = True, rocof_hz_per_s: float = 0.0
    ) -> list[float]:
        """Let time pass; return the power after each sub-step."""
        return [
            gfl.advance(
                self.table, self.state, 0, self.sun_kw, alive, dev_hz, rocof_hz_per_s, self.h
            )
            for _ in range(round(t_s / self.h))
        ]

    @property
    def running(self) -> bool:
        return bool(self.state[0, gfl.RUNNING])

    @property
    def trips(self) -> int:
        return int(self.state[0, gfl.TRIPS])

    def trips_after_s(self, dev_hz: float, most_s: float, rocof_hz_per_s: float = 0.0) -> float:
        """Return how long it takes to trip; infinity if it does not."""
        for k in range(round(most_s / self.h)):
            if not self.running:
                return k * self.h
            self.go(self.h, dev_hz, rocof_hz_per_s=rocof_hz_per_s)
        return float("inf") if self.running else most_s


#: Codes that differ in frequency; the sets of IEEE 1547-2018 do not, among each other.
DIFFERENT = (
    "ieee_1547_2018_b_iii", "sma_off_grid", "ul_1741_sa_rule_21", "vde_ar_n_4105_2011",
    "vde_ar_n_4105_2018",
)  # fmt: skip
codes = st.sampled_from(DIFFERENT)


@pytest.mark.parametrize("name", DIFFERENT)
@pytest.mark.parametrize("h", [0.001, 0.01, 0.1])  # the sub-step does not show
def test_ninety_percent_of_a_step_is_done_after_the_response_time(name, h):
    plant = Plant(name, h)
    code = plant.code
    dev = min(code.start_hz + 0.5, 0.9 * min(code.over_hz))
    settled = S_KVA * (1 - code.slope_pu_per_hz * (dev - code.start_hz))
    powers = plant.go(code.response_s, dev)
    assert powers[-1] == pytest.approx(S_KVA + 0.9 * (settled - S_KVA), rel=1e-9)
    halfway = powers[len(powers) // 2 - 1]
    assert halfway == pytest.approx(settled + (S_KVA - settled) * 10**-0.5, rel=1e-9)


@given(name=codes, sun=st.floats(0.1, 1.0), part=st.floats(0.0, 1.0))
def test_the_settled_power_lies_on_the_slope_from_the_power_at_the_crossing(name, sun, part):
    code = GRID_CODES[name]
    plant = Plant(name, h=0.1, sun_kw=sun * S_KVA)
    over = part * (0.999 * min(code.over_hz) - code.start_hz)
    base = 1.0 if code.slope_base == "rating" else sun
    wanted = max(sun - base * code.slope_pu_per_hz * over, 0.0)
    plant.go(5 * code.response_s, code.start_hz + over)
    powers = plant.go(5 * code.response_s, code.start_hz + over)
    assert powers[-1] / S_KVA == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "more_sun_kw", "power_kw"),
    [
        # crossed at 4 of 10 kW, 0.3 Hz beyond the start; then the cloud goes
        ("vde_ar_n_4105_2011", 10.0, 4.0 - 4.0 * 0.4 * 0.3),  # 40 %/Hz of the power at the crossing
        ("sma_off_grid", 10.0, 4.0 - 4.0 * 1.0 * 0.3),
        ("ieee_1547_2018_b_iii", 10.0, 4.0 - 10.0 * 0.3 / 3.0),  # of the rating
        ("vde_ar_n_4105_2011", 1.0, 1.0),  # less sun than the limit: all of it
    ],
)
def test_sun_that_comes_after_the_crossing_stays_unused(name, more_sun_kw, power_kw):
    plant = Plant(name, sun_kw=4.0)
    dev = plant.code.start_hz + 0.3
    plant.go(0.01, dev)
    plant.sun_kw = more_sun_kw
    assert plant.go(40.0, dev)[-1] == pytest.approx(power_kw, abs=1e-6)


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_is_left_just_below_the_trip_threshold_is_what_the_table_of_codes_promises(name):
    least, distance = least_power_pu(GRID_CODES[name])
    plant = Plant(name, h=0.1)
    assert plant.go(100.0, 0.9999 * distance)[-1] / S_KVA == pytest.approx(least, abs=1e-3)
    assert plant.running


steps = st.lists(
    st.tuples(st.floats(-3.0, 6.0), st.floats(0.0, 12.0), st.booleans(), st.integers(1, 40)),
    min_size=1,
    max_size=12,
)


@given(name=codes, course=steps)
def test_power_is_never_negative_and_never_more_than_sun_or_rating(name, course):
    plant = Plant(name, h=0.1)
    for dev, sun, alive, count in course:
        plant.sun_kw = sun
        powers = plant.go(count * plant.h, dev, alive)
        assert min(powers) >= 0.0
        assert max(powers) <= min(sun, S_KVA) + 1e-12
        if not alive:
            assert not any(powers)


@given(
    name=codes,
    course=st.lists(st.tuples(st.floats(-1.0, 1.4), st.integers(1, 60)), min_size=1, max_size=10),
)
def test_a_throttled_plant_comes_back_no_faster_than_its_code_says(name, course):
    plant = Plant(name, h=0.1)
    assume(all(dev < min(plant.code.over_hz) for dev, _ in course))
    powers = [S_KVA]
    for dev, count in course:
        powers += plant.go(count * plant.h, dev)
    most = plant.code.return_pu_per_s * S_KVA * plant.h
    assert np.diff(powers).max() <= most * (1 + 1e-9) + 1e-9


@given(name=codes, course=steps)
def test_the_short_cut_for_calm_times_changes_nothing(name, course):
    short, long = Plant(name, h=0.1), Plant(name, h=0.1)
    for dev, sun, alive, count in course:
        short.sun_kw = long.sun_kw = sun
        for calm in (0.0, dev):  # a while of calm before each disturbance
            for _ in range(count):
                long.state[0, gfl.CALM] = 0.0
                quick, slow = (p.go(p.h, calm, alive)[0] for p in (short, long))
                assert quick == pytest.approx(slow, abs=1e-6)
    assert short.trips == long.trips


@pytest.mark.parametrize(
    ("name", "h", "dev_hz", "clearing_s"),
    [
        # how far from nominal; the clearing time there
        ("ieee_1547_2018_b_iii", 0.1, 1.21, 300.0),  # OF1
        ("ieee_1547_2018_b_iii", 0.01, 2.01, 0.16),  # OF2
        ("ieee_1547_2018_b_iii", 0.1, -1.51, 300.0),  # UF1
        ("ieee_1547_2018_b_iii", 0.01, -3.51, 0.16),  # UF2
        ("vde_ar_n_4105_2011", 0.01, 1.51, 0.1),
        ("vde_ar_n_4105_2011", 0.01, -2.51, 0.1),
        ("sma_off_grid", 0.01, 4.51, 0.1),
        ("sma_off_grid", 0.01, -4.51, 0.1),
    ],
)
def test_a_threshold_that_is_passed_trips_after_its_clearing_time(name, h, dev_hz, clearing_s):
    plant = Plant(name, h)
    # One sub-step until it is seen, one until the time has run out.
    assert clearing_s <= plant.trips_after_s(dev_hz, 2 * clearing_s) <= clearing_s + 2.5 * h
    assert plant.trips == 1
    assert plant.go(h, dev_hz) == [0.0]


@pytest.mark.parametrize(
    ("name", "dev_hz"),
    [
        ("ieee_1547_2018_b_iii", 1.19),
        ("ieee_1547_2018_b_iii", -1.49),
        ("vde_ar_n_4105_2011", 1.49),
        ("vde_ar_n_4105_2011", -2.49),
        ("sma_off_grid", 4.49),
        ("sma_off_grid", -4.49),
    ],
)
def test_a_threshold_that_is_not_passed_never_trips(name, dev_hz):
    assert Plant(name, h=0.1).trips_after_s(dev_hz, 400.0) == float("inf")


def test_short_excursions_do_not_add_up_to_a_trip():
    plant = Plant("vde_ar_n_4105_2011")
    for _ in range(50):
        plant.go(0.08, 1.6)
        plant.go(0.01, 1.4)
    assert plant.running


@pytest.mark.parametrize(
    ("name", "rocof_hz_per_s", "trips"),
    [
        # facts, 1.9: 4 Hz/s in SMA's off-grid set, none in the others
        ("sma_off_grid", 4.01, 1),
        ("sma_off_grid", -4.01, 1),
        ("sma_off_grid", 3.99, 0),
        ("vde_ar_n_4105_2011", 30.0, 0),
        ("ieee_1547_2018_b_iii", 30.0, 0),
    ],
)
def test_a_rate_of_change_beyond_the_codes_trips_at_once(name, rocof_hz_per_s, trips):
    plant = Plant(name)
    plant.go(0.01, 0.0, rocof_hz_per_s=rocof_hz_per_s)
    assert plant.trips == trips


@pytest.mark.parametrize("name", DIFFERENT)
def test_after_a_trip_it_waits_for_good_frequency_and_then_ramps(name):
    plant = Plant(name, h=0.1)
    code = plant.code
    plant.trips_after_s(-1.2 * min(code.under_hz), 400.0)
    assert not any(plant.go(code.enter_delay_s - plant.h))
    assert any(plant.go(3 * plant.h)[-2:])
    quarter = plant.go(0.25 * code.enter_ramp_s)[-1]
    assert quarter / S_KVA == pytest.approx(0.25, abs=3.5 * plant.h / code.enter_ramp_s)
    assert plant.go(0.8 * code.enter_ramp_s)[-1] == pytest.approx(S_KVA)
    assert plant.trips == 1


@pytest.mark.parametrize(
    "outside",
    [
        {"dev_hz": 0.06},  # above the band where it may enter
        {"dev_hz": -2.55},  # below it
        {"alive": False},  # no voltage
    ],
)
def test_the_wait_begins_anew_when_the_supply_is_not_good(outside):
    plant = Plant("vde_ar_n_4105_2011", h=0.1)
    plant.go(0.5, 1.6)
    plant.go(59.0)
    plant.go(0.2, **outside)
    assert not any(plant.go(59.5))
    assert any(plant.go(1.0))


def test_a_dead_supply_stops_it_and_is_no_trip_of_its_own():
    plant = Plant("sma_off_grid")
    assert plant.go(1.0, alive=False) == [0.0] * 100
    assert not plant.running
    assert plant.trips == 0
    assert not any(plant.go(9.9))
    assert plant.go(0.2)[-1] > 0.0


def test_each_inverter_of_a_fleet_minds_its_own_state():
    names = ["ieee_1547_2018_b_iii", "sma_off_grid", "vde_ar_n_4105_2011"]
    table = gfl.parameters([GRID_CODES[name] for name in names], [S_KVA] * 3, 0.01)
    fleet = gfl.running_fleet(table)
    course = [(0.0, 5), (0.7, 300), (1.6, 30), (0.1, 100)]
    together = [
        [gfl.advance(table, fleet, k, S_KVA, True, dev, 0.0, 0.01) for k in (2, 0, 1)]
        for dev, count in [(0.0, 2), *course]
        for _ in range(count)
    ]
    for column, k in enumerate((2, 0, 1)):
        plant = Plant(names[k])  # has had the two calm sub-steps
        single = [p for dev, count in course for p in plant.go(count * 0.01, dev)]
        assert single == [row[column] for row in together][2:]
