"""Registry: finds models, controllers and bridges by name, ours and other people's alike.

A package joins by an entry point in one of these groups; ours are in ``pyproject.toml``.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from gridmodel.errors import MissingExtraError, PluginError

FEDERATES = "feedertwin.federates"
CONTROLLERS = "feedertwin.controllers"
BRIDGES = "feedertwin.bridges"
ENGINES = "feedertwin.engines"
COMMANDS = "feedertwin.commands"
#: Name under which this package is installed.
DISTRIBUTION = "feedertwin"


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def names(group: str) -> list[str]:
    """Return the registered names of a group."""
    return sorted(_points(group))


def ours(group: str, name: str) -> bool:
    """Return whether a name is registered by feedertwin itself, not by another package."""
    point = _points(group).get(name)
    return point is not None and point.dist is not None and point.dist.name == DISTRIBUTION


def load(group: str, name: str) -> Any:
    """Return what is registered under a name.

    Raises
    ------
    PluginError
        If nothing is, or it cannot be imported.
    MissingExtraError
        If it needs something that is not installed.
    """
    points = _points(group)
    if name not in points:
        kind = group.removeprefix("feedertwin.").removesuffix("s")
        close = get_close_matches(name, points, n=1)
        hint = f"Did you mean '{close[0]}'?" if close else f"Known are {', '.join(sorted(points))}."
        raise PluginError(f"there is no {kind} '{name}'. {hint}")
    try:
        return points[name].load()
    except MissingExtraError:
        raise
    except (ImportError, AttributeError) as error:
        raise PluginError(f"'{name}' ({points[name].value}) cannot be loaded: {error}") from error
