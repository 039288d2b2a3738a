"""SunSpec session: one connection to an inverter and the models found on it.

Over pysunspec2's client, which leaves to its caller: it numbers every request 0, so that
an answer that comes too late is taken for the next one's (a session ends with its first
fault), and it hides faults of a scan in texts (so the map is looked for before the scan).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gridmodel.errors import BridgeError, MissingExtraError
from gridmodel.inverter_scale import from_raw
from hardware_bridges.inverter.sunspec_config import SunSpecConfig
from hardware_bridges.link_error import DeviceError, LinkError

try:
    from sunspec2.modbus.client import (  # type: ignore[import-untyped]
        SunSpecModbusClientDeviceTCP,
    )
    from sunspec2.modbus.modbus import (  # type: ignore[import-untyped]
        ModbusClientException,
        ModbusClientTimeout,
    )
except ImportError as error:  # pragma: no cover (told to a person, not to a test)
    raise MissingExtraError("modbus", "a SunSpec inverter") from error

#: Where a map may begin (SunSpec Device Information Model Specification).
BASE_ADDRESSES = (40000, 0, 50000)
#: Models without which a battery cannot be run.
NEEDED = (701, 702, 704, 713)
#: Exceptions of a Modbus device that is busy, or of a gateway to one that may come back.
BUSY = (5, 6)
NO_UNIT = (10, 11)
#: Scale factors a device may have; others are "not implemented" or noise.
LARGEST_POWER = 10


class SunSpecSession:
    """A connection with its scanned models.

    Parameters
    ----------
    config : SunSpecConfig
        Where the inverter is.

    Raises
    ------
    LinkError
        If it cannot be reached.
    DeviceError
        If it answers, but is no SunSpec battery inverter.
    """

    def __init__(self, config: SunSpecConfig) -> None:
        self.where = f"{config.host}:{config.port} unit {config.unit_id}"
        self._timeout_s = config.timeout_s
        self._client = SunSpecModbusClientDeviceTCP(
            config.unit_id, config.host, config.port, timeout=config.timeout_s
        )
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection."""
        self._client.disconnect()

    @property
    def models(self) -> tuple[int, ...]:
        """Numbers of the models found."""
        return tuple(model.model_id for model in self._client.model_list)

    def refresh(self, model: int, first: str, last: str) -> None:
        """Read the points of a model from one to another."""
        found = self._model(model)
        points = list(found.points.values())
        names = list(found.points)
        part = points[names.index(first) : names.index(last) + 1]
        with self._translated(f"{model}.{first}"):
            start, end = part[0].offset, part[-1].offset + part[-1].len
            data = self._client.read(found.model_addr + start, end - start)
            for point in part:
                at = 2 * (point.offset - start)
                point.set_mb(data[at : at + 2 * point.len], dirty=False)

    def number(self, model: int, point: str) -> int | None:
        """Return a point's integer as last read; None where it is not implemented."""
        value = self._model(model).points[point].value
        return None if value is None else int(value)

    def text(self, model: int, point: str) -> str:
        """Return a point's text as last read."""
        return str(self._model(model).points[point].value or "").strip("\0 ")

    def power(self, model: int, point: str) -> int:
        """Return the power of ten of a point; 0 where it has none."""
        found = self._model(model)
        name = found.points[point].sf
        power = found.points[name].value if name else None
        if power is not None and abs(power) > LARGEST_POWER:
            raise DeviceError(
                f"{self.where}, {model}.{name}",
                f"scale factor {power} given, -{LARGEST_POWER} to {LARGEST_POWER} allowed.",
                "Update the inverter's firmware, or report it to its maker.",
            )
        return int(power or 0)

    def value(self, model: int, point: str, per_power: int = 0) -> float | None:
        """Return a point's value as last read, over ``10**per_power``; None if there is none."""
        raw = self.number(model, point)
        return None if raw is None else from_raw(raw, self.power(model, point) - per_power)

    def need(self, model: int, point: str, per_power: int = 0) -> float:
        """Return a point's value; a device that has none is of no use."""
        value = self.value(model, point, per_power)
        if value is None:
            raise DeviceError(
                f"{self.where}, {model}.{point}",
                "the inverter does not implement this point.",
                "Its driver needs it: enable it in the inverter's set-up, or use another body.",
            )
        return value

    def write(self, model: int, numbers: Mapping[str, int]) -> None:
        """Write points as integers, neighbours in one request."""
        found = self._model(model)
        for point, raw in numbers.items():
            found.points[point].value = raw
        with self._translated(f"{model}.{', '.join(numbers)}"):
            found.write()

    def _open(self) -> None:
        client = self._client
        with self._translated("connection"):
            client.connect(self._timeout_s)
            client.base_addr_list = [self._base()]
            client.scan(connect=False, full_model_read=False)
        missing = [number for number in NEEDED if number not in client.models]
        if missing:
            raise DeviceError(
                self.where,
                f"models {missing} are missing; found {list(self.models)}.",
                "Only inverters with SunSpec's 7xx models can be run.",
            )
        with self._translated("models"):
            for number in (1, *NEEDED, 703):
                if number in client.models:
                    client.models[number][0].read()

    def _base(self) -> int:
        """Return where the map begins."""
        refused: Exception | None = None
        for address in BASE_ADDRESSES:
            try:
                if self._client.read(address, 2) == b"SunS":
                    return address
            except ModbusClientTimeout as error:  # some say nothing where they have no map
                refused = error
                self._client.disconnect()  # a late answer would be taken for the next one's
                self._client.connect(self._timeout_s)
            except ModbusClientException as error:
                if _code(error) in (*NO_UNIT, *BUSY):
                    raise
                refused = error
        if isinstance(refused, ModbusClientTimeout):
            raise refused
        raise DeviceError(
            self.where,
            f"no SunSpec map at {', '.join(map(str, BASE_ADDRESSES))} ({refused or 'other data'}).",
            "Enable SunSpec Modbus in the inverter's set-up, and check port and unit.",
        )

    def _model(self, number: int) -> Any:
        try:
            return self._client.models[number][0]
        except KeyError:
            raise DeviceError(
                self.where, f"model {number} is missing; found {list(self.models)}."
            ) from None

    @contextmanager
    def _translated(self, point: str) -> Iterator[None]:
        """Turn what pysunspec2 and the socket raise into ours."""
        where = f"{self.where}, {point}"
        try:
            yield
        except BridgeError:
            raise
        except ModbusClientException as error:
            raise _refusal(where, _code(error)) from error
        except (ModbusClientTimeout, TimeoutError) as error:
            raise LinkError(
                where,
                f"no answer within {self._timeout_s:g} s, or the connection was closed.",
                "Check that no other client holds the inverter's only connection.",
            ) from error
        except Exception as error:  # a socket's, or whatever noise makes of a frame
            raise LinkError(where, f"{error}.", "Check address, port, cable and power.") from error


def _code(error: Exception) -> int:
    found = re.search(r"exception:? (\d+)", str(error))
    return int(found[1]) if found else 0


def _refusal(where: str, code: int) -> BridgeError:
    if code in BUSY:
        return LinkError(where, f"the inverter is busy (Modbus exception {code}).")
    if code in NO_UNIT:
        return DeviceError(
            where,
            f"nothing answers under this unit (Modbus exception {code}).",
            "Give the unit id from the inverter's set-up; 1, 3, 100, 126 and 247 are common.",
        )
    return DeviceError(
        where,
        f"the inverter refused (Modbus exception {code}).",
        "Unlock control by Modbus in its set-up (a grid or installer code may be needed).",
    )
