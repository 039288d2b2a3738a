"""Shortfalls: a bound is met by a figure within it, and by no figure that is not there."""

from __future__ import annotations

import json
from math import inf, nan

import pytest

from cosim.scenario.schema import BoundConfig
from cosim.shortfall import shortfalls_of
from gridmodel.kpi import Kpi
from tests.cosim.test_cli import cli

NAME = "island.reclose_angle_deg"


@pytest.mark.parametrize(
    ("bound", "value", "texts"),
    [
        ({"max": 10.0}, 4.4, []),
        ({"max": 10.0}, 12.5, [f"{NAME} is 12.5, expected at most 10"]),
        ({"min": 5.0, "max": 10.0}, 4.4, [f"{NAME} is 4.4, expected at least 5"]),
        ({"max": 10.0}, None, [f"{NAME}: there was none in this run, expected at most 10"]),
        ({"min": 0.0}, nan, [f"{NAME} is nan, expected at least 0"]),
        ({"max": 10.0}, nan, [f"{NAME} is nan, expected at most 10"]),
        ({"max": 10.0}, inf, [f"{NAME} is inf, expected at most 10"]),
        ({"min": 0.0}, None, [f"{NAME}: there was none in this run, expected at least 0"]),
    ],
)
def test_what_falls_short_is_told_with_its_bound(bound, value, texts):
    kpis = {} if value is None else {NAME: Kpi("reclose_angle_deg", value)}
    assert [str(one) for one in shortfalls_of({NAME: BoundConfig(**bound)}, kpis)] == texts


def test_a_street_that_never_left_the_grid_has_no_angle_and_falls_short_of_a_bound_on_it(tmp_path):
    words = ["run", "street_island", "--set", "duration_h=0.02"]
    words += ["--set", "events=[]", "--out", str(tmp_path)]
    plain = json.loads(cli(*words, "--set", "expect={}", "--json").stdout)
    assert "island.islanded_h" in plain["kpis"]
    assert not [name for name in plain["kpis"] if "reclose" in name]
    asked = cli(*words, "--set", f"expect={{{NAME}: {{max: 10}}}}", code=1)
    assert f"{NAME}: there was none in this run" in " ".join(asked.stderr.split())
    (folder,) = (one for one in tmp_path.iterdir() if str(one) != plain["run"])
    (short,) = json.loads((folder / "run.json").read_text())["shortfalls"]
    assert short == {"name": NAME, "value": None, "bound": "at most 10"}
