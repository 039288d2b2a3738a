"""Events: what a scenario lets happen, as messages to the federates it happens to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from gridmodel.federate import BuildContext, Federate, Inputs, Message, Messages, Step

#: Name of the federate that sends them.
EVENTS = "events"


@dataclass(frozen=True)
class Event:
    """Something that happens at an instant."""

    t_us: int
    target: str
    kind: str
    data: dict[str, Any]


class Events(Federate):
    """Sends each event to its target at its instant."""

    dynamic = ("_next",)

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = sorted(events, key=lambda event: event.t_us)
        self._next = 0
        self.first_us = self._events[0].t_us if self._events else None
        targets = sorted({event.target for event in self._events})
        self.outputs = tuple(Messages(target, f"events of {target}") for target in targets)

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return no events; a scenario's are given to the constructor."""
        return cls(())

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Send what happens now."""
        outputs: dict[str, list[Message]] = {}
        while self._next < len(self._events) and self._events[self._next].t_us <= t_us:
            event = self._events[self._next]
            outputs.setdefault(event.target, []).append(Message(t_us, event.kind, event.data))
            self._next += 1
        remaining = self._events[self._next :]
        return outputs, remaining[0].t_us if remaining else None

    def state_at(self, t_us: int) -> tuple[Any, int | None]:
        """Return state and next instant as if all events before an instant had been sent."""
        done = bisect_left([event.t_us for event in self._events], t_us)
        remaining = self._events[done:]
        return {"_next": done}, remaining[0].t_us if remaining else None
