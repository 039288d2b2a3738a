"""Networks that the simulators' tests share besides the street."""

from __future__ import annotations

import pytest

from gridmodel.ingest.neighbourhood_file import read_neighbourhood
from gridmodel.neighbourhood import Neighbourhood
from tests.simulators.bench import STREET


@pytest.fixture(scope="session")
def mesh() -> Neighbourhood:
    """The street with private cables between its houses."""
    return read_neighbourhood(STREET / "citizen_mesh.json")
