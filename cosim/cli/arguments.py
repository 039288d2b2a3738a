"""Arguments: what a person types, and what it means."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import typer

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
    for folder in _bundled():
        for candidate in (folder / text / "scenario.yaml", folder / f"{text}.yaml"):
            if candidate.exists():
                return candidate
    names = bundled_names()
    fault = Fault(text, "", "there is no such file.", f"Bundled scenarios: {near(text, names)}")
    raise ScenarioError("scenario cannot be found", [fault])


def bundled_names() -> list[str]:
    """Return the names of the scenarios that come with the package."""
    names = set()
    for folder in _bundled():
        for path in folder.glob("*/*.yaml"):
            inner = path.parent.name
            names.add(inner if path.stem == "scenario" else f"{inner}/{path.stem}")
    return sorted(names)


def _bundled() -> list[Path]:
    """Return the folders of bundled scenarios: in the wheel, or in the source tree."""
    package = Path(str(files("cosim")))
    folders = (package / "_bundled_scenarios", package.parent / "scenarios")
    return [folder for folder in folders if folder.is_dir()]
