"""Address: where a line between a node and its simulation leads, as people write it."""

from __future__ import annotations

from typing import NamedTuple

KINDS = ("unix", "tcp", "udp", "serial", "mqtt")
#: Symbols a second of a serial line whose address says none. [baud]
BAUD = 115_200


class Address(NamedTuple):
    """Where a line leads.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    host : str
        The host; of a unix or serial line its path.
    port : int
        The port; of a serial line its symbols a second [baud], 0 for `BAUD`.
    """

    kind: str
    host: str
    port: int = 0

    def __str__(self) -> str:
        """Return it as it is written."""
        mark = "@" if self.kind == "serial" else ":"
        return f"{self.kind}:{self.host}" + (f"{mark}{self.port}" if self.port else "")


def address(text: str) -> Address:
    """Return a written address.

    Raises
    ------
    ValueError
        If it is none.
    """
    kind, _, rest = text.partition(":")
    if kind not in KINDS or not rest:
        raise ValueError(
            f"'{text}' is no address. Write unix:PATH, tcp:HOST:PORT, udp:HOST:PORT, "
            "serial:DEVICE, serial:DEVICE@BAUD or mqtt:HOST:PORT."
        )
    if kind == "unix":
        return Address(kind, rest)
    if kind == "serial":
        return _serial(text, rest)
    host, _, port = rest.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"'{text}' lacks a host or a port: {kind}:127.0.0.1:7000.")
    return Address(kind, host, int(port))


def _serial(text: str, rest: str) -> Address:
    device, at, baud = rest.partition("@")
    if not device or (at and (not baud.isdecimal() or int(baud) == 0)):
        raise ValueError(f"'{text}' lacks a device or a baud rate: serial:/dev/ttyUSB0@921600.")
    return Address("serial", device, int(baud or 0))
