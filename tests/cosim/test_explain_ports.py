"""Explain: what a part receives and sends, with units, also of a model without a scenario."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cosim import registry
from cosim.cli import port_table
from cosim.cli.explain import explain_command
from cosim.scenario import bundled
from cosim.scenario.document import read
from gridmodel.federate import Federate, Messages, Signal
from gridmodel.settings import Settings
from tests.cosim.parts import Part
from tests.cosim.scripts import RING, write

#: Models whose ports are those of somebody else's part.
WRAPPERS = {"helics", "mosaik", "scripted", "simpy_process"}
#: Models that compile for seconds when they are built.
COMPILED = {"formed_street", "standard_inverters"}


def bundled_models() -> set[str]:
    paths = [bundled.find(name) for name in bundled.names()]
    blocks = [read(path).data["federates"].values() for path in paths if path is not None]
    return {block["model"] for part in blocks for block in part}


def ports_told(text: str) -> dict[str, list[str]]:
    """Words of each row of the last table, by port."""
    lines = text[text.rindex("\nport ") :].splitlines()[2:]
    return {line.split()[0]: line.split() for line in lines if line and not line.startswith(" ")}


@pytest.mark.parametrize("name", ["sky", "public_grid", "lora_mesh", "lora_star"])
def test_a_model_without_a_scenario_tells_its_ports(name, capsys):
    explain_command(name)
    told = ports_told(capsys.readouterr().out)
    assert {"in", "out"} == {words[1] for words in told.values()}


def test_a_model_that_must_have_keys_is_told_as_a_bundled_scenario_has_it(capsys):
    explain_command("battery")
    text = capsys.readouterr().out
    assert "ports of battery, as in street_island" in text
    told = ports_told(text)
    assert told["p_kw"][1:3] == ["in", "kW"]
    assert told["soc_pu"][1:3] == ["out", "pu"]
    assert told["e_full_kwh"][1:3] == ["out", "kWh"]


def test_every_model_of_ours_is_in_a_bundled_scenario_or_can_be_built_alone():
    ours = set(registry.names(registry.FEDERATES))
    rest = ours - bundled_models() - WRAPPERS - COMPILED
    assert rest >= {"lora_mesh", "lora_star"}
    assert [name for name in sorted(rest) if port_table._from_defaults(name) is None] == []
    assert set(port_table._EXAMPLES) <= ours - bundled_models()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(COMPILED))
def test_a_model_that_compiles_tells_its_ports(name, capsys):
    explain_command(name)
    assert ports_told(capsys.readouterr().out)["f_hz"][2] == "Hz"


def test_a_model_whose_ports_follow_from_its_keys_says_so(capsys):
    explain_command("scripted")
    assert "feedertwin explain SCENARIO" in " ".join(capsys.readouterr().out.split())


def test_a_scenario_tells_the_ports_of_each_part(tmp_path, capsys):
    explain_command(str(write(tmp_path, RING)))
    text = capsys.readouterr().out
    clock, echo, listener = (text.index(f"ports of {n}") for n in ("clock", "echo", "listener"))
    assert clock < echo < listener
    told = ports_told(text[:echo])
    assert told["tick_kw"][1:4] == ["out", "kW", "3"]
    assert told["on"][1:3] == ["out", "yes/no"]
    assert told["word"][1:3] == ["out", "messages"]
    assert told["back_kw"][1:3] == ["in", "kW"]
    assert told["back_kw"][-3:] == ["7", "at", "first"]


@pytest.mark.parametrize(
    ("port", "row"),
    [
        (Signal("v_v", (2, 3), labels=("a", "b")), ("v_v", "in", "V", "2 x 3 (a, ...)", "")),
        (Signal("v_v", (1,), labels=("a",)), ("v_v", "in", "V", "1 (a)", "")),
        (Signal("x_kw", None), ("x_kw", "in", "kW", "any", "")),
        (Signal("x_kw", (None,)), ("x_kw", "in", "kW", "any", "")),
        (Signal("mode", (), int, about="code"), ("mode", "in", "number", "", "code")),
        (Signal("f_hz", initial=50.0, about="f"), ("f_hz", "in", "Hz", "", "f; 50 at first")),
        (Messages("heard", "frames"), ("heard", "in", "messages", "", "frames")),
    ],
)
def test_a_port_is_a_row(port, row):
    assert port_table._row(port, "in") == row


def test_a_model_of_another_package_is_built_from_its_defaults_and_closed(monkeypatch, capsys):
    closed = []

    class Heater(Part):
        """Heats."""

        Config = Settings

        @classmethod
        def build(cls, config: Any, context: Any) -> Federate:
            return cls(lambda *_: ({}, None), [Signal("f_hz")], [Signal("p_kw")])

        def close(self) -> None:
            closed.append(self)

    registered = SimpleNamespace(load=lambda: Heater, name="heater", dist=None)
    points = registry._points(registry.FEDERATES) | {"heater": registered}
    monkeypatch.setattr(registry, "_points", lambda group: points)
    explain_command("heater")
    assert set(ports_told(capsys.readouterr().out)) == {"f_hz", "p_kw"}
    assert len(closed) == 1
