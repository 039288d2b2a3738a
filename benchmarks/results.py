"""Results: what the benchmarks found, kept by section in ``results.json``."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

FILE = Path(__file__).with_name("results.json")
#: Sections of the page, in order, and the benchmark that fills each.
SECTIONS = {
    "street": "test_street.py::test_street",
    "commands": "test_street.py::test_commands",
    "engine": "test_engine.py::test_engine",
    "mosaik": "test_engine.py::test_mosaik",
    "partitions": "test_partitions.py::test_partitions",
    "neighbourhood": "test_neighbourhood.py::test_neighbourhood",
    "inverters": "test_inverters.py::test_inverters",
    "uplink": "test_radio.py::test_uplink",
    "mesh": "test_radio.py::test_mesh",
    "node": "test_node.py::test_node",
    "pace": "test_node.py::test_pace",
    "batch": "test_power_flow.py::test_batch",
    "year": "test_power_flow.py::test_year",
    "opendss": "test_power_flow.py::test_opendss",
    "large": "test_power_flow.py::test_large",
}
Results = dict[str, dict[str, Any]]


def read() -> Results:
    """Return all results kept so far."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def keep(found: Results) -> Results:
    """Replace the sections found in this run; return all."""
    results = {**read(), **found}
    ordered = {name: results[name] for name in SECTIONS if name in results}
    FILE.write_text(json.dumps(_rounded(ordered), indent=1) + "\n", encoding="utf-8")
    return read()


def of_report(report: Mapping[str, Any]) -> Results:
    """Return the sections in a JSON report of pytest-benchmark."""
    return {
        entry["name"].removeprefix("test_"): {
            **entry["extra_info"],
            "rounds": entry["stats"]["rounds"],
            "machine": machine(),
        }
        for entry in report["benchmarks"]
    }


def machine() -> str:
    """Return the class of this machine, and nothing that tells which one it is."""
    memory_gb = psutil.virtual_memory().total / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "mosaik"))
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory_gb:.0f} GiB; "
        f"Python {platform.python_version()}, {libraries}"
    )


def _rounded(value: Any) -> Any:
    """Return the value with numbers to four significant digits."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
