"""Star: gateways and devices as in LoRaWAN, a federate in place of `simulators.radio.channel`.

A frame of a device goes up on a random channel, is judged at each gateway and handed on
once. A frame of a gateway's node waits at the server for a device of class A until that has
sent, and goes out at once to devices of class C. Gateways have a few demodulators, are deaf
while they send, and keep their own duty. What each side keeps is in `star_device`, who hears
what in `star_air`, adaptive data rate in `adr`.

Left out: joining, class B, frequency plans other than a list of channels, limits of the
payload by data rate, several copies of an unconfirmed uplink, a server's delay.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from gridmodel.errors import ScenarioError
from gridmodel.federate import BuildContext, Federate, Inputs, Kpi, Message, Messages, Signal, Step
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.units import US_PER_S
from gridmodel.wire.duty_cycle import AirtimeAccount
from gridmodel.wire.frames import EVERYONE
from gridmodel.wire.lora import Modem
from simulators.radio.adr import HISTORY, SF_MOST, Rate, adapted, after_silence
from simulators.radio.collisions import CAUSES, DELIVERED
from simulators.radio.isolation import thresholds_db
from simulators.radio.placement import Placement, faults_of_placement
from simulators.radio.star_air import Ears, Flight, StarAir, addressee, earliest_us
from simulators.radio.star_config import StarConfig as StarConfig
from simulators.radio.star_config import StarRadios as StarRadios
from simulators.radio.star_device import Device
from simulators.radio.star_figures import StarFigures

#: Symbols of a preamble a device waits for in an empty window.
_WINDOW_SYMBOLS = 12.25
#: A confirmed uplink is repeated after 1 to 3 s (LoRaWAN: ACK_TIMEOUT 2 s, 1 s either way).
_AGAIN_S = (1.0, 3.0)
#: Tries after which a device takes the next spreading factor.
_TRIES_A_RATE = 2


class Star(Federate):
    """Gateways, their server, and devices."""

    Config = StarConfig
    needs_network = True
    first_us = 0
    dynamic = (
        "_air", "_devices", "_accounts", "_events", "_number", "_rng", "_figures",
        "_next_report_us",
    )  # fmt: skip

    def __init__(
        self, config: StarConfig, network: Neighbourhood, rng: np.random.Generator
    ) -> None:
        self._config = config
        self._placement = place = Placement(config.fleets, config.cells, network)
        f_mhz = config.channels_mhz[0]
        self._ears = Ears(
            place.loss_db(config, f_mhz, rng),
            thresholds_db(config.isolation, config.capture_db),
            config.noise_figure_db,
            config.demodulators,
        )
        self._site: dict[int, int] = {}  # a gateway fleet's row: row of the first radio there
        at: dict[str, int] = {}
        for row in place.rows[config.gateways]:
            self._site[row] = at.setdefault(place.seats[row].customer, row)
        self._port = {(site, place.seats[row].cell): row for row, site in self._site.items()}
        start = Rate(config.modem.spreading_factor, config.modem.tx_power_dbm)
        self._devices = {
            row: Device(row, start, fleet.confirmed, fleet.adr, fleet.device_class == "C")
            for name, fleet in config.fleets.items()
            if name != config.gateways
            for row in place.rows[name]
        }
        self._accounts = {site: AirtimeAccount() for site in at.values()}
        self._air = StarAir()
        self._events: list[tuple[int, int, str, Any]] = []
        self._number = 0
        self._rng = rng
        self._figures = StarFigures()
        self._report_us = round(config.report_s * US_PER_S)
        self._next_report_us = 0
        self._handlers: dict[str, Callable[[int, Any, dict[str, Any]], None]] = {
            "send": self._send, "up": self._up, "first": self._first, "second": self._second,
            "cast": self._cast, "down": self._down, "close": self._close,
        }  # fmt: skip
        self.inputs = (Messages("transmit", "frames the nodes send"),)
        self.outputs = (
            Signal("utilisation_pu", about="airtime of all radios, of the last window's length"),
            Signal("delivered_count", (), int, about="packets received in the last window"),
            Signal("lost_count", (), int, about="packets lost in the last window"),
            *(Messages(f"to_{name}", f"frames heard by {name}") for name in config.fleets),
            Messages("lost", "uplinks that no gateway received, and why"),
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Place the radios at their customers."""
        network = context.network
        assert network is not None
        found = config.faults(context.name)
        found += faults_of_placement(context.name, config.fleets, network)
        if found:
            raise ScenarioError("star cannot be built", found)
        return cls(config, network, context.generator())

    def warnings(self) -> tuple[str, ...]:
        """Return devices that reach no gateway even at their slowest."""
        modem = self._config.modem.model_copy(update={"spreading_factor": SF_MOST})
        budget_db = modem.tx_power_dbm - modem.sensitivity_dbm(self._config.noise_figure_db)
        loss_db = self._ears.loss_db[:, list(self._accounts)]
        out = sum(loss_db[row].min() > budget_db for row in self._devices)
        if not out:
            return ()
        return (
            f"{out} of {len(self._devices)} devices reach no gateway at SF{SF_MOST} and "
            f"{modem.tx_power_dbm:g} dBm with path loss {self._config.path_loss}. "
            "Add a gateway, or check the preset.",
        )

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Let everything happen that is due, then take the frames handed over now."""
        outputs: dict[str, Any] = {f"to_{name}": [] for name in self._placement.rows}
        outputs["lost"] = []
        while self._events and self._events[0][0] <= t_us:
            at_us, _, kind, what = heapq.heappop(self._events)
            self._handlers[kind](at_us, what, outputs)
        for message in inputs.messages["transmit"]:
            self._take(t_us, message, outputs)
        if t_us >= self._next_report_us:
            outputs.update(self._figures.window(self._report_us))
            self._next_report_us = t_us - t_us % self._report_us + self._report_us
        return outputs, min([self._next_report_us, *(event[0] for event in self._events[:1])])

    def state(self) -> Mapping[str, Any]:
        """Return what waits, each device's rate, what comes next, and all counts."""
        return {
            "waiting": [len(device.waiting) for device in self._devices.values()],
            "for_devices": [len(device.down) for device in self._devices.values()],
            "rates": [
                [device.rate.spreading_factor, device.rate.power_dbm]
                for device in self._devices.values()
            ],
            "next": [[t_us, kind] for t_us, _, kind, _ in sorted(self._events)[:5]],
            **self._figures.counts,
        }

    def kpis(self) -> tuple[Kpi, ...]:
        """Return figures of uplinks, downlinks, rates and duty."""
        config = self._config
        about = f"range of path loss {config.path_loss}, with what devices start with"
        reach = Kpi("range_m", config.range_m(config.modem), about)
        return (reach, *self._figures.kpis(self._devices.values()))

    # frames from nodes

    def _take(self, t_us: int, message: Message, outputs: dict[str, Any]) -> None:
        """Take a frame from a node."""
        data = message.data
        row = self._placement.rows[data["fleet"]].start + data["node"]
        if data["fleet"] == self._config.gateways:
            self._take_down(t_us, row, data["frame"], outputs)
            return
        device = self._devices[row]
        if len(device.waiting) >= self._config.queue:
            self._figures.counts["refused"] += 1
            return
        device.waiting.append(data["frame"])
        self._start(t_us, row, outputs)

    def _take_down(self, t_us: int, row: int, frame: bytes, outputs: dict[str, Any]) -> None:
        """Take a frame for devices: at once to class C, to class A when they have sent."""
        to = addressee(frame)
        # One that is too long would block all that come after it.
        if to is None or len(frame) > self._config.room_bytes:
            self._figures.counts["refused"] += 1
            return
        cell = self._placement.seats[row].cell
        at_once = []
        for device in self._devices.values():
            seat = self._placement.seats[device.row]
            if seat.cell != cell or to not in (EVERYONE, seat.address):
                continue
            if device.listens:
                at_once.append(device.row)
                continue
            if len(device.down) >= self._config.queue:  # the oldest is worth the least
                device.down.popleft()
                self._figures.counts["refused"] += 1
            device.down.append(frame)
        if at_once:
            self._cast(t_us, (self._site[row], tuple(at_once), frame), outputs)

    # uplinks

    def _start(self, t_us: int, row: int, outputs: dict[str, Any]) -> None:
        """Take the next frame in hand, if the device has time and one waits."""
        device = self._devices[row]
        if device.waiting and not device.busy:
            device.busy = True
            self._send(t_us, row, outputs)

    def _send(self, t_us: int, row: int, outputs: dict[str, Any]) -> None:
        """Send the frame in hand, now or when the law allows it."""
        device, config = self._devices[row], self._config
        channel = config.channels_mhz[int(self._rng.integers(len(config.channels_mhz)))]
        modem = config.tuned(device.rate, channel)
        size = len(device.waiting[0]) + config.header_bytes
        begin_us = earliest_us(device.account, t_us, modem, size)
        if begin_us is None:
            self._figures.counts["refused"] += 1
            device.next_frame()
            self._start(t_us, row, outputs)
        elif begin_us > t_us:
            self._plan(begin_us, "send", row)
        else:
            flight = self._fly(t_us, row, device.account, modem, size, "device")
            device.tries += 1
            self._plan(flight.end_us, "up", (row, flight))

    def _up(self, t_us: int, what: tuple[int, Flight], outputs: dict[str, Any]) -> None:
        """Judge an uplink that ends now, and plan the device's windows."""
        row, flight = what
        device, config = self._devices[row], self._config
        fates = {site: self._air.fate(flight, site, True, self._ears) for site in self._accounts}
        self._air.forget(t_us)
        furthest = max(fates.values())
        self._figures.fates[furthest] += 1
        device.owed = False
        if furthest == DELIVERED:
            heard = [site for site, fate in fates.items() if fate == DELIVERED]
            device.best = max(heard, key=lambda site: flight.level_dbm(site, self._ears))
            self._serve(t_us, device, flight, outputs)
            if device.has_downlink:
                first_us = t_us + round(config.rx1_s * US_PER_S)
                self._plan(first_us, "first", (row, flight.modem))
        else:
            name = self._placement.fleet_of[row]
            node = row - self._placement.rows[name].start
            data = {"fleet": name, "node": node, "why": CAUSES[furthest]}
            outputs["lost"].append(Message(t_us, "lost", data))
        if device.tries == 1:
            device.unanswered += 1
            if device.adr:
                device.rate = after_silence(
                    device.rate, device.unanswered, config.modem.tx_power_dbm
                )
        device.close_us = (
            t_us
            + round((config.rx1_s + 1.0) * US_PER_S)
            + round(_WINDOW_SYMBOLS * config.rx2.symbol_us)
        )
        self._plan(device.close_us, "close", row)

    def _serve(self, t_us: int, device: Device, flight: Flight, outputs: dict[str, Any]) -> None:
        """Let the server take an uplink: hand it on, adapt the rate, owe an answer."""
        cell = self._placement.seats[device.row].cell
        port = self._port.get((device.best, cell), device.best)
        if not device.heard:
            device.heard = True
            self._hand_over(t_us, flight, device.best, port, device.waiting[0], outputs)
        device.owed = device.confirmed or device.asks
        noise_dbm = flight.modem.noise_dbm(self._config.noise_figure_db)
        device.snr_db.append(flight.level_dbm(device.best, self._ears) - noise_dbm)
        if device.adr and len(device.snr_db) == HISTORY:
            wanted = adapted(
                device.rate, max(device.snr_db), self._config.power_least_dbm,
                self._config.modem.tx_power_dbm, self._config.margin_db,
            )  # fmt: skip
            device.command = None if wanted == device.rate else wanted

    def _close(self, t_us: int, row: int, outputs: dict[str, Any]) -> None:
        """Close a device's windows: repeat the frame in hand, or put it aside."""
        device = self._devices[row]
        if device.close_us != t_us:
            return
        device.close_us = -1
        if device.confirmed and not device.answered and device.tries < self._config.tries:
            if device.adr and device.tries % _TRIES_A_RATE == 0:
                slower = min(device.rate.spreading_factor + 1, SF_MOST)
                device.rate = Rate(slower, device.rate.power_dbm)
            wait_us = round(float(self._rng.uniform(*_AGAIN_S)) * US_PER_S)
            self._plan(t_us + wait_us, "send", row)
            return
        if device.confirmed:
            self._figures.counts["acknowledged" if device.answered else "failed"] += 1
        device.next_frame()
        self._start(t_us, row, outputs)

    # downlinks

    def _first(self, t_us: int, what: tuple[int, Modem], outputs: dict[str, Any]) -> None:
        """Answer in the first window, at the uplink's settings."""
        row, modem = what
        if not self._answer(t_us, self._devices[row], modem):
            self._plan(t_us + US_PER_S, "second", row)

    def _second(self, t_us: int, row: int, outputs: dict[str, Any]) -> None:
        """Answer in the second window."""
        if not self._answer(t_us, self._devices[row], self._config.rx2):
            self._figures.counts["missed"] += 1

    def _answer(self, t_us: int, device: Device, modem: Modem) -> bool:
        """Send a device what the server has for it; return whether a gateway could."""
        site, config = device.best, self._config
        modem = modem.model_copy(update={"tx_power_dbm": config.gateway_power_dbm})
        frame = device.down[0] if device.down else b""
        size = config.header_bytes + len(frame) + config.command_bytes * bool(device.command)
        account = self._accounts[site]
        if self._air.sending(site, t_us) or t_us != earliest_us(account, t_us, modem, size):
            return False
        if device.down:
            device.down.popleft()
        flight = self._fly(t_us, site, account, modem, size, "gateway")
        what = (flight, (device.row,), frame, device.owed, device.command)
        self._plan(flight.end_us, "down", what)
        device.close_us = flight.end_us
        self._plan(device.close_us, "close", device.row)
        return True

    def _cast(
        self, t_us: int, what: tuple[int, tuple[int, ...], bytes], outputs: dict[str, Any]
    ) -> None:
        """Send a frame to devices of class C, now or as soon as the gateway may."""
        site, rows, frame = what
        update = {"tx_power_dbm": self._config.gateway_power_dbm}
        modem = self._config.rx2.model_copy(update=update)
        size = self._config.header_bytes + len(frame)
        free_us = max([t_us, *(f.end_us for f in self._air.flights if f.sender == site)])
        begin_us = earliest_us(self._accounts[site], free_us, modem, size)
        if begin_us is None:
            self._figures.counts["refused"] += 1
        elif begin_us > t_us:
            self._plan(begin_us, "cast", what)
        else:
            flight = self._fly(t_us, site, self._accounts[site], modem, size, "gateway")
            self._plan(flight.end_us, "down", (flight, rows, frame, False, None))

    def _down(
        self,
        t_us: int,
        what: tuple[Flight, tuple[int, ...], bytes, bool, Rate | None],
        outputs: dict[str, Any],
    ) -> None:
        """Judge a downlink that ends now."""
        flight, rows, frame, owed, command = what
        for row in rows:
            if self._air.fate(flight, row, False, self._ears) != DELIVERED:
                continue
            device = self._devices[row]
            self._figures.counts["down_got"] += 1
            device.unanswered = 0
            device.answered |= owed
            if command is not None:
                device.rate, device.command = command, None
                device.snr_db.clear()
            if frame:
                self._hand_over(t_us, flight, row, row, frame, outputs)
        self._air.forget(t_us)

    # the rest

    def _hand_over(
        self, t_us: int, flight: Flight, radio: int, row: int, frame: bytes, outputs: dict[str, Any]
    ) -> None:
        """Emit a frame that a radio received to the node of a row."""
        name = self._placement.fleet_of[row]
        level_dbm = flight.level_dbm(radio, self._ears)
        data = {
            "frame": frame,
            "nodes": (row - self._placement.rows[name].start,),
            "rssi_dbm": (level_dbm,),
            "snr_db": (level_dbm - flight.modem.noise_dbm(self._config.noise_figure_db),),
        }
        outputs[f"to_{name}"].append(Message(t_us, "frame", data))

    def _fly(
        self, t_us: int, row: int, account: AirtimeAccount, modem: Modem, size: int, who: str
    ) -> Flight:
        """Put a packet on the air and book it."""
        hear = list(self._accounts) if who == "device" else []
        flight = self._air.begin(t_us, row, modem, size, hear, self._ears)
        airtime_us = flight.end_us - t_us
        account.book(t_us, modem, airtime_us)
        used_pu = account.used_pu(flight.end_us, modem)
        self._figures.book(who, airtime_us, used_pu)
        return flight

    def _plan(self, t_us: int, kind: str, what: Any) -> None:
        self._number += 1
        heapq.heappush(self._events, (t_us, self._number, kind, what))
