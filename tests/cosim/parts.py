"""Small federates that tests wire together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cosim.federation import Federation, Link, federation
from gridmodel.federate import BuildContext, Federate, Inputs, Messages, Port, Signal, Step

Behaviour = Callable[["Part", int, Inputs], Step]


class Part(Federate):
    """A federate whose step is given, and which remembers what it saw."""

    dynamic = ("memory", "seen")

    def __init__(
        self,
        behaviour: Behaviour,
        inputs: Sequence[Port] = (),
        outputs: Sequence[Port] = (),
        first_us: int | None = 0,
        period_us: int = 0,
    ) -> None:
        self._behaviour = behaviour
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.first_us, self.period_us = first_us, period_us
        self.memory: dict[str, Any] = {}
        self.seen: list[tuple[Any, ...]] = []

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Part:
        raise LookupError("a test part is made by its constructor")

    def step(self, t_us: int, inputs: Inputs) -> Step:
        return self._behaviour(self, t_us, inputs)


def counter(period_us: int, port: str = "n_kw", first_us: int = 0) -> Part:
    """A source that sends how often it has stepped."""

    def behave(part: Part, t_us: int, inputs: Inputs) -> Step:
        part.memory["n"] = part.memory.get("n", 0) + 1
        return {port: float(part.memory["n"])}, t_us + period_us

    return Part(behave, outputs=[Signal(port)], first_us=first_us, period_us=period_us)


def watcher(
    period_us: int | None,
    ports: Sequence[str] = ("x_kw",),
    messages: Sequence[str] = (),
    initial: float | None = 0.0,
) -> Part:
    """A sink that remembers every step: instant, signals, messages."""

    def behave(part: Part, t_us: int, inputs: Inputs) -> Step:
        signals = tuple(inputs[port] for port in ports)
        events = tuple((p, m.kind, m.t_us) for p in messages for m in inputs.messages[p])
        part.seen.append((t_us, *signals, *events))
        return {}, None if period_us is None else t_us + period_us

    return Part(
        behave,
        inputs=[Signal(p, initial=initial) for p in ports] + [Messages(p) for p in messages],
        first_us=None if period_us is None else 0,
        period_us=period_us or 0,
    )


def wire(parts: Mapping[str, Federate], *links: str | Link) -> Federation:
    """A federation of parts; links as text, ``a.x -> b.y``, a leading ``~`` for delayed."""
    return federation(parts, [link if isinstance(link, Link) else _link(link) for link in links])


def _link(text: str) -> Link:
    source, target = (end.strip() for end in text.removeprefix("~").split("->"))
    return Link(*source.split("."), *target.split("."), delayed=text.startswith("~"))
