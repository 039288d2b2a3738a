"""SunSpec server: an emulated inverter on Modbus TCP, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any

from gridmodel.errors import MissingExtraError
from hardware_bridges.inverter.sunspec_device import EmulatedSunSpecDevice, InverterTruth
from hardware_bridges.inverter.sunspec_image import BASE_ADDRESS
from hardware_bridges.link_error import LinkError

try:
    from pymodbus.constants import ExcCodes
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice
except ImportError as error:  # pragma: no cover (told to a person, not to a test)
    raise MissingExtraError("modbus", "an emulated SunSpec inverter") from error

#: Longest wait for the thread to begin or to end. [s]
PATIENCE_S = 5.0
#: Modbus functions that write registers.
WRITES = (6, 16, 22, 23)
#: Modbus unit 0 stands for all others: a gateway that has no such device.
ALL_OTHERS = 0


class SunSpecServer:
    """Serves a device to any number of clients; closes with all its connections.

    Parameters
    ----------
    device : EmulatedSunSpecDevice
        What is served.
    unit_id : int
        Its Modbus unit; other units are answered by exception 11 (no response).
    host : str
        Address to listen on.
    port : int
        Port to listen on; 0 takes a free one.
    """

    def __init__(
        self,
        device: EmulatedSunSpecDevice,
        unit_id: int = 1,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.device = device
        self.host = host
        self.port = port
        self._unit_id = unit_id
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> SunSpecServer:
        """Listen; ``port`` is known afterwards.

        Raises
        ------
        LinkError
            If the address cannot be had.
        """
        if self._thread is not None:
            return self
        self._ready.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="sunspec server", daemon=True)
        self._thread.start()
        ready = self._ready.wait(PATIENCE_S)
        if self._failure is not None or not ready:
            self.close()
            raise LinkError(
                f"{self.host}:{self.port}",
                f"the emulated inverter cannot listen ({self._failure or 'no answer'}).",
                "Give another port, or 0 for a free one.",
            )
        return self

    def set(self, truth: InverterTruth) -> None:
        """Give the device what the simulation knows."""
        self.device.set(truth)

    @property
    def p_set_kw(self) -> float | None:
        """Power a client wants, discharge positive; None while nobody sets it. [kW]"""
        return self.device.p_set_kw

    def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._thread is None:
            return
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)
        self._thread = None

    def __enter__(self) -> SunSpecServer:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # told by start(), which waits for it
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        # shutdown and the listening socket bear no types in pymodbus
        server: Any = ModbusTcpServer(self._devices(), address=(self.host, self.port))
        await server.serve_forever(background=True)
        self.port = server.transport.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        await server.shutdown()

    def _devices(self) -> list[SimDevice]:
        image = self.device.image
        writable = image.writable
        cells = [
            SimData(
                address,
                values=word,
                datatype=DataType.REGISTERS,
                readonly=address not in writable,
            )
            for address, word in enumerate(image.registers, BASE_ADDRESS)
        ]
        anything = SimData(0, count=65535, values=0, datatype=DataType.REGISTERS)
        return [
            SimDevice(self._unit_id, cells, action=self._exchange),
            SimDevice(ALL_OTHERS, anything, action=_no_such_unit),
        ]

    async def _exchange(  # the form pymodbus asks for
        self,
        function: int,
        _start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Let the device take what is written, then show what it has."""
        if function in WRITES and values is not None:
            self.device.write(address, [int(value) for value in values])
            # pymodbus stores `values` itself after this; the device may have answered otherwise
        at = address - BASE_ADDRESS
        registers[at : at + count] = self.device.read(address, count)
        return None


async def _no_such_unit(
    _function: int,
    _start: int,
    _address: int,
    _count: int,
    _registers: list[int],
    _values: list[int] | list[bool] | None,
) -> ExcCodes | None:
    return ExcCodes.GATEWAY_NO_RESPONSE
