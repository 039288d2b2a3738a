"""Fork: what a part with other settings must say again when a run goes on without its past.

Some parts say their ratings once, at their first step. In a fork that changes their
settings, those outputs are sent anew at the first step after the snapshot.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from cosim.events import EVENTS
from cosim.federation import Federation, Member
from gridmodel.federate import Federate, Inputs, Step

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
    found = {
        name: [
            port
            for port, slot in state["desks"][name]["slots"].items()
            if slot[0] == federation[name].federate.first_us
        ]
        for name in sorted(names)
        if name != EVENTS and name in state["desks"]
    }
    return {name: ports for name, ports in found.items() if ports}


def say_again(state: Mapping[str, Any], federation: Federation, ports: Ports) -> None:
    """Let parts that are not restored yet send some outputs anew at their next step."""
    for name, wanted in ports.items():
        member = federation[name]
        inputs = Inputs(state["desks"][name]["inputs"])
        inputs.messages = dict.fromkeys(member.inputs, ())
        _prepend(member.federate, _first_words(member, inputs, wanted))


def _first_words(member: Member, inputs: Inputs, wanted: Collection[str]) -> dict[str, Any]:
    """Return what a part says at its first step, and leave it as it was."""
    federate = member.federate
    before = federate.snapshot()
    outputs, _ = federate.step(federate.first_us or 0, inputs)
    federate.restore(before)
    return {port: value for port, value in outputs.items() if port in wanted}


def _prepend(federate: Federate, words: dict[str, Any]) -> None:
    step = federate.step

    def with_words(t_us: int, inputs: Inputs) -> Step:
        outputs, next_us = step(t_us, inputs)
        if words:
            outputs = {**words, **outputs}
            words.clear()
        return outputs, next_us

    federate.step = with_words  # type: ignore[method-assign]
