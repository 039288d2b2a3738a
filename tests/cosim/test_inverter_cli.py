"""``feedertwin inverter``: what a person types, and what comes back."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.cosim.test_cli import cli

EXAMPLE = str(ROOT / "docs" / "examples" / "inverter_settings.yaml")
GOOD = "inverters: {roof: {rules: sma_off_grid}}\nanchor: {house: a, s_kva: 60.0, filter_s: 0.1}\n"


def test_the_check_tells_every_trap_in_a_table_and_in_words_and_draws_it(tmp_path):
    picture = tmp_path / "bands.svg"
    answer = cli("inverter", "check", EXAMPLE, "--plot", str(picture), code=1)
    for figure in ("48%", "25.0 Hz/s", "52.5 Hz", "49.6 Hz"):
        assert figure in answer.stdout
    assert "Take filter_s >= 0.063" in " ".join(answer.stdout.split())
    assert ET.parse(picture).getroot().tag.endswith("svg")


def test_the_same_settings_draw_the_same_picture(tmp_path):
    pictures = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for picture in pictures:
        cli("inverter", "check", EXAMPLE, "--plot", str(picture), code=1)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_good_settings_are_exit_code_0_and_the_picture_stands_beside_them(tmp_path):
    file = tmp_path / "good.yaml"
    file.write_text(GOOD)
    assert "has no traps" in cli("inverter", "check", str(file)).stdout
    assert (tmp_path / "good.png").read_bytes().startswith(b"\x89PNG")


def test_json_is_one_object_with_every_trap(tmp_path):
    picture = tmp_path / "bands.png"
    answer = cli("inverter", "check", EXAMPLE, "--json", "--plot", str(picture), code=1)
    data = json.loads(answer.stdout)
    assert {trap["kind"] for trap in data["traps"]} == {
        "curtailment", "rate of change", "collision",
    }  # fmt: skip
    assert Path(data["plot"]) == picture


@pytest.mark.parametrize(
    ("text", "plot", "told"),
    [
        (GOOD.replace("sma_off_grid", "sma_of_grid"), "p.png", "Did you mean 'sma_off_grid'"),
        (GOOD.replace("s_kva", "skva"), "p.png", "bad.yaml:2"),
        (GOOD, "p.jpg", "ends in .png or .svg"),
        ("- 1\n", "p.png", "no mapping"),
        (GOOD, "nowhere/p.png", "cannot be written"),
    ],
)
def test_bad_input_is_exit_code_2_with_its_place(tmp_path, text, plot, told):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    answer = cli("inverter", "check", str(file), "--plot", str(tmp_path / plot), code=2)
    assert told in " ".join(answer.stderr.split())


def test_a_rule_set_is_shown_with_its_clauses():
    assert "ieee_1547_2018_b_iii" in cli("inverter", "sets").stdout
    shown = " ".join(cli("inverter", "sets", "ieee_1547_2018_b_iii").stdout.split())
    assert "5.3.3, table 8" in shown
    assert "Did you mean" in cli("inverter", "sets", "sma_of_grid", code=2).stderr
