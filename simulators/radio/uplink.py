"""Uplink study: how much of what many nodes send reaches one or several gateways.

All packets of a window are drawn, sorted and judged in one compiled pass
(`simulators.radio.collisions`). Nothing answers, so nothing has to be simulated in time:
for acknowledgements and adaptive data rate take `simulators.radio.star`.

Left out: fading within a packet, overlap of neighbouring channels, the sum of several
interferers (powers are compared pair by pair, as LoRaSim does).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from pydantic import Field

from gridmodel.errors import Fault, ScenarioError
from gridmodel.settings import near
from gridmodel.units import US_PER_S
from gridmodel.wire.lora import SYNC_SYMBOLS, Modem
from gridmodel.wire.regions import HOUR_US
from simulators.radio.arrivals import periodic_us, poisson_us, spacing_us
from simulators.radio.collisions import CAUSES, DELIVERED, Busy, Packets, judge
from simulators.radio.energy import EnergyConfig
from simulators.radio.isolation import MATRICES, SF_MAX, SF_MIN, thresholds_db
from simulators.radio.path_loss import NEAREST_M
from simulators.radio.terrain import Terrain

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
_SF = range(SF_MIN, SF_MAX + 1)
#: Places of nodes that the mean at a count is taken over, at least.
_LEAST_PLACES = 300


class UplinkConfig(Terrain):
    """Nodes around gateways, and what they send."""

    modem: Modem = Field(Modem(), description="what nodes send with")
    spreading_factor: Literal["as_modem", "lowest"] = Field(
        "as_modem", description="the modem's, or for each node the lowest that reaches a gateway"
    )
    margin_db: Annotated[float, Ge(0.0)] = Field(
        0.0, description="kept above the floor where the lowest spreading factor is chosen"
    )
    radius_m: Annotated[float, Gt(0.0)] = Field(1000.0, description="of the disc with the nodes")
    gateways_m: tuple[tuple[float, float], ...] = Field(
        ((0.0, 0.0),), min_length=1, description="gateways, east and north of the centre"
    )
    channels: Annotated[int, Ge(1), Le(64)] = Field(3, description="drawn for each packet")
    demodulators: Annotated[int, Ge(1)] = Field(8, description="packets received at once")
    payload_bytes: Annotated[int, Ge(0), Le(255)] = Field(20, description="of each packet")
    period_s: Annotated[float, Gt(0.0)] = Field(600.0, description="mean, from packet to packet")
    process: Literal["poisson", "periodic"] = Field("poisson", description="when nodes send")
    jitter_pu: Annotated[float, Ge(0.0), Le(1.0)] = Field(
        0.1, description="part of the period a periodic packet is shifted by"
    )
    duty_pu: Annotated[float, Gt(0.0), Le(1.0)] = Field(
        0.01, description="a node's greatest share of an hour; it waits after each packet"
    )
    isolation: str = Field("croce", description=f"one of {', '.join(MATRICES)}")
    capture_db: Annotated[float, Ge(0.0)] | None = Field(
        None, description="among packets of one spreading factor; the matrix's own if left out"
    )
    sync_symbols: Annotated[int, Ge(0)] = Field(
        SYNC_SYMBOLS, description="last symbols of the preamble a receiver needs (LoRaSim)"
    )
    rayleigh: bool = Field(False, description="each packet fades by itself at each gateway")
    downlink_s: Annotated[float, Gt(0.0)] | None = Field(
        None, description="mean time between packets a gateway sends; it is deaf meanwhile"
    )


@dataclass(frozen=True)
class Uplink:
    """What became of a window's packets.

    Parameters
    ----------
    sent, delivered : ndarray of int
        Shape (nodes,): packets of each node, and those that any gateway received.
    causes : ndarray of int
        Shape (8, 5): packets by spreading factor (SF5 to SF12) and by `CAUSES`; a packet
        no gateway received counts where it came furthest.
    spreading_factor : ndarray of int
        Shape (nodes,).
    distance_m : ndarray
        Shape (nodes,): to the nearest gateway. [m]
    airtime_us : ndarray of int
        Shape (nodes,): on air in the window. [us]
    per_hour : ndarray
        Shape (nodes,): packets expected an hour: the period's, or what the duty cycle allows
        if that is less.
    window_s : float
        Length of the window. [s]
    """

    sent: Counts
    delivered: Counts
    causes: Counts
    spreading_factor: Counts
    distance_m: Array
    airtime_us: Counts
    per_hour: Array
    window_s: float

    @property
    def delivery_pu(self) -> float:
        """Part of all packets that a gateway received. [pu]"""
        return float(self.delivered.sum() / max(self.sent.sum(), 1))

    @property
    def delivery_by_node_pu(self) -> Array:
        """Part of each node's packets; NaN where it sent none. Shape (nodes,). [pu]"""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.delivered / self.sent, dtype=np.float64)

    @property
    def cause_pu(self) -> dict[str, float]:
        """Part of all packets by what became of them. [pu]"""
        shares = self.causes.sum(axis=0) / max(int(self.sent.sum()), 1)
        return dict(zip(CAUSES, shares.tolist(), strict=True))

    def energy_kwh(self, radio: EnergyConfig, power_dbm: float) -> Array:
        """Return what each node's radio used in the window, shape (nodes,). [kWh]

        It sends with a power [dBm], and idles as ``radio`` says the rest of the time.

        Raises
        ------
        ValueError
            If the chip cannot send with that power.
        """
        sending_h = self.airtime_us / US_PER_S / 3600.0
        idle_h = self.window_s / 3600.0 - sending_h
        charge_mah = sending_h * radio.sending_ma(power_dbm) + idle_h * radio.idle_ma
        return np.asarray(charge_mah * radio.supply_v / 1e6, dtype=np.float64)

    @property
    def delivery_by_sf_pu(self) -> dict[int, float]:
        """Part of the packets of each spreading factor in use. [pu]"""
        totals = self.causes.sum(axis=1)
        return {
            sf: float(self.causes[k, DELIVERED] / totals[k])
            for k, sf in enumerate(_SF)
            if totals[k]
        }


def study(config: UplinkConfig, nodes: int, window_s: float, seed: int = 1) -> Uplink:
    """Return what becomes of the packets of nodes spread evenly over a disc.

    Parameters
    ----------
    config : UplinkConfig
        The cell.
    nodes : int
        How many, at least 1.
    window_s : float
        How long they send. [s]
    seed : int
        Of all that is drawn.

    Raises
    ------
    ScenarioError
        If a name is unknown, one packet takes more than an hour's duty, there is no node, or
        the window is empty.
    """
    _check(config, nodes, window_s)
    rng = np.random.default_rng(seed)
    radius = config.radius_m * np.sqrt(rng.uniform(size=nodes))
    angle = rng.uniform(0.0, 2.0 * np.pi, nodes)
    return study_at(
        config, np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), window_s, rng
    )


def study_at(
    config: UplinkConfig, places_m: Array, window_s: float, rng: np.random.Generator
) -> Uplink:
    """Return what becomes of the packets of nodes at places, shape (nodes, 2). [m]

    Raises
    ------
    ScenarioError
        As `study`.
    """
    _check(config, len(places_m), window_s)
    gateways = np.array(config.gateways_m)
    distance = np.linalg.norm(places_m[:, None] - gateways[None], axis=2)
    distance = np.maximum(distance, NEAREST_M)
    level_dbm = _levels(config, distance, rng)
    modems = [_tuned(config, sf) for sf in _SF]
    floor_dbm = np.array([modem.sensitivity_dbm(config.noise_figure_db) for modem in modems])
    airtimes = np.array([modem.airtime_us(config.payload_bytes) for modem in modems])
    rows = _spreading(config, level_dbm, floor_dbm)
    window_us = round(window_s * US_PER_S)
    gap_us = _gaps(config, rows, airtimes)
    packets, node = _drawn(config, rng, rows, airtimes, gap_us, window_us)
    levels = level_dbm[node]
    if config.rayleigh:
        levels += 10.0 * np.log10(rng.standard_exponential(levels.shape))
    threshold_db = thresholds_db(config.isolation, config.capture_db)
    busy = _downlinks(config, rng, window_us)
    codes = judge(packets, levels, floor_dbm, threshold_db, config.demodulators, busy)
    best = codes[:, 0] if codes.shape[1] == 1 else codes.max(axis=1)
    shape = (len(_SF), len(CAUSES))
    causes = np.bincount(packets.sf * shape[1] + best, minlength=shape[0] * shape[1])
    sent = np.bincount(node, minlength=len(rows))
    return Uplink(
        sent=sent,
        delivered=np.bincount(node[best == DELIVERED], minlength=len(rows)),
        causes=causes.reshape(shape),
        spreading_factor=rows + SF_MIN,
        distance_m=distance.min(axis=1),
        airtime_us=sent * airtimes[rows],
        per_hour=HOUR_US / np.maximum(gap_us, config.period_s * US_PER_S),
        window_s=window_s,
    )


@dataclass(frozen=True)
class Capacity:
    """How many nodes a cell bears.

    Parameters
    ----------
    nodes : int
        The most at which delivery is at least the target; 0 if even a node alone fails.
    delivery_pu : float or None
        Mean delivery there, if there are any. [pu]
    per_hour : float
        Packets of all these nodes an hour, as the duty cycle allows; 0 if there are none.
    limited : bool
        False if the target still held at the most nodes that were tried.
    tried : tuple
        Pairs of nodes and mean delivery, sorted by nodes; the first is of a node alone.
    """

    nodes: int
    delivery_pu: float | None
    per_hour: float
    limited: bool
    tried: tuple[tuple[int, float], ...]


def capacity(
    config: UplinkConfig,
    target_pu: float = 0.9,
    window_s: float = 3600.0,
    seeds: int = 3,
    most_nodes: int = 100_000,
    seed: int = 1,
) -> Capacity:
    """Return how many nodes a cell bears until delivery falls below a target.

    Node counts are doubled until delivery falls below, then halved in between, down to
    one part in a hundred: delivery is drawn, so a finer answer would be noise.

    Parameters
    ----------
    config : UplinkConfig
        The cell.
    target_pu : float
        Least mean delivery, 0..1. [pu]
    window_s : float
        How long each trial sends; it must hold several periods. [s]
    seeds : int
        Trials whose mean is taken at each count; more while nodes are few, as delivery then
        hangs on where they happen to stand.
    most_nodes : int
        Where the search ends.
    seed : int
        Of the first trial; the others follow.

    Raises
    ------
    ScenarioError
        As `study`.
    """
    tried: dict[int, float] = {}
    per_hour = {0: 0.0}

    def holds(nodes: int) -> bool:
        trials = max(seeds, -(-_LEAST_PLACES // nodes))
        found = [study(config, nodes, window_s, seed + k) for k in range(trials)]
        total = np.sum([one.causes.sum(axis=0) for one in found], axis=0)
        per_hour[nodes] = float(np.mean([one.per_hour.sum() for one in found]))
        tried[nodes] = float(total[DELIVERED] / max(int(total.sum()), 1))
        return tried[nodes] >= target_pu

    low, high = 0, 1
    while holds(high):
        low = high
        if high >= most_nodes:
            break
        high = min(2 * high, most_nodes)
    limited = low < high
    while limited and high - low > max(low // 100, 1):
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return Capacity(low, tried.get(low), per_hour[low], limited, tuple(sorted(tried.items())))


def _check(config: UplinkConfig, nodes: int, window_s: float) -> None:
    """Refuse unknown names, packets longer than an hour's duty, and studies of nothing."""
    faults = config.faults("uplink study")
    if nodes < 1:
        faults.append(Fault("uplink study", "nodes", f"{nodes} were given.", "Give 1 or more."))
    if not 0.0 < window_s < inf:
        problem = f"{window_s:g} was given."
        faults.append(Fault("uplink study", "window_s", problem, "Allowed is above 0, and finite."))
    if config.isolation not in MATRICES:
        problem = f"'{config.isolation}' is no isolation table."
        faults.append(Fault("uplink study", "isolation", problem, near(config.isolation, MATRICES)))
    try:
        spacing_us(_slowest(config).airtime_us(config.payload_bytes), config.duty_pu)
    except ValueError as error:
        faults.append(Fault("uplink study", "duty_pu", f"{error}."))
    if faults:
        raise ScenarioError("uplink study cannot be run", faults)


def _slowest(config: UplinkConfig) -> Modem:
    """Return the modem at the highest spreading factor a node may take."""
    return _tuned(config, SF_MAX) if config.spreading_factor == "lowest" else config.modem


def _tuned(config: UplinkConfig, sf: int) -> Modem:
    """Return the modem at another spreading factor."""
    return config.modem.model_copy(update={"spreading_factor": sf})


def _spreading(config: UplinkConfig, level_dbm: Array, floor_dbm: Array) -> Counts:
    """Return the row of each node's spreading factor; SF5 and SF6 are never chosen for it."""
    own = config.modem.spreading_factor - SF_MIN
    if config.spreading_factor == "as_modem":
        return np.full(len(level_dbm), own, dtype=np.int64)
    reached = level_dbm.max(axis=1)[:, None] >= floor_dbm[None] + config.margin_db
    reached[:, :2] = False
    reached[:, -1] = True  # who reaches none sends as slowly as it can
    return np.asarray(reached.argmax(axis=1), dtype=np.int64)


def _levels(config: UplinkConfig, distance_m: Array, rng: np.random.Generator) -> Array:
    """Return the mean power of each node at each gateway, shape (nodes, gateways). [dBm]"""
    loss_db = config.losses_db(distance_m, config.modem.frequency_mhz)
    shadow_db = config.shadowing_db * rng.standard_normal(loss_db.shape)
    return np.asarray(config.modem.tx_power_dbm - loss_db - shadow_db, dtype=np.float64)


def _gaps(config: UplinkConfig, rows: Counts, airtimes: Counts) -> Counts:
    """Return the least time from start to start of each node. [us]"""
    gap_us = np.zeros(len(_SF), dtype=np.int64)
    for k in np.unique(rows).tolist():
        gap_us[k] = spacing_us(int(airtimes[k]), config.duty_pu)
    return np.asarray(gap_us[rows])


def _drawn(
    config: UplinkConfig,
    rng: np.random.Generator,
    rows: Counts,
    airtimes: Counts,
    gap_us: Counts,
    window_us: int,
) -> tuple[Packets, Counts]:
    """Return all packets, and the node of each."""
    period_us = config.period_s * US_PER_S
    if config.process == "poisson":
        start_us, node = poisson_us(rng, len(rows), period_us, window_us, gap_us)
    else:
        start_us, node = periodic_us(rng, len(rows), period_us, window_us, gap_us, config.jitter_pu)
    free_us = np.array([_tuned(config, sf).spare_us(config.sync_symbols) for sf in _SF])
    channel = rng.integers(config.channels, size=len(node))
    sf = rows[node]
    return Packets(start_us, start_us + airtimes[sf], start_us + free_us[sf], sf, channel), node


def _downlinks(config: UplinkConfig, rng: np.random.Generator, window_us: int) -> Busy:
    """Return when gateways send."""
    gateways = len(config.gateways_m)
    if config.downlink_s is None:
        return Busy(np.zeros((0, 2), dtype=np.int64), np.zeros(gateways + 1, dtype=np.int64))
    airtime_us = config.modem.airtime_us(config.payload_bytes)
    gap_us = np.full(gateways, airtime_us, dtype=np.int64)
    mean_us = config.downlink_s * US_PER_S
    start_us, owner = poisson_us(rng, gateways, mean_us, window_us, gap_us)
    order = np.argsort(owner, kind="stable")
    span_us = np.column_stack([start_us[order], start_us[order] + airtime_us])
    return Busy(span_us, np.searchsorted(owner[order], np.arange(gateways + 1)))
