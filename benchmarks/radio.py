"""Radio: our compiled studies beside the same rules in SimPy, a process a node."""

from __future__ import annotations

import time

import numpy as np

from benchmarks import cell_in_simpy
from simulators.radio.isolation import SF_MIN, thresholds_db
from simulators.radio.path_loss import PATH_LOSS
from simulators.radio.uplink import UplinkConfig, study

#: A cell of LoRaSim's kind: one gateway, SF7 to SF12, three channels, 20 bytes.
CELL = UplinkConfig(
    path_loss="oulu", radius_m=5000.0, spreading_factor="lowest", isolation="croce",
    period_s=600.0, duty_pu=1.0,
)  # fmt: skip


def our_uplink(nodes: int, window_s: float) -> tuple[float, float, float]:
    """Return packets a second of processor time, seconds, and delivery of a window."""
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
    loss, modem = PATH_LOSS[CELL.path_loss], CELL.modem
    level = [modem.tx_power_dbm - loss(d, modem.frequency_mhz) for d in distance.tolist()]
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
