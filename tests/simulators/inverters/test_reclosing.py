"""Re-closing: how well a street met the grid is a figure of runs in which it did."""

from __future__ import annotations

from tests.simulators.inverters.street import Street, island

FIGURES = {"reclose_angle_deg", "reclose_slip_hz"}


def figures(street: Street) -> dict[str, float]:
    return {kpi.name: kpi.value for kpi in street.part.kpis() if kpi.name in FIGURES}


def reclosed(street: Street, angle_deg: float) -> Street:
    """Let an islanded street meet a grid that comes back at a phase."""
    ahead = {"grid_v_pu": 1.0, "grid_angle_deg": float(street.sent["angle_deg"]) - angle_deg}
    street.step(**ahead)
    street.step(tied=True, form=False)
    return street


def test_a_street_that_never_left_the_grid_has_no_figure_of_meeting_it_again(street):
    tied = Street(street, load_kw=10.0)
    tied.until(10.0, tied=True, form=False, grid_v_pu=1.0)
    assert figures(tied) == {}


def test_a_street_that_stays_an_island_has_none_either(street):
    alone = Street(street, load_kw=10.0)
    alone.until(30.0)
    assert figures(alone) == {}


def test_closing_onto_a_dead_grid_is_no_meeting(street):
    dark = Street(street, load_kw=10.0)
    dark.until(10.0)
    dark.step(tied=True, form=False)
    assert figures(dark) == {}


def test_a_street_that_met_the_grid_has_both_even_of_zero(street):
    met = Street(street, load_kw=0.0)
    met.until(10.0)
    figure = figures(reclosed(met, 25.0))
    assert figure.keys() == FIGURES
    assert figure["reclose_angle_deg"] > 1.0
    perfect = Street(street)
    perfect.part._reclose = (0.0, 0.0)
    assert figures(perfect) == {"reclose_angle_deg": 0.0, "reclose_slip_hz": 0.0}


def test_a_scenario_may_name_a_figure_before_its_run_has_it(street):
    assert {kpi.name for kpi in island(street).kpis()} >= FIGURES


def test_a_snapshot_keeps_whether_the_street_has_met_the_grid(street):
    met, other = Street(street), Street(street)
    met.until(10.0)
    other.part.restore(reclosed(met, 25.0).part.snapshot())
    assert figures(other) == figures(met) != {}
