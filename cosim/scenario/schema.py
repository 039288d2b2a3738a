"""Schema of a scenario file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Gt
from pydantic import Field, field_validator, model_validator

from cosim.pacer import RealTimeConfig
from gridmodel.settings import Settings

#: ``federate.port``
END = r"^[A-Za-z_]\w*\.[A-Za-z_]\w*$"


class LinkConfig(Settings):
    """A connection, ``source.port -> target.port``."""

    link: str = Field(
        pattern=r"^\s*[A-Za-z_]\w*\.[A-Za-z_]\w*\s*->\s*[A-Za-z_]\w*\.[A-Za-z_]\w*\s*$",
        description="source.port -> target.port",
    )
    delayed: bool = Field(False, description="deliver what was sent strictly before the instant")
    initial: float | bool | None = Field(None, description="value before anything was sent")


class EventConfig(Settings):
    """Something that happens; further keys are those of the event kind."""

    model_config = Settings.model_config | {"extra": "allow"}

    t_h: Annotated[float, Ge(0.0)] = Field(description="when, from the start of the scenario")
    target: str = Field(description="federate it happens to")
    kind: str = Field(description="what happens")


class BoundConfig(Settings):
    """Bounds of a key figure."""

    min: float | None = Field(None, description="at least")
    max: float | None = Field(None, description="at most")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        return self


class RecordConfig(Settings):
    """What is recorded; everything, unless it says otherwise."""

    skip: tuple[str, ...] = Field((), description="federates, or federate.port, not recorded")
    every_s: Mapping[str, Annotated[float, Gt(0.0)]] = Field(
        {}, description="federates of which only one row in this time is kept"
    )


class PanelConfig(Settings):
    """One plot of the report."""

    title: str
    signals: tuple[str, ...] = Field(description="federate.port, or federate.port.label")
    kind: Literal["lines", "sum", "band", "states"] = Field(
        "lines",
        description="a line an element; their sum; lowest to highest; or codes as colours",
    )
    codes: tuple[str, ...] = Field((), description="names of the codes 0, 1, ... of a states plot")
    hide_zero: bool = Field(False, description="leave gaps where the value is 0")
    label: str = Field("", description="text at the vertical axis; the unit if left out")


class ReportConfig(Settings):
    """What the report shows."""

    kpis: tuple[str, ...] = Field((), description="key figures of the first table, in order")
    panels: tuple[PanelConfig, ...] = Field((), description="plots, one below the other")
    timeline: tuple[str, ...] = Field(
        (), description="sender.port of the messages listed as events; the scenario's own are"
    )


class DeployConfig(Settings):
    """How the scenario is cut into processes."""

    partitions: Mapping[str, tuple[str, ...]] = Field(
        description="federates by partition; those not named run in the first one"
    )


class ScenarioConfig(Settings):
    """A scenario."""

    feedertwin: Literal[1] = Field(description="version of this format")
    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="name, also of the run folder")
    about: str = Field("", description="one paragraph on what happens")
    seed: Annotated[int, Ge(0)] = Field(0, description="all randomness comes from it")
    start: str = Field(
        "2016-01-01T00:00:00+00:00", description="wall-clock time of t = 0, ISO 8601"
    )
    duration_h: Annotated[float, Gt(0.0)] = Field(description="length of the run")
    network: str | None = Field(None, description="network file, relative to this one")
    federates: Mapping[str, Mapping[str, Any]] = Field(description="parts, each with a model")
    links: tuple[LinkConfig, ...] = Field((), description="connections")
    events: tuple[EventConfig, ...] = Field((), description="what happens, and when")
    expect: Mapping[str, BoundConfig] = Field({}, description="bounds of key figures")
    record: RecordConfig = Field(RecordConfig(), description="what is recorded")
    deploy: DeployConfig | None = Field(None, description="how it is cut into processes")
    real_time: RealTimeConfig | None = Field(
        None, description="keep in step with the wall clock; as fast as it can if left out"
    )
    stall_timeout_s: Annotated[float, Gt(0.0)] = Field(
        30.0, description="a step that takes longer ends the run"
    )
    report: ReportConfig = Field(ReportConfig(), description="what the report shows")
    definitions: Any = Field(None, description="a place for YAML anchors; not read")

    @field_validator("start")
    @classmethod
    def _a_time(cls, value: str) -> str:
        try:
            zone = datetime.fromisoformat(value).tzinfo
        except ValueError:
            raise ValueError(
                "an ISO 8601 time is asked for, such as 2016-05-24T00:00:00+02:00"
            ) from None
        if zone is None:
            raise ValueError("the time needs a zone, such as +02:00 or +00:00")
        return value

    @property
    def start_utc_s(self) -> float:
        """Wall-clock time of t = 0, since 1970-01-01 UTC. [s]"""
        return datetime.fromisoformat(self.start).timestamp()
