"""Trace: what a node decided, and whether two bodies of it decided the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gridmodel.control import Alarm, Program, Terminal
from gridmodel.kpi import Kpi


class Decision(NamedTuple):
    """One thing a node did: its state changed, a contact moved, or a frame was sent."""

    t_us: int
    what: str
    value: str

    def __str__(self) -> str:
        """Return it as a person reads it."""
        return f"{self.t_us / 1e6:.6f} s {self.what} {self.value}"


class TracedProgram:
    """A node's program whose decisions are noted where the simulation sees them.

    Parameters
    ----------
    program : Program
        Any body of it.
    terminal : Terminal
        Where it acts.
    trace : list of Decision
        Takes the notes.
    """

    def __init__(self, program: Program, terminal: Terminal, trace: list[Decision]) -> None:
        self._program = program
        self._terminal = terminal
        self._trace = trace
        self._state = program.state
        self.settings: Mapping[str, Any] = program.settings
        self._take_over()

    def _take_over(self) -> None:
        program = self._program
        self.wake_us: int = program.wake_us
        self.alarms: Sequence[Alarm] = program.alarms
        self.state: int = program.state

    def step(self, now_us: int) -> None:
        """Run the program, and note what it did."""
        terminal = self._terminal
        before, sent = dict(terminal.relays), len(terminal.sent)
        self._program.step(now_us)
        self._take_over()
        if self._program.state != self._state:
            self._state = self._program.state
            self._trace.append(Decision(now_us, "state", str(self._state)))
        for name, closed in terminal.relays.items():
            if before.get(name) is not closed:
                self._trace.append(
                    Decision(now_us, f"relay {name}", "closed" if closed else "open")
                )
        for frame, _ in terminal.sent[sent:]:
            self._trace.append(Decision(now_us, "frame", frame.hex()))

    def boot(self, now_us: int) -> None:
        """Start anew after a loss of power."""
        self._program.boot(now_us)
        self._take_over()

    def kpis(self) -> tuple[Kpi, ...]:
        """Return the controller's key figures."""
        return self._program.kpis()

    def snapshot(self) -> Any:
        """Return the program's state."""
        return self._program.snapshot()

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        self._program.restore(state)
        self._take_over()
        self._state = self.state


@dataclass(frozen=True)
class TraceComparison:
    """Two traces beside each other.

    Parameters
    ----------
    same : int
        Decisions taken in both, at the same instant.
    shifted : list of (Decision, int)
        Decisions taken in both, the second time so much later. [us]
    missing, extra : list of Decision
        Decisions only in the first trace, and only in the second one.
    """

    same: int
    shifted: list[tuple[Decision, int]] = field(default_factory=list)
    missing: list[Decision] = field(default_factory=list)
    extra: list[Decision] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether every decision is the same, to the microsecond."""
        return not (self.shifted or self.missing or self.extra)

    @property
    def first(self) -> str:
        """The first decision that is not the same, in words; empty if there is none."""
        found = [(d.t_us, f"only in the first: {d}") for d in self.missing]
        found += [(d.t_us, f"only in the second: {d}") for d in self.extra]
        found += [(d.t_us, f"{by / 1e3:+.3f} ms: {d}") for d, by in self.shifted]
        return min(found)[1] if found else ""


def compare_traces(
    first: Sequence[Decision], second: Sequence[Decision], slack_us: int = 0
) -> TraceComparison:
    """Compare two traces of one node.

    Parameters
    ----------
    first, second : sequence of Decision
        In the order of time.
    slack_us : int
        A decision counts as shifted, not as missing, if it came so much earlier or later. [us]

    Examples
    --------
    >>> a, b = Decision(5, "state", "1"), Decision(7, "state", "1")
    >>> compare_traces([a], [a]).equal, compare_traces([a], [b], 2).shifted[0][1]
    (True, 2)
    >>> compare_traces([a], [b]).first
    'only in the first: 0.000005 s state 1'
    """
    waiting = list(second)
    left = []
    for decision in first:
        if decision in waiting:
            waiting.remove(decision)
        else:
            left.append(decision)
    same = len(first) - len(left)
    shifted, missing = [], []
    for decision in left:
        near = [
            d for d in waiting if d[1:] == decision[1:] and abs(d.t_us - decision.t_us) <= slack_us
        ]
        if near:
            other = min(near, key=lambda d: abs(d.t_us - decision.t_us))
            waiting.remove(other)
            shifted.append((decision, other.t_us - decision.t_us))
        else:
            missing.append(decision)
    return TraceComparison(same, shifted, missing, waiting)
