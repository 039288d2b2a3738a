"""A file that builds on another: what it replaces is said."""

from __future__ import annotations

import pytest

from cosim.scenario.build import load
from gridmodel.errors import ScenarioError
from tests.cosim.scenario.test_faults import GOOD

MORE = """\
  - {link: grid.v_pu -> watch.x_pu, delayed: true, initial: 1}
  - sky.transmission_pu -> watch.y_pu
"""
#: Two links may be left out: what they go to has a value of its own.
BASE = GOOD.replace("events:", MORE + "events:").replace(
    "links:",
    "  watch: {model: scripted, period_s: 60, inputs: "
    "{x_pu: {initial: 1}, y_pu: {initial: 1}}, outputs: {o_kw: {}}}\nlinks:",
)


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    return path


def test_links_that_replace_those_of_the_base_are_warned_of(base, tmp_path):
    child = tmp_path / "child.yaml"
    child.write_text(
        "extends: base.yaml\nlinks:\n  - sky.transmission_pu -> pv.transmission_pu\n"
        "  - link: houses.delivered_kw   ->   meter.load_kw\n"
    )
    (warning,) = load(child).warnings
    assert warning == (
        f"{child}:2: 'links' replaces the 4 links of {base}, as lists are replaced and not merged; "
        "2 of them are not here, such as grid.v_pu -> watch.x_pu"
    )


def test_links_that_repeat_all_those_of_the_base_are_not_warned_of(base, tmp_path):
    links = BASE[BASE.index("links:") : BASE.index("events:")]
    child = tmp_path / "child.yaml"
    child.write_text(f"extends: base.yaml\n{links}  - houses.p_kw -> watch.z_kw\n")
    child.write_text(f"extends: base.yaml\n{links}")
    assert list(load(child).warnings) == []


def test_inputs_that_lost_their_link_to_a_replaced_list_are_one_fault(base, tmp_path):
    child = tmp_path / "child.yaml"
    child.write_text("extends: base.yaml\nlinks:\n  - grid.v_pu -> watch.x_pu\n")
    with pytest.raises(ScenarioError) as caught:
        load(child)
    (fault,) = caught.value.faults
    assert fault.where == f"{child}:2"
    assert fault.problem == (
        f"replaces the 4 links of {base}, as lists are replaced and not merged; so no link goes to "
        "meter.load_kw."
    )
    assert fault.advice == "Write all links here, or leave 'links' out."


def test_a_fault_of_a_replaced_event_does_not_point_into_the_base(base, tmp_path):
    child = tmp_path / "child.yaml"
    child.write_text("extends: base.yaml\nevents:\n\n  - {target: grid, kind: outage}\n")
    with pytest.raises(ScenarioError) as caught:
        load(child)
    assert [(fault.where, fault.key) for fault in caught.value.faults] == [
        (f"{child}:4", "events[0].t_h")
    ]
