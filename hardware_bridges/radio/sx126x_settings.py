"""Settings of an SX126x as decoded from the bytes it was given, and the airtime they make.

Written apart from `gridmodel.wire.lora` on purpose: the emulated chip must know nothing
but its bytes, and two formulas that agree check each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from hardware_bridges.radio.sx126x_codes import BANDWIDTH_KHZ


@dataclass(frozen=True, slots=True)
class Modulation:
    """What SetModulationParams set."""

    spreading_factor: int
    bandwidth_khz: float
    coding_rate: int  # 1..4 for 4/5 to 4/8
    low_data_rate: bool

    @classmethod
    def decode(cls, data: bytes) -> Modulation | None:
        """Return what four bytes mean, or None where the chip knows no meaning."""
        sf, bandwidth, rate, slow = data[:4]
        known = 5 <= sf <= 12 and bandwidth in BANDWIDTH_KHZ and 1 <= rate <= 4 and slow <= 1
        return cls(sf, BANDWIDTH_KHZ[bandwidth], rate, bool(slow)) if known else None

    @property
    def symbol_us(self) -> float:
        """Length of a symbol. [us]"""
        return float(2**self.spreading_factor / self.bandwidth_khz * 1e3)


@dataclass(frozen=True, slots=True)
class Packet:
    """What SetPacketParams set."""

    preamble_symbols: int
    implicit_header: bool
    payload_bytes: int
    crc: bool
    inverted_iq: bool

    @classmethod
    def decode(cls, data: bytes) -> Packet | None:
        """Return what six bytes mean, or None where the chip knows no meaning."""
        high, low, header, payload, crc, iq = data[:6]
        preamble = high << 8 | low
        if preamble == 0 or header > 1 or crc > 1 or iq > 1:
            return None
        return cls(preamble, bool(header), payload, bool(crc), bool(iq))


def airtime_us(modulation: Modulation, packet: Packet, payload_bytes: int) -> int:
    """Return the time on air of a payload (SX1261/2 data sheet, 6.1.4). [us]"""
    sf = modulation.spreading_factor
    per_block = 4 * (sf - 2 * modulation.low_data_rate)
    bits = 8 * payload_bytes + 16 * packet.crc - 4 * sf + 20 * (not packet.implicit_header)
    sync = 4.25
    if sf < 7:
        sync, per_block = 6.25, 4 * sf
    else:
        bits += 8
    coded = -(-max(bits, 0) // per_block) * (modulation.coding_rate + 4)
    return round((packet.preamble_symbols + sync + 8 + coded) * modulation.symbol_us)
