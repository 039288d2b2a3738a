"""Signal report: how coarsely a modem says how well it heard a frame.

An SX126x gives the strength of a packet in steps of 0.5 dB, from 0 down to -127.5 dBm,
and the signal-to-noise ratio in steps of 0.25 dB, from -32 to 31.75 dB (SX1261/2 data
sheet, GetPacketStatus). Every body rounds to these steps, so a controller sees the same
figures in each.
"""

from __future__ import annotations


def rssi_code(rssi_dbm: float) -> int:
    """Return the byte that stands for a strength, 0..255."""
    return min(max(round(-2.0 * rssi_dbm), 0), 255)


def snr_code(snr_db: float) -> int:
    """Return the byte that stands for a signal-to-noise ratio, in two's complement."""
    return min(max(round(4.0 * snr_db), -128), 127) & 0xFF


def rssi_dbm(code: int) -> float:
    """Return the strength a byte stands for. [dBm]"""
    return -code / 2.0


def snr_db(code: int) -> float:
    """Return the signal-to-noise ratio a byte stands for. [dB]"""
    return (code - 256 if code > 127 else code) / 4.0


def reported(rssi: float, snr: float) -> tuple[float, float]:
    """Return strength and signal-to-noise ratio as a modem would tell them. [dBm], [dB]

    A ratio under -32 dB is passed on as it is: no modem demodulates it, so no modem has to
    tell it.
    """
    return rssi_dbm(rssi_code(rssi)), snr if snr < -32.0 else snr_db(snr_code(snr))
