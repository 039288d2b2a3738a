"""SunSpec image: the registers of a device, addressed by model and point.

The layout comes from pysunspec2's model definitions, the same ones the client reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gridmodel.errors import MissingExtraError

try:
    from sunspec2 import mb  # type: ignore[import-untyped]
    from sunspec2.device import Model  # type: ignore[import-untyped]
except ImportError as error:  # pragma: no cover (told to a person, not to a test)
    raise MissingExtraError("modbus", "a SunSpec inverter") from error

#: Where the map begins, SunSpec's first choice of three.
BASE_ADDRESS = 40000
#: "SunS", and after the last model its end mark with length 0.
MARK = b"SunS"
END = (0xFFFF, 0)


class Place(NamedTuple):
    """Where a point is: its first register, its length, and pysunspec2's name of its type."""

    address: int
    length: int
    kind: str
    writable: bool


class SunSpecImage:
    """Registers of one device.

    Parameters
    ----------
    contents : mapping
        By model number: raw values by point name, nested as pysunspec2 has them.
    """

    def __init__(self, contents: Mapping[int, Mapping[str, Any]]) -> None:
        self._places: dict[tuple[int, str], Place] = {}
        image = bytearray(MARK)
        for number, values in contents.items():
            model = Model(model_id=number, data={"ID": number, **values})
            if model.error_info:
                raise ValueError(f"SunSpec model {number}: {model.error_info.strip()}")
            model.points["ID"].value = number
            start = BASE_ADDRESS + len(image) // 2
            self._places.update(((number, path), place) for path, place in _places_of(model, start))
            image += model.get_mb()
        self.registers = [
            int.from_bytes(image[at : at + 2], "big") for at in range(0, len(image), 2)
        ]
        self.registers += END

    @property
    def writable(self) -> frozenset[int]:
        """Addresses of the registers a client may write."""
        return frozenset(
            address
            for place in self._places.values()
            if place.writable
            for address in range(place.address, place.address + place.length)
        )

    def place(self, model: int, point: str) -> Place:
        """Return where a point is; in groups ``Prt.0.DCW``."""
        return self._places[model, point]

    def number(self, model: int, point: str) -> int | None:
        """Return a point's integer, or None where it is not implemented."""
        address, length, kind, _ = self._places[model, point]
        at = address - BASE_ADDRESS
        data = b"".join(word.to_bytes(2, "big") for word in self.registers[at : at + length])
        info = mb.point_type_info[kind]
        value = info.data_to(data)
        return value if info.is_impl(value) else None

    def put(self, model: int, point: str, raw: int | None) -> None:
        """Set a point's integer; None makes it "not implemented"."""
        address, length, kind, _ = self._places[model, point]
        info = mb.point_type_info[kind]
        size = 2 * length
        data = mb.create_unimpl_value(kind, size) if raw is None else info.to_data(raw, size)
        at = address - BASE_ADDRESS
        self.registers[at : at + length] = [
            int.from_bytes(data[byte : byte + 2], "big") for byte in range(0, size, 2)
        ]


def _places_of(group: Any, start: int, prefix: str = "") -> Iterator[tuple[str, Place]]:
    for name, point in group.points.items():
        writable = point.pdef.get("access") == "RW"
        yield prefix + name, Place(start + point.offset, point.len, point.pdef["type"], writable)
    for name, inner in group.groups.items():
        if isinstance(inner, list):
            for index, one in enumerate(inner):
                yield from _places_of(one, start, f"{prefix}{name}.{index}.")
        else:
            yield from _places_of(inner, start, f"{prefix}{name}.")
