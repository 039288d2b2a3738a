"""Bundled scenarios: those that come with the package, by name."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def find(name: str) -> Path | None:
    """Return the file of a bundled scenario, ``street_island/citizen_mesh``, if there is one."""
    for folder in _folders():
        for candidate in (folder / name / "scenario.yaml", folder / f"{name}.yaml"):
            if candidate.exists():
                return candidate
    return None


def find_network(name: str) -> Path | None:
    """Return the file of a bundled example network, ``village``, if there is one."""
    found = (folder / "feeders" / f"{name}.json" for folder in _folders())
    return next((path for path in found if path.exists()), None)


def network_names() -> list[str]:
    """Return the names of all bundled example networks."""
    return sorted({path.stem for folder in _folders() for path in folder.glob("feeders/*.json")})


def names() -> list[str]:
    """Return the names of all bundled scenarios."""
    found = set()
    for folder in _folders():
        for path in folder.glob("*/*.yaml"):
            inner = path.parent.name
            found.add(inner if path.stem == "scenario" else f"{inner}/{path.stem}")
    return sorted(found)


def _folders() -> list[Path]:
    """Return the folders of bundled scenarios: in the wheel, or in the source tree."""
    package = Path(str(files("cosim")))
    folders = (package / "_bundled_scenarios", package.parent / "scenarios")
    return [folder for folder in folders if folder.is_dir()]
