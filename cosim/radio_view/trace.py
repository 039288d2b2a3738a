"""Packet trace: every packet of a recorded run, and what became of it at every radio.

The channel records what was heard and what was lost, each at the packet's end; the
senders record what they gave to it. A reception is joined to its packet by the frame's
bytes, a loss by its sender and its end. Left out: the strength of packets that were
lost, which the record does not have; and who did not hear a packet because it was far beyond
its reach, which the channel counts and does not record.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cosim import run_folder
from cosim.radio_view.radios import Air
from cosim.recorder.compact import message_batches
from cosim.recorder.message_table import contents
from gridmodel.wire.lora import Modem

SENT, REFUSED, UNHEARD, UNFINISHED = "sent", "refused", "unheard", "unfinished"
DELIVERED = "delivered"
#: What became of a packet at its sender.
FATES = {
    SENT: "on the air",
    REFUSED: "not sent: its sender's duty cycle forbade it, or its radio was busy",
    UNHEARD: "no radio within reach is tuned to it, or it still waited when the run ended",
    UNFINISHED: "on the air when the run ended",
}
LOST = "lost"


@dataclass(frozen=True, slots=True)
class Reception:
    """What became of a packet at one radio.

    Parameters
    ----------
    receiver : int
        Number of the radio.
    outcome : str
        ``delivered``, or why not: ``weak``, ``collided``, ``deaf``.
    rssi_dbm, snr_db : float or None
        Strength; not recorded of what was lost. [dBm, dB]
    """

    receiver: int
    outcome: str
    rssi_dbm: float | None = None
    snr_db: float | None = None


@dataclass(slots=True, eq=False)
class Packet:
    """A packet, and its receptions by radio.

    ``start_us`` and ``end_us`` are when it was on the air. [us] ``reason`` says why it was
    refused.
    """

    sender: int
    start_us: int
    end_us: int
    modem: Modem
    frame: bytes
    fate: str = ""
    reason: str = ""
    receptions: list[Reception] = field(default_factory=list)

    @property
    def airtime_us(self) -> int:
        """Time on air. [us]"""
        return self.end_us - self.start_us


@dataclass(frozen=True)
class Trace:
    """All packets of a run, by the instant they were sent.

    Parameters
    ----------
    air : Air
        The channel and its radios.
    packets : list of Packet
        In the order they were sent.
    until_us : int
        End of the run. [us]
    start : str
        Wall-clock time of the scenario's start, ISO 8601; empty if it has none.
    """

    air: Air
    packets: list[Packet]
    until_us: int
    start: str


def read_trace(folder: Path, air: Air) -> Trace:
    """Return the packets of a run on one channel."""
    run = run_folder.read_run(folder)
    joiner = _Joiner(air)
    for end, data, t_us in _messages(folder, run["resolved"], air.name):
        joiner.take(end, data, t_us)
    until_us = int(run["t_us"])
    for packet in joiner.packets:
        packet.fate = packet.fate or _fate(packet, until_us)
    return Trace(air, joiner.packets, until_us, str(run["resolved"].get("start") or ""))


def _fate(packet: Packet, until_us: int) -> str:
    if packet.receptions:
        return SENT
    return UNFINISHED if packet.end_us > until_us else UNHEARD


def _messages(
    folder: Path, resolved: Mapping[str, Any], channel: str
) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Yield what was sent, heard and lost: the end of its link or its port, content, instant."""
    senders = set()
    for link in resolved["links"]:
        source, _, target = link["link"].partition("->")
        if target.strip() == f"{channel}.transmit":
            senders.add(source.strip())
    for batch in message_batches(folder):
        table = pa.Table.from_batches([batch])
        end = pc.binary_join_element_wise(table["sender"], table["port"], ".")
        wanted = pc.or_(
            pc.is_in(end, pa.array(sorted(senders), pa.string())),
            pc.equal(table["sender"], channel),
        )
        table, end = table.filter(wanted), end.filter(wanted)
        rows = zip(
            end.to_pylist(), contents(table["data"].to_pylist()), table["t_us"].to_pylist(),
            strict=True,
        )  # fmt: skip
        for name, data, t_us in rows:
            if name in senders:
                yield "", data, t_us
            else:
                yield name.partition(".")[2], data, t_us


class _Joiner:
    """Joins receptions and losses to their packets."""

    def __init__(self, air: Air) -> None:
        self.packets: list[Packet] = []
        self._air = air
        self._modems: dict[tuple[Any, ...], Modem] = {}
        #: Packets by frame or sender, and by these with the instant they should end.
        self._open: dict[bytes | int, deque[Packet]] = {}
        self._ending: dict[tuple[bytes | int, int], Packet] = {}

    def take(self, port: str, data: Mapping[str, Any], t_us: int) -> None:
        if not port:
            self._sent(data, t_us)
        elif port == LOST:
            self._lost(data, t_us)
        elif port == REFUSED:
            self._refused(data)
        elif port.startswith("to_"):
            self._heard(port.removeprefix("to_"), data, t_us)

    def _sent(self, data: Mapping[str, Any], t_us: int) -> None:
        key = tuple(data["modem"])
        if key not in self._modems:
            self._modems[key] = Modem.of(key)
        modem = self._modems[key]
        sender = self._air.first[data["fleet"]] + data["node"]
        end_us = t_us + modem.airtime_us(len(data["frame"]))
        packet = Packet(sender, t_us, end_us, modem, data["frame"])
        self.packets.append(packet)
        for mark in (packet.frame, sender):
            self._open.setdefault(mark, deque()).append(packet)
            self._ending.setdefault((mark, end_us), packet)  # the second one has to wait

    def _heard(self, fleet: str, data: Mapping[str, Any], t_us: int) -> None:
        packet = self._ended(data["frame"], t_us)
        if packet is not None:
            first = self._air.first[fleet]
            told = zip(data["nodes"], data["rssi_dbm"], data["snr_db"], strict=True)
            packet.receptions += [
                Reception(first + node, DELIVERED, rssi, snr) for node, rssi, snr in told
            ]

    def _lost(self, data: Mapping[str, Any], t_us: int) -> None:
        packet = self._ended(self._air.first[data["fleet"]] + data["node"], t_us)
        if packet is not None:
            for place, why in zip(data["at"], data["why"], strict=True):
                fleet, _, node = place.rpartition(".")
                packet.receptions.append(Reception(self._air.first[fleet] + int(node), why))

    def _refused(self, data: Mapping[str, Any]) -> None:
        sender = self._air.first[data["fleet"]] + data["node"]
        for packet in self._open.get(sender, ()):
            if packet.frame == data["frame"] and not packet.receptions and not packet.fate:
                packet.fate, packet.reason = REFUSED, data["why"]
                for mark in (packet.frame, sender):
                    self._open[mark].remove(packet)
                    if self._ending.get((mark, packet.end_us)) is packet:
                        del self._ending[mark, packet.end_us]
                return

    def _ended(self, mark: bytes | int, t_us: int) -> Packet | None:
        """Return the packet of a frame or a sender that ended at an instant.

        A packet that had to wait before it was sent ends later than it would have: then it
        is the oldest that nothing is known of, and its times are put right.
        """
        packet = self._ending.get((mark, t_us))
        if packet is None:
            waiting = self._open.get(mark, deque())
            while waiting and waiting[0].receptions:
                waiting.popleft()
            if not waiting or waiting[0].end_us > t_us:
                return None
            packet = waiting[0]
            packet.start_us, packet.end_us = t_us - packet.airtime_us, t_us
            self._ending[packet.frame, t_us] = self._ending[packet.sender, t_us] = packet
        return packet
