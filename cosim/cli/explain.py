"""``feedertwin explain``: every key with its default, its unit and its meaning; every port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_origin

import typer
from pydantic import BaseModel

from cosim import registry
from cosim.cli.arguments import scenario_path
from cosim.cli.console import out, print_table
from cosim.cli.port_table import print_ports, print_ports_of_model
from cosim.cli.run import SetOption
from cosim.scenario.build import load
from cosim.scenario.schema import ScenarioConfig
from gridmodel.errors import UnitError
from gridmodel.federate import Federate
from gridmodel.units import unit_of


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(explain_command)


def explain_command(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A model, a controller, 'scenario', or a scenario file; all models if left out."
        ),
    ] = None,
    sets: SetOption = None,
) -> None:
    """Explain every key and every port; for a scenario also the values it has."""
    if name is None:
        _overview()
    elif name == "scenario":
        _explain_block("scenario file", ScenarioConfig, None)
    elif name in registry.names(registry.FEDERATES):
        _explain_model(name, registry.load(registry.FEDERATES, name))
    elif name in registry.names(registry.CONTROLLERS):
        cls = registry.load(registry.CONTROLLERS, name)
        _explain_block(f"controller {name}: {_first_line(cls)}", cls.Config, None)
    else:
        loaded = load(scenario_path(name), sets or [])
        for federate, block in loaded.resolved["federates"].items():
            cls = registry.load(registry.FEDERATES, block["model"])
            _explain_block(f"{federate} (model {block['model']})", cls.Config, block)
            print_ports(federate, loaded.federation[federate].federate)


def _overview() -> None:
    for group, title in ((registry.FEDERATES, "models"), (registry.CONTROLLERS, "controllers")):
        rows = [(name, _first_line(registry.load(group, name))) for name in registry.names(group)]
        print_table(title, ("name", ""), rows)
        out.print()
    out.print("feedertwin explain NAME tells more of one of them; 'scenario' explains the file.")


def _explain_model(name: str, cls: type[Federate]) -> None:
    _explain_block(f"model {name}: {_first_line(cls)}", cls.Config, None)
    for kind, model in cls.events.items():
        _explain_block(f"event {kind}: {_first_line(model)}", model, None)
    print_ports_of_model(name)


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").strip().splitlines()[0]


def _explain_block(title: str, model: type[BaseModel], values: dict[str, Any] | None) -> None:
    columns = ("key", "unit", "default") + (("value",) if values is not None else ()) + ("meaning",)
    print_table(title, columns, list(_rows(model, values, "")))
    out.print()


def _rows(
    model: type[BaseModel], values: dict[str, Any] | None, above: str
) -> Iterator[tuple[str, ...]]:
    """Yield a row a key; the keys of a block within follow it, with dots."""
    for key, field in model.model_fields.items():
        inner, many = _inner(field.annotation), _many(field.annotation)
        name = f"{above}{key}{'[]' if inner is not None and many else ''}"
        value = (values or {}).get(key)
        default = "required" if field.is_required() else _short(field.get_default())
        cells = [name, _unit(key), "" if inner is not None else default]
        if values is not None:
            cells.append("" if inner is not None else _short(value))
        yield (*cells, field.description or "")
        if inner is not None and not (many and values is not None):
            nested = value if isinstance(value, dict) else None
            yield from _rows(inner, nested if values is not None else None, f"{name}.")


def _many(annotation: Any) -> bool:
    """Return whether a key holds several blocks: a list, or a mapping by name."""
    return get_origin(annotation) in (tuple, Mapping, dict)


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _unit(key: str) -> str:
    try:
        return unit_of(key)
    except UnitError:
        return ""


def _inner(annotation: Any) -> type[BaseModel] | None:
    """Return the settings class within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner(argument)
        if found is not None:
            return found
    return None
