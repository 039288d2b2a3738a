"""Firmware fleet: node programs at the customers of a street, each on its own hardware.

What a node's program sees is what its front end and its radio give: readings in whole
steps, frames that were received. A program sleeps until a timer, a frame or an alarm of
the front end. Events crash a node or spoil a sensor.

Left out so far: clock drift, flash wear, memory and processor budgets.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray
from pydantic import Field

from gridmodel.codes import CIRCUITS, Side
from gridmodel.control import Program, Terminal
from gridmodel.errors import Fault, ScenarioError
from gridmodel.federate import (
    BuildContext,
    Federate,
    Inputs,
    Kpi,
    Message,
    Messages,
    NodeSeat,
    Signal,
    Step,
)
from gridmodel.metering import MeterScale
from gridmodel.ports import InverterState, ReceivedFrame
from gridmodel.settings import Settings, near
from gridmodel.units import microseconds
from gridmodel.wire.cells import CellPlan
from gridmodel.wire.frames import EVERYONE
from gridmodel.wire.lora import Modem
from gridmodel.wire.seal import OVERHEAD_BYTES, peek
from simulators.firmware.front_end import FrontEnd, SensorFault

#: Meters: the house's own supply, and with a transfer switch both sides of it.
SUPPLY, SIDES, TIE = "supply", ("grid", "island"), "tie"


class Crash(Settings):
    """A node's program stops; its relays stay as they are; then it boots."""

    node: str = Field(description="customer of the node")
    for_min: Annotated[float, Gt(0.0)] = Field(description="until it boots again")


class FirmwareConfig(Settings):
    """Nodes of one kind."""

    controller: str = Field(description="registered name of the controller they run")
    settings: Mapping[str, Any] = Field({}, description="the controller's own settings")
    at: tuple[str, ...] | None = Field(None, description="customers; all of them if left out")
    modem: Modem = Field(Modem(), description="what they send with")
    meter: MeterScale = Field(MeterScale(), description="what their converters resolve")
    relays: bool = Field(True, description="they switch the customer's circuits")
    transfer_switch: bool = Field(
        False, description="they also switch the customer between public grid and private island"
    )
    cells: CellPlan = Field(CellPlan(), description="how customers share radio channels")
    inverter: bool = Field(
        False, description="they coordinate a cell each, and the first commands the inverter"
    )
    period_s: Annotated[float, Gt(0.0)] = Field(1.0, description="step of readings and comparators")


class Firmware(Federate):
    """A fleet of node programs."""

    Config = FirmwareConfig
    needs_network = True
    events: ClassVar[Mapping[str, type[Settings]]] = {"crash": Crash, "sensor_fault": SensorFault}

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
        self._wake_us = np.zeros(n, dtype=np.int64)
        self._boots_us = np.full(n, -1, dtype=np.int64)
        self._wake_next_us = 0
        self._due = np.zeros(n, dtype=np.bool_)
        self._on_grid = np.full(n, config.transfer_switch)
        self._down_count = 0
        self._modem_data = [tuple(seat.modem.model_dump().values()) for seat in seats]
        self._counts = {"step": 0, "crash": 0, "move": 0}
        self._declare(names)

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

    def _declare(self, names: tuple[str, ...]) -> None:
        config, n = self._config, len(names)
        inputs: list[Signal | Messages] = [
            Messages("frames", "frames the radios received"),
            Messages("events", "crash, sensor_fault"),
            Signal(
                "v_v", (n,), initial=self._v_base, about="voltage at each customer of the street"
            ),
            Signal("p_kw", (n,), initial=0.0, about="power of each customer"),
            Signal("vehicles_p_kw", (n,), initial=0.0, about="power of the chargers there"),
            Signal("q_kvar", (n,), initial=0.0, about="reactive power of each customer"),
            Signal("island_f_hz", about="frequency of the street"),
            Signal("grid_f_hz", initial=0.0, about="frequency of the public grid"),
            Signal("island_v_pu", initial=0.0, about="voltage of the island bus"),
            Signal("grid_v_pu", initial=0.0, about="voltage of the public grid"),
        ]
        outputs: list[Signal | Messages] = [
            Messages("transmit", "frames given to the air"),
            Messages("switched", "circuits or transfer switches that moved"),
            Signal(
                "state", (len(self._at),), int, labels=self._labels, about="state of each program"
            ),
        ]
        if config.relays:
            outputs.append(
                Signal(
                    "closed",
                    (n, 3),
                    bool,
                    labels=names,
                    columns=CIRCUITS,
                    about="circuits that are connected",
                )
            )
        if config.transfer_switch:
            outputs.append(
                Signal("side", (n,), int, labels=names, about="0 nowhere, 1 grid, 2 island")
            )
        if config.inverter:
            inputs += [
                Signal("tied", (), bool, initial=True, about="the anchor's way to the grid"),
                Signal("tie_p_kw", initial=0.0, about="import from the public grid"),
                Signal("inverter_p_kw", initial=0.0, about="power of the anchor"),
                Signal("soc_pu", initial=0.5, about="the battery's state of charge"),
                Signal("p_discharge_max_kw", initial=0.0, about="greatest power it gives"),
                Signal("e_full_kwh", initial=0.0, about="energy content of the battery"),
            ]
            outputs.append(Signal("p_set_kw", about="power wanted of the anchor while tied"))
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Take events and frames, read, and run the programs that are due."""
        for event in inputs.messages["events"]:
            self._suffer(t_us, event)
        due = self._due
        anyone = t_us >= self._wake_next_us
        due[:] = self._wake_us <= t_us if anyone else False
        if inputs.messages["frames"]:
            anyone |= self._receive(t_us, inputs.messages["frames"], due)
        if t_us % self.period_us == 0:
            anyone |= self._front_end.read(t_us, inputs, self._on_grid, due)
        if self._down_count:
            self._boot(t_us, due)
        outputs: dict[str, Any] = {}
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
        if moved:
            self._counts["move"] += len(moved)
            data = {"nodes": tuple(self._at[node] for node in moved)}
            outputs["switched"] = [Message(t_us, "node", data)]
            outputs.update(self._contacts())
        outputs["state"] = np.array([program.state for program in self._programs])
        if self._config.inverter:
            outputs["p_set_kw"] = self._terminals[0].p_set_kw

    def _suffer(self, t_us: int, event: Message) -> None:
        """Let an event happen to a node, to all its programs if it has several."""
        until = t_us + microseconds(60.0 * event.data["for_min"])
        for node in [k for k, name in enumerate(self._at) if name == event.data["node"]]:
            if event.kind == "crash":
                self._down_count += self._boots_us[node] < 0
                self._boots_us[node] = self._wake_us[node] = max(until, self._boots_us[node])
                self._wake_next_us = int(self._wake_us.min())
                self._counts["crash"] += 1
            else:
                self._front_end.spoil(node, event.data, until)

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
                    received = ReceivedFrame(t_us, frame, data["rssi_dbm"][k], data["snr_db"][k])
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
                self._programs[node].boot(t_us)

    def _run(self, t_us: int, node: int, inputs: Inputs, transmit: list[Message]) -> bool:
        """Run one program; return whether a contact moved."""
        terminal, program = self._terminals[node], self._programs[node]
        terminal.readings.update(self._front_end.measurements(node))
        if terminal.inverter is not None:
            terminal.inverter = InverterState(
                inputs["inverter_p_kw"], inputs["soc_pu"], inputs["p_discharge_max_kw"],
                inputs["e_full_kwh"],
            )  # fmt: skip
            terminal.relays["tie"] = inputs["tied"]
        before = dict(terminal.relays)
        program.step(t_us)
        self._counts["step"] += 1
        self._wake_us[node] = program.wake_us
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
        return (*own, *_together([program.kpis() for program in self._programs]))

    def snapshot(self) -> Any:
        """Return programs, terminals and timers."""
        names = ("_wake_us", "_boots_us", "_wake_next_us", "_on_grid", "_down_count", "_counts",
                 "_terminals")  # fmt: skip
        own = copy.deepcopy({name: getattr(self, name) for name in names})
        programs = [program.snapshot() for program in self._programs]
        return own, self._front_end.snapshot(), programs

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        own, front_end, programs = copy.deepcopy(state)
        self._front_end.restore(front_end)
        for terminal, saved in zip(self._terminals, own.pop("_terminals"), strict=True):
            for field in ("readings", "relays", "received", "sent", "inverter", "p_set_kw"):
                setattr(terminal, field, getattr(saved, field))
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
