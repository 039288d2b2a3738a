"""Roster: which radios there are, what each is tuned to, and who can hear whom."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.errors import Fault
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.settings import near
from gridmodel.wire.lora import Modem
from simulators.radio.isolation import MATRICES, SF_MIN
from simulators.radio.lora_config import LoraConfig
from simulators.radio.path_loss import MODELS, NEAREST_M, Loss, loss_of, range_m
from simulators.radio.placement import faults_of_placement
from simulators.radio.sensitivity import SENSITIVITIES, floor_db, sensitivity_dbm

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a modem's settings mean on this air.

    Parameters
    ----------
    noise_dbm, floor_db, least_dbm : float
        Noise in the channel, least signal-to-noise ratio and weakest signal demodulated.
    guard_us : int
        From the start of a packet to when an overlap does harm. [us]
    tuned : ndarray of int
        Radios that listen to it.
    """

    modem: Modem
    noise_dbm: float
    floor_db: float
    least_dbm: float
    guard_us: int
    tuned: Index

    def flight(self, start_us: int, airtime_us: int, sender: int) -> tuple[Any, ...]:
        """Return a packet's row of `Flights`, without its number."""
        modem = self.modem
        return (
            start_us, start_us + airtime_us, start_us + self.guard_us, sender,
            modem.spreading_factor - SF_MIN, modem.frequency_mhz, modem.bandwidth_khz,
            modem.tx_power_dbm,
        )  # fmt: skip


class Roster:
    """The radios of a neighbourhood, in rows: those of a fleet stand together."""

    def __init__(
        self, config: LoraConfig, network: Neighbourhood, rng: np.random.Generator
    ) -> None:
        self._config = config
        self.loss: Loss = loss_of(config.path_loss, config.log_distance, config.masts)
        self.rows: dict[str, tuple[int, int]] = {}
        places: list[str] = []
        self.listen: list[Modem] = []
        for name, fleet in config.fleets.items():
            at = network.consumer_names if fleet.at is None else fleet.at
            seats = config.cells.coordinators if fleet.every_cell else config.cells.nodes
            found = seats(network.consumer_names, at)
            self.rows[name] = (len(places), len(places) + len(found))
            places += [seat.customer for seat in found]
            self.listen += [config.cells.tuned(fleet.listen, seat.cell) for seat in found]
        self.idle = tuple(
            config.fleets[name].idle or (config.energy.idle if config.energy else "receive")
            for name, (low, high) in self.rows.items()
            for _ in range(low, high)
        )
        self.asleep = np.array([idle != "receive" for idle in self.idle], dtype=np.bool_)
        self.fleet_of = [name for name, (low, high) in self.rows.items() for _ in range(low, high)]
        self.labels = tuple(f"{name}.{self.seat(row)}" for row, name in enumerate(self.fleet_of))
        self.loss_db = self._losses(network, places, rng)
        self._tunings: dict[Modem, Tuning] = {}
        self._heard: dict[tuple[int, Modem], tuple[Index, int]] = {}

    def seat(self, row: int) -> int:
        """Return the position of a radio within its fleet."""
        return row - self.rows[self.fleet_of[row]][0]

    def tuning(self, modem: Modem) -> Tuning:
        """Return what a modem's settings mean on this air."""
        if modem not in self._tunings:
            config = self._config
            rows = [k for k, own in enumerate(self.listen) if _same_channel(own, modem)]
            # What no radio is tuned to only disturbs: a table need not have its floor.
            table = config.sensitivity if rows else "snr_floor"
            self._tunings[modem] = Tuning(
                modem,
                modem.noise_dbm(config.noise_figure_db),
                floor_db(table, modem, config.noise_figure_db),
                sensitivity_dbm(table, modem, config.noise_figure_db),
                modem.spare_us(config.sync_symbols_count),
                np.array(rows, dtype=np.int64),
            )
        return self._tunings[modem]

    def neighbours(self, sender: int, modem: Modem) -> tuple[Index, int]:
        """Return who of the radios tuned to a modem may hear it from a radio.

        Returns
        -------
        near : ndarray of int
            Their rows, in order.
        beyond : int
            How many others are tuned to it: their level lies below the floor by more than
            the margin.
        """
        key = (sender, modem)
        if key not in self._heard:
            tuning = self.tuning(modem)
            others = tuning.tuned[tuning.tuned != sender]
            level = modem.tx_power_dbm - self.loss_db[sender, others]
            close = others[level >= tuning.least_dbm - self._config.neighbour_margin_db]
            self._heard[key] = close, len(others) - len(close)
        return self._heard[key]

    def budget_db(self, modem: Modem) -> float:
        """Return the path loss at which a packet is just demodulated. [dB]"""
        config = self._config
        return modem.tx_power_dbm - sensitivity_dbm(
            config.sensitivity, modem, config.noise_figure_db
        )

    def range_m(self, modem: Modem) -> float:
        """Return the distance at which a packet is just demodulated. [m]"""
        return range_m(self.loss, self.budget_db(modem), modem.frequency_mhz)

    def _losses(self, network: Neighbourhood, places: list[str], rng: np.random.Generator) -> Array:
        """Return the path loss between all radios, symmetric, shape (n, n). [dB]"""
        n = len(places)
        loss_db = np.zeros((n, n))
        f_mhz = self.listen[0].frequency_mhz if n else 0.0
        at_m = [network.position_m(place) for place in places]
        drawn = iter((self._config.shadowing_db * rng.standard_normal(n * (n - 1) // 2)).tolist())
        for a, (east, north) in enumerate(at_m):
            row = [
                self.loss(max(hypot(east - e, north - n), NEAREST_M), f_mhz) + next(drawn)
                for e, n in at_m[:a]
            ]
            loss_db[a, :a] = loss_db[:a, a] = row
        return loss_db


def faults(name: str, config: LoraConfig, network: Neighbourhood) -> list[Fault]:
    """Return all that keeps an air from being built."""
    found = []
    for key, given, known in (
        ("path_loss", config.path_loss, MODELS),
        ("sensitivity", config.sensitivity, SENSITIVITIES),
        ("isolation", config.isolation, MATRICES),
    ):
        if given not in known:
            what = {"path_loss": "path-loss preset"}.get(key, f"{key} table")
            found.append(Fault(name, key, f"'{given}' is no {what}.", near(given, known)))
    if not found:
        try:
            loss_of(config.path_loss, config.log_distance, config.masts)
        except ValueError as error:
            found.append(Fault(name, "path_loss", str(error)))
    found += faults_of_placement(name, config.fleets, network)
    for fleet in config.fleets:
        found += _faults_of_fleet(name, fleet, config, network)
    return found


def _faults_of_fleet(
    name: str, fleet_name: str, config: LoraConfig, network: Neighbourhood
) -> list[Fault]:
    fleet, key = config.fleets[fleet_name], f"fleets.{fleet_name}"
    found = []
    for cell in range(-(-len(network.consumers) // config.cells.size)):
        modem = config.cells.tuned(fleet.listen, cell)
        try:
            modem.rule()
            if config.energy is not None:
                config.energy.sending_ma(modem.tx_power_dbm)
            if config.sensitivity in SENSITIVITIES:
                sensitivity_dbm(config.sensitivity, modem)
        except ValueError as error:
            found.append(Fault(name, f"{key}.listen", f"cell {cell}: {error}"))
    return found


def _same_channel(a: Modem, b: Modem) -> bool:
    """Return whether two settings share spreading factor, bandwidth and frequency."""
    return (
        a.spreading_factor == b.spreading_factor
        and a.bandwidth_khz == b.bandwidth_khz
        and abs(a.frequency_mhz - b.frequency_mhz) * 1e3 < a.bandwidth_khz / 2
    )
