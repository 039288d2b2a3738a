"""Our own files: a model as JSON with one element a line, or as YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from gridmodel.errors import Fault, NetworkError
from gridmodel.settings import Path as KeyPath
from gridmodel.settings import faults_of

_YAML = (".yaml", ".yml")

Model = TypeVar("Model", bound=BaseModel)


def read_model(path: Path, kind: type[Model]) -> Model:
    """Return the model in a JSON or YAML file.

    Raises
    ------
    NetworkError
        With every fault of the file, and the lines they are in.
    """
    title = f"network file {path.name} cannot be used"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NetworkError(title, [Fault(str(path), "", f"cannot be read: {error}.")]) from error
    data = _yaml(text, path, title) if path.suffix.lower() in _YAML else _json(text, path, title)
    try:
        return kind.model_validate_json(json.dumps(data))
    except ValidationError as error:
        faults = faults_of(error, kind, lambda key: _place(path, text, key))
        raise NetworkError(title, faults) from error


def _json(text: str, path: Path, title: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        fault = Fault(f"{path}:{error.lineno}", "", f"is not JSON: {error.msg}.")
        raise NetworkError(title, [fault]) from error


def _yaml(text: str, path: Path, title: str) -> Any:
    try:
        return YAML(typ="safe").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        fault = Fault(f"{path}:{line}", "", f"is not YAML: {error.problem}.")
        raise NetworkError(title, [fault]) from error


def _place(path: Path, text: str, key: KeyPath) -> str:
    """Return file and, for our own layout of one element a line, the line of an element."""
    if len(key) < 2 or not isinstance(key[1], int):
        return str(path)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip().startswith(f'"{key[0]}":'):
            return f"{path}:{number + 1 + key[1]}"
    return str(path)


def write_model(data: Mapping[str, Any], path: Path) -> None:
    """Write a model's data as JSON or YAML; JSON has one element a line, so differences read well."""
    if path.suffix.lower() in _YAML:
        with path.open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(data, file)
        return
    parts = []
    for key, value in data.items():
        if isinstance(value, list):
            rows = ",\n".join(f"    {json.dumps(row)}" for row in value)
            parts.append(f'  "{key}": [\n{rows}\n  ]')
        else:
            parts.append(f'  "{key}": {json.dumps(value)}')
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
