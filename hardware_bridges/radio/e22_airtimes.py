"""Measured airtimes of E22 modules: the settings' own, or those that come with feedertwin.

`e22_airtimes.json` is the calibrated table. It is empty: neither the maker's manual nor a
public measurement we found says how long a packet is on air.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from hardware_bridges.link_error import DeviceError
from hardware_bridges.radio.e22_config import E22Air, E22Airtime, E22Config

_TABLE = Path(__file__).with_suffix(".json")


def known_air(config: E22Config, name: str) -> tuple[int, float]:
    """Return time on air of a packet and width of the signal. [us], [kHz]

    Parameters
    ----------
    config : E22Config
        The HAT.
    name : str
        For the text of the error.

    Raises
    ------
    DeviceError
        If nothing was measured: the module hides spreading factor and bandwidth behind an
        air speed, so no formula gives its airtime, and no duty cycle can be promised.
    """
    size = config.packet_bytes
    air = config.measured if config.measured is not None else _from_table(config.air_speed_kbps)
    given = air.airtimes if air is not None else ()
    fits = [entry for entry in given if entry.payload_bytes >= size]
    if air is None or not fits:
        most = max((entry.payload_bytes for entry in given), default=0)
        raise DeviceError(
            name,
            f"the time on air of a packet of {size} bytes at {config.air_speed_kbps:g} kbit/s is "
            f"not known ({f'measured up to {most} bytes' if most else 'nothing was measured'}), "
            "so no duty cycle can be promised.",
            "Measure it (AUX is low while the module sends) and give it in measured.airtimes; "
            "or use an SX126x on SPI, whose airtime is computed.",
        )
    shortest = min(fits, key=lambda entry: entry.payload_bytes)
    return round(shortest.airtime_ms * 1e3), air.bandwidth_khz


def _from_table(air_speed_kbps: float) -> E22Air | None:
    """Return what the table has of an air speed."""
    rows = [row for row in _table() if row["air_speed_kbps"] == air_speed_kbps]
    if not rows:
        return None
    times = tuple(
        E22Airtime(payload_bytes=row["payload_bytes"], airtime_ms=row["airtime_ms"]) for row in rows
    )
    return E22Air(bandwidth_khz=max(row["bandwidth_khz"] for row in rows), airtimes=times)


@cache
def _table() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(_TABLE.read_text("utf-8"))["measured"])
