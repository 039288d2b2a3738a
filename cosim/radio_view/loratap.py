"""LoRaTap header: frequency, spreading factor and strength ahead of a captured LoRa frame.

Link type 270 of pcap files. Fields by the published format (LoRaTap by E. de Jong,
version 1 by A. Povalac; big-endian). A strength under -139 dBm or a ratio over 31.75 dB
is written as the nearest that fits, as a radio's own register would have it. Left out:
62.5 kHz, for which the format, which counts in steps of 125 kHz, has no value; 0 stands
there.
"""

from __future__ import annotations

import struct

from gridmodel.wire.lora import Modem

LINK_TYPE = 270
#: Wireshark has version 0 since 2.6, version 1 since 4.2.
VERSIONS = (0, 1)
#: Sync word of private networks; 0x34 is LoRaWAN's.
_PRIVATE = 0x12
_RSSI_0_DBM, _NOT_KNOWN = -139.0, 255
_BASE, _EXTENSION = struct.Struct(">BBHIBBBBBbB"), struct.Struct(">8sIBBHBBH")
_IMPLICIT, _CRC_OK, _CRC_BAD, _NO_CRC = 0x04, 0x08, 0x10, 0x20


def header(  # noqa: PLR0913  a field each
    modem: Modem,
    rssi_dbm: float | None,
    snr_db: float | None,
    version: int = 0,
    *,
    radio: int = 0,
    t_us: int = 0,
    packet: int = 0,
    broken: bool = False,
) -> bytes:
    """Return the header of a frame.

    Parameters
    ----------
    modem : Modem
        What the frame was sent with.
    rssi_dbm, snr_db : float or None
        Strength at the receiver; None where it is not known. [dBm, dB]
    version : int
        0, of 15 bytes, or 1, of 35: also coding rate, checksum, receiver.
    radio : int
        Number of the radio that heard or sent it (version 1).
    t_us : int
        Instant; its low 32 bits are told (version 1). [us]
    packet : int
        Number of the packet; its low 16 bits are told (version 1).
    broken : bool
        The checksum was wrong (version 1).

    Examples
    --------
    >>> header(Modem(), -100.0, 5.0).hex(" ")
    '00 00 00 0f 33 be 27 a0 01 07 27 ff ff 14 12'
    """
    length = _BASE.size + (_EXTENSION.size if version else 0)
    base = _BASE.pack(
        version, 0, length, round(modem.frequency_mhz * 1e6), int(modem.bandwidth_khz // 125),
        modem.spreading_factor, _rssi(rssi_dbm, snr_db), _NOT_KNOWN, _NOT_KNOWN,
        _clipped(4 * (snr_db or 0.0), -128, 127), _PRIVATE,
    )  # fmt: skip
    if not version:
        return base
    check = (_CRC_BAD if broken else _CRC_OK) if modem.crc else _NO_CRC
    flags = check | (0 if modem.explicit_header else _IMPLICIT)
    return base + _EXTENSION.pack(
        radio.to_bytes(8, "big"), t_us & 0xFFFFFFFF, flags, modem.coding_rate, 0, 0, 0,
        packet & 0xFFFF,
    )  # fmt: skip


def _rssi(rssi_dbm: float | None, snr_db: float | None) -> int:
    """Return the code of a strength: whole decibels, quarters of one below the noise."""
    if rssi_dbm is None or snr_db is None:
        return _NOT_KNOWN
    return _clipped((rssi_dbm - _RSSI_0_DBM) * (1 if snr_db >= 0 else 4), 0, _NOT_KNOWN - 1)


def _clipped(value: float, low: int, high: int) -> int:
    return min(max(round(value), low), high)
