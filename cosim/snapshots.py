"""Snapshots: the saved states of a run, from which another one can go on."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from gridmodel.errors import RunError

FOLDER = "snapshots"


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


def instants(run: Path) -> list[int]:
    """Return the instants of a run's snapshots, in order. [us]"""
    return sorted(int(path.stem) for path in (run / FOLDER).glob("*.pickle"))


def newest_at(run: Path, at_us: int | None) -> int:
    """Return the newest snapshot at or before an instant, or the newest of all. [us]

    Raises
    ------
    RunError
        If there is none.
    """
    known = [t_us for t_us in instants(run) if at_us is None or t_us <= at_us]
    if not known:
        raise RunError(
            f"{run} has no snapshot to go on from"
            + ("" if at_us is None else f" at or before {at_us / 3.6e9:g} h")
            + ". Run with --snapshot-every 1h."
        )
    return known[-1]
