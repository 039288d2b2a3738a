"""Firmware fleet: node programs at the customers of a street, each on its own hardware.

What a node's program sees is what its front end and its radio give: readings in whole
steps, frames that were received. A program sleeps until a timer, a frame or an alarm of
the front end. Events crash a node or spoil a sensor.

What its hardware adds, such as drifting clocks and brown-outs, is in
`simulators.firmware.board`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from gridmodel.codes import CIRCUITS, Side
from gridmodel.control import Program, Terminal
from gridmodel.errors import Fault, ScenarioError
from gridmodel.federate import (
    BuildContext,
    Federate,
    Inputs,
    Kpi,
    Message,
    NodeSeat,
    Step,
)
from gridmodel.ports import InverterState, ReceivedFrame
from gridmodel.settings import Settings, near
from gridmodel.units import microseconds
from gridmodel.wire.frames import EVERYONE
from gridmodel.wire.seal import OVERHEAD_BYTES, peek
from simulators.firmware.board import NEVER_US, Boards
from simulators.firmware.config import Crash, FirmwareConfig, Hang, illegal, ports_of
from simulators.firmware.front_end import FrontEnd, SensorFault

#: Meters: the house's own supply, and with a transfer switch both sides of it.
SUPPLY, SIDES, TIE = "supply", ("grid", "island"), "tie"


class Firmware(Federate):
    """A fleet of node programs."""

    Config = FirmwareConfig
    needs_network = True
    events: ClassVar[Mapping[str, type[Settings]]] = {
        "crash": Crash, "hang": Hang, "sensor_fault": SensorFault,
    }  # fmt: skip

    def __init__(
        self, config: FirmwareConfig, context: BuildContext, seats: Sequence[NodeSeat],
        programs: Sequence[Program],
    ) -> None:  # fmt: skip
        network = context.network
        assert network is not None
        self._name = context.name
        self._config = config
        self.period_us = microseconds(config.period_s)
        self._programs = programs
        self._terminals = [seat.terminal for seat in seats]
        self._addresses = np.array([seat.address for seat in seats])
        names = network.consumer_names
        self._at = tuple(seat.terminal.name for seat in seats)
        self._labels = tuple(
            name if self._at.count(name) == 1 else f"{name}.{seat.cell}"
            for name, seat in zip(self._at, seats, strict=True)
        )
        self._customers = len(names)
        row = {name: k for k, name in enumerate(names)}
        self._rows = np.array([row[name] for name in self._at])
        self._v_base = network.bus[network.consumers[0].bus].v_nominal_v / 3**0.5
        self._front_end = FrontEnd(self._rows, _meters(config), config.meter, self._v_base)
        n = len(programs)
        crystals = context.generator() if config.board.clock_ppm else None
        self._boards = Boards(config.board, n, self._v_base, crystals)
        self._now_us = 0
        self._wake_us = np.zeros(n, dtype=np.int64)
        self._boots_us = np.full(n, -1, dtype=np.int64)
        self._down_us = np.full(n, -1, dtype=np.int64)  # a crash lasts until then
        self._wake_next_us = 0
        self._due = np.zeros(n, dtype=np.bool_)
        self._on_grid = np.full(n, config.transfer_switch)
        self._down_count = 0
        self._modem_data = [tuple(seat.modem.model_dump().values()) for seat in seats]
        self._counts = {"step": 0, "crash": 0, "move": 0}
        self.inputs, self.outputs = ports_of(config, names, self._labels, self._v_base)

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Place a program at each customer."""
        network = context.network
        assert network is not None
        assert context.program is not None
        at = network.consumer_names if config.at is None else config.at
        faults = [
            Fault(
                context.name, "at", f"there is no customer '{name}'.", near(name, network.consumer)
            )
            for name in at
            if name not in network.consumer
        ]
        cells = range(-(-len(network.consumers) // config.cells.size))
        faults += [
            Fault(context.name, "modem", f"cell {cell}: {problem}")
            for cell in cells
            if (problem := illegal(config.cells.tuned(config.modem, cell)))
        ]
        if faults:
            raise ScenarioError("firmware cannot be built", faults)
        place = config.cells.coordinators if config.inverter else config.cells.nodes
        seats = [
            NodeSeat(
                context.name,
                Terminal(
                    seat.customer,
                    relays=_contacts_at_start(config),
                    inverter=InverterState(0.0, 0.0, 0.0, 0.0) if config.inverter else None,
                    flash=config.board.flash is not None,
                    temp_c=config.board.enclosure.ambient_c if config.board.enclosure else None,
                ),
                _meters(config),
                seat.address,
                seat.peers,
                config.cells.tuned(config.modem, seat.cell),
                context.seed,
                network,
                seat.cell,
            )
            for seat in place(network.consumer_names, at)
        ]
        programs = [context.program(config.controller, config.settings, seat) for seat in seats]
        return cls(config, context, seats, programs)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Take events and frames, read, and run the programs that are due."""
        self._now_us = t_us
        for event in inputs.messages["events"]:
            self._suffer(t_us, event)
        outputs: dict[str, Any] = {}
        due = self._due
        anyone = t_us >= self._wake_next_us
        due[:] = self._wake_us <= t_us if anyone else False
        if inputs.messages["frames"]:
            anyone |= self._receive(t_us, inputs.messages["frames"], due)
        if t_us % self.period_us == 0:
            anyone |= self._front_end.read(t_us, inputs, self._on_grid, due)
            self._feed(t_us, self._mains_v(inputs), outputs)
            if self._config.board.enclosure is not None:
                currents_a = [self._front_end.current_a(k) for k in range(len(self._terminals))]
                temps_c = self._boards.warm(t_us, np.array(currents_a)).tolist()
                for terminal, temp_c in zip(self._terminals, temps_c, strict=True):
                    terminal.temp_c = temp_c
        if self._down_count:
            self._boot(t_us, due)
            anyone |= bool(due.any())
        if anyone:
            self._run_all(t_us, due, inputs, outputs)
            self._wake_next_us = int(self._wake_us.min())
        if t_us == 0:
            outputs.update(self._contacts())
        sample = t_us - t_us % self.period_us + self.period_us
        return outputs, min(sample, max(self._wake_next_us, t_us + 1))

    def _run_all(
        self, t_us: int, due: NDArray[np.bool_], inputs: Inputs, outputs: dict[str, Any]
    ) -> None:
        """Run the programs that are due and collect what they did."""
        outputs["transmit"] = []
        nodes = np.flatnonzero(due).tolist()
        moved = [node for node in nodes if self._run(t_us, node, inputs, outputs["transmit"])]
        self._tell_moved(t_us, moved, outputs)
        outputs["state"] = np.array([program.state for program in self._programs])
        if self._config.inverter:
            outputs["p_set_kw"] = self._terminals[0].p_set_kw

    def _suffer(self, t_us: int, event: Message) -> None:
        """Let an event happen to a node, to all its programs if it has several."""
        board = self._config.board
        for node in [k for k, name in enumerate(self._at) if name == event.data["node"]]:
            if event.kind == "hang":
                if self._boards.is_off(node):
                    continue
                self._boards.hung()
                self._stop(node, t_us + microseconds(board.watchdog_s + board.boot_s))
                continue
            until = t_us + microseconds(60.0 * event.data["for_min"])
            if event.kind == "crash":
                self._stop(node, until + microseconds(board.boot_s))
                self._counts["crash"] += 1
            else:
                self._front_end.spoil(node, event.data, until)

    def _stop(self, node: int, until_us: int) -> None:
        """Keep a node down until an instant, or longer if it is so already."""
        self._down_count += self._boots_us[node] < 0
        if until_us < NEVER_US:
            self._down_us[node] = max(until_us, self._down_us[node])
        self._boots_us[node] = self._wake_us[node] = max(until_us, self._boots_us[node])
        self._wake_next_us = int(self._wake_us.min())

    def _mains_v(self, inputs: Inputs) -> NDArray[np.float64]:
        """Return what feeds the boards: before a transfer switch, whichever side lives. [V]"""
        if not self._config.transfer_switch:
            v_v: NDArray[np.float64] = inputs["v_v"][self._rows]
            return v_v
        side_pu = max(inputs["grid_v_pu"], inputs["island_v_pu"])
        return np.full(len(self._rows), side_pu * self._v_base)

    def _feed(self, t_us: int, v_v: NDArray[np.float64], outputs: dict[str, Any]) -> None:
        """Take power from the boards whose supply has been away too long, and give it back."""
        lost, back = self._boards.powered(t_us, v_v)
        for node in lost:
            self._stop(node, NEVER_US)
        for node in back:
            ready_us = t_us + microseconds(self._config.board.boot_s)
            self._boots_us[node] = max(ready_us, int(self._down_us[node]))
            self._wake_us[node] = self._boots_us[node]
            self._wake_next_us = int(self._wake_us.min())
        if lost and self._config.board.rest == "open":
            moved = [node for node in lost if self._release(node)]
            self._tell_moved(t_us, moved, outputs)

    def _release(self, node: int) -> bool:
        """Let the contacts of a node without power fall open; return whether any did."""
        contacts = self._terminals[node].relays
        own = [name for name, closed in contacts.items() if closed and name != TIE]
        contacts.update(dict.fromkeys(own, False))
        return bool(own)

    def _tell_moved(self, t_us: int, moved: list[int], outputs: dict[str, Any]) -> None:
        """Send on which nodes moved their contacts."""
        if not moved:
            return
        self._counts["move"] += len(moved)
        data = {"nodes": tuple(self._at[node] for node in moved)}
        outputs.setdefault("switched", []).append(Message(t_us, "node", data))
        outputs.update(self._contacts())

    def _receive(self, t_us: int, messages: Sequence[Message], due: NDArray[np.bool_]) -> bool:
        """Hand frames to the radios they are addressed to; return whether any was."""
        anyone = False
        for message in messages:
            data = message.data
            frame = data["frame"]
            if len(frame) < OVERHEAD_BYTES:
                continue
            destination = peek(frame)[1]
            for k, node in enumerate(data["nodes"]):
                if destination in (EVERYONE, self._addresses[node]) and self._boots_us[node] < 0:
                    own_us = self._boards.local_us(node, t_us)
                    received = ReceivedFrame(own_us, frame, data["rssi_dbm"][k], data["snr_db"][k])
                    self._terminals[node].received.append(received)
                    due[node] = anyone = True
        return anyone

    def _boot(self, t_us: int, due: NDArray[np.bool_]) -> None:
        """Keep crashed nodes down and start those whose time has come."""
        for node in np.flatnonzero(self._boots_us >= 0).tolist():
            due[node] = self._boots_us[node] <= t_us
            if due[node]:
                self._boots_us[node] = -1
                self._down_count -= 1
                self._terminals[node].received.clear()
                self._programs[node].boot(self._boards.local_us(node, t_us))

    def _run(self, t_us: int, node: int, inputs: Inputs, transmit: list[Message]) -> bool:
        """Run one program; return whether a contact moved."""
        terminal, program = self._terminals[node], self._programs[node]
        boards, readings = self._boards, self._front_end.measurements(node)
        if boards.drifts:
            readings = {
                name: reading._replace(t_us=boards.local_us(node, reading.t_us))
                for name, reading in readings.items()
            }
        terminal.readings.update(readings)
        if terminal.truth is not None:  # a node outside has converters of its own
            terminal.truth.update(self._front_end.truth(node))
        if terminal.inverter is not None:
            terminal.inverter = InverterState(
                inputs["inverter_p_kw"], inputs["soc_pu"], inputs["p_discharge_max_kw"],
                inputs["e_full_kwh"],
            )  # fmt: skip
            terminal.relays["tie"] = inputs["tied"]
        before = dict(terminal.relays)
        program.step(boards.local_us(node, t_us))
        self._counts["step"] += 1
        boards.ran(node)
        self._wake_us[node] = boards.true_us(node, program.wake_us)
        self._front_end.watch(node, program.alarms)
        modem = self._modem_data[node]
        for frame, _ in terminal.sent:
            data = {"fleet": self._name, "node": node, "frame": frame, "modem": modem}
            transmit.append(Message(t_us, "frame", data))
        terminal.sent.clear()
        return terminal.relays != before

    def _contacts(self) -> dict[str, Any]:
        """Return the positions of all contacts as outputs."""
        outputs: dict[str, Any] = {}
        if self._config.relays:
            closed = np.ones((self._customers, 3), dtype=np.bool_)
            closed[self._rows] = [[t.relays[name] for name in CIRCUITS] for t in self._terminals]
            outputs["closed"] = closed
        if self._config.transfer_switch:
            side = np.full(self._customers, int(Side.GRID))
            side[self._rows] = self._sides()
            self._on_grid = side[self._rows] == Side.GRID
            outputs["side"] = side
        return outputs

    def _sides(self) -> NDArray[np.int64]:
        sides = [
            Side.GRID * t.relays["grid"] or Side.ISLAND * t.relays["island"]
            for t in self._terminals
        ]
        return np.array(sides, dtype=np.int64)

    def config(self) -> Mapping[str, Any]:
        """Return the controllers' settings with their defaults."""
        return {"settings": dict(self._programs[0].settings)}

    def refuses(self, kind: str, event: Settings) -> str:
        """Return that there is no such node, if so."""
        name: str = event.node  # type: ignore[attr-defined]
        return "" if name in self._at else f"there is no node '{name}'. {near(name, self._at)}"

    def kpis(self) -> tuple[Kpi, ...]:
        """Return how often programs ran and contacts moved, and the controllers' figures."""
        own = tuple(
            Kpi(f"{name}_count", self._counts[name], about)
            for name, about in (
                ("step", "program steps"),
                ("move", "times a node moved its contacts"),
                ("crash", "crashes"),
            )
        )
        writes = [terminal.write_count for terminal in self._terminals]
        boards = self._boards.kpis(self._now_us, writes)
        return (*own, *boards, *_together([program.kpis() for program in self._programs]))

    def snapshot(self) -> Any:
        """Return programs, terminals and timers."""
        names = ("_wake_us", "_boots_us", "_down_us", "_wake_next_us", "_on_grid", "_down_count", "_counts",
                 "_terminals", "_now_us")  # fmt: skip
        own = copy.deepcopy({name: getattr(self, name) for name in names})
        programs = [program.snapshot() for program in self._programs]
        return own, self._front_end.snapshot(), self._boards.snapshot(), programs

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        own, front_end, boards, programs = copy.deepcopy(state)
        self._front_end.restore(front_end)
        self._boards.restore(boards)
        for terminal, saved in zip(self._terminals, own.pop("_terminals"), strict=True):
            for field in fields(Terminal):
                setattr(terminal, field.name, getattr(saved, field.name))
        for name, value in own.items():
            setattr(self, name, value)
        for program, saved in zip(self._programs, programs, strict=True):
            program.restore(saved)


def _together(by_program: Sequence[tuple[Kpi, ...]]) -> tuple[Kpi, ...]:
    """Return the programs' figures as one: counts added up, of others the greatest."""
    found: dict[str, Kpi] = {}
    for kpi in (kpi for kpis in by_program for kpi in kpis):
        old = found.get(kpi.name)
        if old is not None:
            both = (old.value, kpi.value)
            value = sum(both) if kpi.name.endswith("_count") else max(both)
            kpi = Kpi(kpi.name, value, kpi.about)
        found[kpi.name] = kpi
    return tuple(found.values())


def _meters(config: FirmwareConfig) -> tuple[str, ...]:
    """Return the meters of a node."""
    sides = SIDES if config.transfer_switch else ()
    return (SUPPLY, *sides, TIE) if config.inverter else (SUPPLY, *sides)


def _contacts_at_start(config: FirmwareConfig) -> dict[str, bool]:
    """Return a node's contacts: everything connected, to the public grid."""
    contacts = dict.fromkeys(CIRCUITS, True) if config.relays else {}
    if config.transfer_switch:
        contacts |= {"grid": True, "island": False}
    if config.inverter:
        contacts |= {"tie": True}  # read-back of the anchor's way to the grid, not its to move
    return contacts
