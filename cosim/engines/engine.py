"""Engine: what a run asks of the thing that moves its federates through time.

Engines are found by the entry-point group ``feedertwin.engines``; each is a class that
takes a `Job` and obeys the `Engine` protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cosim.pacer import RealTimeConfig
from cosim.profile import Profile
from cosim.scenario.build import Scenario
from gridmodel.errors import FederateError
from gridmodel.kpi import Kpi

#: Called with each instant before it is run; a false answer stops there.
Between = Callable[[int], bool]


@dataclass(frozen=True)
class Job:
    """A scenario to be run.

    Parameters
    ----------
    scenario : Scenario
        Its parts, wired.
    folder : Path
        Where the record goes.
    overrides : sequence of str
        What the scenario was loaded with besides its file.
    profile : Profile or None
        Takes the time of each step.
    snapshot_every_us : int or None
        Save the whole state so often. [us]
    real_time : RealTimeConfig or None
        Keep in step with the wall clock.
    """

    scenario: Scenario
    folder: Path
    overrides: Sequence[str] = ()
    profile: Profile | None = None
    snapshot_every_us: int | None = None
    real_time: RealTimeConfig | None = None


class Engine(Protocol):
    """Moves a federation through time and keeps its record."""

    #: What it sees to by itself: ``snapshots``, ``pace``, ``watch`` (for stalls).
    by_itself: frozenset[str]

    @property
    def now_us(self) -> int:
        """Present instant. [us]"""
        ...

    @property
    def instants(self) -> int:
        """Instants run so far."""
        ...

    @property
    def steps(self) -> int:
        """Steps of federates so far."""
        ...

    def run(self, until_us: int, between: Between) -> bool:
        """Run all instants before ``until_us``; return whether the end was reached.

        Raises
        ------
        FederateError
            If a federate fails.
        """
        ...

    def snapshot(self) -> dict[str, Any]:
        """Return the state between two instants as one picklable object."""
        ...

    def resume(self, state: dict[str, Any], earlier: Path, at_us: int) -> None:
        """Take over a snapshot, and the record of an earlier run up to there."""

    def kpis(self) -> dict[str, Kpi]:
        """Return key figures by ``federate.name``."""
        ...

    def failure(self, error: FederateError) -> Mapping[str, Any]:
        """Return what the federate that failed had in its hands."""
        ...

    def where(self) -> tuple[str, int]:
        """Return the federate that steps now, or stepped last, and the instant. [us]"""
        ...

    def lateness(self) -> Mapping[str, Any] | None:
        """Return how late instants began, if it keeps the pace by itself."""
        ...

    def close(self) -> None:
        """End the record; give back what is held outside Python's memory."""
