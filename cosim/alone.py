"""Alone: one of our models at a desk of its own, for worlds that are not ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt
from pydantic import AwareDatetime, Field, ValidationError

from cosim import registry
from cosim.engines.desk import Desk
from cosim.federation import Member
from cosim.node.programs import make_program
from gridmodel.errors import Fault, ScenarioError
from gridmodel.federate import BuildContext
from gridmodel.ingest.neighbourhood_file import read_neighbourhood
from gridmodel.settings import Settings, faults_of, parse
from gridmodel.units import microseconds


class AloneConfig(Settings):
    """A model without a scenario."""

    model: str = Field(description="registered name")
    config: Mapping[str, Any] = Field({}, description="the model's own settings")
    name: str = Field("", description="its name: random draws depend on it and on the seed")
    seed: Annotated[int, Ge(0)] = Field(0, description="all randomness comes from it")
    network: str | None = Field(None, description="network file")
    start: AwareDatetime = Field(
        datetime(2016, 1, 1, tzinfo=UTC), description="wall-clock time of t = 0, ISO 8601"
    )
    duration_h: Annotated[float, Gt(0.0)] = Field(24.0, description="length of the run")


def desk_alone(given: Mapping[str, Any], name: str, where: str, folder: Path) -> Desk:
    """Return a model at a desk.

    Parameters
    ----------
    given : mapping
        What `AloneConfig` takes.
    name : str
        Its name, if that gives none.
    where : str
        Place of the settings, for faults.
    folder : Path
        Relative file names start from here.

    Raises
    ------
    ScenarioError
        With every fault of the settings.
    """
    block = _parse(AloneConfig, given, where)
    cls = registry.load(registry.FEDERATES, block.model)
    settings = _parse(cls.Config, block.config, where, "config")
    if cls.needs_network and block.network is None:
        fault = Fault(where, "network", f"'{block.model}' needs a network file.")
        raise ScenarioError("model cannot be built", [fault])
    context = BuildContext(
        block.name or name,
        block.seed,
        dict.fromkeys(cls.Config.model_fields, folder),
        read_neighbourhood(folder / block.network) if block.network else None,
        microseconds(3600.0 * block.duration_h),
        block.start.timestamp(),
        make_program,
    )
    federate = cls.build(settings, context)
    inputs = {port.name: port for port in federate.inputs}
    outputs = {port.name: port for port in federate.outputs}
    return Desk(Member(context.name, federate, 0, 0, inputs, outputs), 0)


def _parse(cls: type[Any], data: Any, where: str, *above: str) -> Any:
    try:
        return parse(cls, data)
    except ValidationError as error:
        faults = faults_of(error, cls, lambda _: where, above)
        raise ScenarioError("model cannot be built", faults) from error
