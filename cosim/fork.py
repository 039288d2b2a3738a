"""Fork: what a part with other settings must say again when a run goes on without its past.

Some parts say their ratings once, at their first step. In a fork that changes their
settings, those outputs lie with the snapshot and are sent anew at the first step after it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from cosim.events import EVENTS
from cosim.federation import Federation, Member
from gridmodel.federate import Inputs

#: Names of outputs by federate.
Ports = dict[str, list[str]]


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """Return the federates whose settings differ between two resolved scenarios."""
    old, new = (
        json.loads(json.dumps(r.get("federates", {}), default=str)) for r in (before, after)
    )
    return {name for name in new if new[name] != old.get(name)}


def said_once(state: Mapping[str, Any], federation: Federation, names: Collection[str]) -> Ports:
    """Return the outputs that parts have sent at their first step only, by the snapshot."""
    found: Ports = {}
    for name in sorted(names):
        if name != EVENTS and name in state["desks"]:
            desk, first_us = state["desks"][name], federation[name].federate.first_us
            anew = desk.get("anew", {})  # by an earlier fork
            found[name] = [
                port for port, slot in desk["slots"].items() if slot[0] == anew.get(port, first_us)
            ]
    return {name: ports for name, ports in found.items() if ports}


def say_again(state: Mapping[str, Any], federation: Federation, ports: Ports) -> None:
    """Leave with a snapshot what parts say anew at their next turn."""
    for name, wanted in ports.items():
        member, desk = federation[name], state["desks"][name]
        inputs = Inputs(desk["inputs"])
        inputs.messages = dict.fromkeys(member.inputs, ())
        desk["again"] = desk.get("again", {}) | _first_words(member, inputs, wanted)


def _first_words(member: Member, inputs: Inputs, wanted: Collection[str]) -> dict[str, Any]:
    """Return what a part says at its first step, and leave it as it was."""
    federate = member.federate
    before = federate.snapshot()
    outputs, _ = federate.step(federate.first_us or 0, inputs)
    federate.restore(before)
    return {port: value for port, value in outputs.items() if port in wanted}
