"""Shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from gridmodel.ingest.neighbourhood_file import read_neighbourhood
from gridmodel.neighbourhood import Neighbourhood

ROOT = Path(__file__).parent.parent
STREET = ROOT / "scenarios" / "street_island"

# What commands print is laid out for 80 columns, whatever the caller's terminal says it has.
os.environ.pop("COLUMNS", None)

# Machines are noisy and kernels compile on first use: never fail a law on time, nor on how many
# examples chance had to pass over. A law that finds none at all still fails.
settings.register_profile(
    "feedertwin",
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("feedertwin")


@pytest.fixture(scope="session")
def street() -> Neighbourhood:
    """The street of the bundled scenario."""
    return read_neighbourhood(STREET / "network.json")
