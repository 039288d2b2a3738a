"""Compare: where, and by how much, two runs part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from cosim.compare import Comparison, Parting, compare
from cosim.report.compare_plot import begin_h, compare_picture, draw_both, greatest
from cosim.report.gaps import NO_VOLTAGE
from cosim.run import RunOptions, run
from gridmodel.errors import RunError
from gridmodel.federate import Inputs, Kpi, Message, Messages, Signal
from tests.cosim.parts import Part, counter, watcher
from tests.cosim.scenarios import scenario

S = 1_000_000


class Source(Part):
    def kpis(self):
        return (Kpi("sum_kw", self.memory.get("sum", 0.0), "of all"),)


def source(changes: dict[int, float], period_us: int = S, says: str = "tick") -> Part:
    """Sends an array and the sum of it; adds something at some seconds."""

    def behave(part: Part, t_us: int, inputs: Inputs):
        k = t_us // S
        values = [float(k), 10.0 + changes.get(k, 0.0)]
        part.memory["sum"] = part.memory.get("sum", 0.0) + sum(values)
        said = [Message(t_us, says if k == 7 else "tick", {"k": k})]
        return {"p_kw": values, "on": k % 2 == 0, "out": said}, t_us + period_us

    ports = [Signal("p_kw", (2,), labels=("a", "b")), Signal("on", (), bool), Messages("out")]
    return Source(behave, outputs=ports, period_us=period_us)


def made(tmp_path: Path, part: Part, hours: float = 0.01) -> Path:
    follow = Part(
        lambda p, t, i: ({"twice_kw": 2.0 * float(i["p_kw"][1])}, t + S),
        [Signal("p_kw", (2,), initial=0.0)],
        [Signal("twice_kw")],
        period_us=S,
    )
    parts = {"source": part, "a_follower": follow}
    links = [{"link": "source.p_kw -> a_follower.p_kw"}]
    both = scenario(parts, "source.p_kw -> a_follower.p_kw", hours=hours, links=links)
    return run(both, RunOptions(tmp_path)).folder


def test_two_runs_of_one_scenario_are_the_same(tmp_path):
    found = compare(made(tmp_path, source({})), made(tmp_path, source({})))
    assert found.same
    assert found.kpis == ()
    assert found.until_us == 36 * S


def test_the_first_difference_is_the_sources_and_not_the_followers_of_the_same_instant(tmp_path):
    second = made(tmp_path, source({5: 0.5, 8: -2.0}))
    found = compare(made(tmp_path, source({})), second)
    first, after = found.partings
    assert (first.federate, first.port, first.element, first.t_us) == ("source", "p_kw", "b", 5 * S)
    assert (first.first, first.second) == (10.0, 10.5)
    assert (first.most, first.most_t_us, first.most_element) == (-2.0, 8 * S, "b")
    assert first.count == 2
    assert first.unit == "kW"
    assert (after.federate, after.t_us, after.most) == ("a_follower", 5 * S, -4.0)
    (kpi,) = found.kpis
    assert (kpi.name, kpi.second - kpi.first) == ("source.sum_kw", -1.5)  # type: ignore[operator]


def test_a_message_that_differs_is_found_and_quoted(tmp_path):
    found = compare(made(tmp_path, source({})), made(tmp_path, source({}, says="tock")))
    (parting,) = found.partings
    assert (parting.federate, parting.port, parting.t_us) == ("source", "out", 7 * S)
    assert (parting.first, parting.second) == ('tick {"k": 7}', 'tock {"k": 7}')
    assert parting.count == 1


def test_runs_with_other_steps_are_compared_by_what_holds(tmp_path):
    found = compare(made(tmp_path, source({})), made(tmp_path, source({}, period_us=2 * S)))
    assert (found.partings[0].federate, found.partings[0].t_us) == ("source", S)
    by_port = {(p.federate, p.port): p for p in found.partings}
    assert by_port["source", "p_kw"].count == 18  # every second value of the first element
    assert by_port["source", "p_kw"].most == -1.0
    assert by_port["source", "out"].count >= 18


def test_runs_of_different_length_are_compared_as_far_as_both_go(tmp_path):
    found = compare(made(tmp_path, source({})), made(tmp_path, source({20: 1.0}), hours=0.005))
    assert found.same  # they would part at 20 s, but one ends at 18 s
    assert found.until_us == 18 * S


def test_what_only_one_run_has_is_named(tmp_path):
    alone = run(scenario({"source": source({})}, hours=0.01), RunOptions(tmp_path)).folder
    found = compare(made(tmp_path, source({})), alone)
    assert found.only_first == ("a_follower.twice_kw",)
    assert not found.same


def test_the_picture_shows_what_differs_most_one_part_after_the_other(tmp_path):
    first, second = made(tmp_path, source({})), made(tmp_path, source({5: 0.5, 8: -2.0}))
    found = compare(first, second)
    assert set(greatest(found, (first, second))) == {"source.p_kw.b", "a_follower.twice_kw"}
    picture = compare_picture(first, second, found)
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    assert compare_picture(first, first, compare(first, first)) is None


def wave(values: dict[str, float], spike: float = 0.0) -> Part:
    """Sends a wave on each port, moved by a value; the first one has a spike of one second."""

    def behave(part: Part, t_us: int, inputs: Inputs):
        k = t_us // S
        sent = {name: 10.0 * (k % 2) + value for name, value in values.items()}
        sent[next(iter(values))] += spike * (k == 9)
        return sent | {
            "rated_kwh": 10.0 + values["c_kw"],
            "tiny_kw": 1e-13 * values["c_kw"] * (k % 2),
        }, t_us + S

    ports = [*values, "rated_kwh", "tiny_kw"]
    return Part(behave, outputs=[Signal(name) for name in ports], period_us=S)


def test_what_differs_all_the_time_goes_before_a_spike_a_rating_and_rounding(tmp_path):
    alike = dict.fromkeys(("a_kw", "b_kw", "c_kw", "d_kw", "e_kw", "f_kw"), 0.0)
    other = alike | {"b_kw": 0.5, "c_kw": 3.0, "d_kw": 2.0, "e_kw": 1.0}
    runs = tuple(
        run(scenario({"p": wave(*given)}, hours=0.01), RunOptions(tmp_path)).folder
        for given in ((alike, 0.0), (other, 9.0))
    )
    found = compare(*runs)
    assert {p.port for p in found.partings} > {"rated_kwh", "tiny_kw", "a_kw"}
    assert greatest(found, runs) == ["p.c_kw", "p.d_kw", "p.e_kw", "p.b_kw"]


def test_what_stands_still_in_both_runs_is_drawn_if_nothing_else_differs(tmp_path):
    def rated(e_kwh: float) -> Path:
        part = Part(lambda p, t, i: ({"e_kwh": e_kwh}, t + S), outputs=[Signal("e_kwh")])
        return run(scenario({"p": part}, hours=0.001), RunOptions(tmp_path)).folder

    runs = rated(90.0), rated(180.0)
    assert greatest(compare(*runs), runs) == ["p.e_kwh"]


def test_a_signal_that_is_sent_late_is_measured_from_then_on(tmp_path):
    def late(shift: float) -> Path:
        def behave(part: Part, t_us: int, inputs: Inputs):
            return {"x_kw": t_us / S % 2 + shift}, t_us + S

        def early(part: Part, t_us: int, inputs: Inputs):
            return {"y_kw": t_us / S % 2 + 0.1 * shift}, t_us + S

        parts = {
            "late": Part(behave, outputs=[Signal("x_kw")], period_us=S, first_us=18 * S),
            "soon": Part(early, outputs=[Signal("y_kw")], period_us=S),
        }
        return run(scenario(parts, hours=0.01), RunOptions(tmp_path)).folder

    runs = late(0.0), late(0.5)
    assert greatest(compare(*runs), runs) == ["late.x_kw", "soon.y_kw"]


def test_an_angle_that_turns_within_a_bin_gives_way_to_what_can_be_seen(tmp_path):
    def turning(shift: float) -> Path:
        def behave(part: Part, t_us: int, inputs: Inputs):
            k = t_us // S
            angle_deg = (100.0 * k + shift + 180.0) % 360.0 - 180.0
            return {"angle_deg": angle_deg, "x_kw": k % 2 + 0.001 * shift}, t_us + S

        part = Part(behave, outputs=[Signal("angle_deg"), Signal("x_kw")], period_us=S)
        return run(scenario({"a": part}, hours=1.0), RunOptions(tmp_path)).folder

    runs = turning(0.0), turning(50.0)
    assert greatest(compare(*runs), runs) == ["a.x_kw"]


def dark(tmp_path: Path, at_s: int, unit: str = "hz") -> Path:
    """A run whose frequency is 0 for three seconds."""

    def behave(part: Part, t_us: int, inputs: Inputs):
        k = t_us // S
        return {f"x_{unit}": 0.0 if at_s <= k < at_s + 3 else 50.0 + 0.1 * (k % 2)}, t_us + S

    part = Part(behave, outputs=[Signal(f"x_{unit}")], period_us=S)
    return run(scenario({"grid": part}, hours=0.01), RunOptions(tmp_path)).folder


def lines_of(axes) -> list[float]:
    """Values of all lines drawn, without those that are gaps."""
    values = np.concatenate([line.get_ydata() for line in axes.get_lines()])
    return list(values[np.isfinite(values)])


def test_a_frequency_of_a_dead_grid_is_a_gap_and_a_power_of_0_is_a_line(tmp_path):
    both = dark(tmp_path, 10), dark(tmp_path, 10)
    axes = Figure().subplots()
    axes.set_xlim(0.0, 0.01)
    draw_both(axes, "grid.x_hz", both, 36 * S)
    assert min(lines_of(axes)) == 50.0
    assert NO_VOLTAGE in axes.get_legend_handles_labels()[1]
    both = dark(tmp_path, 10, "kw"), dark(tmp_path, 10, "kw")
    axes = Figure().subplots()
    draw_both(axes, "grid.x_kw", both, 36 * S)
    assert min(lines_of(axes)) == 0.0
    assert NO_VOLTAGE not in axes.get_legend_handles_labels()[1]


def test_a_panel_that_hides_zeros_hides_them_in_the_comparison_too(tmp_path):
    def made(hide_zero: bool) -> Path:
        part = Part(lambda p, t, i: ({"v_v": 230.0 * (t > 9 * S)}, t + S), outputs=[Signal("v_v")])
        panel = {"title": "t", "signals": ["grid.v_v"], "hide_zero": hide_zero}
        made = scenario({"grid": part}, hours=0.01, report={"panels": [panel]})
        return run(made, RunOptions(tmp_path)).folder

    for hide_zero, least_v in ((True, 230.0), (False, 0.0)):
        folder, axes = made(hide_zero), Figure().subplots()
        draw_both(axes, "grid.v_v", (folder, folder), 36 * S)
        assert min(lines_of(axes)) == least_v


def test_elements_that_do_not_add_up_are_drawn_as_lowest_to_highest(tmp_path):
    def made(shift: float) -> Path:
        def behave(part: Part, t_us: int, inputs: Inputs):
            return {"v_v": [230.0 + shift, 240.0], "p_kw": [1.0, 2.0 + shift]}, t_us + S

        ports = [Signal(name, (2,), labels=("a", "b")) for name in ("v_v", "p_kw")]
        part = Part(behave, outputs=ports, period_us=S)
        return run(scenario({"grid": part}, hours=0.001), RunOptions(tmp_path)).folder

    both, extremes = (made(0.0), made(1.0)), {}
    for port in ("v_v", "p_kw"):
        axes = Figure().subplots()
        draw_both(axes, f"grid.{port}", both, 3 * S)
        extremes[axes.get_title(loc="left")] = (min(lines_of(axes)), max(lines_of(axes)))
    assert extremes == {
        "grid.v_v: lowest to highest": (230.0, 240.0),
        "grid.p_kw: sum": (3.0, 4.0),
    }


def test_a_signal_that_no_run_has_is_answered_with_the_nearest(tmp_path):
    first, second = made(tmp_path, source({})), made(tmp_path, source({5: 0.5}))
    found = compare(first, second)
    for name in ("source.p_kw", "source.p_kw.b", "source.on"):
        assert compare_picture(first, second, found, [name]) is not None
    with pytest.raises(RunError, match=r"no run has a signal 'source\.p'\. Did you mean 'source\."):
        compare_picture(first, second, found, ["source.p"])


def test_the_picture_begins_a_little_before_they_part():
    def parting(t_s: int) -> Parting:
        return Parting("a", "x_kw", t_s * S, "", 0.0, 1.0, 1)

    late = Comparison(48 * 3600 * S, (parting(38 * 3600), parting(40 * 3600)), (), (), ())
    assert begin_h(late) == pytest.approx(37.0)
    early = Comparison(48 * 3600 * S, (parting(0),), (), (), ())
    assert begin_h(early) == 0.0


def test_angles_differ_by_the_short_way_round(tmp_path):
    def turning(angle_deg: float) -> Path:
        part = Part(
            lambda p, t, i: ({"angle_deg": angle_deg, "far_kw": angle_deg}, t + S),
            outputs=[Signal("angle_deg"), Signal("far_kw")],
        )
        return run(scenario({"a": part}, hours=0.001), RunOptions(tmp_path)).folder

    found = {p.port: p.most for p in compare(turning(359.0), turning(1.0)).partings}
    assert found == {"angle_deg": 2.0, "far_kw": -358.0}


def test_long_runs_are_brought_together_over_the_borders_of_row_groups(tmp_path):
    def long(extra: float) -> Path:
        def behave(part: Part, t_us: int, inputs: Inputs):
            return {"n_kw": t_us / S + extra * (t_us == 40_000 * S)}, t_us + S

        part = Part(behave, outputs=[Signal("n_kw")], period_us=S)
        parts = {"source": part, "sink": watcher(3600 * S)}
        return run(scenario(parts, hours=12.0), RunOptions(tmp_path)).folder

    found = compare(long(0.0), long(0.25))
    (parting,) = found.partings
    assert (parting.t_us, parting.count, parting.most) == (40_000 * S, 1, 0.25)


@pytest.mark.parametrize("at_s", [0, 35])
def test_the_very_first_and_the_very_last_row_count(tmp_path, at_s):
    found = compare(made(tmp_path, source({})), made(tmp_path, source({at_s: 1.0})))
    assert found.partings[0].t_us == at_s * S


def test_a_signal_that_neither_run_came_to_is_said_in_its_panel(tmp_path):
    late = {"source": counter(S), "late": counter(S, "x_kw", first_us=40 * S)}
    options = RunOptions(tmp_path, until_us=30 * S)
    runs = [run(scenario(late, hours=0.02), options).folder for _ in range(2)]
    axes = Figure().subplots()
    draw_both(axes, "late.x_kw", (runs[0], runs[1]), 30 * S)
    assert [text.get_text() for text in axes.texts] == ["not recorded"]
    assert axes.get_title("left") == "late.x_kw"
