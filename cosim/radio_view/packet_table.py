"""Packet table: a trace as Parquet, one row a transmission and one a reception."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cosim.radio_view.trace import Packet, Trace


def _field(name: str, kind: pa.DataType, unit: str, about: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit, "about": about})


SCHEMA = pa.schema(
    [
        _field("packet", pa.int64(), "", "counts the packets of the trace from 0"),
        _field("t_us", pa.int64(), "us", "start on the air, since the scenario's start"),
        _field("end_us", pa.int64(), "us", "end on the air"),
        _field("sender", pa.string(), "", "fleet and customer"),
        _field("receiver", pa.string(), "", "fleet and customer; none in the sender's own row"),
        _field("outcome", pa.string(), "", "sent, refused, unheard, unfinished at the sender; "
               "delivered, weak, collided, deaf, dropped at a receiver"),
        _field("reason", pa.string(), "", "why it was refused: limit, busy, full, forbidden, occupied"),
        _field("spreading_factor", pa.int8(), "", ""),
        _field("bandwidth_khz", pa.float64(), "kHz", ""),
        _field("coding_rate", pa.int8(), "", "5 to 8 for 4/5 to 4/8"),
        _field("frequency_mhz", pa.float64(), "MHz", "centre of the channel"),
        _field("tx_power_dbm", pa.float64(), "dBm", "at the sender's antenna"),
        _field("distance_m", pa.float64(), "m", "from sender to receiver"),
        _field("rssi_dbm", pa.float64(), "dBm", "not recorded of what was lost"),
        _field("snr_db", pa.float64(), "dB", "not recorded of what was lost"),
        _field("frame", pa.binary(), "", "the payload, sealed as it was"),
    ]
)  # fmt: skip
_NAMES = SCHEMA.names


def table(trace: Trace) -> pa.Table:
    """Return a trace as an Arrow table: packet after packet, the sender's own row first."""
    rows: list[tuple[Any, ...]] = []
    for number, packet in enumerate(trace.packets):
        rows += _rows(trace, number, packet)
    columns = list(zip(*rows, strict=True)) or [()] * len(_NAMES)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def write_parquet(trace: Trace, path: Path) -> int:
    """Write a trace as Parquet; return its rows.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    content = table(trace)
    pq.write_table(content, path, compression="zstd")
    return int(content.num_rows)


def _rows(trace: Trace, number: int, packet: Packet) -> list[tuple[Any, ...]]:
    radios, modem = trace.air.radios, packet.modem
    sender = radios[packet.sender]
    when = (number, packet.start_us, packet.end_us, sender.name)
    how = (
        modem.spreading_factor, modem.bandwidth_khz, modem.coding_rate, modem.frequency_mhz,
        modem.tx_power_dbm,
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = [
        (*when, None, packet.fate, packet.reason or None, *how, None, None, None, packet.frame)
    ]
    for one in packet.receptions:
        receiver = radios[one.receiver]
        strength = (sender.distance_m(receiver), one.rssi_dbm, one.snr_db)
        rows.append((*when, receiver.name, one.outcome, None, *how, *strength, packet.frame))
    return rows
