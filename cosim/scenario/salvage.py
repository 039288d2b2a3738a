"""Salvage: what of a scenario can still be judged when keys of its top level are at fault."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from cosim.scenario.document import Document, link_text
from cosim.scenario.schema import ScenarioConfig
from gridmodel.errors import Fault
from gridmodel.settings import Path as KeyPath
from gridmodel.settings import faults_of, parse

#: Stands for a key without a default that is missing or at fault.
_STAND_INS: Mapping[str, Any] = {"feedertwin": 1, "name": "nameless", "duration_h": 1.0}
#: Keys whose items are judged one by one, so the others stay when some are at fault.
_LISTS, _MAPPINGS = ("links", "events"), ("federates", "expect")


@dataclass(frozen=True)
class Salvage:
    """A scenario without what is at fault at its top level.

    Parameters
    ----------
    config : ScenarioConfig or None
        The rest; None if that is nothing that can be judged.
    faults : sequence of Fault
        What is at fault.
    doubtful : collection of str
        Keys that do not have the value they were meant to have.
    kept : mapping
        Positions in the file of the links and events that are left.
    lost_links : sequence of str
        Texts of links that are not; an empty one for what has none.
    """

    config: ScenarioConfig | None
    faults: Sequence[Fault] = ()
    doubtful: Collection[str] = ()
    kept: Mapping[str, Sequence[int]] = field(default_factory=dict)
    lost_links: Sequence[str] = ()


def salvage(document: Document) -> Salvage:
    """Return a scenario's checked file, or what is left of it."""
    data = dict(document.data)
    if isinstance(data.get("links"), list):  # the short form of a link is its text alone
        data["links"] = [{"link": x} if isinstance(x, str) else x for x in data["links"]]
    try:
        return Salvage(parse(ScenarioConfig, data), kept=_kept(data, {}))
    except ValidationError as error:
        faults = faults_of(error, ScenarioConfig, document.where_value)
        paths = [item["loc"] for item in error.errors(include_url=False)]
    doubtful, items = _split(paths)
    lost = [link_text(data["links"][k]) for k in items.get("links", ()) if isinstance(k, int)]
    if "links" in doubtful:
        lost.append("")
    config = None if "federates" in doubtful else _parse(_without(data, doubtful, items))
    return Salvage(config, faults, doubtful, _kept(data, items), lost)


def _split(paths: Iterable[KeyPath]) -> tuple[set[str], dict[str, set[str | int]]]:
    """Return the keys that are wholly at fault, and of others the items that are."""
    doubtful: set[str] = set()
    items: dict[str, set[str | int]] = {}
    for key, *below in paths:
        if below and key in (*_LISTS, *_MAPPINGS):
            items.setdefault(str(key), set()).add(below[0])
        else:
            doubtful.add(str(key))
    return doubtful, items


def _without(
    data: Mapping[str, Any], doubtful: Collection[str], items: Mapping[str, Collection[str | int]]
) -> dict[str, Any]:
    """Return a scenario's data without what is at fault."""
    rest = {key: value for key, value in data.items() if key not in doubtful}
    rest |= {key: value for key, value in _STAND_INS.items() if key in doubtful}
    for key, wrong in items.items():
        if key in _LISTS:
            rest[key] = [item for k, item in enumerate(data[key]) if k not in wrong]
        else:
            rest[key] = {name: item for name, item in data[key].items() if name not in wrong}
    return rest


def _kept(
    data: Mapping[str, Any], items: Mapping[str, Collection[str | int]]
) -> dict[str, list[int]]:
    """Return the positions of list items that are not at fault."""
    lists = {key: data.get(key) for key in _LISTS}
    return {
        key: [k for k in range(len(value)) if k not in items.get(key, ())]
        for key, value in lists.items()
        if isinstance(value, list)
    }


def _parse(data: Mapping[str, Any]) -> ScenarioConfig | None:
    try:
        return parse(ScenarioConfig, data)
    except ValidationError:  # what is wrong has been told
        return None
