"""HELICS border: the way between partitions, as raw bytes over a HELICS core.

The key of a turn is asked for as that many HELICS nanoseconds, made by dividing an
integer by 1e9 and compared as a rounded integer: exact for a year of simulated time.
All times are asked for uninterruptibly and everything is a publication: with HELICS
3.6.1, partitions that could be woken by a message were sometimes granted a time before
a value of an earlier one had come, and with endpoints three of them waited for each
other for ever. Only the zmq core is used; with others 8 kB payloads stall. This is the
only file that speaks HELICS for partitions.
"""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gridmodel.errors import BorderError, MissingExtraError

_CORE = "--tick=500ms --timeout=10s --loglevel=no_print"
#: Where runs on this host look for ports, and how many one needs.
_PORTS, _PORTS_PER_RUN = (20_000, 32_000), 40
#: Greatest key that HELICS keeps apart: its times are doubles. [ns]
MOST_KEY = 2**22 * 1_000_000_000


def helics() -> Any:
    """Return the HELICS library.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import helics as library
    except ImportError as error:
        raise MissingExtraError("helics", "the engine helics") from error
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
        name = f"feedertwin-{socket.gethostname()}-{port}"
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
        h.helicsQueryFree(query)
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
        h.helicsBrokerFree(self._broker)


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
        try:
            self._fed = h.helicsCreateCombinationFederate(name, info)
        except h.HelicsException as error:
            raise BorderError(f"partition '{name}' finds no broker at {broker}: {error}") from error
        self._out = {other: self._publication(f"{name}>{other}") for other in to}
        self._in = {other: self._subscription(f"{other}>{name}") for other in origins}
        self._mail_out = {other: self._publication(f"{name}>>{other}") for other in others}
        self._mail_in = {other: self._subscription(f"{other}>>{name}") for other in others}

    def _publication(self, key: str) -> Any:
        kind = self._h.HELICS_DATA_TYPE_RAW
        return self._h.helicsFederateRegisterGlobalPublication(self._fed, key, kind, "")

    def _subscription(self, key: str) -> Any:
        return self._h.helicsFederateRegisterSubscription(self._fed, key, "")

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
        for data in self.plans():
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
        seconds: float = self._call(self._h.helicsFederateRequestTime, self._fed, key / 1e9)
        if round(seconds * 1e9) != key:
            raise BorderError(f"HELICS granted {seconds} s where {key / 1e9} s was asked for")

    def publish(self, to: str, block: bytes) -> None:
        """Send a block of signals."""
        self._call(self._h.helicsPublicationPublishBytes, self._out[to], block)

    def blocks(self) -> Mapping[str, bytes]:
        """Return blocks that are new."""
        h = self._h
        return {
            origin: h.helicsInputGetBytes(subscription)
            for origin, subscription in self._in.items()
            if h.helicsInputIsUpdated(subscription)
        }

    def announce(self, plans: Mapping[str, bytes]) -> None:
        """Say to each other partition what comes next."""
        for other, plan in plans.items():
            self._call(self._h.helicsPublicationPublishBytes, self._mail_out[other], plan)

    def plans(self) -> Sequence[bytes]:
        """Return what all others announced.

        Raises
        ------
        BorderError
            If one of them is missing.
        """
        h = self._h
        found = []
        for other, subscription in self._mail_in.items():
            if not h.helicsInputIsUpdated(subscription):
                raise BorderError(f"nothing came from partition '{other}' in this round")
            found.append(bytes(h.helicsInputGetBytes(subscription)))
        return found

    def fail(self, code: int, text: str) -> None:
        """Tell the others that the run has failed here; left to itself HELICS goes on."""
        self._h.helicsFederateGlobalError(self._fed, code, text)

    def close(self) -> None:
        """Leave the federation."""
        h = self._h
        h.helicsFederateDisconnect(self._fed)
        h.helicsFederateFree(self._fed)
        h.helicsCloseLibrary()

    def _call(self, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except self._h.HelicsException as error:
            raise BorderError(f"the federation has ended: {error}") from error
