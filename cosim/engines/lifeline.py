"""Lifelines: a plain TCP line from each partition on another host to the broker.

HELICS notices a partition that was killed after some four seconds and a broker after
thirteen, and tells neither's name. The end of a line is noticed at once, and a last word on
it says how a partition ended. A partition that is stopped, or whose host is gone, is noticed
when its beats have not come for as long as a step may take.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gridmodel.errors import BorderError

#: Longest word that is taken. [bytes]
_LONGEST = 65_536
#: Longest reason that is told; what is longer fits no line of a terminal either. [characters]
_LONGEST_REASON = 4_000
#: Between two beats of a partition. [s]
_BEAT_S = 0.5
_BEAT = b"\0"
#: Who has not said a name for so long is a stranger. [s]
_STRANGER_S = 10.0
#: Between two tries to reach the broker. [s]
_RETRY_S = 0.1


def _address(broker: str) -> tuple[str, int]:
    """Return where lifelines of a broker end: at the port below its own."""
    host, _, port = broker.rpartition(":")
    return host, int(port) - 1


class End(NamedTuple):
    """How a partition ended: its exit code and why; one that died has said neither."""

    partition: str
    code: int | None
    reason: str


class _Line:
    """The broker's end of one line."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._said = b""
        self._heard_s = time.monotonic()

    def end(self) -> End | None:
        """Return how the partition ended, if it did; an empty name is a stranger's."""
        try:
            while data := self.connection.recv(_LONGEST):
                self._said = (self._said + data.replace(_BEAT, b""))[:_LONGEST]
                self._heard_s = time.monotonic()
        except BlockingIOError:
            return self._silence()
        except OSError:  # reset: as good as its end
            pass
        name, _, last = self._words()
        return last or End(name, None, "died without a word")

    def _silence(self) -> End | None:
        name, stall_s, _ = self._words()
        if time.monotonic() - self._heard_s <= stall_s:
            return None
        return End(name, None, f"not heard of for {stall_s:g} s (stall_timeout_s)")

    def _words(self) -> tuple[str, float, End | None]:
        """Return name, patience and end as far as they were said; a word ends with its line."""
        words = self._said.split(b"\n")[:-1]
        try:
            first = json.loads(words[0])
            name, stall_s = str(first["partition"]), float(first["stall_timeout_s"])
        except (ValueError, TypeError, KeyError, IndexError):  # nothing yet, or a stranger's
            return "", _STRANGER_S, None
        last = None
        with contextlib.suppress(ValueError, TypeError, KeyError, IndexError):
            end = json.loads(words[1])
            last = End(name, int(end["code"]), str(end["reason"]))
        return name, stall_s, last


class Lifelines:
    """The broker's ends of all lines.

    Parameters
    ----------
    broker : str
        ``host:port`` of the broker.

    Raises
    ------
    BorderError
        If the port below the broker's is taken.
    """

    def __init__(self, broker: str) -> None:
        at = _address(broker)
        try:
            self._listener = socket.create_server(at)
        except OSError as error:
            raise BorderError(
                f"port {at[1]}, for the lines to the partitions, cannot be listened at ({error})"
            ) from error
        self._listener.setblocking(False)
        self._lines: list[_Line] = []

    def look(self) -> list[End]:
        """Return the partitions that have ended since the last look."""
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = self._listener.accept()
                connection.setblocking(False)
                self._lines.append(_Line(connection))
        ended = []
        for line in list(self._lines):
            end = line.end()
            if end is not None:
                self._lines.remove(line)
                line.connection.close()
                ended += [end] if end.partition else []
        return ended

    def close(self, reason: str = "") -> None:
        """Tell those still there why it ends, and listen no more."""
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.connection.sendall(reason.encode()[:_LONGEST])
            line.connection.close()
        self._listener.close()


class Lifeline:
    """A partition's end.

    Parameters
    ----------
    name : str
        The partition.
    broker : str
        ``host:port`` of the broker.
    lost : callable
        Told why, once the broker has ended or died; called in a thread.
    stall_timeout_s : float
        A partition without a beat for so long counts as dead. [s]
    patience_s : float
        How long the broker is looked for. [s]

    Raises
    ------
    BorderError
        If there is none.
    """

    def __init__(
        self,
        name: str,
        broker: str,
        lost: Callable[[str], object],
        stall_timeout_s: float = 30.0,
        patience_s: float = 10.0,
    ) -> None:
        #: Why the broker is gone; empty while it is there.
        self.reason = ""
        self._broker, self._lost = broker, lost
        self._ended = threading.Event()
        until_s = time.monotonic() + patience_s
        while True:
            try:
                self._line = socket.create_connection(_address(broker), timeout=patience_s)
                break
            except OSError as error:
                if time.monotonic() > until_s:
                    problem = f"partition '{name}' finds no broker at {broker} ({error})"
                    raise BorderError(problem) from error
                time.sleep(_RETRY_S)
        self._line.settimeout(None)
        self._say({"partition": name, "stall_timeout_s": stall_timeout_s})
        self._threads = [
            threading.Thread(target=t, daemon=True) for t in (self._listen, self._beat)
        ]
        for thread in self._threads:
            thread.start()

    def _say(self, word: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the end of the line tells more
            self._line.sendall(json.dumps(word).encode() + b"\n")

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_S):
            with contextlib.suppress(OSError):
                self._line.sendall(_BEAT)

    def _listen(self) -> None:
        said = b""
        with contextlib.suppress(OSError):
            while data := self._line.recv(_LONGEST):
                said = (said + data)[:_LONGEST]
        if not self._ended.is_set():
            told = said.decode(errors="replace")
            self.reason = told or f"the broker at {self._broker} died"
            self._lost(self.reason)

    def end(self, code: int, reason: str) -> None:
        """Say how this partition ends."""
        self._ended.set()
        self._threads[1].join(timeout=1.0)  # a beat within the last word would spoil it
        self._say({"code": code, "reason": reason[:_LONGEST_REASON]})
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(timeout=1.0)
        self._line.close()
