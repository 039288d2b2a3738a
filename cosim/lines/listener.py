"""Listener: where a simulation waits for the node that comes to it by a stream."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import stat
import time
from pathlib import Path
from typing import Any

from cosim.lines.address import Address
from cosim.lines.messages import Hello, decode
from cosim.lines.stream_line import StreamLine
from gridmodel.errors import BorderError

#: Who comes has so long to say which node it is. [s]
HELLO_S = 3.0
_BACKLOG = 8


class Listener:
    """A place that one node comes to; whoever else comes is sent away.

    Parameters
    ----------
    at : Address
        ``unix`` or ``tcp``. A unix socket at which nobody listens any more is removed.
    node : str
        Name that the one who comes must say first; empty takes any node.

    Raises
    ------
    BorderError
        If the place is taken, or is no place.
    """

    def __init__(self, at: Address, node: str = "") -> None:
        family = socket.AF_UNIX if at.kind == "unix" else socket.AF_INET
        self._node = node
        self._path: Path | None = None
        self._coming: dict[StreamLine, float] = {}
        #: Who came and was sent away: what it was, in words.
        self.sent_away: list[str] = []
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            if family == socket.AF_UNIX:
                _free(at)
                self._socket.bind(at.host)
                self._path = Path(at.host)
            else:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._socket.bind((at.host, at.port))
            self._socket.listen(_BACKLOG)
        except OSError as error:
            self._socket.close()
            raise BorderError(_refusal(at, error)) from error
        except BorderError:
            self._socket.close()
            raise

    def accept(self, wait_s: float) -> StreamLine | None:
        """Return the line to the node that came, or None if it did not come in time. [s]

        Its first message, a `Hello`, can still be received.
        """
        until_s = time.monotonic() + wait_s
        while True:
            now_s = time.monotonic()
            for line in [line for line, limit_s in self._coming.items() if now_s >= limit_s]:
                self._send_away(line, f"said nothing for {HELLO_S:g} s")
            soon_s = min([until_s, *self._coming.values()])
            watched: list[Any] = [self._socket, *self._coming]
            ready, _, _ = select.select(watched, [], [], max(soon_s - now_s, 0.0))
            if self._socket in ready:
                with contextlib.suppress(OSError):  # it has gone again
                    line = StreamLine(self._socket.accept()[0])
                    self._coming[line] = time.monotonic() + HELLO_S
            for line in [line for line in self._coming if line in ready]:
                if self._greeted(line):
                    del self._coming[line]
                    return line
            if time.monotonic() >= until_s:
                return None

    def _greeted(self, line: StreamLine) -> bool:
        """Return whether the node is at a line on which something has come."""
        try:
            data = line.receive(0.0)
            if data is None:
                return False  # not yet whole
            word = decode(data)
        except BorderError as error:
            self._send_away(line, str(error))
            return False
        if not isinstance(word, Hello):
            self._send_away(
                line, f"spoke first as only a simulation does, by '{type(word).__name__}'"
            )
            return False
        if self._node and word.node != self._node:
            self._send_away(line, f"said it was '{word.node}'")
            return False
        line.put_back(data)
        return True

    def _send_away(self, line: StreamLine, why: str) -> None:
        self.sent_away.append(why)
        del self._coming[line]
        line.close()

    def close(self) -> None:
        """Listen no more."""
        for line in self._coming:
            line.close()
        self._coming.clear()
        self._socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _free(at: Address) -> None:
    """Remove the unix socket of a program that is gone; refuse anything else at its path."""
    path = Path(at.host)
    try:
        mode = path.lstat().st_mode
    except OSError:  # nothing there, or the folder is missing, which `bind` tells
        return
    if not stat.S_ISSOCK(mode):
        raise BorderError(f"{at} cannot be listened at: a file that is no socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        with contextlib.suppress(OSError):
            probe.connect(at.host)
            raise BorderError(f"{at} cannot be listened at: another program does so already")
    path.unlink(missing_ok=True)


def _refusal(at: Address, error: OSError) -> str:
    why = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        why = "another program does so already; end it, or choose another port"
    return f"{at} cannot be listened at: {why}"
