"""The island's steady frequency against its closed form, to 1 mHz.

Three lines meet: the anchor's droop, the plants' frequency-watt slope, and the load that
follows frequency. Each is straight between a few corners, so the point where they meet
can be written down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simulators.inverters.grid_codes import GRID_CODES, GridCode
from simulators.inverters.grid_forming import FrequencyShift
from tests.simulators.inverters.street import F0, RATINGS, Street

S_KVA = 150.0
MHZ = 1e-3


@dataclass(frozen=True)
class Case:
    """A street at rest. Power in kW, sun as parts of the plants' ratings."""

    load_kw: float = 30.0
    sun_pu: Sequence[float] = (0.0,) * 4
    loss_kw: float = 0.0
    soc_pu: float = 0.5
    droop_pu: float = 0.01
    damping_pu: float = 1.0
    code: str = "sma_off_grid"

    @property
    def sun_kw(self) -> tuple[float, ...]:
        return tuple(s * rating for s, rating in zip(self.sun_pu, RATINGS, strict=True))

    def pv_kw(self, dev_hz: float) -> float:
        """Return what the plants give at a deviation."""
        code = GRID_CODES[self.code]
        over = max(dev_hz - code.start_hz, 0.0)
        total = 0.0
        for sun, rating in zip(self.sun_kw, RATINGS, strict=True):
            base = rating if code.slope_base == "rating" else sun
            total += max(sun - base * code.slope_pu_per_hz * over, 0.0)
        return total

    def anchor_kw(self, dev_hz: float) -> float:
        """Return what is left for the anchor."""
        load = self.load_kw * (1 + self.damping_pu * dev_hz / F0)
        return load + self.loss_kw - self.pv_kw(dev_hz)

    def dev_hz(self) -> float:
        """Return where the droop meets the rest."""
        shift = FrequencyShift().at(self.soc_pu)
        per_kw = self.droop_pu * F0 / S_KVA
        return crossing(lambda d: d - shift + per_kw * self.anchor_kw(d), self.corners())

    def corners(self) -> list[float]:
        """Return where some line bends."""
        code = GRID_CODES[self.code]
        ends = [code.start_hz]
        for sun, rating in zip(self.sun_kw, RATINGS, strict=True):
            base = rating if code.slope_base == "rating" else sun
            if base:
                ends.append(code.start_hz + sun / (base * code.slope_pu_per_hz))
        return ends

    def street(self, network: object) -> Street:
        # A filter long enough for no plant to trip on the first load step.
        anchor = {"s_kva": S_KVA, "droop_pu": self.droop_pu, "filter_s": 40 * self.droop_pu}
        return Street(
            network, anchor, self.load_kw, self.sun_kw, soc_pu=self.soc_pu, loss_kw=self.loss_kw,
            grid_code=self.code, load_damping_pu=self.damping_pu, period_s=10.0,
        )  # fmt: skip


def crossing(rising: Callable[[float], float], corners: Sequence[float]) -> float:
    """Return where a rising function of straight pieces is zero."""
    ends = [-50.0, *sorted(corners), 50.0]
    for low, high in pairwise(ends):
        a, b = rising(low), rising(high)
        if a <= 0.0 <= b and b > a:
            return low - a * (high - low) / (b - a)
    raise AssertionError("no steady state")


@pytest.mark.parametrize(
    "case",
    [
        Case(),  # load alone: 10 mHz per 3 kW
        Case(load_kw=0.0),  # nothing: nominal
        Case(load_kw=30.0, damping_pu=0.0),  # a load that does not mind frequency
        Case(load_kw=120.0, droop_pu=0.05, damping_pu=2.0),  # one that minds a lot
        Case(load_kw=30.0, loss_kw=3.0),  # cables take their part
        Case(load_kw=10.0, sun_pu=(0.3,) * 4),  # the battery charges, nobody throttles
        Case(load_kw=10.0, sun_pu=(0.6,) * 4, soc_pu=0.935),  # nearly full: PV throttles
        Case(load_kw=10.0, sun_pu=(0.9, 0.1, 0.5, 0.0), soc_pu=0.93),  # each in its measure
        Case(load_kw=10.0, sun_pu=(0.6,) * 4, soc_pu=1.0, droop_pu=0.001),  # down to nothing
        Case(load_kw=40.0, soc_pu=0.09),  # nearly empty: frequency falls below nominal
        Case(
            load_kw=10.0, sun_pu=(0.5,) * 4, soc_pu=0.9, code="ieee_1547_2018_b_iii"
        ),  # of the rating
        Case(load_kw=10.0, sun_pu=(0.3, 0.1, 0.6, 0.05), soc_pu=0.9, code="ieee_1547_2018_b_iii"),
        Case(load_kw=10.0, sun_pu=(0.6,) * 4, soc_pu=0.9, code="vde_ar_n_4105_2011"),
        Case(
            load_kw=10.0, sun_pu=(0.6,) * 4, soc_pu=0.92, code="vde_ar_n_4105_2011"
        ),  # close to trip
    ],
)
def test_the_steady_frequency_is_where_droop_slope_and_load_meet(street, case):
    run = case.street(street)
    run.until(1200.0)
    assert run.dev_hz == pytest.approx(case.dev_hz(), abs=MHZ)
    assert run.sent["pv_p_kw"].sum() == pytest.approx(case.pv_kw(case.dev_hz()), abs=0.1)
    assert run.sent["anchor_p_kw"] == pytest.approx(case.anchor_kw(case.dev_hz()), abs=0.1)


@settings(max_examples=40)
@given(
    case=st.builds(
        Case,
        load_kw=st.floats(0.0, 60.0),
        sun_pu=st.tuples(*[st.floats(0.0, 0.6)] * 4),
        loss_kw=st.floats(0.0, 2.0),
        soc_pu=st.floats(0.05, 1.0),
        droop_pu=st.floats(0.002, 0.03),
        damping_pu=st.floats(0.0, 3.0),
    )
)
def test_any_street_at_rest_has_the_frequency_of_the_closed_form(street, case):
    # About the corner the power at the crossing depends on how it was crossed.
    assume(abs(case.dev_hz() - GRID_CODES[case.code].start_hz) > 0.1)
    run = case.street(street)
    run.until(120.0)
    assert run.dev_hz == pytest.approx(case.dev_hz(), abs=MHZ)


def test_half_of_rated_power_is_half_of_the_droop(street):
    run = Case(load_kw=75.0, damping_pu=0.0, droop_pu=0.01).street(street)
    run.until(60.0)
    assert run.dev_hz == pytest.approx(-0.25, abs=1e-6)


def test_load_that_follows_frequency_is_told_by_its_supply(street):
    run = Case(load_kw=75.0, damping_pu=2.0, droop_pu=0.05).street(street)
    run.until(60.0)
    expected = 1 + 2.0 * run.dev_hz / F0
    assert run.sent["supplied_pu"].tolist() == pytest.approx([expected] * 13, abs=1e-9)
    assert expected < 0.98


@pytest.mark.parametrize(
    ("battery_kw", "load_kw", "sun_pu"),
    [
        # the battery's rating; the street's surplus is larger
        (30.0, 10.0, 0.4),
        (20.0, 20.0, 0.3),
        (45.0, 0.0, 0.4),
    ],
)
def test_a_surplus_beyond_the_battery_is_throttled_to_97_percent_of_what_it_takes(
    street, battery_kw, load_kw, sun_pu
):
    case = Case(load_kw=load_kw, sun_pu=(sun_pu,) * 4)
    anchor = {"s_kva": S_KVA, "filter_s": 0.4}
    run = Street(street, anchor, load_kw, case.sun_kw, battery_kw=battery_kw, period_s=10.0)
    run.until(600.0)
    charge_kw = 0.97 * battery_kw
    assert run.sent["anchor_p_kw"] == pytest.approx(-charge_kw, abs=0.05)
    # and the frequency is the one that brings the plants down to load and charge
    wanted = crossing(lambda d: case.anchor_kw(d) + charge_kw, case.corners())
    assert run.dev_hz == pytest.approx(wanted, abs=2 * MHZ)


def test_plants_with_other_settings_throttle_at_their_own_slopes(street):
    by_plant: Mapping[str, str] = {"pv_1": "vde_ar_n_4105_2011", "pv_3": "ieee_1547_2018_b_iii"}
    sun_kw = tuple(0.5 * rating for rating in RATINGS)
    run = Street(
        street, {"s_kva": S_KVA, "filter_s": 0.4}, 10.0, sun_kw, soc_pu=0.9,
        grid_code_by_plant=by_plant, period_s=10.0,
    )  # fmt: skip
    run.until(1200.0)
    codes: list[GridCode] = [
        GRID_CODES[by_plant.get(name, "sma_off_grid")] for name in ("pv_1", "pv_2", "pv_3", "pv_4")
    ]
    for power, sun, rating, code in zip(run.sent["pv_p_kw"], sun_kw, RATINGS, codes, strict=True):
        base = rating if code.slope_base == "rating" else sun
        over = max(run.dev_hz - code.start_hz, 0.0)
        assert power == pytest.approx(sun - base * code.slope_pu_per_hz * over, rel=2e-3)
    assert run.sent["pv_p_kw"][1] == pytest.approx(sun_kw[1])  # SMA's has not begun
