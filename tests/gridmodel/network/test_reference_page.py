"""The reference of the network is that of the models."""

from __future__ import annotations

import importlib.util

from gridmodel.network.network import Network
from tests.conftest import ROOT

SCRIPT = ROOT / "scripts" / "network_reference.py"


def test_the_page_is_what_the_models_say():
    """If it is not: python scripts/network_reference.py."""
    spec = importlib.util.spec_from_file_location("network_reference", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (ROOT / "docs" / "reference" / "network.md").read_text(encoding="utf-8")
    assert page == script.page()
    for key, kind in Network.GROUPS.items():
        assert f"## `{key}`: {kind.__name__}" in page
