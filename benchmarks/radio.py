"""Radio: our compiled studies beside the same rules in SimPy, a process a node."""

from __future__ import annotations

import time

import numpy as np

from benchmarks import cell_in_simpy, mesh_in_simpy
from simulators.radio.isolation import SF_MIN, thresholds_db
from simulators.radio.mesh import LONG_FAST, MeshConfig
from simulators.radio.mesh import study as study_mesh
from simulators.radio.uplink import UplinkConfig, study

#: A cell of LoRaSim's kind: one gateway, SF7 to SF12, three channels, 20 bytes.
CELL = UplinkConfig(
    path_loss="oulu", radius_m=5000.0, spreading_factor="lowest", isolation="croce",
    period_s=600.0, duty_pu=1.0,
)  # fmt: skip
#: A mesh at Meshtastic's preset of SF9 and 250 kHz.
MESH = MeshConfig(path_loss="oulu", modem=LONG_FAST.model_copy(update={"spreading_factor": 9}))


def our_uplink(nodes: int, window_s: float) -> tuple[float, float, float]:
    """Return packets a second, seconds, and delivery of a window."""
    study(CELL, 10, 600.0)
    begin = time.perf_counter()
    found = study(CELL, nodes, window_s)
    taken = time.perf_counter() - begin
    return float(found.sent.sum()) / taken, taken, found.delivery_pu


def their_uplink(nodes: int, window_s: float) -> tuple[float, float, float]:
    """Return the same of the cell in SimPy."""
    cell = _cell(nodes)
    begin = time.perf_counter()
    gateway = cell_in_simpy.run(cell, window_s * 1e6)
    taken = time.perf_counter() - begin
    return gateway.sent / taken, taken, gateway.received / gateway.sent


def _cell(nodes: int) -> cell_in_simpy.Cell:
    rng = np.random.default_rng(1)
    distance = np.maximum(CELL.radius_m * np.sqrt(rng.uniform(size=nodes)), 3.0)
    modem = CELL.modem
    level = (modem.tx_power_dbm - CELL.losses_db(distance, modem.frequency_mhz)).tolist()
    modems = [modem.model_copy(update={"spreading_factor": sf}) for sf in range(SF_MIN, 13)]
    floor = [m.sensitivity_dbm(CELL.noise_figure_db) for m in modems]
    sf = [next((k for k in range(2, 7) if dbm >= floor[k]), 7) for dbm in level]
    free = modem.preamble_symbols - CELL.sync_symbols
    return cell_in_simpy.Cell(
        level, sf, [modems[k].airtime_us(CELL.payload_bytes) for k in sf],
        [round(free * modems[k].symbol_us) for k in sf],
        thresholds_db(CELL.isolation).tolist(), floor, CELL.channels, CELL.demodulators,
        CELL.period_s * 1e6,
    )  # fmt: skip


def our_mesh(nodes: int, side_m: float, period_s: float, window_s: float) -> tuple[float, float]:
    """Return packets a second of a flooding mesh, each judged at all who can hear it, and delivery."""
    places = _places(nodes, side_m)
    study_mesh(MESH, places, period_s, 60.0)
    begin = time.perf_counter()
    found = study_mesh(MESH, places, period_s, window_s)
    taken = time.perf_counter() - begin
    return found.counts["sent"] / taken, found.delivery_pu


def their_mesh(nodes: int, side_m: float, period_s: float, window_s: float) -> tuple[float, float]:
    """Return the same of the mesh in SimPy."""
    places, modem = _places(nodes, side_m), MESH.modem
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    level = modem.tx_power_dbm - MESH.losses_db(distance, modem.frequency_mhz)
    rules = mesh_in_simpy.Rules(
        level.tolist(), modem.noise_dbm(), modem.sensitivity_dbm(), MESH.capture_db,
        modem.airtime_us(20 + MESH.header_bytes),
        round((modem.preamble_symbols - 5) * modem.symbol_us),
        int(2.5 * modem.symbol_us / 1e3 + 7.6) * 1000, round(2.5 * modem.symbol_us),
        MESH.hop_limit,
    )  # fmt: skip
    flood = mesh_in_simpy.Flood(rules, seed=1)
    begin = time.perf_counter()
    flood.run(period_s * 1e6, round(window_s * 1e6))
    taken = time.perf_counter() - begin
    return flood.sent / taken, flood.first / flood.originated / (nodes - 1)


def neighbours(nodes: int, side_m: float) -> float:
    """Return how many nodes hear one, in the mean."""
    places = _places(nodes, side_m)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    return float((distance < MESH.range_m(MESH.modem)).sum() / nodes - 1.0)


def _places(nodes: int, side_m: float) -> np.ndarray:
    return np.random.default_rng(1).uniform(0.0, side_m, (nodes, 2))
