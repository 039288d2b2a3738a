"""Our own file of a neighbourhood: its model as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from gridmodel.errors import Fault, NetworkError
from gridmodel.neighbourhood import Neighbourhood, check_neighbourhood
from gridmodel.settings import faults_of


def read_neighbourhood(path: Path) -> Neighbourhood:
    """Return the network in a JSON file, checked whole.

    Raises
    ------
    NetworkError
        With every fault of the file.
    """
    title = f"network file {path.name} cannot be used"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NetworkError(title, [Fault(str(path), "", f"cannot be read: {error}.")]) from error
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        fault = Fault(f"{path}:{error.lineno}", "", f"is not JSON: {error.msg}.")
        raise NetworkError(title, [fault]) from error
    try:
        network = Neighbourhood.model_validate_json(text)
    except ValidationError as error:
        raise NetworkError(title, faults_of(error, Neighbourhood, lambda _: str(path))) from error
    check_neighbourhood(network, str(path))
    return network


def write_neighbourhood(network: Neighbourhood, path: Path) -> None:
    """Write a network as JSON, one element a line, so that a difference reads well."""
    data = network.model_dump(exclude_defaults=True)
    parts = []
    for key, value in data.items():
        if isinstance(value, tuple):
            rows = ",\n".join(f"    {json.dumps(row)}" for row in value)
            parts.append(f'  "{key}": [\n{rows}\n  ]')
        else:
            parts.append(f'  "{key}": {json.dumps(value)}')
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
