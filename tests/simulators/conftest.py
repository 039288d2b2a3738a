"""Networks that the simulators' tests share besides the street."""

from __future__ import annotations

import pytest

from gridmodel.ingest.network_file import read_network
from gridmodel.network import Network
from tests.simulators.bench import STREET


@pytest.fixture(scope="session")
def mesh() -> Network:
    """The street with private cables between its houses."""
    return read_network(STREET / "citizen_mesh.json")
