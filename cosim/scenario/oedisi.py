"""OEDISI: reads a wiring diagram of NREL's co-simulation platform into a scenario.

A diagram has components (name, type, parameters) and links between their ports
(https://github.com/openEDI/oedisi, ``componentframework/system_configuration.py``). What a
type is here, a *mapping file* says::

    scenario: {duration_h: 24, network: network.json}
    components:
      LocalFeeder:
        model: opendss
        parameters: {run_freq_sec: period_s}    # theirs: ours
        settings: {anchor_house: house_02}      # ours besides
        outputs: {voltages_magnitude: v_v}      # theirs: ours
      MeasurementComponent: {model: my_sensor, inputs: {subscription: v_v}}
      Recorder: {leave_out: every signal is recorded}

Nothing is lost on the way: what has no place here is a comment in the scenario.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cosim import registry
from cosim.clock import CycleError, levels
from gridmodel.errors import Fault, ScenarioError
from gridmodel.settings import S, Settings, faults_of, near, parse

#: Keys of a component that say where it runs there, which here ``deploy`` does.
_PLACE = ("host", "container_port", "image")


class ComponentMapping(Settings):
    """What a component type is here."""

    model: str | None = Field(None, description="registered name of our model")
    leave_out: str | None = Field(None, description="instead of a model: why it is not needed")
    parameters: Mapping[str, str] = Field({}, description="their parameter: our key")
    settings: Mapping[str, Any] = Field({}, description="keys of ours besides")
    inputs: Mapping[str, str] = Field({}, description="their port: our input, where names differ")
    outputs: Mapping[str, str] = Field({}, description="their port: our output")
    initial: Mapping[str, float] = Field(
        {}, description="first value of an input of a delayed link"
    )

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.model is None) == (self.leave_out is None):
            raise ValueError("give model or leave_out")
        return self


class OedisiMapping(Settings):
    """A mapping file."""

    scenario: Mapping[str, Any] = Field({}, description="keys of the scenario: duration_h, ...")
    components: Mapping[str, ComponentMapping] = Field({}, description="by component type")


class Component(Settings):
    """A component of a diagram."""

    model_config = Settings.model_config | {"extra": "ignore"}

    name: str
    type: str
    parameters: Mapping[str, Any] = {}
    host: str | None = None
    container_port: int | None = None
    image: str = ""


class Wire(Settings):
    """A link of a diagram."""

    source: str
    source_port: str
    target: str
    target_port: str


class Diagram(Settings):
    """A wiring diagram."""

    model_config = Settings.model_config | {"extra": "ignore"}

    name: str = "unnamed"
    components: tuple[Component, ...]
    links: tuple[Wire, ...] = ()


def read_mapping(path: Path) -> OedisiMapping:
    """Return a mapping file.

    Raises
    ------
    ScenarioError
        With every fault in it.
    """
    try:
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError) as error:
        raise _unreadable(path, error) from error
    return _checked(OedisiMapping, data or {}, path)


def read_diagram(path: Path) -> Diagram:
    """Return a wiring diagram.

    Raises
    ------
    ScenarioError
        With every fault in it.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    diagram = _checked(Diagram, data, path)
    names = [component.name for component in diagram.components]
    faults = [
        Fault(str(path), f"components.{name}", "stands there twice.")
        for name in dict.fromkeys(names) if names.count(name) > 1
    ]  # fmt: skip
    for index, wire in enumerate(diagram.links):
        for end in (wire.source, wire.target):
            if end not in names:
                problem = f"there is no component '{end}'."
                faults.append(Fault(str(path), f"links[{index}]", problem, near(end, names)))
    if faults:
        raise ScenarioError(f"{path} cannot be read", faults)
    return diagram


def _unreadable(path: Path, error: Exception) -> ScenarioError:
    problem = str((isinstance(error, OSError) and error.strerror) or error)
    return ScenarioError(f"{path} cannot be read", [Fault(str(path), "", f"{problem}.")])


def _checked(model: type[S], data: Any, path: Path) -> S:
    try:
        return parse(model, data)
    except ValidationError as error:
        raise ScenarioError(
            f"{path} cannot be read", faults_of(error, model, lambda _: str(path))
        ) from error


def scenario_text(diagram: Diagram, mapping: OedisiMapping, where: str) -> str:
    """Return a diagram as the text of a scenario file.

    Parameters
    ----------
    diagram : Diagram
        What to read.
    mapping : OedisiMapping
        What its component types are here.
    where : str
        Name of the diagram's file.

    Raises
    ------
    ScenarioError
        Naming every component whose type has no mapping, or no model here.
    """
    faults = [f for c in diagram.components if (f := _fault(c, mapping, where)) is not None]
    if faults:
        raise ScenarioError(f"{where} cannot be imported", faults)
    return "\n".join(_Writer(diagram, mapping, where).lines()) + "\n"


def _fault(component: Component, mapping: OedisiMapping, where: str) -> Fault | None:
    key = f"components.{component.name}"
    given = mapping.components.get(component.type)
    if given is None:
        close = near(component.type, mapping.components)
        hint = f" {close}" if close.startswith("Did") else ""
        advice = (
            f"Say what it is in the file of --models, under components: "
            f"'{component.type}: {{model: ...}}' or '{{leave_out: why}}'.{hint}"
        )
        return Fault(where, key, f"its type '{component.type}' has no mapping.", advice)
    models = registry.names(registry.FEDERATES)
    if given.model is not None and given.model not in models:
        return Fault(where, key, f"there is no model '{given.model}'.", near(given.model, models))
    return None


class _Writer:
    """Writes a scenario line by line, with what has no place in it as comments."""

    def __init__(self, diagram: Diagram, mapping: OedisiMapping, where: str) -> None:
        self._diagram, self._mapping, self._where = diagram, mapping, where
        self._kinds = {c.name: mapping.components[c.type] for c in diagram.components}
        self._names = _identifiers([c.name for c in diagram.components])
        self._kept = [w for w in diagram.links if self._is_kept(w)]
        known = {(w.source, w.target) for w in self._kept if self._first(w) is not None}
        edges = [(w.source, w.target) for w in self._kept]
        self._delayed = _closing([c.name for c in diagram.components], edges, known)

    def _first(self, wire: Wire) -> float | None:
        """Return the first value that the mapping gives the target of a link."""
        target = self._kinds[wire.target]
        port = target.inputs.get(wire.target_port, wire.target_port)
        return target.initial.get(wire.target_port, target.initial.get(port))

    def _is_kept(self, wire: Wire) -> bool:
        return all(self._kinds[end].model is not None for end in (wire.source, wire.target))

    def lines(self) -> list[str]:
        """Return all lines."""
        top = {"duration_h": 24.0, **self._mapping.scenario}
        name = re.sub(r"[^A-Za-z0-9_-]", "_", self._diagram.name) or "unnamed"
        lines = [f"# from {self._where}", "feedertwin: 1", f"name: {name}"]
        for key, value in top.items():
            guess = "  # not in the diagram" if key not in self._mapping.scenario else ""
            lines.append(f"{key}: {_flow(value)}{guess}")
        lines += ["", "federates:"]
        for component in self._diagram.components:
            lines += self._federate(component)
        lines += ["", "links:" if self._kept else "links: []"]
        for wire in self._diagram.links:
            lines.append(self._link(wire))
        return lines

    def _federate(self, component: Component) -> list[str]:
        given = self._kinds[component.name]
        name = self._names[component.name]
        was = f"  # {component.name}" if name != component.name else ""
        if given.model is None:
            parameters = _flow(dict(component.parameters))
            why = f"{component.type} is left out: {given.leave_out}"
            return [f"  # {component.name}: {why}; {parameters}"]
        lines = [f"  {name}:{was}", f"    model: {given.model}  # {component.type}"]
        lines += [f"    {key}: {_flow(value)}" for key, value in given.settings.items()]
        for key, value in component.parameters.items():
            ours = given.parameters.get(key)
            if ours is None:
                lines.append(f"    # {key}: {_flow(value)}  (not used here)")
            else:
                lines.append(f"    {ours}: {_flow(value)}")
        places = ((key, getattr(component, key)) for key in _PLACE)
        lines += [f"    # {key}: {_flow(value)}  (see deploy)" for key, value in places if value]
        return lines

    def _link(self, wire: Wire) -> str:
        if not self._is_kept(wire):
            ends = f"{wire.source}.{wire.source_port} -> {wire.target}.{wire.target_port}"
            return f"  # {ends}  (an end is left out)"
        source, target = self._kinds[wire.source], self._kinds[wire.target]
        port = target.inputs.get(wire.target_port, wire.target_port)
        text = (
            f"{self._names[wire.source]}.{source.outputs.get(wire.source_port, wire.source_port)}"
            f" -> {self._names[wire.target]}.{port}"
        )
        if (wire.source, wire.target) not in self._delayed:
            return f"  - {text}"
        first = self._first(wire)
        more = f", initial: {first:g}" if first is not None else ""
        return f"  - {{link: {text}, delayed: true{more}}}  # closes a loop"


def _closing(
    names: list[str], edges: list[tuple[str, str]], known: set[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return the edges to be delayed, so that no loop is left; ``known`` ones first.

    Known are those whose target has a first value.
    """
    delayed: set[tuple[str, str]] = set()
    while True:
        try:
            levels(names, [edge for edge in edges if edge not in delayed])
        except CycleError as cycle:
            first, *rest = cycle.names
            along = list(zip(cycle.names, (*rest, first), strict=True))
            delayed.add(next((edge for edge in along if edge in known), along[-1]))
        else:
            return delayed


def _identifiers(names: list[str]) -> dict[str, str]:
    """Return names a scenario takes; two that become the same are told apart by a number."""
    found: dict[str, str] = {}
    for name in names:
        stem = re.sub(r"\W", "_", name, flags=re.ASCII)
        stem = stem if stem.isidentifier() else f"c_{stem}"
        plain, number = stem, 2
        while plain in found.values():
            plain, number = f"{stem}_{number}", number + 1
        found[name] = plain
    return found


def _flow(value: Any) -> str:
    """Return a value in one line of YAML: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)
