"""Why there is no solution, as a planner reads it: which, where, how it went, what to try."""

from __future__ import annotations

import numpy as np
import pytest

from gridmodel.errors import SolverError
from gridmodel.ingest.network_file import read_network
from gridmodel.network.network import Network
from simulators.power_flow.fbs import Fbs, solve_fbs
from simulators.power_flow.opendss import solve_opendss
from simulators.power_flow.result import Trouble
from simulators.power_flow.trouble import trouble
from tests.conftest import ROOT
from tests.simulators.power_flow.streets import regulated_street
from tests.simulators.power_flow.test_kirchhoff import HOUSES, circuit

VILLAGE = ROOT / "scenarios" / "feeders" / "village.json"


@pytest.fixture(scope="module")
def overloaded() -> Network:
    heavy = {"p_rated_kw": 9000.0, "q_rated_kvar": 4000.0, "v_min_pu": 0.0}
    return read_network(VILLAGE).with_(consumers={"far_farm_dairy": heavy})


@pytest.fixture(scope="module")
def swept() -> Fbs:
    return Fbs(regulated_street(), controls=False)


def told(fbs: Fbs, moved_pu: float, *residuals_pu: float, code: int = -1) -> Trouble:
    """What is told of a bus that moves so far while voltages change so much."""
    moved = np.zeros(fbs.compiled.node_count)
    moved[-1] = moved_pu
    return trouble(fbs.compiled, moved, code, "", residuals_pu)


def test_a_single_power_flow_says_island_bus_and_phase_and_no_scenario(overloaded):
    (one,) = solve_fbs(overloaded).troubles
    assert one.where == "island fed by 'grid', bus far_farm, phase B"
    (other,) = solve_opendss(overloaded).troubles
    assert other.where.startswith("island fed by 'grid', bus far_farm, phase ")


@pytest.mark.parametrize(("what", "run"), [("scenario", "batch"), ("hour", "year")])
def test_of_several_it_says_which_and_how_they_are_counted(swept, what, run):
    p = np.ones((len(swept.owners), 24))
    p[:, 17] = 1e4
    (one,) = getattr(swept, run)(p).troubles
    assert one.where.startswith(f"{what} 17 of 0 to 23, island fed by ")


def test_too_much_load_says_how_far_it_is_from_what_a_line_carries(overloaded):
    (one,) = solve_fbs(overloaded).troubles
    assert "moves this bus furthest, by 1.3 pu. A line brings constant power up to" in one.problem
    assert one.advice.startswith("Usual causes: more load than the lines can carry")
    assert "Try the solver 'opendss'" in one.advice
    assert "between 'grid' and far_farm" in one.advice


def test_where_the_load_is_small_loops_come_first_among_the_causes(swept):
    one = told(swept, 0.02, 1.0, 1.0)
    assert "A line brings" not in one.problem
    assert one.advice.startswith("Usual causes: strong loops")


@pytest.mark.parametrize(
    ("residuals_pu", "course"),
    [
        ((1.3, 2.3, 3.1), "after 3 iterations they still change by 3.1 pu and come no closer"),
        ((1.0, 0.1, 0.01), "by 0.01 pu, less and less but too slowly"),
        ((1.0, 30.0, 900.0), "by 9e+02 pu and run away"),
        ((1.0,), "after 1 iteration they still change by 1 pu"),
        ((), "no voltages fit the loads. The first"),
    ],
)
def test_the_course_of_the_iterations_is_a_sentence(swept, residuals_pu, course):
    assert course in told(swept, 0.4, *residuals_pu).problem


def test_controls_that_hunt_are_told_from_voltages_that_there_are_not(swept):
    one = told(swept, 0.12, 1e-9, code=-2)
    assert one.problem.startswith("voltages were found, but after each solution the controls")
    assert "by 0.12 pu" in one.problem
    assert "a band narrower than two steps" in one.advice
    assert "Try without controls" in one.advice


def test_the_limit_of_what_a_line_carries_is_where_its_voltages_end():
    """Z S / V0^2 = 1 / (2 + 2 cos a): a solution just below it, none just above."""
    for angle in (0.0, 0.5, np.pi / 2):
        limit = 1.0 / (2.0 + 2.0 * np.cos(angle))
        for part, solved in ((0.99, True), (1.01, False)):
            drop = part * limit * np.exp(1j * angle)  # Z conj(S) over V0^2
            # |V|^4 - |V|^2 (1 - 2 Re) + |drop|^2 = 0
            spread = (1.0 - 2.0 * drop.real) ** 2 - 4.0 * abs(drop) ** 2
            assert (spread >= 0.0) == solved
        assert 0.25 <= limit <= 0.5 + 1e-12


def test_a_street_in_a_scenario_says_load_lowest_voltage_and_what_to_try(street):
    p_kw = np.zeros((HOUSES, 3))
    p_kw[12] = -400.0
    with pytest.raises(SolverError) as caught:
        circuit(street).solve(p_kw, 0.0 * p_kw, 1.0, 1.0, False)
    text = str(caught.value)
    assert "no voltages fit the loads of 1,200 kW" in text
    assert "the lowest voltage is at bus_0" in text
    assert " pu. Usual causes: " in text
    assert "Try less load" in text
