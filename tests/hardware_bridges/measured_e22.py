"""Settings of an E22 module whose airtimes were measured."""

from __future__ import annotations

from gridmodel.settings import parse
from hardware_bridges.radio.e22_config import E22Config

MEASURED = {
    "bandwidth_khz": 125,
    "airtimes": [
        {"payload_bytes": 64, "airtime_ms": 500},
        {"payload_bytes": 32, "airtime_ms": 300},
    ],
}


def config(**changes):
    return parse(E22Config, {"measured": MEASURED, "packet_bytes": 32, **changes})
