"""Arguments: what a person types, and what it means."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from cosim.scenario import bundled
from gridmodel.errors import Fault, ScenarioError
from gridmodel.settings import near
from gridmodel.units import microseconds

_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


def duration_us(text: str) -> int:
    """Return a duration such as ``5h``, ``90min`` or ``2d``. [us]

    Raises
    ------
    typer.BadParameter
        If it is none.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text)
    if match is None or match.group(2) not in _UNITS_S:
        known = ", ".join(_UNITS_S)
        raise typer.BadParameter(
            f"'{text}' is no duration; write 5h, 90min or 2d (units: {known})."
        )
    return microseconds(float(match.group(1)) * _UNITS_S[match.group(2)])


def span_us(text: str) -> int:
    """Return a duration that is more than nothing. [us]

    Raises
    ------
    typer.BadParameter
        If it is none, or 0.
    """
    given_us = duration_us(text)
    if given_us == 0:
        raise typer.BadParameter(f"'{text}' is no time at all; give more than 0.")
    return given_us


def scenario_path(text: str) -> Path:
    """Return the file of a scenario given by path, or by the name of a bundled one.

    Raises
    ------
    ScenarioError
        If there is none.
    """
    path = Path(text)
    if path.is_dir():
        path /= "scenario.yaml"
    if path.exists():
        return path
    found = bundled.find(text)
    if found is not None:
        return found
    problem = "there is no such file, and no bundled scenario of that name."
    fault = Fault(text, "", problem, near(text, bundled.names()))
    raise ScenarioError("scenario cannot be found", [fault])
