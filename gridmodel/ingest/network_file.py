"""Our own network file: the network as JSON or YAML."""

from __future__ import annotations

from pathlib import Path

from gridmodel.ingest.model_file import read_model, write_model
from gridmodel.network.checks import check
from gridmodel.network.network import Network


def read_network(path: Path) -> Network:
    """Return the network in a JSON or YAML file, checked whole.

    Raises
    ------
    NetworkError
        With every fault of the file.
    """
    network = read_model(path, Network)
    check(network, str(path))
    return network


def write_network(network: Network, path: Path) -> None:
    """Write a network as JSON or YAML; JSON has one element a line, so differences read well."""
    write_model(network.model_dump(mode="json", exclude_defaults=True), path)
