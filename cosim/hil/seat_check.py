"""Seat check: whether a node that came is the one its seat in the simulation is for."""

from __future__ import annotations

from collections.abc import Iterable

from cosim.lines.messages import VERSION, Answer, Hello


def seat_faults(hello: Hello, name: str, expects: Hello | None) -> list[str]:
    """Return all that is wrong with a node, in words.

    Parameters
    ----------
    hello : Hello
        What it says of itself.
    name : str
        The name it should have.
    expects : Hello or None
        What its seat needs; None if only the name is known.
    """
    faults = []
    if hello.version != VERSION:
        faults.append(
            f"node '{name}' speaks version {hello.version} of the messages, we {VERSION}: install "
            "the same feedertwin on both"
        )
    if hello.node != name:
        faults.append(f"'{hello.node}' answered where '{name}' was expected")
    if expects is None:
        return faults
    if hello.controller != expects.controller:
        faults.append(f"it runs '{hello.controller}', the scenario has '{expects.controller}'")
    for kind, own, seat in (
        ("meter", hello.meters, expects.meters),
        ("relay", hello.relays, expects.relays),
    ):
        faults += [f"it has no {kind} '{missing}'" for missing in _less(seat, own)]
        faults += [f"the scenario has no {kind} '{more}' there" for more in _less(own, seat)]
    if hello.inverter != expects.inverter:
        has, lacks = ("it", "the scenario") if hello.inverter else ("the scenario", "it")
        faults.append(f"{has} has an inverter there, {lacks} has none")
    return faults


def unfit(answer: Answer, asked: int, hello: Hello | None) -> bool:
    """Return whether an answer is none that the node which greeted us can give."""
    if hello is None:
        return False
    unknown = set(answer.relays) - set(hello.relays)
    unknown |= {alarm.meter for alarm in answer.alarms} - set(hello.meters)
    return bool(unknown) or answer.number > asked


def _less(names: Iterable[str], others: Iterable[str]) -> list[str]:
    return sorted(set(names) - set(others))
