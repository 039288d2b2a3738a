"""Embedded engine: the in-process engine with a record, the default of every run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cosim.engines.desk import Desk, close_all
from cosim.engines.engine import Between, Job
from cosim.engines.in_process import InProcess
from cosim.recorder.recorder import Recorder
from gridmodel.errors import FederateError
from gridmodel.kpi import Kpi


class Embedded:
    """Runs a whole scenario in one thread of this process."""

    by_itself: frozenset[str] = frozenset()

    def __init__(self, job: Job) -> None:
        federation = job.scenario.federation
        self._recorder = Recorder(job.folder, federation, job.scenario.config.record)
        self._engine = InProcess(federation, self._recorder)
        if job.profile is not None:
            for desk in self._engine.desks:
                desk.step = job.profile.timed(desk.member.name, desk.step)

    @property
    def now_us(self) -> int:
        """Present instant. [us]"""
        return self._engine.now_us

    @property
    def instants(self) -> int:
        """Instants run so far."""
        return self._engine.instants

    @property
    def steps(self) -> int:
        """Steps of federates so far."""
        return self._engine.steps

    def run(self, until_us: int, between: Between) -> bool:
        """Run all instants before ``until_us``; return whether the end was reached."""
        return self._engine.run(until_us, between)

    def snapshot(self) -> dict[str, Any]:
        """Return the state between two instants."""
        return self._engine.snapshot()

    def resume(self, state: dict[str, Any], earlier: Path, at_us: int) -> None:
        """Take over a snapshot and the record up to there."""
        self._engine.restore(state)
        self._recorder.take_over(earlier, at_us)

    def kpis(self) -> dict[str, Kpi]:
        """Return key figures by ``federate.name``."""
        return kpis_of(self._engine.desks)

    def failure(self, error: FederateError) -> Mapping[str, Any]:
        """Return what the federate that failed had in its hands."""
        for desk in self._engine.desks:
            if desk.member.name == error.federate:
                return in_hands(desk)
        return {}  # the pace, or nobody in particular

    def where(self) -> tuple[str, int]:
        """Return the federate that stepped last, and the instant. [us]"""
        current = self._engine.current
        return (current.member.name if current is not None else ""), self._engine.now_us

    def lateness(self) -> Mapping[str, Any] | None:
        """Return nothing: the run keeps the pace."""
        return None

    def close(self) -> None:
        """End the record and the federates."""
        try:
            self._recorder.close()
        finally:
            close_all(self._engine.desks, self.now_us)


def kpis_of(desks: list[Desk]) -> dict[str, Kpi]:
    """Return the key figures of federates by ``federate.name``, in the order of names."""
    return {
        f"{desk.member.name}.{kpi.name}": kpi
        for desk in sorted(desks, key=lambda desk: desk.index)
        for kpi in desk.member.federate.kpis()
    }


def in_hands(desk: Desk) -> dict[str, Any]:
    """Return the inputs and the state of a federate, readable as JSON."""
    return {
        "inputs": {name: _readable(value) for name, value in desk.inputs.items()},
        "messages": {
            port: [[m.t_us, m.kind, {k: _readable(v) for k, v in m.data.items()}] for m in messages]
            for port, messages in desk.inputs.messages.items()
        },
        "state": {k: _readable(v) for k, v in desk.member.federate.state().items()},
    }


def _readable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, bytes):
        return value.hex()
    return value
