"""Outside program: stands in a fleet for a node that runs in another process or on a Pi.

What the fleet gives to the node's terminal goes out as a question; what comes back moves
the terminal's contacts and sends its frames. The fleet does not know the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from cosim.lines.messages import Answer, Ask, Truth
from gridmodel.control import Alarm
from gridmodel.errors import RunError
from gridmodel.federate import NodeSeat
from gridmodel.kpi import Kpi

#: A node that is gone never wakes again. [us]
NEVER_US = 1 << 62
#: After a question without an answer in time, the next look. [us]
LOOK_AGAIN_US = 100_000


class Outside(Protocol):
    """Where answers come from: a live node, or the record of one."""

    #: Why it is gone; empty while it is there.
    gone: str

    def ask(self, ask: Ask) -> Sequence[Answer]:
        """Return the answers that have come by now, perhaps none, perhaps older ones too."""
        ...

    def kpis(self) -> tuple[Kpi, ...]:
        """Return how well questions were answered."""
        ...

    def snapshot(self) -> Any:
        """Return the state, or raise `RunError` if it is not in this process."""
        ...

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""


class OutsideProgram:
    """A node's program that is somewhere else.

    Parameters
    ----------
    seat : NodeSeat
        Where it sits in the simulation.
    outside : Outside
        The node.
    settings : mapping
        The controller's settings, for the record.
    kpis : callable
        The controller's key figures before the node has said any.
    """

    def __init__(
        self,
        seat: NodeSeat,
        outside: Outside,
        settings: Mapping[str, Any],
        kpis: Callable[[], tuple[Kpi, ...]],
    ) -> None:
        self.settings = settings
        self.wake_us = 0
        self.alarms: Sequence[Alarm] = ()
        self.state = 0
        self._terminal = seat.terminal
        self._outside = outside
        self._kpis = kpis
        self._known: Mapping[str, float] = {}
        self._number = 0
        if hasattr(self._terminal, "truth"):
            self._terminal.truth = {}  # asks the fleet for what is true before any converter

    def step(self, now_us: int) -> None:
        """Ask the node, and let the terminal do what it answers."""
        self._ask("step", now_us)

    def boot(self, now_us: int) -> None:
        """Tell the node that its power is back."""
        self._ask("boot", now_us)

    def _ask(self, kind: Any, now_us: int) -> None:
        terminal = self._terminal
        self._number += 1
        ask = Ask(
            self._number,
            kind,
            now_us,
            dict(terminal.readings),
            {name: Truth(*row) for name, row in (getattr(terminal, "truth", None) or {}).items()},
            dict(terminal.relays),
            tuple(terminal.received),
            terminal.inverter,
            terminal.temp_c,
        )
        terminal.received.clear()
        answers = self._outside.ask(ask)
        for answer in answers:
            self._apply(answer)
        if self._outside.gone:
            self.wake_us, self.alarms = NEVER_US, ()
        elif not answers or answers[-1].number < ask.number:
            self.wake_us = now_us + LOOK_AGAIN_US

    def _apply(self, answer: Answer) -> None:
        terminal = self._terminal
        terminal.relays.update(answer.relays)
        terminal.sent.extend(answer.sent)
        terminal.write_count = max(terminal.write_count, answer.write_count)
        if answer.p_set_kw is not None:
            terminal.p_set_kw = answer.p_set_kw
        self.wake_us, self.alarms, self.state = answer.wake_us, answer.alarms, answer.state
        self._known = answer.kpis

    def kpis(self) -> tuple[Kpi, ...]:
        """Return the controller's key figures, as the node said them last, and the line's."""
        own = tuple(
            replace(kpi, value=self._known.get(kpi.name, kpi.value)) for kpi in self._kpis()
        )
        return (*own, *self._outside.kpis())

    def snapshot(self) -> Any:
        """Return the state of a node that is replayed; one that is live refuses.

        Raises
        ------
        RunError
            If the node has its state in a process of its own.
        """
        own = (self.wake_us, tuple(self.alarms), self.state, dict(self._known), self._number)
        return own, self._outside.snapshot()

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        own, outside = state
        self._outside.restore(outside)
        self.wake_us, self.alarms, self.state, self._known, self._number = own


def refused_snapshot(node: str) -> RunError:
    """Return why a live node cannot be saved."""
    return RunError(
        f"node '{node}' runs outside and keeps its state there, so the run cannot be saved or "
        "forked. Let it end, then run it again from its arrivals: feedertwin hil --replay RUN."
    )
