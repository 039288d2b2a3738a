"""Session: the nodes outside of one run, from the making of their programs to their end."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim import children
from cosim.hil.arrivals import ArrivalWriter, RecordedNode, file_of
from cosim.hil.live_node import LiveNode
from cosim.hil.node_file import INVERTER_RATING, Bodies, write_node
from cosim.hil.trace import Decision, TracedProgram
from cosim.hil.wish import EMULATED_UDP, Wish
from cosim.lines.address import Address
from cosim.lines.line import Line, to_node
from cosim.lines.listener import Listener
from cosim.lines.messages import Hello, Start
from cosim.node.outside import Outside, OutsideProgram
from cosim.node.programs import make_program
from cosim.scenario.build import Scenario
from gridmodel.control import Program
from gridmodel.errors import BorderError, Fault, ScenarioError
from gridmodel.federate import NodeSeat
from gridmodel.inverter_scale import InverterScale
from gridmodel.settings import near
from gridmodel.wire.frames import COORDINATOR

#: A process has so long to start and to answer. [s]
START_S = 60.0
#: In real time a step waits so long for an answer. [s]
DEADLINE_S = 0.05


@dataclass
class Place:
    """One node outside: its seat in the simulation, its controller, and the node itself."""

    seat: NodeSeat
    controller: str
    settings: Mapping[str, Any]
    wish: Wish
    node: Outside
    process: children.Child | None = None


class Session:
    """Makes the programs of a scenario's nodes, those outside among them.

    Parameters
    ----------
    wishes : sequence of Wish
        Which nodes are outside.
    factor : float or None
        Wall-clock seconds a simulated second takes; None: as fast as nodes answer.
    deadline_s : float
        In real time, how long a step waits for an answer. [s]
    replay : Path or None
        An earlier run whose recorded arrivals stand in for the nodes.
    bodies : Bodies
        Bodies of the nodes that we start.
    outside : bool
        False leaves the nodes inside, and only traces what they decide.
    """

    def __init__(
        self,
        wishes: Sequence[Wish],
        factor: float | None = None,
        deadline_s: float = DEADLINE_S,
        replay: Path | None = None,
        bodies: Bodies | None = None,
        outside: bool = True,
    ) -> None:
        self._wishes = wishes
        self._factor = factor
        self._deadline_s = deadline_s if factor is not None else None
        self._replay = replay
        self._bodies = bodies or {}
        self._outside = outside
        self.places: dict[str, Place] = {}
        #: Decisions of the nodes that were wished, by name.
        self.traces: dict[str, list[Decision]] = {}
        self._seats: list[str] = []
        self._meant: dict[str, Wish] = {}
        self._scenario: Scenario | None = None
        self._sockets: Path | None = None
        self._listeners: list[Listener] = []

    def program(self, controller: str, settings: Mapping[str, Any], seat: NodeSeat) -> Program:
        """Return the program of a node: here, or outside."""
        name = seat_name(seat)
        self._seats.append(name)
        wish = next((w for w in self._wishes if w.name in (name, seat.terminal.name)), None)
        if wish is not None:
            self._meant[name] = wish
        scale = None
        if wish is not None and self._bodies.get("inverter") == "emulated":
            scale = InverterScale.for_rating(*INVERTER_RATING)
        twin = make_program(controller, settings, seat, scale)
        if wish is None:
            return twin
        trace = self.traces.setdefault(name, [])
        if not self._outside:
            return TracedProgram(twin, seat.terminal, trace)
        node: Outside
        if self._replay is not None:
            node = RecordedNode(file_of(self._replay, name))
        else:
            node = LiveNode(
                name, self._deadline_s, self._died, lambda: self._ended(name), self._warn
            )
        self.places[name] = Place(seat, controller, settings, wish, node)
        program = OutsideProgram(seat, node, twin.settings, twin.kpis)
        return TracedProgram(program, seat.terminal, trace)

    def check(self, scenario: Scenario) -> None:
        """See that every wish found one node.

        Raises
        ------
        ScenarioError
            If one found none, or several.
        """
        self._scenario = scenario
        faults = []
        for wish in self._wishes:
            names = [name for name, meant in self._meant.items() if meant is wish]
            customers = {name.split(".")[1] for name in self._seats}
            taken = [n for n in self._meant if wish.name in (n, n.split(".")[1])]
            if not names and taken:
                problem = f"'--node {self._meant[taken[0]].name}' names that node already."
                faults.append(Fault("--node", wish.name, problem, "Name it once."))
            elif not names:
                problem = f"there is no node '{wish.name}'."
                advice = _alike(wish.name, {*self._seats, *customers})
                faults.append(Fault("--node", wish.name, problem, advice))
            elif len(names) > 1:
                advice = f"Say which: {', '.join(names)}."
                faults.append(Fault("--node", wish.name, "is the name of several nodes.", advice))
        if faults:
            raise ScenarioError("nodes outside cannot be told", faults)
        for place in self.places.values():
            if isinstance(place.node, RecordedNode) and place.node.cut:
                self._warn(place.node.cut)
        for name, place in self.places.items():
            sampling = scenario.resolved["federates"][place.seat.owner]["meter"]["sampling"]
            if place.wish.ours and "meter" not in self._bodies and sampling != "sampled":
                self._warn(
                    f"{name}: its meters stay simulated, as emulated ones do not read rounded truth. "
                    f"Try --set federates.{place.seat.owner}.meter.sampling=sampled."
                )

    def _warn(self, text: str) -> None:
        """Add to what the report says of the run."""
        assert self._scenario is not None
        if isinstance(self._scenario.warnings, list):
            self._scenario.warnings.append(text)

    def begin(self, folder: Path) -> None:
        """Start and greet the nodes of a run.

        Raises
        ------
        ScenarioError
            If some cannot be reached or do not answer, with what their logs say last.
        """
        if self._replay is not None:
            shutil.copytree(file_of(self._replay, "x").parent, file_of(folder, "x").parent)
            return
        self._sockets = Path(tempfile.mkdtemp(prefix="feedertwin-"))
        ways: dict[str, Line | Listener] = {}
        faults = []
        for name, place in self.places.items():
            try:
                ways[name] = self._reach(name, place, folder)
            except BorderError as error:
                faults.append(Fault("--node", name, f"{error}."))
        for name, way in {} if faults else ways.items():
            place, wait_s = self.places[name], 1.0 if faults else START_S
            try:
                self._greet(name, place, self._accept(place, way, wait_s), folder, wait_s)
            except BorderError as error:
                faults.append(Fault("--node", name, f"{error}.", self._fate(folder, name, place)))
        if faults:
            raise ScenarioError("nodes outside cannot be reached", faults)
        self._close_listeners()

    def _greet(self, name: str, place: Place, line: Line, folder: Path, wait_s: float) -> None:
        """Give a node its first word, and see that it is the one of its seat."""
        assert isinstance(place.node, LiveNode)
        start = Start(0, self._factor, dict(place.seat.terminal.relays))
        writer = ArrivalWriter(file_of(folder, name))
        place.node.open(line, start, writer, wait_s, _expected(name, place))

    def _reach(self, name: str, place: Place, folder: Path) -> Line | Listener:
        """Start a node if it is ours; return the line to it, or where it will come to."""
        wish = place.wish
        if not wish.ours:
            at = wish.at
            if at.kind in ("unix", "tcp"):
                return self._listen(at, name)
            return to_node(at, name)
        assert self._sockets is not None
        assert self._scenario is not None
        if wish.how == EMULATED_UDP:
            at = Address("udp", "127.0.0.1", _free_port())
            way: Line | Listener = to_node(at, name)
        else:
            at = Address("unix", str(self._sockets / f"{len(self._listeners)}"))
            way = self._listen(at, name)
        file = write_node(
            folder / "nodes", name, place, self._scenario, str(at), self._factor, self._bodies
        )
        with file.with_suffix(".log").open("wb") as log:
            command = [sys.executable, "-m", "cosim.node", "--config", str(file)]
            place.process = children.start(command, log=log, orphaned=signal.SIGTERM)
        return way

    def _listen(self, at: Address, name: str) -> Listener:
        listener = Listener(at, name)
        self._listeners.append(listener)
        return listener

    def _close_listeners(self) -> None:
        """Listen no more, and leave no sockets behind, whatever becomes of this process."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)

    def _accept(self, place: Place, way: Line | Listener, wait_s: float) -> Line:
        if not isinstance(way, Listener):
            return way
        for _ in range(round(wait_s)):
            line = way.accept(1.0)
            if line is not None:
                return line
            if place.process is not None and place.process.poll() is not None:
                break
        others = f"; who came was sent away: {' | '.join(way.sent_away)}" if way.sent_away else ""
        raise BorderError(f"it did not come{others}")

    def _fate(self, folder: Path, name: str, place: Place) -> str:
        """Return what is known of a node that does not answer."""
        if place.process is None:
            return f"Is it started, with 'world: {place.wish.how}' in its file?"
        code = place.process.poll()
        state = "still runs" if code is None else f"ended with code {code}"
        log = (folder / "nodes" / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        said = " | ".join(log.strip().splitlines()[-3:])
        return f"Its process {state}; it said: {said or 'nothing'}"

    def _ended(self, name: str) -> bool:
        """Return whether a node that we started is known to have ended."""
        process = self.places[name].process
        return process is not None and process.poll() is not None

    def _died(self, name: str, why: str, t_us: int) -> None:
        """Note the death of a node where the report shows it."""
        place = self.places[name]
        if place.process is not None:
            children.end([place.process])
            why += f"; its process ended with code {place.process.returncode}"
        self._warn(
            f"{name}: the node outside died at t = {t_us / 1e6:.6f} s ({why}). Its contacts stay "
            "as it left them, and its radio is silent."
        )

    def end(self, t_us: int) -> None:
        """End all nodes, whatever state they are in."""
        for place in self.places.values():
            if isinstance(place.node, LiveNode):
                place.node.end(t_us)
        children.end([p.process for p in self.places.values() if p.process is not None], 2.0)
        self._close_listeners()


def _expected(name: str, place: Place) -> Hello:
    """Return what a node should say of itself, as its seat in the scenario has it."""
    seat = place.seat
    has_inverter = seat.terminal.inverter is not None
    return Hello(name, place.controller, seat.meters, tuple(seat.terminal.relays), has_inverter)


def _alike(name: str, known: set[str]) -> str:
    """Return the advice for a name nobody has: ``house_3`` may mean ``house_03``."""
    same = [other for other in sorted(known) if _bare(other) == _bare(name)]
    return f"Did you mean '{same[0]}'?" if same else near(name, known)


def _bare(name: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", name)


def seat_name(seat: NodeSeat) -> str:
    """Return fleet and customer of a seat; a coordinator's further cells have their number."""
    name = f"{seat.owner}.{seat.terminal.name}"
    return f"{name}.{seat.cell}" if seat.address == COORDINATOR and seat.cell else name


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
