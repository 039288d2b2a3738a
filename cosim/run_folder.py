"""Run folder: what a run leaves behind, and how to find it again.

``run.json`` has the resolved scenario, seed, versions, timings, key figures and how it
ended; ``signals/`` and ``messages.parquet`` the record; ``report.html`` the pictures.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosim.run_owner import lives, owner
from gridmodel.errors import RunError
from gridmodel.kpi import Kpi

if TYPE_CHECKING:
    from cosim.scenario.build import Scenario

RUN_FILE, FAILURE_FILE = "run.json", "failure.json"
#: Says which nodes were outside, in a run that had some.
OUTSIDE_FILE = "outside.json"
RUNNING = "running"
#: In a word, how a run ended, by its exit code.
_STATES = {0: "done", 1: "fell short", 3: "failed", 130: "interrupted"}
_RESERVE, _RESERVE_BYTES = "reserve", 1_500_000
_PACKAGES = ("feedertwin", "numpy", "numba", "opendssdirect.py", "pyarrow", "pydantic")


def create(out: Path, name: str, now: datetime) -> Path:
    """Make a folder for a run; two runs that start together get two folders."""
    stamp = now.strftime("%Y%m%d-%H%M%S")
    for attempt in range(1000):
        folder = out / (f"{name}-{stamp}" if attempt == 0 else f"{name}-{stamp}-{attempt + 1}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise RunError(f"no free folder for a run in {out}")


def reserve(folder: Path) -> None:
    """Keep a little room on the disk, so that a run that fills it can still say so."""
    with (folder / _RESERVE).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, _RESERVE_BYTES)


def release(folder: Path) -> None:
    """Give back the room that `reserve` kept."""
    (folder / _RESERVE).unlink(missing_ok=True)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(data, indent=1, default=str) + "\n", encoding="utf-8")
    part.replace(path)


def about(
    scenario: Scenario, overrides: Sequence[str], engine: str, started: datetime, until_us: int
) -> dict[str, Any]:
    """Return what ``run.json`` says of a run that has begun; the rest is known at its end."""
    return {
        "scenario": scenario.config.name,
        "scenario_file": str(scenario.path.resolve()),
        "overrides": list(overrides),
        "goes_on_from": None,
        "engine": engine,
        "status": RUNNING,
        "exit": None,
        "process": owner(),
        "seed": scenario.config.seed,
        "until_us": until_us,
        "t_us": 0,
        "started_utc": started.isoformat(),
        "ended_utc": None,
        "wall_s": 0.0,
        "instants": 0,
        "steps": 0,
        "lateness": None,
        "warnings": list(scenario.warnings),
        "kpis": {},
        "shortfalls": [],
        "not_judged": None,
        "environment": environment(),
        "resolved": scenario.resolved,
    }


def plain(value: float | None) -> float | None:
    """Return a number as JSON can have it: NaN and infinities are None."""
    return value if value is not None and isfinite(value) else None


def kpi_values(kpis: Mapping[str, Kpi]) -> dict[str, dict[str, Any]]:
    """Return key figures as ``run.json`` has them."""
    return {
        name: {"value": plain(kpi.value), "unit": kpi.unit, "about": kpi.about}
        for name, kpi in kpis.items()
    }


def write_last(folder: Path, path: Path, data: Mapping[str, Any]) -> None:
    """Write how something ended as JSON; on a full disk, into the room that `reserve` kept."""
    try:
        write_json(path, data)
    except OSError:
        release(folder)
        write_json(path, data)


def read_run(folder: Path) -> dict[str, Any]:
    """Return the content of ``run.json``.

    Raises
    ------
    RunError
        If the folder is no run.
    """
    try:
        data: dict[str, Any] = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(
            f"{folder} is no run: it has no {RUN_FILE}. List runs by 'feedertwin runs'."
        ) from error
    except ValueError as error:
        raise RunError(f"{folder / RUN_FILE} is broken: {error}.") from error
    return data


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON file of ours."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def read_failure(folder: Path) -> dict[str, Any]:
    """Return what the federate that failed had in its hands; empty if none did."""
    path = folder / FAILURE_FILE
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return data


def find(out: Path, name: str) -> Path:
    """Return a run by path, by name, or the newest for ``last``.

    Raises
    ------
    RunError
        If there is none.
    """
    if name == "last":
        newest = max(runs(out), default=None, key=lambda folder: folder.stat().st_mtime)
        if newest is None:
            raise RunError(f"there is no run in {out} yet. Start one by 'feedertwin run'.")
        return newest
    for folder in (Path(name), out / name):
        if (folder / RUN_FILE).exists():
            return folder
    from gridmodel.settings import near

    raise RunError(f"there is no run '{name}' in {out}. {near(name, [f.name for f in runs(out)])}")


def runs(out: Path) -> Iterator[Path]:
    """Yield all run folders, by name."""
    if out.is_dir():
        yield from sorted(folder for folder in out.iterdir() if (folder / RUN_FILE).exists())


def state(run: Mapping[str, Any]) -> str:
    """Return in a word how a run is: by its exit code, or by whether its process lives."""
    code = run["exit"]
    if code is not None:
        return _STATES.get(code, f"exit {code}")
    if run["status"] != RUNNING:
        return "recovered"
    alive = lives(run.get("process"))
    return "unknown" if alive is None else RUNNING if alive else "killed"


def environment() -> dict[str, Any]:
    """Return versions and platform, for the record."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return {
        "packages": found,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "command": sys.argv[1:],
    }


def utc_now() -> datetime:
    """Return the wall clock."""
    return datetime.now(UTC)
