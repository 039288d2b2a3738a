"""Shared by the tests of radio bodies."""

from __future__ import annotations

import pytest

from tests.hardware_bridges.world import World


@pytest.fixture
def world():
    return World()
