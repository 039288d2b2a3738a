"""Rule sets: published sets by name, read from data files in which each value has its clause.

A file holds the blocks of `Rules`; a value is written ``{is: 0.98, clause: "5.3.3, table 8"}``.
``based_on: NAME`` takes over another set's values, with their clauses, and changes some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML

from gridmodel.errors import PluginError
from gridmodel.settings import near, parse
from simulators.inverters.standard.rules import Rules

_FOLDER = files(__package__) / "sets"
_ENDING = ".yaml"


@dataclass(frozen=True)
class RuleSet:
    """A published set.

    Parameters
    ----------
    name : str
        Its name, ``ieee_1547_2018_b_iii``.
    rules : Rules
        Its values.
    clauses : mapping
        By dotted key, ``trip.over_v_pu``: where the value stands.
    origins : mapping
        By dotted key: the set whose file says so, its own or one it is based on. A clause
        is one of that set's document.
    """

    name: str
    rules: Rules
    clauses: Mapping[str, str]
    origins: Mapping[str, str]


@cache
def names() -> tuple[str, ...]:
    """Return the names of all sets."""
    found = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(_ENDING) for name in found if name.endswith(_ENDING)))


@cache
def rule_set(name: str) -> RuleSet:
    """Return a set by its name.

    Raises
    ------
    PluginError
        If there is none of that name.
    """
    if name not in names():
        raise PluginError(f"'{name}' is no rule set. {near(name, names())}")
    values: dict[str, Any] = {}
    clauses: dict[str, str] = {}
    origins: dict[str, str] = {}
    _split(_document(name), "", values, clauses, origins)
    return RuleSet(name, parse(Rules, values), clauses, origins)


def adjusted(rules: Rules, changes: Mapping[str, Any]) -> Rules:
    """Return rules with some values changed.

    Parameters
    ----------
    rules : Rules
        The set.
    changes : mapping
        Blocks of values, ``{"volt_watt": {"enabled": True}}``.

    Raises
    ------
    pydantic.ValidationError
        If a change is none the model knows, or makes an impossible set.
    """
    return parse(Rules, merged(rules.model_dump(mode="json"), changes))


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return a nested mapping with another laid over it; leaves are replaced whole."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        block = isinstance(value, Mapping) and isinstance(old, Mapping) and "is" not in value
        result[key] = merged(old, value) if block else value  # type: ignore[arg-type]
    return result


def _document(name: str) -> dict[str, Any]:
    """Return a set's file laid over those it is based on."""
    text = (_FOLDER / f"{name}{_ENDING}").read_text(encoding="utf-8")
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    below = document.pop("based_on", None)
    _sign(document, name)
    return document if below is None else merged(_document(below), document)


def _sign(block: Mapping[str, Any], name: str) -> None:
    """Write into every value which set it is of."""
    for value in block.values():
        if isinstance(value, dict):
            if "is" in value:
                value["of"] = name
            else:
                _sign(value, name)


def _split(
    block: Mapping[str, Any],
    above: str,
    values: Any,
    clauses: dict[str, str],
    origins: dict[str, str],
) -> None:
    """Part values from their clauses and from whose they are."""
    for key, value in block.items():
        if not isinstance(value, Mapping):
            values[key] = value
        elif "is" in value:
            values[key] = value["is"]
            clauses[f"{above}{key}"] = value["clause"]
            origins[f"{above}{key}"] = value["of"]
        else:
            values[key] = {}
            _split(value, f"{above}{key}.", values[key], clauses, origins)
