"""LoRa channel: packets in the air between the radios of a neighbourhood.

Event-driven: a packet starts when a node sends it and is judged when it ends, so a
delivery happens at its true airtime. What decides about a reception is in `reception`,
what decides about a sending in `outbox`. Only radios that may hear a packet are looked at.

Left out: overlap of neighbouring channels, several packets' power added up, receivers
that are locked on one packet when a stronger one comes, fading that lasts from one packet
to the next, propagation delay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gridmodel.errors import ScenarioError
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
from gridmodel.wire.lora import Modem
from simulators.radio.energy import EnergyMeter
from simulators.radio.in_flight import Flights, InFlight
from simulators.radio.isolation import SF_MIN, thresholds_db
from simulators.radio.lora_config import LoraConfig as LoraConfig
from simulators.radio.lora_config import RadiosConfig as RadiosConfig
from simulators.radio.outbox import Ears, Fate, Go, Outbox, Refused, Wish
from simulators.radio.reception import (
    COLLIDED,
    DEAF,
    DELIVERED,
    DROPPED,
    OUTCOMES,
    WEAK,
    Air,
    Ear,
    judge,
    on_air,
)
from simulators.radio.roster import Roster, faults

Array = NDArray[np.float64]
#: A receiver notices a packet by so many symbols of its preamble.
_NOTICED_SYMBOLS = 4
_WHY = np.array(OUTCOMES, dtype=object)


@dataclass
class _Tally:
    """What became of packets."""

    sent: int = 0
    refused: int = 0
    airtime_us: int = 0
    outcomes: list[int] = field(default_factory=lambda: [0] * len(OUTCOMES))
    duty_max_pu: float = 0.0
    listened: int = 0


class Lora(Federate):
    """All radios of a neighbourhood on one stretch of air."""

    Config = LoraConfig
    needs_network = True
    first_us = 0
    dynamic = (
        "_air", "_outbox", "_tally", "_window", "_next_report_us", "_busy_until_us", "_meter",
        "_now_us", "_looks",
    )  # fmt: skip

    def __init__(
        self, config: LoraConfig, network: Neighbourhood, rng: np.random.Generator
    ) -> None:
        self._config = config
        self._roster = Roster(config, network, rng)
        key = np.uint64(rng.integers(2**63))
        self._labels = np.array(self._roster.labels, dtype=object)
        self._rules = Air(
            self._roster.loss_db,
            thresholds_db(config.isolation, config.capture_db),
            key,
            config.fading == "rayleigh",
            config.drop_pu,
        )
        self._modems: dict[tuple[Any, ...], Modem] = {}
        self._air = InFlight()
        self._outbox = Outbox(
            config.over_limit == "queue", config.queue_count, config.listen_before_talk, key
        )
        self._ears = Ears(self._finds, self._receives)
        self._looks: list[tuple[int, int, int]] = []  # radio, begin and end [us]
        self._meter = None
        if config.energy is not None:
            self._meter = EnergyMeter(config.energy, self._roster.idle)
        self._tally = _Tally()
        self._window = _Tally()
        self._report_us = round(config.report_s * 1e6)
        self._next_report_us = 0
        self._busy_until_us = self._now_us = 0
        self.inputs = (Messages("transmit", "frames the nodes send"),)
        energy = Signal(
            "energy_kwh", (len(self._roster.labels),), labels=self._roster.labels,
            about="what each radio has used",
        )  # fmt: skip
        self.outputs = (
            Signal("utilisation_pu", about="part of the last window some packet was in the air"),
            Signal("delivered_count", (), int, about="receptions in the last window"),
            Signal("lost_count", (), int, about="receptions lost in the last window"),
            *([energy] if self._meter is not None else []),
            *(Messages(f"to_{name}", f"frames heard by {name}") for name in config.fleets),
            Messages("lost", "receptions that failed, and why"),
            Messages("refused", "packets that were not sent, why, and from when they may be"),
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Place the radios at their customers."""
        network = context.network
        assert network is not None
        found = faults(context.name, config, network)
        if found:
            raise ScenarioError("radio channel cannot be built", found)
        return cls(config, network, context.generator())

    def warnings(self) -> tuple[str, ...]:
        """Return the range, and radios that cannot reach each other."""
        found = []
        for name, fleet in self._config.fleets.items():
            modem = fleet.listen
            low, high = self._roster.rows[name]
            if low == high:
                continue
            if self._roster.asleep[low]:
                found.append(
                    f"{name} hears nothing: its radios idle in {self._roster.idle[low]}. Let them "
                    f"receive by fleets.{name}.idle if they are to hear."
                )
            loss_db, budget_db = self._roster.loss_db, self._roster.budget_db(modem)
            others = [k for k in range(len(loss_db)) if not low <= k < high]
            out = sum(bool(loss_db[sender, low:high].min() > budget_db) for sender in others)
            if out:
                found.append(
                    f"{out} of {len(others)} radios cannot reach {name}: path loss "
                    f"{self._config.path_loss} gives a range of {self._roster.range_m(modem):.0f} m "
                    f"at SF{modem.spreading_factor}/{modem.bandwidth_khz:g} kHz and "
                    f"{modem.tx_power_dbm:g} dBm. Raise the spreading factor, or check the preset."
                )
        return tuple(found)

    def config(self) -> Mapping[str, Any]:
        """Return the range to each fleet, by its receivers' settings."""
        reach = {
            name: round(self._roster.range_m(fleet.listen), 1)
            for name, fleet in self._config.fleets.items()
        }
        return {"range_m": reach}

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Judge packets that end now, then take those that start."""
        self._now_us = t_us
        outputs: dict[str, Any] = {f"to_{name}": [] for name in self._roster.rows}
        outputs["lost"], outputs["refused"] = [], []
        ended = self._air.ended(t_us)
        for row, wish in ended:
            self._judge(row, wish, outputs)
        for fate in self._outbox.act(t_us, self._ears):
            self._do(t_us, fate, outputs)
        for message in inputs.messages["transmit"]:
            wish = self._wish(message)
            can = self._can(wish)
            fates = self._outbox.ask(t_us, wish, self._ears) if can else [_beyond(wish)]
            for fate in fates:
                self._do(t_us, fate, outputs)
        self._note_listening()
        if ended:
            self._air.forget()
            if self._looks:
                oldest_us = min(self._air.rows.start_us, default=t_us)
                self._looks = [look for look in self._looks if look[2] > oldest_us]
        if t_us >= self._next_report_us:
            self._report(t_us, outputs)
            self._next_report_us = t_us - t_us % self._report_us + self._report_us
        own = (self._next_report_us, self._air.next_us, self._outbox.next_us)
        return outputs, min(t for t in own if t is not None)

    def kpis(self) -> tuple[Kpi, ...]:
        """Return delivery, duty and energy figures, and the range of the preset."""
        tally = self._tally
        heard = max(sum(tally.outcomes), 1)
        reach = self._roster.range_m(next(iter(self._config.fleets.values())).listen)
        found = [
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
            Kpi("refused_count", tally.refused, "packets that were not sent, by law or for room"),
        ]
        if self._config.drop_pu > 0.0:
            found.append(Kpi("dropped_pu", tally.outcomes[DROPPED] / heard, "lost by drop_pu"))
        if self._config.listen_before_talk is not None:
            found.append(Kpi("listen_count", tally.listened, "detections before talk"))
        return (*found, *self._energy_kpis())

    def _energy_kpis(self) -> list[Kpi]:
        if self._meter is None or self._config.energy is None or self._now_us == 0:
            return []
        used = self._meter.used_kwh(self._now_us)
        found = [
            Kpi("radio_mean_kwh", float(used.mean()), "energy a radio used, in the mean"),
            Kpi("radio_max_kwh", float(used.max()), "energy the thirstiest radio used"),
        ]
        if self._config.energy.battery_kwh is not None:
            life = self._meter.life_days(self._now_us)
            about = "life of a full battery at the power so far"
            found += [
                Kpi("battery_min_days", float(life.min()), f"{about}, of the thirstiest radio"),
                Kpi("battery_mean_days", float(life.mean()), f"{about}, in the mean"),
            ]
        return found

    def _wish(self, message: Message) -> Wish:
        """Return what a node wants to send."""
        data = message.data
        key = tuple(data["modem"])
        if key not in self._modems:
            self._modems[key] = Modem.of(key)
        modem = self._modems[key]
        radio = self._roster.rows[data["fleet"]][0] + data["node"]
        return Wish(radio, data["frame"], modem, modem.airtime_us(len(data["frame"])))

    def _can(self, wish: Wish) -> bool:
        """Return whether the chip, if its energy is counted, can send with that power."""
        energy = self._config.energy
        return energy is None or energy.reaches(wish.modem.tx_power_dbm)

    def _do(self, t_us: int, fate: Fate, outputs: dict[str, Any]) -> None:
        """Put a packet on the air, or say that it is not sent."""
        if isinstance(fate, Go):
            self._start(t_us, fate.wish)
            return
        wish = fate.wish
        self._tally.refused += 1
        data = {
            "fleet": self._roster.fleet_of[wish.radio],
            "node": self._roster.seat(wish.radio),
            "why": fate.why,
            "from_us": fate.from_us,
            "frame": wish.frame,
        }
        outputs["refused"].append(Message(t_us, "refused", data))

    def _start(self, t_us: int, wish: Wish) -> None:
        end_us = t_us + wish.airtime_us
        used_pu = self._outbox.used_pu(end_us, wish)
        self._tally.duty_max_pu = max(self._tally.duty_max_pu, used_pu)
        self._tally.sent += 1
        self._window.airtime_us += max(end_us - max(t_us, self._busy_until_us), 0)
        self._busy_until_us = max(self._busy_until_us, end_us)
        if self._meter is not None:
            self._meter.send(wish.radio, wish.modem.tx_power_dbm, wish.airtime_us)
        tuning = self._roster.tuning(wish.modem)
        self._air.add(wish, tuning.flight(t_us, wish.airtime_us, wish.radio))

    def _judge(self, row: int, wish: Wish, outputs: dict[str, Any]) -> None:
        """Decide for every neighbour what became of a packet that ends now."""
        tuning = self._roster.tuning(wish.modem)
        listeners, beyond = self._roster.neighbours(wish.radio, wish.modem)
        counts = [0] * len(OUTCOMES)
        counts[WEAK] = beyond
        if len(listeners):
            rssi, snr, outcome = judge(
                self._air.rows, row, listeners, tuning.noise_dbm, tuning.floor_db, self._rules
            )
            if self._looks:
                self._deafen(self._air.rows, row, listeners, outcome)
            closed = self._roster.asleep[listeners] & (outcome != WEAK)
            outcome[closed] = np.maximum(outcome[closed], DEAF)
            for code, count in enumerate(np.bincount(outcome, minlength=len(OUTCOMES)).tolist()):
                counts[code] += count
            self._send_on(self._now_us, wish, listeners, rssi, snr, outcome, outputs)
        for tally in (self._tally, self._window):
            tally.outcomes = [a + b for a, b in zip(tally.outcomes, counts, strict=True)]

    def _send_on(
        self,
        t_us: int,
        wish: Wish,
        listeners: NDArray[np.int64],
        rssi: Array,
        snr: Array,
        outcome: NDArray[np.int64],
        outputs: dict[str, Any],
    ) -> None:
        """Emit one delivery a fleet, and one note of losses."""
        for fleet, (low, high) in self._roster.rows.items():
            got = (outcome == DELIVERED) & (listeners >= low) & (listeners < high)
            if got.any():
                data = {
                    "frame": wish.frame,
                    "nodes": tuple((listeners[got] - low).tolist()),
                    "rssi_dbm": tuple(rssi[got].tolist()),
                    "snr_db": tuple(snr[got].tolist()),
                }
                outputs[f"to_{fleet}"].append(Message(t_us, "frame", data))
        lost = outcome != DELIVERED
        if lost.any():
            note = {
                "fleet": self._roster.fleet_of[wish.radio],
                "node": self._roster.seat(wish.radio),
                "at": tuple(self._labels[listeners[lost]].tolist()),
                "why": tuple(_WHY[outcome[lost]].tolist()),
            }
            outputs["lost"].append(Message(t_us, "lost", note))

    def _deafen(
        self, flights: Flights, row: int, listeners: NDArray[np.int64], outcome: NDArray[np.int64]
    ) -> None:
        """Let radios miss a packet that came while they looked at the channel.

        An SX126x leaves reception for it (data sheet, SetCad). As with other packets, what
        ends before the receiver must synchronise does no harm.
        """
        end_us, guarded_us = flights.end_us[row], flights.guarded_us[row]
        deaf = [radio for radio, a, b in self._looks if a < end_us and b > guarded_us]
        hit = np.isin(listeners, deaf) & (outcome != WEAK)
        outcome[hit] = np.maximum(outcome[hit], DEAF)

    def _finds(self, radio: int, modem: Modem, since_us: int) -> bool:
        """Return whether a radio can hear a packet of a modem's channel since an instant."""
        least_dbm = self._roster.tuning(modem).least_dbm
        sf = modem.spreading_factor - SF_MIN
        ear = Ear(modem.frequency_mhz, modem.bandwidth_khz, sf, least_dbm)
        return bool(on_air(self._air.rows, since_us, self._now_us, radio, ear, self._rules))

    def _receives(self, radio: int, free_us: int) -> bool:
        """Return whether a radio that has been free since an instant receives a packet."""
        if self._roster.asleep[radio]:
            return False
        modem = self._roster.listen[radio]
        noticed_us = self._now_us - round(_NOTICED_SYMBOLS * modem.symbol_us)
        return noticed_us >= free_us and self._finds(radio, modem, noticed_us)

    def _note_listening(self) -> None:
        for radio, for_us in self._outbox.listened:
            self._tally.listened += 1
            self._looks.append((radio, self._now_us, self._now_us + for_us))
            if self._meter is not None:
                self._meter.listen(radio, for_us)
        self._outbox.listened.clear()

    def _report(self, t_us: int, outputs: dict[str, Any]) -> None:
        """Close a window; what is in the air beyond its end counts in the next one."""
        window = self._window
        beyond_us = max(self._busy_until_us - t_us, 0)
        outputs["utilisation_pu"] = (window.airtime_us - beyond_us) / self._report_us
        outputs["delivered_count"] = window.outcomes[DELIVERED]
        outputs["lost_count"] = sum(window.outcomes) - window.outcomes[DELIVERED]
        if self._meter is not None:
            outputs["energy_kwh"] = self._meter.used_kwh(t_us)
        self._window = _Tally(airtime_us=beyond_us)


def _beyond(wish: Wish) -> Refused:
    return Refused(wish, "forbidden", None)
