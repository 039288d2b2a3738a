"""A wiring diagram of OEDISI becomes a scenario, and nothing of it is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cosim.run import DONE, RunOptions, run
from cosim.scenario.build import load
from cosim.scenario.oedisi import read_diagram, read_mapping, scenario_text
from gridmodel.errors import ScenarioError

DIAGRAM = {
    "name": "two feeders",
    "components": [
        {
            "name": "feeder",
            "type": "ToyFeeder",
            "host": "feeder-host",
            "container_port": 5678,
            "parameters": {"run_freq_sec": 900, "start_date": "2017-01-01 00:00:00"},
        },
        {"name": "sensor-1", "type": "ToySensor", "parameters": {"variance": 0.5}},
        {"name": "estimator", "type": "ToyEstimator", "parameters": {}},
        {"name": "recorder", "type": "Recorder", "parameters": {"csv_filename": "v.csv"}},
    ],
    "links": [
        {"source": "feeder", "source_port": "voltages",
         "target": "sensor-1", "target_port": "subscription"},
        {"source": "sensor-1", "source_port": "publication",
         "target": "estimator", "target_port": "voltages"},
        {"source": "estimator", "source_port": "command",
         "target": "feeder", "target_port": "command"},
        {"source": "feeder", "source_port": "voltages",
         "target": "recorder", "target_port": "subscription"},
    ],
}  # fmt: skip

MAPPING = """
scenario: {duration_h: 2}
components:
  ToyFeeder:
    model: scripted
    parameters: {run_freq_sec: period_s}
    settings: {outputs: {v_v: {}}, inputs: {p_kw: {}}}
    outputs: {voltages: v_v}
    inputs: {command: p_kw}
    initial: {command: 1.5}
  ToySensor:
    model: scripted
    settings: {inputs: {v_v: {}}, outputs: {seen_v: {}}, period_s: 900}
    inputs: {subscription: v_v}
    outputs: {publication: seen_v}
  ToyEstimator:
    model: scripted
    settings: {inputs: {v_v: {}}, outputs: {p_kw: {}}, period_s: 900}
    inputs: {voltages: v_v}
    outputs: {command: p_kw}
  Recorder: {leave_out: every signal is recorded}
"""


def text_of(tmp_path: Path, diagram=DIAGRAM, mapping: str = MAPPING) -> str:
    (tmp_path / "system.json").write_text(json.dumps(diagram))
    (tmp_path / "mapping.yaml").write_text(mapping)
    return scenario_text(
        read_diagram(tmp_path / "system.json"),
        read_mapping(tmp_path / "mapping.yaml"),
        "system.json",
    )


def test_the_scenario_loads_runs_and_is_wired_like_the_diagram(tmp_path):
    path = tmp_path / "scenario.yaml"
    path.write_text(text_of(tmp_path))
    loaded = load(path)
    assert loaded.config.name == "two_feeders"
    assert {str(link) for link in loaded.federation.links} == {
        "feeder.v_v -> sensor_1.v_v",
        "sensor_1.seen_v -> estimator.v_v",
        "estimator.p_kw -> feeder.p_kw",
    }
    assert loaded.federation["feeder"].federate.period_us == 900_000_000
    result = run(loaded, RunOptions(tmp_path / "runs"))
    assert result.code == DONE


def test_a_loop_is_closed_by_a_delayed_link_with_the_mappings_first_value(tmp_path):
    path = tmp_path / "scenario.yaml"
    path.write_text(text_of(tmp_path))
    delayed = [(str(x), x.initial) for x in load(path).federation.links if x.delayed]
    assert delayed == [("estimator.p_kw -> feeder.p_kw", 1.5)]


def test_a_loop_without_a_first_value_is_closed_where_it_begins(tmp_path):
    text = text_of(tmp_path, mapping=MAPPING.replace("    initial: {command: 1.5}\n", ""))
    (line,) = [line for line in text.splitlines() if "delayed" in line]
    assert line == "  - {link: sensor_1.seen_v -> estimator.v_v, delayed: true}  # closes a loop"


def test_what_has_no_place_is_a_comment(tmp_path):
    text = text_of(tmp_path)
    for comment in (
        '# start_date: "2017-01-01 00:00:00"  (not used here)',
        "# variance: 0.5  (not used here)",
        '# host: "feeder-host"  (see deploy)',
        "# container_port: 5678  (see deploy)",
        '# recorder: Recorder is left out: every signal is recorded; {"csv_filename": "v.csv"}',
        "# feeder.voltages -> recorder.subscription  (an end is left out)",
        "sensor_1:  # sensor-1",
    ):
        assert comment in text


def test_every_component_without_a_mapping_is_named_with_its_type(tmp_path):
    mapping = "components: {Recoder: {leave_out: x}, ToyFeeder: {model: scriptd}}"
    with pytest.raises(ScenarioError) as caught:
        text_of(tmp_path, mapping=mapping)
    told = {fault.key: f"{fault.problem} {fault.advice}" for fault in caught.value.faults}
    assert set(told) == {f"components.{c['name']}" for c in DIAGRAM["components"]}
    assert "'ToySensor' has no mapping" in told["components.sensor-1"]
    assert "Did you mean 'Recoder'" in told["components.recorder"]
    assert "no model 'scriptd'. Did you mean 'scripted'" in told["components.feeder"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"links": [{**DIAGRAM["links"][0], "target": "sensor1"}]}, "Did you mean 'sensor-1'"),
        ({"links": [{"source": "feeder"}]}, "is missing"),
        ({"components": [DIAGRAM["components"][0]] * 2, "links": []}, "stands there twice"),
        ({"components": [{"name": "x"}]}, "type"),
    ],
)
def test_a_diagram_that_cannot_be_is_refused(tmp_path, change, problem):
    with pytest.raises(ScenarioError, match=problem):
        text_of(tmp_path, {**DIAGRAM, **change})


def test_a_mapping_with_a_typo_is_refused(tmp_path):
    with pytest.raises(ScenarioError, match="Did you mean 'parameters'"):
        text_of(tmp_path, mapping="components: {A: {model: sky, parameter: {}}}")
    with pytest.raises(ScenarioError, match="give model or leave_out"):
        text_of(tmp_path, mapping="components: {A: {}}")


def test_names_that_become_the_same_stay_apart(tmp_path):
    twins = [{**DIAGRAM["components"][2], "name": name} for name in ("a-b", "a.b", "2")]
    text = text_of(tmp_path, {**DIAGRAM, "components": twins, "links": []})
    assert "a_b:  # a-b" in text
    assert "a_b_2:  # a.b" in text
    assert "c_2:  # 2" in text
