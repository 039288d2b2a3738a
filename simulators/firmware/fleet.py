"""Firmware fleet: node programs at the customers of a street, each on its own hardware.

What a node's program sees is what its converter and its radio give: readings in whole
steps, frames that were received. A comparator watches each reading, so a program sleeps
until a timer, a frame or an alarm. Events crash a node or spoil a sensor.

Left out so far: clock drift, flash wear, memory and processor budgets.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from math import inf
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from annotated_types import Ge, Gt
from numba import njit
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
from gridmodel.ports import InverterState, Measurement, ReceivedFrame
from gridmodel.settings import Settings, near
from gridmodel.units import microseconds
from gridmodel.wire.frames import COORDINATOR, EVERYONE
from gridmodel.wire.lora import Modem
from gridmodel.wire.seal import OVERHEAD_BYTES, peek

Array = NDArray[np.float64]
#: Meters: the house's own supply, and with a transfer switch both sides of it.
SUPPLY, SIDES, TIE = "supply", ("grid", "island"), "tie"
#: Columns of a reading.
VOLTAGE, CURRENT, POWER, FREQUENCY = range(4)
#: Fewer volts than this make no frequency reading. [V]
DARK_V = 10.0
NEVER_US = np.iinfo(np.int64).max


class Crash(Settings):
    """A node's program stops; its relays stay as they are; then it boots."""

    node: str = Field(description="customer of the node")
    for_min: Annotated[float, Gt(0.0)] = Field(description="until it boots again")


class SensorFault(Settings):
    """A node's reading is wrong: scaled, then shifted."""

    node: str = Field(description="customer of the node")
    quantity: Literal["v_v", "i_a", "p_kw", "f_hz"] = Field(description="the reading")
    scale_pu: float = Field(1.0, description="factor on the true value")
    offset: float = Field(0.0, description="added to it, in the reading's unit")
    for_min: Annotated[float, Gt(0.0)] = Field(description="how long it lasts")


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
    inverter: bool = Field(False, description="they command the anchor's inverter")
    battery_e_kwh: Annotated[float, Ge(0.0)] = Field(
        0.0, description="energy content of that inverter's battery"
    )
    period_s: Annotated[float, Gt(0.0)] = Field(1.0, description="step of readings and comparators")


@njit(cache=True)
def _sample(  # noqa: PLR0913  a kernel takes its arrays one by one
    rows: NDArray[np.int64],
    v_v: Array,
    p_kw: Array,
    vehicles_p_kw: Array,
    q_kvar: Array,
    sides: Array,
    on_grid: NDArray[np.bool_],
    wrong: Array,
    steps: Array,
    bounds: Array,
    readings: Array,
    due: NDArray[np.bool_],
) -> bool:
    """Take all readings in the converters' steps and mark nodes whose alarm rings.

    Parameters
    ----------
    rows : ndarray, shape (n,)
        The nodes' customers.
    v_v, p_kw, vehicles_p_kw, q_kvar : ndarray, shape (n_customer,)
        Voltage and power at each customer.
    sides : ndarray, shape (2, 2)
        Voltage and frequency of the public grid and of the island. [V] [Hz]
    on_grid : ndarray, shape (n,)
        Nodes whose customer is on the public grid by a transfer switch.
    wrong : ndarray, shape (n, 4, 2)
        Factor and offset of each reading of the supply.
    steps : ndarray, shape (4,)
        Steps of voltage, current, power and frequency.
    bounds, readings : ndarray, shape (n, n_meter, 4)
        Alarm bounds, and where the readings go.
    due : ndarray, shape (n,)
        Set where an alarm rings.
    """
    anyone = False
    for node in range(rows.shape[0]):
        row = rows[node]
        v = v_v[row]
        power = p_kw[row] + vehicles_p_kw[row]
        supply = readings[node, 0]
        supply[VOLTAGE] = v
        supply[CURRENT] = 1e3 * np.hypot(power, q_kvar[row]) / max(v, DARK_V)
        supply[POWER] = power
        supply[FREQUENCY] = sides[0 if on_grid[node] else 1, 1] if v > DARK_V else 0.0
        for kind in range(4):
            supply[kind] = wrong[node, kind, 0] * supply[kind] + wrong[node, kind, 1]
        for meter in range(1, readings.shape[1]):
            readings[node, meter, VOLTAGE] = sides[meter - 1, 0]
            readings[node, meter, FREQUENCY] = sides[meter - 1, 1]
        for meter in range(readings.shape[1]):
            r, b = readings[node, meter], bounds[node, meter]
            for kind in range(4):
                r[kind] = np.rint(r[kind] / steps[kind]) * steps[kind]
            if r[VOLTAGE] < b[0] or r[VOLTAGE] > b[1] or r[FREQUENCY] < b[2] or r[FREQUENCY] > b[3]:
                due[node] = anyone = True
    return anyone


class Firmware(Federate):
    """A fleet of node programs."""

    Config = FirmwareConfig
    needs_network = True
    events: ClassVar[Mapping[str, type[Settings]]] = {"crash": Crash, "sensor_fault": SensorFault}

    def __init__(
        self, config: FirmwareConfig, context: BuildContext, programs: Sequence[Program],
        terminals: Sequence[Terminal], modems: Sequence[int],
    ) -> None:  # fmt: skip
        network = context.network
        assert network is not None
        self._name = context.name
        self._config = config
        self.period_us = microseconds(config.period_s)
        self._programs = programs
        self._terminals = terminals
        self._addresses = np.array(modems)
        names = network.consumer_names
        self._at = tuple(terminal.name for terminal in terminals)
        self._customers = len(names)
        self._rows = np.array([names.index(name) for name in self._at])
        self._meters = (SUPPLY, *SIDES) if config.transfer_switch else (SUPPLY,)
        scale = config.meter
        self._steps = np.array([scale.v_step_v, scale.i_step_a, scale.p_step_kw, scale.f_step_hz])
        n = len(programs)
        self._readings = np.zeros((n, len(self._meters), 4))
        self._bounds = np.tile([-inf, inf, -inf, inf], (n, len(self._meters), 1))
        self._wake_us = np.zeros(n, dtype=np.int64)
        self._boots_us = np.full(n, -1, dtype=np.int64)
        self._wrong = np.tile([1.0, 0.0], (n, 4, 1))
        self._spoilt_until_us = np.full((n, 4), NEVER_US)
        self._spoilt_next_us = int(NEVER_US)
        self._wake_next_us = 0
        self._due = np.zeros(n, dtype=np.bool_)
        self._on_grid = np.full(n, config.transfer_switch)
        self._down_count = 0
        self._modem_data = tuple(config.modem.model_dump().values())
        self._sample_us = 0
        self._counts = {"step": 0, "crash": 0, "move": 0}
        self._v_base = network.bus[network.consumers[0].bus].v_nominal_v / 3**0.5
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
        if not config.inverter and len(at) > EVERYONE - 1:
            problem = f"{len(at)} nodes are more than a cell's {EVERYONE - 1} addresses."
            faults.append(Fault(context.name, "at", problem, "Split them into several fleets."))
        if faults:
            raise ScenarioError("firmware cannot be built", faults)
        terminals = [
            Terminal(
                name,
                relays=_contacts_at_start(config),
                inverter=InverterState(0.0, 0.0, 0.0, config.battery_e_kwh)
                if config.inverter
                else None,
            )
            for name in at
        ]
        peers = network.consumer_names
        programs, addresses = [], []
        for terminal in terminals:
            address = COORDINATOR if config.inverter else peers.index(terminal.name) + 1
            seat = NodeSeat(
                context.name, terminal, _meters(config), address, peers, config.modem,
                context.seed, network,
            )  # fmt: skip
            programs.append(context.program(config.controller, config.settings, seat))
            addresses.append(address)
        return cls(config, context, programs, terminals, addresses)

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
            Signal("state", (len(self._at),), int, labels=self._at, about="state of each program"),
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
            anyone |= self._read(t_us, inputs, due)
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
        """Let an event happen to a node."""
        node = self._at.index(event.data["node"])
        until = t_us + microseconds(60.0 * event.data["for_min"])
        if event.kind == "crash":
            self._down_count += self._boots_us[node] < 0
            self._boots_us[node] = self._wake_us[node] = until
            self._wake_next_us = int(self._wake_us.min())
            self._counts["crash"] += 1
        else:
            kind = ("v_v", "i_a", "p_kw", "f_hz").index(event.data["quantity"])
            self._wrong[node, kind] = event.data["scale_pu"], event.data["offset"]
            self._spoilt_until_us[node, kind] = until
            self._spoilt_next_us = int(self._spoilt_until_us.min())

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

    def _read(self, t_us: int, inputs: Inputs, due: NDArray[np.bool_]) -> bool:
        """Take all readings and mark nodes whose alarm rings; return whether any does."""
        sides = np.array(
            [
                [inputs["grid_v_pu"] * self._v_base, inputs["grid_f_hz"]],
                [inputs["island_v_pu"] * self._v_base, inputs["island_f_hz"]],
            ]
        )
        if t_us >= self._spoilt_next_us:
            over = self._spoilt_until_us <= t_us
            self._wrong[over] = (1.0, 0.0)
            self._spoilt_until_us[over] = NEVER_US
            self._spoilt_next_us = int(self._spoilt_until_us.min())
        self._sample_us = t_us
        rings: bool = _sample(
            self._rows,
            inputs["v_v"],
            inputs["p_kw"],
            inputs["vehicles_p_kw"],
            inputs["q_kvar"],
            sides,
            self._on_grid,
            self._wrong,
            self._steps,
            self._bounds,
            self._readings,
            due,
        )
        return rings

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
        for meter, row in zip(self._meters, self._readings[node].tolist(), strict=True):
            terminal.readings[meter] = Measurement(self._sample_us, *row)
        if terminal.inverter is not None:
            terminal.inverter = InverterState(
                inputs["inverter_p_kw"], inputs["soc_pu"], inputs["p_discharge_max_kw"],
                self._config.battery_e_kwh,
            )  # fmt: skip
            tie = Measurement(t_us, 0.0, 0.0, inputs["tie_p_kw"], inputs["grid_f_hz"])
            terminal.readings[TIE] = tie
            terminal.relays["tie"] = inputs["tied"]
        before = dict(terminal.relays)
        program.step(t_us)
        self._counts["step"] += 1
        self._wake_us[node] = program.wake_us
        bounds = self._bounds[node]
        bounds[:] = (-inf, inf, -inf, inf)
        for alarm in program.alarms:
            row = self._meters.index(alarm.meter)
            bounds[row] = alarm.v_min_v, alarm.v_max_v, alarm.f_min_hz, alarm.f_max_hz
        for frame, _ in terminal.sent:
            data = {"fleet": self._name, "node": node, "frame": frame, "modem": self._modem_data}
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
        names = ("_readings", "_bounds", "_wake_us", "_boots_us", "_wrong", "_spoilt_until_us",
                 "_spoilt_next_us", "_wake_next_us", "_on_grid", "_down_count", "_sample_us",
                 "_counts", "_terminals")  # fmt: skip
        own = copy.deepcopy({name: getattr(self, name) for name in names})
        return own, [program.snapshot() for program in self._programs]

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        own, programs = copy.deepcopy(state)
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
