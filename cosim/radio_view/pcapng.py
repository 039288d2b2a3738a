"""Packet capture: a trace as pcapng with LoRaTap headers, for Wireshark and its kin.

A section, one interface, and an enhanced packet block for each packet as it was sent
(outbound, at its start) and as it was received (inbound, at its end). A reception that
another packet destroyed is there with the flag of a wrong checksum. What a radio could
not notice is not: packets too weak, those it missed while sending, and those that were
refused; the Parquet table has them. Who sent, who received and how well stands in the
comment of each packet.

Blocks by the IETF draft "PCAP Now Generic (pcapng)"; little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cosim.radio_view.loratap import LINK_TYPE, header
from cosim.radio_view.trace import DELIVERED, SENT, UNFINISHED, UNHEARD, Packet, Reception, Trace

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
#: Options by block: name of the program, of the interface; resolution, 10 to this power
#: of a second; comment; flags.
_PROGRAM, _NAME, _RESOLUTION, _COMMENT, _FLAGS = 4, 2, 9, 1, 2
_INBOUND, _OUTBOUND, _WRONG_CHECKSUM = 1, 2, 1 << 24
_COLLIDED = "collided"
_ON_AIR = (SENT, UNHEARD, UNFINISHED)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Seen(NamedTuple):
    """A packet as a radio saw it."""

    t_us: int
    packet: int
    reception: Reception | None


def write_pcapng(trace: Trace, path: Path, version: int = 0) -> int:
    """Write a trace as pcapng; return the packets in it.

    Parameters
    ----------
    trace : Trace
        What was sent and heard.
    path : Path
        Where to write.
    version : int
        Of the LoRaTap header, 0 or 1.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    offset_us = _since_epoch_us(trace.start)
    count = 0
    with path.open("wb") as file:
        file.write(_section())
        file.write(_interface(trace.air.name))
        for seen in sorted(_seen(trace), key=lambda one: (one.t_us, one.packet)):
            file.write(_block(trace, seen, offset_us, version))
            count += 1
    return count


def _seen(trace: Trace) -> Iterator[_Seen]:
    for number, packet in enumerate(trace.packets):
        if packet.fate in _ON_AIR:
            yield _Seen(packet.start_us, number, None)
        for one in packet.receptions:
            if one.outcome in (DELIVERED, _COLLIDED):
                yield _Seen(packet.end_us, number, one)


def _since_epoch_us(start: str) -> int:
    """Return a wall-clock time since 1970, UTC; 0 if there is none. [us]"""
    if not start:
        return 0
    at = datetime.fromisoformat(start)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return (at - _EPOCH) // timedelta(microseconds=1)


def _block(trace: Trace, seen: _Seen, offset_us: int, version: int) -> bytes:
    """Return the block of a packet as one radio saw it."""
    packet, one = trace.packets[seen.packet], seen.reception
    broken = one is not None and one.outcome == _COLLIDED
    tap = header(
        packet.modem,
        None if one is None else one.rssi_dbm,
        None if one is None else one.snr_db,
        version,
        radio=packet.sender if one is None else one.receiver,
        t_us=seen.t_us,
        packet=seen.packet,
        broken=broken,
    )
    flags = _OUTBOUND if one is None else _INBOUND | (_WRONG_CHECKSUM if broken else 0)
    data = tap + packet.frame
    stamp = seen.t_us + offset_us
    fixed = struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data))
    options = _option(_COMMENT, _comment(trace, packet, one).encode())
    options += _option(_FLAGS, struct.pack("<I", flags)) + _option(0, b"")
    return _framed(_PACKET, fixed + _padded(data) + options)


def _comment(trace: Trace, packet: Packet, one: Reception | None) -> str:
    radios = trace.air.radios
    sender = radios[packet.sender].name
    if one is None:
        heard = sum(r.outcome == DELIVERED for r in packet.receptions)
        return (
            f"{sender} sends: {packet.airtime_us / 1e3:g} ms, SF{packet.modem.spreading_factor}/"
            f"{packet.modem.bandwidth_khz:g} kHz, {packet.modem.tx_power_dbm:g} dBm; "
            f"heard by {heard} of {len(packet.receptions)}"
        )
    text = f"{sender} -> {radios[one.receiver].name}: {one.outcome}"
    if one.rssi_dbm is None or one.snr_db is None:
        return text
    return f"{text}, RSSI {one.rssi_dbm:.1f} dBm, SNR {one.snr_db:.1f} dB"


def _section() -> bytes:
    fixed = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1)
    return _framed(_SECTION, fixed + _option(_PROGRAM, b"feedertwin") + _option(0, b""))


def _interface(name: str) -> bytes:
    fixed = struct.pack("<HHI", LINK_TYPE, 0, 0)
    options = _option(_NAME, name.encode()) + _option(_RESOLUTION, b"\x06") + _option(0, b"")
    return _framed(_INTERFACE, fixed + options)


def _framed(kind: int, body: bytes) -> bytes:
    """Return a block: its length stands at both ends, so that it can be read backwards."""
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
