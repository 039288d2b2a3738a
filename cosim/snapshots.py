"""Snapshots: the saved states of a run, from which another one can go on."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cosim import fork, run_folder
from cosim.events import EVENTS, Events
from cosim.federation import Federation, signals
from cosim.run_folder import read_run
from cosim.scenario.build import Scenario
from gridmodel.errors import RunError
from gridmodel.settings import near

FOLDER = "snapshots"
#: Instants named in a text before some are left out.
_MOST_TEXTS = 5
#: Desk of the events before there were any.
_SILENT: Mapping[str, Any] = {"sequence": 0, "inbox": [], "inputs": {}, "slots": {}}


def save(run: Path, t_us: int, state: dict[str, Any]) -> None:
    """Write a snapshot whole or not at all."""
    folder = run / FOLDER
    folder.mkdir(exist_ok=True)
    part = folder / f"{t_us}.part"
    with part.open("wb") as file:
        pickle.dump(state, file, protocol=pickle.HIGHEST_PROTOCOL)
    part.replace(folder / f"{t_us}.pickle")


def load(run: Path, t_us: int) -> dict[str, Any]:
    """Return a snapshot of one of our own runs."""
    with (run / FOLDER / f"{t_us}.pickle").open("rb") as file:
        state: dict[str, Any] = pickle.load(file)  # our own file, from our own run
    return state


def hand_over(
    earlier: Path, at_us: int, scenario: Scenario, run: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state a run goes on from, and where it comes from, for the record.

    It is the earlier run's snapshot with the events of these settings, and with what parts
    with other settings say only once and must say again. It is left with the new run too.

    Raises
    ------
    RunError
        If the snapshot is of a federation with other parts or ports.
    """
    federation, before = scenario.federation, read_run(earlier)
    state = load(earlier, at_us)
    _check(state, federation)
    changed = fork.changed(before["resolved"], scenario.resolved)
    fork.say_again(state, federation, fork.said_once(state, federation, changed))
    for member in federation.members:
        if isinstance(member.federate, Events):  # what happens from here on may be new
            events, next_us = member.federate.state_at(at_us)
            desk = state["desks"].get(EVENTS, _SILENT)
            state["federates"][EVENTS] = events
            state["desks"][EVENTS] = {**desk, "due_us": next_us}
    save(run, at_us, state)
    return state, {"run": str(earlier.resolve()), "at_us": at_us}


def _check(state: Mapping[str, Any], federation: Federation) -> None:
    """Refuse a snapshot of other parts, or of parts with other ports."""
    for member in federation.members:
        if isinstance(member.federate, Events):
            continue
        desk = state["desks"].get(member.name)
        if desk is None:
            known = near(member.name, state["desks"])
            raise RunError(f"the snapshot has no federate '{member.name}'. {known}")
        ports = {port.name for port in signals(member.outputs.values())}
        if ports != set(desk["slots"]):
            differ = ", ".join(sorted(ports ^ set(desk["slots"])))
            raise RunError(
                f"federate '{member.name}' has other outputs than in the snapshot: {differ}. "
                "Start a run of its own with these settings."
            )


def instants(run: Path) -> list[int]:
    """Return the instants of a run's snapshots, in order. [us]"""
    return sorted(int(path.stem) for path in (run / FOLDER).glob("*.pickle"))


def newest_at(run: Path, at_us: int | None) -> int:
    """Return the newest snapshot at or before an instant, or the newest of all. [us]

    Raises
    ------
    RunError
        If there is none, or the run did not come to that instant.
    """
    last_us = _last_us(run)
    if at_us is not None and at_us > last_us:
        saved = [f"{t_us / 3.6e9:g}" for t_us in instants(run)]
        has = f" Its snapshots are at {_few(saved)} h." if saved else ""
        raise RunError(
            f"{run.name} ends at {last_us / 3.6e9:g} h, before the {at_us / 3.6e9:g} h asked for.{has}"
        )
    known = [t_us for t_us in instants(run) if at_us is None or t_us <= at_us]
    if not known and (run / run_folder.OUTSIDE_FILE).exists():
        raise RunError(
            f"{run} has no snapshot to go on from: nodes were outside, and what they know is not in "
            f"it. Run it again from its arrivals: feedertwin hil --replay {run.name}."
        )
    if not known:
        raise RunError(
            f"{run} has no snapshot to go on from"
            + ("" if at_us is None else f" at or before {at_us / 3.6e9:g} h")
            + ". Run with --snapshot-every 1h."
        )
    return known[-1]


def _last_us(run: Path) -> int:
    """Return the instant a run has come to; of one that was killed, where it was to come. [us]"""
    about = read_run(run)
    killed = about["exit"] is None and not about["t_us"]
    last_us = int(about["until_us"] if killed else about["t_us"])
    return max([last_us, *instants(run)])


def _few(texts: list[str]) -> str:
    return ", ".join(texts if len(texts) <= _MOST_TEXTS else [*texts[:2], "...", texts[-1]])
