"""Every registered part can be explained, built from its docs, and found by name."""

from __future__ import annotations

import pytest

from cosim import registry
from gridmodel.errors import PluginError
from gridmodel.federate import Federate
from gridmodel.settings import Settings

FEDERATES = registry.names(registry.FEDERATES)
CONTROLLERS = registry.names(registry.CONTROLLERS)


@pytest.mark.parametrize("name", FEDERATES)
def test_a_model_is_a_federate_with_a_documented_configuration(name):
    cls = registry.load(registry.FEDERATES, name)
    assert issubclass(cls, Federate)
    assert (cls.__doc__ or "").strip()
    assert issubclass(cls.Config, Settings)


def settings_classes() -> list[type[Settings]]:
    import cosim.scenario.schema  # noqa: F401
    import gridmodel.neighbourhood  # noqa: F401

    for group in (registry.FEDERATES, registry.CONTROLLERS):
        for name in registry.names(group):
            registry.load(group, name)
    found, waiting = [], [Settings]
    while waiting:
        for cls in waiting.pop().__subclasses__():
            found.append(cls)
            waiting.append(cls)
    return sorted({c for c in found if not c.__module__.startswith("tests")}, key=str)


@pytest.mark.parametrize("cls", settings_classes(), ids=lambda cls: cls.__name__)
def test_a_settings_class_says_what_it_is(cls):
    assert (cls.__doc__ or "").strip(), cls


def test_a_typo_in_a_plugin_name_gets_a_hint():
    with pytest.raises(PluginError, match="Did you mean 'battery'"):
        registry.load(registry.FEDERATES, "batterie")
