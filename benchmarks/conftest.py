"""Shared by all benchmarks."""

from __future__ import annotations

import pytest

from benchmarks.rounds import Bench


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick", action="store_true", help="a few seconds each, only to see that they run"
    )


@pytest.fixture
def quick(request: pytest.FixtureRequest) -> bool:
    """Whether figures do not matter this time."""
    return bool(request.config.getoption("--quick"))


@pytest.fixture
def bench(benchmark, quick: bool) -> Bench:
    """Runs rivals in turns and takes the section's rows."""
    return Bench(benchmark, quick)
