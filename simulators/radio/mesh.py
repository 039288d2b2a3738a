"""Mesh: a neighbourhood whose radios relay for each other by Meshtastic's managed flood.

`MeshAir` is a federate in place of `simulators.radio.channel`: what a node transmits is
flooded, and each radio of its cell gets it once, at the instant its first copy ends. `study`
floods the random messages of a window. The rules, and what they leave out, stand in
`simulators.radio.flood`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from annotated_types import Ge, Le, Lt
from numpy.typing import NDArray
from pydantic import Field

from gridmodel.errors import Fault, ScenarioError
from gridmodel.federate import BuildContext, Federate, Inputs, Kpi, Message, Messages, Signal, Step
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.settings import Settings
from gridmodel.units import US_PER_S
from gridmodel.wire.cells import CellPlan
from gridmodel.wire.lora import LONGEST_BYTES, Modem
from simulators.radio.event_heap import NEVER
from simulators.radio.flood import run
from simulators.radio.flood_state import (
    ACKNOWLEDGED,
    COLLIDED,
    COUNTS,
    DEAF,
    DUPLICATE,
    FIRST,
    ORIGINATED,
    REFUSED,
    RELAYED,
    REMEMBERED,
    SENT,
    Ether,
    Heard,
    ether,
    heard,
    silent,
)
from simulators.radio.placement import Placement, faults_of_placement
from simulators.radio.terrain import Terrain

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Meshtastic's preset LongFast in the sub-band it uses in Europe.
LONG_FAST = Modem(
    spreading_factor=11, bandwidth_khz=250.0, preamble_symbols=16, frequency_mhz=869.525
)
_NO_STARTS: Ints = np.zeros((0, 6), dtype=np.int64)


class MeshConfig(Terrain):
    """Air and rules of a mesh."""

    modem: Modem = Field(
        LONG_FAST, description="of every radio; SF11, 250 kHz, 869.525 MHz if all of it is left out"
    )
    hop_limit: Annotated[int, Ge(0), Le(7)] = Field(3, description="relays from origin to end")
    reliable: bool = Field(True, description="an origin repeats what it hears nobody relay")
    header_bytes: Annotated[int, Ge(0), Le(255)] = Field(16, description="ahead of each frame")
    capture_db: Annotated[float, Ge(0.0)] = Field(
        6.0, description="a packet survives others that are weaker by this"
    )
    miss_pu: Annotated[float, Ge(0.0), Le(1.0)] = Field(
        0.0, description="chance that a node does not detect a packet before it sends"
    )
    false_alarm_pu: Annotated[float, Ge(0.0), Lt(1.0)] = Field(
        0.0, description="chance that it detects one that is not there, and waits"
    )


class MeshRadios(Settings):
    """Radios of one fleet of nodes, one at each customer."""

    at: tuple[str, ...] | None = Field(None, description="customers; all of them if left out")
    every_cell: bool = Field(
        False, description="a radio for every cell at each place, as coordinators have"
    )
    router: bool = Field(False, description="they relay first, and whatever they hear")


class MeshAirConfig(MeshConfig):
    """The air of a neighbourhood whose radios relay for each other."""

    cells: CellPlan = Field(CellPlan(), description="how customers share addresses")
    fleets: Mapping[str, MeshRadios] = Field(description="radios, by name of their federate")
    report_s: Annotated[float, Ge(0.001)] = Field(60.0, description="step of the mesh's figures")


@dataclass(frozen=True)
class MeshResult:
    """What became of a window's messages.

    Parameters
    ----------
    counts : mapping
        Of packets and receptions, by name: ``sent`` are packets on the air.
    delivery_pu : float
        Part of all pairs of a message and another node that it reached. [pu]
    latency_s : float
        Mean time to a node's first reception. [s]
    hops : float
        Mean hops of first receptions.
    airtime_pu : float
        Airtime of all radios, of the window's length. [pu]
    duty_max_pu : float
        Worst radio's worst hour, of what the law allows. [pu]
    """

    counts: Mapping[str, int]
    delivery_pu: float
    latency_s: float
    hops: float
    airtime_pu: float
    duty_max_pu: float


def study(
    config: MeshConfig,
    places_m: Array,
    period_s: float,
    window_s: float,
    payload_bytes: int = 20,
    seed: int = 1,
    routers: tuple[int, ...] = (),
) -> MeshResult:
    """Return what becomes of random messages of nodes at places, shape (n, 2). [m]

    Parameters
    ----------
    config : MeshConfig
        Air and rules.
    places_m : ndarray
        East and north of each node. [m]
    period_s : float
        Mean time between two messages of a node. [s]
    window_s : float
        How long the mesh lives. [s]
    payload_bytes : int
        Of each message, without the mesh's header.
    seed : int
        Of all that is drawn.
    routers : tuple of int
        Rows of the nodes that are routers.

    Raises
    ------
    ScenarioError
        If there is no place, the path loss is unknown, or the channel lies in no sub-band.
    """
    faults = _faults("mesh study", config, payload_bytes)
    if not len(places_m):
        faults.append(Fault("mesh study", "places_m", "has no place.", "Give one a node."))
    if faults:
        raise ScenarioError("mesh cannot be studied", faults)
    rng = np.random.default_rng(seed)
    n = len(places_m)
    distance = np.linalg.norm(places_m[:, None] - places_m[None], axis=2)
    loss_db = config.losses_db(distance, config.modem.frequency_mhz)
    shadow_db = np.triu(config.shadowing_db * rng.standard_normal((n, n)), 1)
    is_router = np.zeros(n, dtype=np.bool_)
    is_router[list(routers)] = True
    air = _ether(config, loss_db + shadow_db + shadow_db.T, is_router)
    mesh = silent(n)
    window_us = round(window_s * US_PER_S)
    starts = _starts(rng, n, config, payload_bytes, round(period_s * US_PER_S), window_us)
    run(air, mesh, rng, starts, window_us, heard(0))
    pairs = max(int(mesh.counts[ORIGINATED]) * (n - 1), 1)
    firsts = max(int(mesh.counts[FIRST]), 1)
    return MeshResult(
        counts=dict(zip(COUNTS, mesh.counts.tolist(), strict=True)),
        delivery_pu=float(mesh.counts[FIRST]) / pairs,
        latency_s=float(mesh.totals[0]) / firsts / US_PER_S,
        hops=float(mesh.totals[1]) / firsts,
        airtime_pu=float(mesh.totals[2]) / window_us,
        duty_max_pu=float(mesh.totals[3]),
    )


class MeshAir(Federate):
    """All radios of a neighbourhood, relaying for each other."""

    Config = MeshAirConfig
    needs_network = True
    first_us = 0
    dynamic = ("_mesh", "_rng", "_frames", "_number", "_too_long", "_seen", "_next_report_us")

    def __init__(
        self, config: MeshAirConfig, network: Neighbourhood, rng: np.random.Generator
    ) -> None:
        self._config = config
        self._placement = Placement(config.fleets, config.cells, network)
        fleet_of = self._placement.fleet_of
        routers = np.array([config.fleets[name].router for name in fleet_of], dtype=np.bool_)
        loss_db = self._placement.loss_db(config, config.modem.frequency_mhz, rng)
        self._ether = _ether(config, loss_db, routers)
        self._packet_us = config.modem.rule().packet_us
        self._mesh = silent(len(fleet_of))
        self._out = heard(4 * len(fleet_of))  # room for the calls of one step
        self._rng = rng
        self._frames: dict[int, bytes] = {}
        self._number = 0
        self._too_long = 0
        self._seen = (0, 0, 0.0)  # first receptions, losses and airtime at the last report
        self._report_us = round(config.report_s * US_PER_S)
        self._next_report_us = 0
        self.inputs = (Messages("transmit", "frames the nodes send"),)
        self.outputs = (
            Signal("utilisation_pu", about="airtime of all radios, of the last window's length"),
            Signal("delivered_count", (), int, about="first receptions in the last window"),
            Signal("lost_count", (), int, about="copies lost in the last window"),
            *(Messages(f"to_{name}", f"frames heard by {name}") for name in config.fleets),
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Place the radios at their customers."""
        network = context.network
        assert network is not None
        faults = faults_of_placement(context.name, config.fleets, network)
        faults += _faults(context.name, config, 0)
        if faults:
            raise ScenarioError("mesh cannot be built", faults)
        return cls(config, network, context.generator())

    def warnings(self) -> tuple[str, ...]:
        """Return radios that no other can hear."""
        counts = np.diff(self._ether.first)
        alone = int((counts == 0).sum())
        if not alone:
            return ()
        return (
            f"{alone} of {len(counts)} radios reach no other: raise the spreading factor, or "
            f"check path loss {self._config.path_loss}.",
        )

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Let packets begin and end, then take the frames handed over now."""
        outputs: dict[str, Any] = {f"to_{name}": [] for name in self._placement.rows}
        next_us = t_us
        while next_us <= t_us:
            self._out.size[0] = 0
            next_us = run(self._ether, self._mesh, self._rng, _NO_STARTS, t_us, self._out)
            if self._out.size[0]:
                self._deliver(self._out, outputs)
        starts = [self._start(t_us, message) for message in inputs.messages["transmit"]]
        rows = [row for row in starts if row is not None]
        if rows:
            next_us = run(
                self._ether, self._mesh, self._rng, np.array(rows, dtype=np.int64), t_us, self._out
            )
        if t_us >= self._next_report_us:
            self._report(outputs)
            self._next_report_us = t_us - t_us % self._report_us + self._report_us
        return outputs, min(self._next_report_us, int(next_us) if next_us < NEVER else NEVER)

    def state(self) -> Mapping[str, Any]:
        """Return who waits and who sends, and all counts, for people."""
        nodes = self._mesh.node
        return {
            "waiting": nodes["waiting"].tolist(),
            "sending": np.flatnonzero(nodes["sending"] >= 0).tolist(),
            **dict(zip(COUNTS, self._mesh.counts.tolist(), strict=True)),
        }

    def kpis(self) -> tuple[Kpi, ...]:
        """Return delivery, latency, hops and duty."""
        count, totals = self._mesh.counts, self._mesh.totals
        pairs = max(int(count[ORIGINATED]) * (len(self._placement.seats) - 1), 1)
        firsts = max(int(count[FIRST]), 1)
        copies = max(int(count[[FIRST, DUPLICATE, COLLIDED, DEAF]].sum()), 1)
        config = self._config
        return (
            Kpi("range_m", config.range_m(config.modem), f"range of path loss {config.path_loss}"),
            Kpi("sent_count", int(count[SENT]), "packets on the air, relays included"),
            Kpi("relayed_count", int(count[RELAYED]), "of these, relays"),
            Kpi("delivery_pu", float(count[FIRST] / pairs), "of all pairs of frame and radio"),
            Kpi("collided_pu", float(count[COLLIDED] / copies), "of copies in range"),
            Kpi("deaf_pu", float(count[DEAF] / copies), "of copies in range"),
            Kpi("latency_s", float(totals[0] / firsts / US_PER_S), "mean, to first receptions"),
            Kpi("hop_mean_count", float(totals[1] / firsts), "mean, of first receptions"),
            Kpi("acknowledged_count", int(count[ACKNOWLEDGED]), "frames heard relayed"),
            Kpi("duty_max_pu", float(totals[3]), "worst radio's worst hour, of its limit"),
            Kpi("refused_count", int(count[REFUSED]) + self._too_long, "never sent"),
        )

    def _start(self, t_us: int, message: Message) -> tuple[int, ...] | None:
        """Return a frame as a row for the kernel; None if it does not fit."""
        frame = message.data["frame"]
        length = len(frame) + self._config.header_bytes
        if length > LONGEST_BYTES or self._ether.airtime_us[length] > self._packet_us:
            self._too_long += 1
            return None
        row = self._placement.rows[message.data["fleet"]].start + message.data["node"]
        number = self._number
        self._number += 1
        self._frames[number] = frame
        self._frames.pop(number - REMEMBERED, None)
        return t_us, row, number, length, self._config.hop_limit, int(self._config.reliable)

    def _deliver(self, out: Heard, outputs: dict[str, Any]) -> None:
        """Emit first receptions, one message a packet and fleet."""
        count = int(out.size[0])
        packets = np.column_stack([out.t_us, out.number, out.sender])[:count]
        for t_us, number, sender in dict.fromkeys(map(tuple, packets.tolist())):
            same = (packets == (t_us, number, sender)).all(axis=1)
            rows = out.receiver[:count][same]
            origin = int(self._mesh.message["origin"][number % REMEMBERED])
            rows = rows[self._placement.cell[rows] == self._placement.cell[origin]]
            level_dbm = self._ether.level_dbm[sender, rows]
            for name, at in self._placement.by_fleet(rows).items():
                data = {
                    "frame": self._frames[number],
                    "nodes": tuple((rows[at] - self._placement.rows[name].start).tolist()),
                    "rssi_dbm": tuple(level_dbm[at].tolist()),
                    "snr_db": tuple((level_dbm[at] - self._ether.noise_dbm).tolist()),
                }
                outputs[f"to_{name}"].append(Message(t_us, "frame", data))

    def _report(self, outputs: dict[str, Any]) -> None:
        """Close a window of figures."""
        count, totals = self._mesh.counts, self._mesh.totals
        now = (int(count[FIRST]), int(count[COLLIDED] + count[DEAF]), float(totals[2]))
        outputs["delivered_count"] = now[0] - self._seen[0]
        outputs["lost_count"] = now[1] - self._seen[1]
        outputs["utilisation_pu"] = (now[2] - self._seen[2]) / self._report_us
        self._seen = now


def _faults(where: str, config: MeshConfig, payload_bytes: int) -> list[Fault]:
    """Return what is wrong with the air, and with messages of a size."""
    faults = config.faults(where)
    length = payload_bytes + config.header_bytes
    fits = length <= LONGEST_BYTES
    if not fits:
        problem = (
            f"{payload_bytes} bytes and a header of {config.header_bytes} exceed {LONGEST_BYTES}."
        )
        faults.append(Fault(where, "header_bytes", problem, "Shorten the payload."))
    try:
        rule = config.modem.rule()
    except ValueError as error:
        return [*faults, Fault(where, "modem", str(error))]
    if rule.dwell_window_us:
        problem = f"{config.modem.region} {rule.name} MHz limits dwell time over a window,"
        faults.append(
            Fault(where, "modem", problem, "which a mesh does not count; use model lora.")
        )
    if fits and config.modem.airtime_us(length) > rule.packet_us:
        problem = f"{length} bytes take longer than the {rule.packet_us / 1e3:g} ms allowed."
        faults.append(Fault(where, "modem", problem, "Lower the spreading factor."))
    return faults


def _ether(config: MeshConfig, loss_db: Array, routers: NDArray[np.bool_]) -> Ether:
    modem = config.modem
    return ether(
        modem.tx_power_dbm - loss_db, modem, config.noise_figure_db, config.capture_db, routers,
        (config.miss_pu, config.false_alarm_pu), modem.rule().duty_pu,
    )  # fmt: skip


def _starts(
    rng: np.random.Generator,
    nodes: int,
    config: MeshConfig,
    payload_bytes: int,
    period_us: int,
    window_us: int,
) -> Ints:
    """Return a Poisson process of messages as rows for the kernel."""
    count = int(rng.poisson(nodes * window_us / period_us))
    rows = np.empty((count, 6), dtype=np.int64)
    rows[:, 0] = np.sort(rng.integers(window_us, size=count))
    rows[:, 1] = rng.integers(nodes, size=count)
    rows[:, 2] = np.arange(count)
    rows[:, 3] = payload_bytes + config.header_bytes
    rows[:, 4] = config.hop_limit
    rows[:, 5] = config.reliable
    return rows
