"""Bodies: how a port gets its body in a node's process, by the name in its YAML.

A body is registered under ``feedertwin.bridges`` as ``meter.NAME``, ``relay.NAME``,
``radio.NAME``, ``inverter.NAME`` or ``thermometer.NAME``. To be put into a node it has a ``Config`` and ``fit``,
which opens it and says to the `Bench` how the simulation around it reaches it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from cosim import registry
from cosim.lines.messages import Ask, Start
from gridmodel.control import Terminal
from gridmodel.errors import PluginError
from gridmodel.federate import NodeSeat
from gridmodel.metering import MeterScale
from gridmodel.settings import Settings


@dataclass
class Bench:
    """What a node's bodies share: its seat, and the ways to and from the simulation.

    Parameters
    ----------
    seat : NodeSeat
        Terminal, address and radio settings. What leaves the node is found in its terminal:
        frames in ``sent``, the inverter's set-point in ``p_set_kw``.
    scale : MeterScale
        What its meters resolve.
    now_us : callable
        The node's clock. [us]
    starts : list of callable
        Told the simulation's first word.
    feeds : list of callable
        Told what the hardware meets, before each step.
    after : list of callable
        Told that a step is over.
    closes : list of callable
        Give back what a body holds.
    """

    seat: NodeSeat
    scale: MeterScale
    now_us: Callable[[], int]
    starts: list[Callable[[Start], None]] = field(default_factory=list)
    feeds: list[Callable[[Ask], None]] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)
    closes: list[Callable[[], None]] = field(default_factory=list)

    @property
    def terminal(self) -> Terminal:
        """Where simulated bodies read and write, and what leaves is found."""
        return self.seat.terminal


class Body(Protocol):
    """What can be put behind a port."""

    Config: type[Settings]

    def fit(self, config: Any, name: str, bench: Bench) -> Any:
        """Return the port of a name, opened."""
        ...


def body_of(kind: str, name: str) -> Body:
    """Return the body of a kind of port.

    Raises
    ------
    PluginError
        If no body of that kind has the name, or it cannot be put into a node.
    MissingExtraError
        If it needs something that is not installed.
    """
    if name == "simulated":
        return SIMULATED[kind]
    body: Body = registry.load(registry.BRIDGES, f"{kind}.{name}")
    if kind == "radio" and not hasattr(body, "fit"):
        from cosim.node.radios import FittedRadio

        return FittedRadio(body)
    if not hasattr(body, "fit"):
        raise PluginError(f"'{kind}.{name}' has no 'fit' and cannot be put into a node's process.")
    return body


class _Simulated:
    """A body of the simulation: its terminal is filled from outside."""

    Config: type[Settings] = Settings

    def __init__(self, kind: str) -> None:
        self._cls = registry.load(registry.BRIDGES, f"{kind}.simulated")


class _SimulatedMeter(_Simulated):
    def fit(self, config: Any, name: str, bench: Bench) -> Any:
        terminal = bench.terminal

        def feed(ask: Ask) -> None:
            if name in ask.readings:
                terminal.readings[name] = ask.readings[name]

        bench.feeds.append(feed)
        return self._cls(terminal, name)


class _SimulatedRelay(_Simulated):
    def fit(self, config: Any, name: str, bench: Bench) -> Any:
        terminal = bench.terminal
        terminal.relays.setdefault(name, True)

        def start(word: Start) -> None:
            terminal.relays[name] = word.relays.get(name, True)

        bench.starts.append(start)
        return self._cls(terminal, name)


class _SimulatedRadio(_Simulated):
    def fit(self, config: Any, name: str, bench: Bench) -> Any:
        terminal = bench.terminal
        bench.feeds.append(lambda ask: terminal.received.extend(ask.frames))
        return self._cls(terminal, bench.seat.modem)


class _SimulatedInverter(_Simulated):
    def fit(self, config: Any, name: str, bench: Bench) -> Any:
        terminal = bench.terminal

        def feed(ask: Ask) -> None:
            if ask.inverter is not None:
                terminal.inverter = ask.inverter

        bench.feeds.append(feed)
        return self._cls(terminal)


class _SimulatedThermometer(_Simulated):
    def fit(self, config: Any, name: str, bench: Bench) -> Any:
        terminal = bench.terminal

        def feed(ask: Ask) -> None:
            terminal.temp_c = ask.temp_c

        bench.feeds.append(feed)
        return self._cls(terminal)


SIMULATED: dict[str, Body] = {
    "meter": _SimulatedMeter("meter"),
    "relay": _SimulatedRelay("relay"),
    "radio": _SimulatedRadio("radio"),
    "inverter": _SimulatedInverter("inverter"),
    "thermometer": _SimulatedThermometer("thermometer"),
}
