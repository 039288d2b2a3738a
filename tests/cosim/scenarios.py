"""Scenarios made in a test, without a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cosim.federation import Link
from cosim.scenario.build import Scenario
from cosim.scenario.schema import ScenarioConfig
from gridmodel.federate import Federate
from gridmodel.settings import parse
from tests.cosim.parts import wire


def scenario(
    parts: Mapping[str, Federate], *links: str | Link, hours: float = 1.0, **config: Any
) -> Scenario:
    """A scenario of ready-made parts."""
    data = {"feedertwin": 1, "name": "test", "duration_h": hours, "federates": {}, **config}
    checked = parse(ScenarioConfig, data)
    return Scenario(checked, Path("test.yaml"), checked.model_dump(), wire(parts, *links))
