"""HELICS border: the way between partitions, as raw bytes over a HELICS core.

The key of a turn is asked for as that many HELICS nanoseconds, made by dividing an
integer by 1e9 and compared as a rounded integer: exact for a year of simulated time.
All times are asked for uninterruptibly and everything is a publication: with HELICS
3.6.1, partitions that could be woken by a message were sometimes granted a time before
a value of an earlier one had come, and with endpoints three of them waited for each
other for ever. Only the zmq core is used; with others 8 kB payloads stall. Nothing is
freed by hand: the wheel frees what Python lets go, and would free the address again, by
then another run's broker. This is the only file that speaks HELICS for partitions.
"""

from __future__ import annotations

import contextlib
import random
import socket
import time
import uuid
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from gridmodel.errors import BorderError, MissingExtraError

#: Who hears nothing from the broker for two seconds has lost it; HELICS's own thirty would
#: leave partitions started by hand waiting long after a broker was killed.
_CORE = "--tick=250ms --timeout=2s --loglevel=no_print"
#: How long a partition looks for the broker. [s]
_PATIENCE_S = 10.0
#: Where runs on this host look for ports, and how many one needs.
_PORTS, _PORTS_PER_RUN = (20_000, 32_000), 40
#: Greatest key that HELICS keeps apart: its times are doubles. [ns]
MOST_KEY = 2**22 * 1_000_000_000


def helics(needed_for: str = "the engine helics") -> Any:
    """Return the HELICS library.

    Parameters
    ----------
    needed_for : str
        Who asks, for the error.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import helics as library
    except ImportError as error:
        raise MissingExtraError("helics", needed_for) from error
    return library


def free_port() -> int:
    """Return a port of this host with free ones above it, for a broker and its cores.

    It lies below the ports that the system gives to anyone who asks, so none is taken
    between this look and HELICS's use of it.
    """
    bases = list(range(*_PORTS, _PORTS_PER_RUN))
    random.SystemRandom().shuffle(bases)
    for base in bases:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(base, base + _PORTS_PER_RUN):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return base
    raise BorderError(f"no {_PORTS_PER_RUN} free ports in a row on this host")


class HelicsBroker:
    """The broker of one run, owned by the process that started the run.

    Parameters
    ----------
    count : int
        Partitions that will join.
    port : int
        Port to listen on, and the one above it.
    interface : str
        Address to listen on.
    """

    def __init__(self, count: int, port: int, interface: str = "127.0.0.1") -> None:
        h = self._h = helics()
        # A later run of this process may meet the port again before the name is given free.
        name = f"feedertwin-{socket.gethostname()}-{port}-{uuid.uuid4()}"
        init = f"-f {count} --port={port} --local_interface=tcp://{interface} {_CORE}"
        try:
            self._broker = h.helicsCreateBroker("zmq", name, init)
        except h.HelicsException as error:
            raise BorderError(f"no broker on port {port}: {error}") from error
        if not h.helicsBrokerIsConnected(self._broker):
            raise BorderError(f"no broker on port {port}: is the port taken?")
        self.address = f"{interface}:{port}"
        self._count, self._complete = count, False

    def fail(self, code: int, text: str) -> None:
        """Tell all partitions that the run has failed."""
        self._h.helicsBrokerGlobalError(self._broker, code, text.encode())

    def joined(self) -> int:
        """Return how many partitions have joined."""
        h = self._h
        query = h.helicsCreateQuery("root", "federates")
        found = h.helicsQueryBrokerExecute(query, self._broker)
        return len(found) if isinstance(found, list) else 0

    def complete(self) -> bool:
        """Return whether all partitions have joined."""
        self._complete = self._complete or self.joined() >= self._count
        return self._complete

    def connected(self) -> bool:
        """Return whether partitions are, or may still come."""
        return bool(self._h.helicsBrokerIsConnected(self._broker))

    def close(self, wait_ms: int = 5000) -> None:
        """Wait for the partitions to leave, and end."""
        h = self._h
        h.helicsBrokerWaitForDisconnect(self._broker, wait_ms)
        h.helicsBrokerDisconnect(self._broker)
        del self._broker


class HelicsBorder:
    """One partition's way to the others.

    Parameters
    ----------
    name : str
        The partition.
    broker : str
        ``host:port``.
    to, origins : collection of str
        Partitions it sends signals to, and hears them from.
    others : collection of str
        Partitions it makes rounds with, or whose scenario it compares with its own.
    interface : str
        Address of this host that the others can reach.
    """

    def __init__(
        self,
        name: str,
        broker: str,
        to: Collection[str],
        origins: Collection[str],
        others: Collection[str],
        interface: str = "127.0.0.1",
    ) -> None:
        h = self._h = helics()
        self.name = name
        host, _, port = broker.rpartition(":")
        info = h.helicsCreateFederateInfo()
        h.helicsFederateInfoSetCoreTypeFromString(info, "zmq")
        init = (
            f"--federates=1 --broker_address=tcp://{host} --brokerport={port} "
            f"--local_interface=tcp://{interface} {_CORE}"
        )
        h.helicsFederateInfoSetCoreInitString(info, init)
        h.helicsFederateInfoSetTimeProperty(info, h.HELICS_PROPERTY_TIME_DELTA, 1e-9)
        h.helicsFederateInfoSetFlagOption(info, h.HELICS_FLAG_TERMINATE_ON_ERROR, True)
        h.helicsFederateInfoSetFlagOption(info, h.HELICS_FLAG_UNINTERRUPTIBLE, True)
        until_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._fed = h.helicsCreateValueFederate(name, info)
                break
            except h.HelicsException as error:
                if time.monotonic() > until_s:
                    problem = f"partition '{name}' finds no broker at {broker}: {error}"
                    raise BorderError(problem) from error
        self._out = {other: self._publication(f"{name}>{other}") for other in to}
        self._in = {other: self._subscription(f"{other}>{name}") for other in origins}
        self._mail_out = {other: self._publication(f"{name}>>{other}") for other in others}
        self._mail_in = {other: self._subscription(f"{other}>>{name}") for other in others}
        self._wire = _Wire(self._fed)

    def _publication(self, key: str) -> Any:
        kind = self._h.HELICS_DATA_TYPE_RAW
        found = self._h.helicsFederateRegisterGlobalPublication(self._fed, key, kind, "")
        return found.handle

    def _subscription(self, key: str) -> Any:
        return self._h.helicsFederateRegisterSubscription(self._fed, key, "").handle

    def agree(self, digest: str) -> None:
        """Enter the run, if the partitions it hears hold the same scenario and version.

        Raises
        ------
        BorderError
            If one does not.
        """
        h = self._h
        self._call(h.helicsFederateEnterInitializingMode, self._fed)
        text = f"{self.name}\0{digest}".encode()
        self.announce(dict.fromkeys(self._mail_out, text))
        self._call(h.helicsFederateEnterExecutingMode, self._fed)
        for data in self.plans().values():
            other, _, theirs = data.decode().partition("\0")
            if theirs != digest:
                raise BorderError(
                    f"partitions '{self.name}' and '{other}' hold different scenarios or versions "
                    f"({digest} and {theirs})"
                )

    def request(self, key: int) -> None:
        """Wait until all others have passed what is before a key.

        Raises
        ------
        BorderError
            If the federation has ended, or HELICS grants another time.
        """
        seconds = self._wire.request(key / 1e9)
        if round(seconds * 1e9) != key:
            raise BorderError(f"HELICS granted {seconds} s where {key / 1e9} s was asked for")

    def publish(self, to: str, block: bytes) -> None:
        """Send a block of signals."""
        self._wire.send(self._out[to], block)

    def blocks(self) -> Mapping[str, bytes]:
        """Return blocks that are new."""
        read, found = self._wire.read, {}
        for origin, subscription in self._in.items():
            block = read(subscription)
            if block is not None:
                found[origin] = block
        return found

    def announce(self, plans: Mapping[str, bytes]) -> None:
        """Say to each other partition what comes next."""
        for other, plan in plans.items():
            self._wire.send(self._mail_out[other], plan)

    def plans(self) -> Mapping[str, bytes]:
        """Return what all others announced, by partition.

        Raises
        ------
        BorderError
            If one of them is missing.
        """
        found = {}
        for other, subscription in self._mail_in.items():
            plan = self._wire.read(subscription)
            if plan is None:
                raise BorderError(f"nothing came from partition '{other}' in this round")
            found[other] = plan
        return found

    def fail(self, code: int, text: str) -> None:
        """Tell the others that the run has failed here; left to itself HELICS goes on."""
        self._h.helicsFederateGlobalError(self._fed, code, text)

    def close(self) -> None:
        """Leave the federation."""
        h = self._h
        h.helicsFederateDisconnect(self._fed)
        del self._fed
        h.helicsCloseLibrary()

    def _call(self, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except self._h.HelicsException as error:
            raise BorderError(f"the federation has ended: {error}") from error


class _Wire:
    """The few calls of a turn, made to the C library itself.

    The wheel's functions look up their symbol, make an error object and, to read, fill a
    new buffer with zeros, at every call: after a wait, on cold caches, 25 us a turn.

    Parameters
    ----------
    federate : HelicsFederate
        Whose calls they are.
    """

    def __init__(self, federate: Any) -> None:
        from helics.capi import ffi, lib

        self._ffi, self._federate = ffi, federate.handle
        self._error = ffi.new("HelicsError *", lib.helicsErrorInitialize())
        self._length = ffi.new("int *")
        self._room, self._buffer = 0, ffi.new("char[]", 1)
        self._clear = lib.helicsErrorClear
        self._request = lib.helicsFederateRequestTime
        self._publish = lib.helicsPublicationPublishBytes
        self._is_updated = lib.helicsInputIsUpdated
        self._size = lib.helicsInputGetByteCount
        self._get = lib.helicsInputGetBytes

    def request(self, seconds: float) -> float:
        """Return the time that was granted."""
        granted: float = self._request(self._federate, seconds, self._error)
        if self._error.error_code:
            self._fail()
        return granted

    def send(self, publication: Any, data: bytes) -> None:
        """Publish bytes."""
        self._publish(publication, data, len(data), self._error)
        if self._error.error_code:
            self._fail()

    def read(self, subscription: Any) -> bytes | None:
        """Return the bytes that came, if any did since the last look."""
        if not self._is_updated(subscription):
            return None
        size = self._size(subscription)
        if size > self._room:
            self._room, self._buffer = size, self._ffi.new("char[]", size)
        self._get(subscription, self._buffer, self._room, self._length, self._error)
        if self._error.error_code:
            self._fail()
        found: bytes = self._ffi.unpack(self._buffer, self._length[0])
        return found

    def _fail(self) -> NoReturn:
        code, text = self._error.error_code, self._ffi.string(self._error.message).decode()
        self._clear(self._error)
        raise BorderError(f"the federation has ended: [{code}] {text}")
