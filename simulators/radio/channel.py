"""LoRa channel: packets in the air between the radios of a neighbourhood.

Event-driven: a packet starts when a node sends it and is judged when it ends, so a
delivery happens at its true airtime. A receiver gets it if the signal is above the
demodulation floor, the receiver did not send meanwhile, and every packet of the same
channel and spreading factor that overlapped is weaker by the capture threshold. As in
LoRaSim, an overlap that ends before the last five preamble symbols does no harm.

Left out so far: interference between spreading factors, fading in time, several
gateways, adaptive data rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray
from pydantic import Field

from gridmodel.errors import Fault, ScenarioError
from gridmodel.federate import (
    BuildContext,
    Federate,
    Inputs,
    Kpi,
    Message,
    Messages,
    Signal,
    Step,
)
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.settings import Settings, near
from gridmodel.wire.cells import CellPlan
from gridmodel.wire.duty_cycle import HOUR_US, DutyLedger, sub_band
from gridmodel.wire.lora import SNR_FLOOR_DB, Modem
from simulators.radio.path_loss import PATH_LOSS, range_m

Array = NDArray[np.float64]
#: Preamble symbols a receiver needs to synchronise (LoRaSim). []
_SYNC_SYMBOLS = 5
#: Two radios at one place are this far apart. [m]
_SAME_HOUSE_M = 3.0
OUTCOMES = ("delivered", "weak", "collided", "deaf")
DELIVERED, WEAK, COLLIDED, DEAF = range(4)


class RadiosConfig(Settings):
    """Radios of one fleet of nodes, one at each customer."""

    at: tuple[str, ...] | None = Field(None, description="customers; all of them if left out")
    listen: Modem = Field(Modem(), description="what its receivers are tuned to")
    every_cell: bool = Field(
        False, description="a radio for every cell at each place, as coordinators have"
    )


class LoraConfig(Settings):
    """The neighbourhood's air."""

    path_loss: str = Field(description=f"one of {', '.join(PATH_LOSS)}; see the range it gives")
    cells: CellPlan = Field(CellPlan(), description="how customers share channels")
    fleets: Mapping[str, RadiosConfig] = Field(description="radios, by name of their federate")
    shadowing_db: Annotated[float, Ge(0.0)] = Field(
        0.0, description="spread of a link's loss around the preset, drawn once"
    )
    noise_figure_db: Annotated[float, Ge(0.0)] = Field(6.0, description="of the receivers")
    capture_db: Annotated[float, Ge(0.0)] = Field(
        6.0, description="a packet survives others that are weaker by this"
    )
    report_s: Annotated[float, Gt(0.0)] = Field(60.0, description="step of the channel's figures")


@dataclass(slots=True)
class Packet:
    """A packet in the air."""

    sender: int
    frame: bytes
    start_us: int
    end_us: int
    guarded_us: int  # from here on an overlap does harm
    modem: Modem
    done: bool = False


@dataclass
class _Tally:
    """What became of packets."""

    sent: int = 0
    refused: int = 0
    airtime_us: int = 0
    outcomes: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    duty_max_pu: float = 0.0


class Lora(Federate):
    """All radios of a neighbourhood on one stretch of air."""

    Config = LoraConfig
    needs_network = True
    first_us = 0
    dynamic = ("_air", "_ledgers", "_tally", "_window", "_next_report_us", "_busy_until_us")

    def __init__(
        self, config: LoraConfig, network: Neighbourhood, rng: np.random.Generator
    ) -> None:
        self._config = config
        self._fleet_rows: dict[str, tuple[int, int]] = {}
        places: list[str] = []
        self._listen: list[Modem] = []
        for name, fleet in config.fleets.items():
            at = network.consumer_names if fleet.at is None else fleet.at
            seats = config.cells.coordinators if fleet.every_cell else config.cells.nodes
            found = seats(network.consumer_names, at)
            self._fleet_rows[name] = (len(places), len(places) + len(found))
            places += [seat.customer for seat in found]
            self._listen += [config.cells.tuned(fleet.listen, seat.cell) for seat in found]
        self._fleet_of = [
            name for name, (low, high) in self._fleet_rows.items() for _ in range(low, high)
        ]
        self._loss_db = self._losses(network, places, rng)
        self._modems: dict[tuple[Any, ...], Modem] = {}
        self._listeners: dict[tuple[float, int, float], NDArray[np.int64]] = {}
        self._air: list[Packet] = []
        self._ledgers: dict[tuple[int, str], DutyLedger] = {}
        self._tally = _Tally()
        self._window = _Tally()
        self._report_us = round(config.report_s * 1e6)
        self._next_report_us = 0
        self._busy_until_us = 0
        self.inputs = (Messages("transmit", "frames the nodes send"),)
        self.outputs = (
            Signal("utilisation_pu", about="part of the last window some packet was in the air"),
            Signal("delivered_count", (), int, about="receptions in the last window"),
            Signal("lost_count", (), int, about="receptions lost in the last window"),
            *(Messages(f"to_{name}", f"frames heard by {name}") for name in config.fleets),
            Messages("lost", "receptions that failed, and why"),
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Place the radios at their customers."""
        network = context.network
        assert network is not None
        faults = []
        if config.path_loss not in PATH_LOSS:
            problem = f"'{config.path_loss}' is no path-loss preset."
            faults.append(
                Fault(context.name, "path_loss", problem, near(config.path_loss, PATH_LOSS))
            )
        for name, fleet in config.fleets.items():
            key = f"fleets.{name}"
            for house in fleet.at or ():
                if house not in network.consumer:
                    advice = near(house, network.consumer)
                    faults.append(
                        Fault(context.name, f"{key}.at", f"there is no customer '{house}'.", advice)
                    )
            for cell in range(-(-len(network.consumers) // config.cells.size)):
                modem = config.cells.tuned(fleet.listen, cell)
                try:
                    sub_band(modem.frequency_mhz, modem.bandwidth_khz)
                except ValueError as error:
                    faults.append(Fault(context.name, f"{key}.listen", f"cell {cell}: {error}"))
        if faults:
            raise ScenarioError("radio channel cannot be built", faults)
        return cls(config, network, context.generator())

    def warnings(self) -> tuple[str, ...]:
        """Return the range, and radios that cannot reach each other."""
        found = []
        preset = PATH_LOSS[self._config.path_loss]
        for name, fleet in self._config.fleets.items():
            modem = fleet.listen
            budget = modem.tx_power_dbm - modem.sensitivity_dbm(self._config.noise_figure_db)
            reach = range_m(preset, budget, modem.frequency_mhz)
            low, high = self._fleet_rows[name]
            others = [k for k in range(len(self._listen)) if not low <= k < high]
            out = sum(bool(self._loss_db[sender, low:high].min() > budget) for sender in others)
            if out:
                found.append(
                    f"{out} of {len(others)} radios cannot reach {name}: path loss "
                    f"{self._config.path_loss} gives a range of {reach:.0f} m at SF"
                    f"{modem.spreading_factor}/{modem.bandwidth_khz:g} kHz and "
                    f"{modem.tx_power_dbm:g} dBm. Raise the spreading factor, or check the preset."
                )
        return tuple(found)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Judge packets that end now, then take those that start."""
        outputs: dict[str, Any] = {f"to_{name}": [] for name in self._fleet_rows}
        outputs["lost"] = []
        for packet in self._air:
            if packet.end_us <= t_us and not packet.done:
                packet.done = True
                self._judge(packet, outputs)
        for message in inputs.messages["transmit"]:
            self._start(t_us, message)
        self._forget(t_us)
        if t_us >= self._next_report_us:
            self._report(t_us, outputs)
            self._next_report_us = t_us - t_us % self._report_us + self._report_us
        ends = [packet.end_us for packet in self._air if not packet.done]
        return outputs, min([self._next_report_us, *ends])

    def kpis(self) -> tuple[Kpi, ...]:
        """Return delivery and duty figures, and the range of the preset."""
        tally = self._tally
        heard = max(sum(tally.outcomes), 1)
        modem = next(iter(self._config.fleets.values())).listen
        budget = modem.tx_power_dbm - modem.sensitivity_dbm(self._config.noise_figure_db)
        reach = range_m(PATH_LOSS[self._config.path_loss], budget, modem.frequency_mhz)
        return (
            Kpi("range_m", reach, f"range of path loss {self._config.path_loss}"),
            Kpi("sent_count", tally.sent, "packets sent"),
            Kpi("delivery_pu", tally.outcomes[DELIVERED] / heard, "of all possible receptions"),
            Kpi("collided_pu", tally.outcomes[COLLIDED] / heard, "lost to other packets"),
            Kpi("deaf_pu", tally.outcomes[DEAF] / heard, "lost because the receiver was sending"),
            Kpi("weak_pu", tally.outcomes[WEAK] / heard, "lost below the demodulation floor"),
            Kpi(
                "duty_max_pu",
                tally.duty_max_pu,
                "worst radio's share of its worst hour on air, of its limit",
            ),
            Kpi("refused_count", tally.refused, "packets that would have broken the duty cycle"),
        )

    def _losses(self, network: Neighbourhood, places: list[str], rng: np.random.Generator) -> Array:
        """Return the path loss between all radios, symmetric, shape (n, n). [dB]"""
        n = len(places)
        loss = np.zeros((n, n))
        preset = PATH_LOSS[self._config.path_loss]
        f_mhz = self._listen[0].frequency_mhz
        for a in range(n):
            for b in range(a):
                d_m = max(network.distance_m(places[a], places[b]), _SAME_HOUSE_M)
                shadow = self._config.shadowing_db * float(rng.standard_normal())
                loss[a, b] = loss[b, a] = preset(d_m, f_mhz) + shadow
        return loss

    def _modem(self, data: Mapping[str, Any]) -> Modem:
        """Return the modem settings a packet was sent with."""
        key = tuple(data["modem"])
        if key not in self._modems:
            self._modems[key] = Modem(**dict(zip(Modem.model_fields, key, strict=True)))
        return self._modems[key]

    def _start(self, t_us: int, message: Message) -> None:
        """Put a packet on the air, unless its sender's duty cycle forbids it."""
        data = message.data
        modem = self._modem(data)
        sender = self._fleet_rows[data["fleet"]][0] + data["node"]
        airtime = modem.airtime_us(len(data["frame"]))
        band = sub_band(modem.frequency_mhz, modem.bandwidth_khz)
        ledger = self._ledgers.setdefault((sender, band.name), DutyLedger(band.duty_pu))
        if not ledger.allows(t_us, airtime):
            self._tally.refused += 1
            return
        ledger.book(t_us, airtime)
        used = ledger.used_us(t_us + airtime) / HOUR_US / band.duty_pu
        self._tally.duty_max_pu = max(self._tally.duty_max_pu, used)
        self._tally.sent += 1
        end_us = t_us + airtime
        self._window.airtime_us += max(end_us - max(t_us, self._busy_until_us), 0)
        self._busy_until_us = max(self._busy_until_us, end_us)
        guarded = t_us + round(max(modem.preamble_symbols - _SYNC_SYMBOLS, 0) * modem.symbol_us)
        self._air.append(Packet(sender, data["frame"], t_us, t_us + airtime, guarded, modem))

    def _judge(self, packet: Packet, outputs: dict[str, Any]) -> None:
        """Decide for every listener what became of a packet that ends now."""
        listeners = self._tuned(packet.modem)
        listeners = listeners[listeners != packet.sender]
        if not len(listeners):
            return
        rssi = packet.modem.tx_power_dbm - self._loss_db[packet.sender, listeners]
        snr = rssi - packet.modem.noise_dbm(self._config.noise_figure_db)
        outcome = np.full(len(listeners), DELIVERED)
        for other in self._air:
            if other is packet or other.start_us >= packet.end_us:
                continue
            if other.end_us > packet.start_us:
                outcome[listeners == other.sender] = DEAF
            if other.end_us > packet.guarded_us and _same_channel(other.modem, packet.modem):
                theirs = other.modem.tx_power_dbm - self._loss_db[other.sender, listeners]
                hit = (rssi - theirs < self._config.capture_db) & (outcome == DELIVERED)
                outcome[hit & (listeners != other.sender)] = COLLIDED
        outcome[snr < SNR_FLOOR_DB[packet.modem.spreading_factor]] = WEAK
        for tally in (self._tally, self._window):
            for code in outcome.tolist():
                tally.outcomes[code] += 1
        self._send_on(packet, listeners, rssi, snr, outcome, outputs)

    def _send_on(
        self,
        packet: Packet,
        listeners: NDArray[np.int64],
        rssi: Array,
        snr: Array,
        outcome: NDArray[np.int64],
        outputs: dict[str, Any],
    ) -> None:
        """Emit one delivery a fleet, and one note of losses."""
        name = self._fleet_of[packet.sender]
        node = packet.sender - self._fleet_rows[name][0]
        for fleet, (low, high) in self._fleet_rows.items():
            got = (outcome == DELIVERED) & (listeners >= low) & (listeners < high)
            if got.any():
                data = {
                    "frame": packet.frame,
                    "nodes": tuple((listeners[got] - low).tolist()),
                    "rssi_dbm": tuple(rssi[got].tolist()),
                    "snr_db": tuple(snr[got].tolist()),
                }
                outputs[f"to_{fleet}"].append(Message(packet.end_us, "frame", data))
        lost = outcome != DELIVERED
        if lost.any():
            reasons = tuple(OUTCOMES[code] for code in outcome[lost].tolist())
            at = tuple(
                f"{self._fleet_of[row]}.{row - self._fleet_rows[self._fleet_of[row]][0]}"
                for row in listeners[lost].tolist()
            )
            note = {"fleet": name, "node": node, "at": at, "why": reasons}
            outputs["lost"].append(Message(packet.end_us, "lost", note))

    def _tuned(self, modem: Modem) -> NDArray[np.int64]:
        """Return the radios tuned to a packet's channel and spreading factor."""
        key = (modem.frequency_mhz, modem.spreading_factor, modem.bandwidth_khz)
        if key not in self._listeners:
            rows = [k for k, own in enumerate(self._listen) if _same_channel(own, modem)]
            self._listeners[key] = np.array(rows, dtype=np.int64)
        return self._listeners[key]

    def _forget(self, t_us: int) -> None:
        """Drop packets that can overlap nothing that is still in the air."""
        open_from = min((p.start_us for p in self._air if not p.done), default=t_us)
        self._air = [p for p in self._air if not p.done or p.end_us > open_from]

    def _report(self, t_us: int, outputs: dict[str, Any]) -> None:
        """Close a window; what is in the air beyond its end counts in the next one."""
        window = self._window
        beyond_us = max(self._busy_until_us - t_us, 0)
        outputs["utilisation_pu"] = (window.airtime_us - beyond_us) / self._report_us
        outputs["delivered_count"] = window.outcomes[DELIVERED]
        outputs["lost_count"] = sum(window.outcomes) - window.outcomes[DELIVERED]
        self._window = _Tally(airtime_us=beyond_us)


def _same_channel(a: Modem, b: Modem) -> bool:
    """Return whether two settings share spreading factor, bandwidth and frequency."""
    return (
        a.spreading_factor == b.spreading_factor
        and a.bandwidth_khz == b.bandwidth_khz
        and abs(a.frequency_mhz - b.frequency_mhz) * 1e3 < a.bandwidth_khz / 2
    )
