"""Our own file of a neighbourhood: its model as JSON or YAML."""

from __future__ import annotations

from pathlib import Path

from gridmodel.ingest.model_file import read_model, write_model
from gridmodel.neighbourhood import Neighbourhood, check_neighbourhood


def read_neighbourhood(path: Path) -> Neighbourhood:
    """Return the neighbourhood in a JSON or YAML file, checked whole.

    Raises
    ------
    NetworkError
        With every fault of the file.
    """
    network = read_model(path, Neighbourhood)
    check_neighbourhood(network, str(path))
    return network


def write_neighbourhood(network: Neighbourhood, path: Path) -> None:
    """Write a neighbourhood as JSON, one element a line, so that a difference reads well."""
    write_model(network.model_dump(mode="json", exclude_defaults=True), path)
