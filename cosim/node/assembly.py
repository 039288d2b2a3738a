"""Assembly: puts a controller on the bodies that a node's configuration names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cosim import registry
from cosim.lines.messages import Ask, Start
from cosim.node.blocks import BodyBlock, RelayBlock
from cosim.node.bodies import Bench, body_of
from cosim.node.clock import NodeClock
from cosim.node.config import NodeConfig, ports_of
from cosim.node.held_radio import HeldRadio
from cosim.node.provision import link_in
from cosim.node.runner import NodeRunner
from cosim.node.watchdog import Watchdog
from gridmodel.control import Terminal
from gridmodel.errors import BridgeError
from gridmodel.federate import NodeSeat
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.ports import InverterState, Relay, Storage
from gridmodel.settings import parse


class GivenContact:
    """A contact that others move and this node only reads back."""

    def __init__(self, name: str, bench: Bench) -> None:
        self.closed = True
        self._name = name
        bench.starts.append(self._start)
        bench.feeds.append(self._feed)

    def _start(self, word: Start) -> None:
        self.closed = word.relays.get(self._name, True)

    def _feed(self, ask: Ask) -> None:
        self.closed = ask.relays.get(self._name, self.closed)

    def open(self) -> None:
        """Do nothing: it is not this node's."""

    def close(self) -> None:
        """Do nothing: it is not this node's."""


class CountedStorage:
    """A storage that tells the node's terminal how often it was written: flash wears."""

    def __init__(self, storage: Storage, terminal: Terminal) -> None:
        self._storage = storage
        self._terminal = terminal

    def load(self) -> bytes | None:
        """Return what was saved last."""
        return self._storage.load()

    def save(self, data: bytes) -> None:
        """Save, and count it."""
        self._storage.save(data)
        self._terminal.write_count += 1


@dataclass
class Node:
    """A node in its process: the program, its ports and what lies behind them."""

    config: NodeConfig
    clock: NodeClock
    bench: Bench
    ports: dict[str, Any] = field(default_factory=dict)
    runner: NodeRunner | None = None
    held: HeldRadio | None = None
    #: As they were read back last.
    _contacts: dict[str, bool] = field(default_factory=dict)

    @property
    def relays(self) -> dict[str, Relay]:
        """Relay ports by name."""
        return {name: self.ports[f"relay.{name}"] for name in self.config.relays}

    def contacts(self) -> dict[str, bool]:
        """Return the contacts as they are read back."""
        found = {}
        for name in self.config.relays:
            relay = self.ports.get(f"relay.{name}")
            if relay is not None:
                with contextlib.suppress(Exception):
                    found[name] = self._contacts[name] = relay.closed
        return self._contacts | found

    def make_safe(self) -> dict[str, bool]:
        """Bring the relays into the position they are left in; return the contacts."""
        for name, block in self.config.relays.items():
            relay = self.ports.get(f"relay.{name}")
            if relay is None or block.safe == "keep":
                continue
            # One that fails, with whatever its library raises, keeps no other from its position.
            with contextlib.suppress(Exception):
                (relay.open if block.safe == "open" else relay.close)()
        return self.contacts()

    def close(self) -> None:
        """Give back what the bodies hold, the last one first."""
        for close in reversed(self.bench.closes):
            with contextlib.suppress(Exception):
                close()


def bare(config: NodeConfig) -> Node:
    """Return a node without its ports: seat, clock and bench."""
    terminal = Terminal(
        config.customer or config.node,
        inverter=InverterState(0.0, 0.0, 0.0, 0.0) if config.inverter is not None else None,
    )
    seat = NodeSeat(
        config.owner, terminal, tuple(config.meters), config.address, config.peers, config.modem,
        config.seed, _network(config), config.cell,
        link_in(Path(config.keys), config.address, config.cell) if config.keys else None,
    )  # fmt: skip
    clock = NodeClock(None if config.clock == "stepped" else 1.0)
    return Node(config, clock, Bench(seat, config.scale, clock.now_us))


def fit_all(node: Node) -> Iterator[tuple[str, BodyBlock, Exception | None]]:
    """Open the ports one by one; yield each with what went wrong, if anything."""
    for key, (kind, name, block) in ports_of(node.config).items():
        try:
            node.ports[key] = _fit(node.bench, kind, name, block)
        except Exception as error:  # libraries of buses have trees of their own
            yield key, block, error
        else:
            yield key, block, None


def assemble(config: NodeConfig) -> Node:
    """Return a whole node, its controller on its ports.

    Raises
    ------
    FeedertwinError, OSError
        If a body cannot be opened; those opened before it are closed. Of several that cannot,
        all are told.
    """
    node = bare(config)
    try:
        _put_together(config, node)
    except BaseException:
        node.close()
        raise
    return node


def _put_together(config: NodeConfig, node: Node) -> None:
    failed = [(key, error) for key, _, error in fit_all(node) if error is not None]
    if len(failed) == 1:
        raise failed[0][1]
    if failed:
        told = "\n".join(f"  {key}: {error}" for key, error in failed)
        raise BridgeError(config.node, f"{len(failed)} ports cannot be opened:\n{told}")
    cls = registry.load(registry.CONTROLLERS, config.controller)
    settings = parse(cls.Config, config.settings)
    _keep_airtime(config, node)
    node.held = HeldRadio(_journaled(config, node))
    node.runner = NodeRunner(
        cls(settings, node.bench.seat),
        {name: node.ports[f"meter.{name}"] for name in config.meters},
        node.relays,
        node.held,
        node.ports.get("inverter"),
        settings.model_dump(),
        storage=_storage(config, node.bench.terminal),
        thermometer=node.ports.get("thermometer"),
        alive=Watchdog().alive,
    )


def _fit(bench: Bench, kind: str, name: str, block: BodyBlock) -> Any:
    if isinstance(block, RelayBlock) and block.given:
        return GivenContact(name, bench)
    body = body_of(kind, block.body)
    return body.fit(parse(body.Config, block.own), name, bench)


def _storage(config: NodeConfig, terminal: Terminal) -> Storage | None:
    if config.persist is None:
        return None
    file = registry.load(registry.BRIDGES, "storage.file")
    return CountedStorage(file(Path(config.persist)), terminal)


def _keep_airtime(config: NodeConfig, node: Node) -> None:
    """Let a radio remember what it sent; in a simulation's own time there is no law."""
    radio = node.ports["radio"]
    if config.persist is None or config.clock == "stepped" or not hasattr(radio, "keep_airtime"):
        return
    from hardware_bridges.radio.kept_airtime import KeptAirtime

    file = registry.load(registry.BRIDGES, "storage.file")
    folder = file(Path(config.persist) / "airtime")
    radio.keep_airtime(KeptAirtime(CountedStorage(folder, node.bench.terminal)))


def _journaled(config: NodeConfig, node: Node) -> Any:
    """Return the node's radio; with a journal, one that notes what goes through it."""
    radio, bench = node.ports["radio"], node.bench
    if config.journal is None:
        return radio
    from cosim.node.journal import FrameJournal, JournaledRadio  # loads protobuf

    journal = FrameJournal(Path(config.journal), 1024 * config.journal_kib, bench.now_us)
    bench.after.append(journal.look)
    bench.closes.append(journal.close)
    return JournaledRadio(radio, journal)


def _network(config: NodeConfig) -> Neighbourhood | None:
    if config.network is None:
        return None
    from gridmodel.ingest.neighbourhood_file import read_neighbourhood

    return read_neighbourhood(Path(config.network))
