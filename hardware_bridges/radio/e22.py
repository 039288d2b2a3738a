"""E22: registers and packets of EBYTE's UART radio modules, such as on Waveshare's HATs.

From the maker's E22-900T22S manual: nine registers are written with ``C0`` (kept) or
``C2`` (until power-off), ``00 09``, and read with ``C1 00 09``; the module answers ``C1 00
09`` and the registers, or ``FF FF FF``. In fixed transmission the first three bytes given
to it are the address (high, low) and channel of the receiver.

A serial port has no packet borders, so a frame travels in a packet of fixed length: its
length, itself, zeros. Both ends know the length from their settings; and the module's
time on air, which cannot be computed, is then one figure to measure.
"""

from __future__ import annotations

from dataclasses import dataclass

from hardware_bridges.radio.e22_config import AIR_SPEED_KBPS, E22Config

WRITE_KEPT, READ, WRITE, WRONG_FORMAT = 0xC0, 0xC1, 0xC2, b"\xff\xff\xff"
#: Address of the first register and number of registers, in every command we use.
REGISTERS = bytes((0x00, 0x09))
READ_COMMAND = bytes((READ,)) + REGISTERS
#: Bytes of an answer: what was asked, and nine registers.
ANSWER_BYTES = 12
#: Address and channel of the receiver ahead of a packet.
TARGET_BYTES = 3
EVERYONE = 0xFFFF
BAUD = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
POWER_DBM = (22, 17, 13, 10)
SUB_PACKET_BYTES = (240, 128, 64, 32)
_RSSI_BYTE, _FIXED, _LISTEN_FIRST = 0x80, 0x40, 0x10
_WAKE_PERIOD = 0x03  # 2000 ms, the maker's default; unused in normal mode


@dataclass(frozen=True, slots=True)
class E22Registers:
    """What the nine registers say."""

    address: int
    network: int
    baud: int
    air_speed_kbps: float
    sub_packet_bytes: int
    power_dbm: int
    channel: int
    rssi_byte: bool
    fixed: bool
    listen_first: bool
    key: int

    @classmethod
    def of(cls, config: E22Config) -> E22Registers:
        """Return the registers of a HAT's settings."""
        sub_packet = min(size for size in SUB_PACKET_BYTES if size >= config.packet_bytes)
        return cls(
            config.address, config.network, config.baud, config.air_speed_kbps, sub_packet,
            config.power_dbm, config.channel, True, True, config.listen_first, config.key,
        )  # fmt: skip

    def encode(self) -> bytes:
        """Return the nine registers."""
        speed = BAUD.index(self.baud) << 5 | AIR_SPEED_KBPS.index(self.air_speed_kbps)
        option = SUB_PACKET_BYTES.index(self.sub_packet_bytes) << 6
        option |= POWER_DBM.index(self.power_dbm)
        mode = _RSSI_BYTE * self.rssi_byte | _FIXED * self.fixed
        mode |= _LISTEN_FIRST * self.listen_first | _WAKE_PERIOD
        return bytes(
            (*self.address.to_bytes(2, "big"), self.network, speed, option, self.channel, mode,
             *self.key.to_bytes(2, "big"))
        )  # fmt: skip

    @classmethod
    def decode(cls, data: bytes) -> E22Registers:
        """Return what nine registers say; parity, repeater and wake-up bits are not kept."""
        speed, option, channel, mode = data[3:7]
        return cls(
            int.from_bytes(data[:2], "big"), data[2], BAUD[speed >> 5], AIR_SPEED_KBPS[speed & 7],
            SUB_PACKET_BYTES[option >> 6], POWER_DBM[option & 3], channel,
            bool(mode & _RSSI_BYTE), bool(mode & _FIXED), bool(mode & _LISTEN_FIRST),
            int.from_bytes(data[7:9], "big"),
        )  # fmt: skip


def pack(frame: bytes, packet_bytes: int) -> bytes:
    """Return a frame in a packet of fixed length.

    Raises
    ------
    ValueError
        If it does not fit.
    """
    if not 1 <= len(frame) < packet_bytes:
        raise ValueError(
            f"a frame of {len(frame)} bytes does not fit packets of {packet_bytes} bytes, which "
            f"hold 1 to {packet_bytes - 1}. Raise packet_bytes, and measure the airtime again."
        )
    return bytes((len(frame),)) + frame.ljust(packet_bytes - 1, b"\0")


def unpack(packet: bytes) -> bytes | None:
    """Return the frame of a packet, or None if it cannot be one."""
    size = packet[0]
    if not 1 <= size < len(packet) or any(packet[1 + size :]):
        return None
    return packet[1 : 1 + size]


class PacketStream:
    """Finds packets in the bytes of a serial port; after lost bytes it finds the next one.

    Parameters
    ----------
    packet_bytes : int
        Length of a packet; a byte with its strength follows each. [B]
    """

    def __init__(self, packet_bytes: int) -> None:
        self._size = packet_bytes
        self._waiting = bytearray()
        #: Bytes that belonged to no packet.
        self.lost_count = 0

    def feed(self, data: bytes) -> list[tuple[bytes, int]]:
        """Return the frames that these bytes complete, each with its strength byte."""
        self._waiting += data
        found = []
        while len(self._waiting) > self._size:
            frame = unpack(bytes(self._waiting[: self._size]))
            if frame is None:
                del self._waiting[0]
                self.lost_count += 1
                continue
            found.append((frame, self._waiting[self._size]))
            del self._waiting[: self._size + 1]
        return found

    def forget(self) -> None:
        """Drop a packet that was begun: the line has been still for too long."""
        self.lost_count += len(self._waiting)
        self._waiting.clear()


def rssi_dbm(code: int, halved: bool) -> float:
    """Return the strength a byte stands for; the firmware decides which. [dBm]"""
    return -code / 2.0 if halved else float(code - 256)
