"""Mosaik link: one foreign mosaik simulator, called in this process or over its socket.

It speaks mosaik's protocol (four bytes of length, then JSON ``[type, number, content]``)
itself, without an event loop, so that it works inside any engine's step and a wait can be
interrupted by the watchdog.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import itertools
import json
import re
import shlex
import signal
import socket
import sys
import sysconfig
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from cosim.children import Child, end, start
from cosim.engines.raised import placed

_REQUEST, _SUCCESS, _FAILURE = range(3)
#: A wait is cut into slices, for signals and the watchdog to come through. [s]
_SLICE_S = 0.2


class MosaikLinkError(Exception):
    """What a foreign simulator did wrong."""


class MosaikLink(Protocol):
    """A way to call a simulator's functions."""

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """Return what one of its functions returns."""

    def close(self) -> None:
        """End it, if it was started here; else only say good-bye."""


class _Questions:
    """What a simulator may ask of mosaik: of whom there is, and how far it is."""

    def __init__(self) -> None:
        self.progress = 0.0

    async def get_progress(self) -> float:
        return self.progress

    async def get_related_entities(self, entities: Any = None) -> Any:
        return {"nodes": {}, "edges": []} if entities is None else {}

    def __getattr__(self, name: str) -> Any:
        raise MosaikLinkError(f"it asked for '{name}', which a part of a scenario cannot do")


def simulator_class(target: str) -> Any:
    """Return the class that ``module:Class`` names."""
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise MosaikLinkError(f"'{target}' cannot be imported: {error}.") from error


class LocalLink:
    """A simulator of this process."""

    def __init__(self, simulator: Any) -> None:
        self._simulator = simulator
        self._simulator.mosaik = _Questions()

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method; a generator's questions are answered."""
        method = getattr(self._simulator, function)
        accepts = inspect.signature(method).parameters
        if function == "init" and "time_resolution" not in accepts and not _any(accepts):
            kwargs.pop("time_resolution", None)
        answer = method(*args, **kwargs)
        if not inspect.isgenerator(answer):
            return answer
        try:
            question = next(answer)
            while True:
                question = answer.send(_answer_of(question))
        except StopIteration as stop:
            return stop.value

    def close(self) -> None:
        """Let it finish."""
        self._simulator.finalize()


def _any(accepts: Mapping[str, inspect.Parameter]) -> bool:
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepts.values())


def _answer_of(question: Any) -> Any:
    """Return what one of the coroutines of `_Questions` returns; none of them waits."""
    try:
        question.send(None)
    except StopIteration as stop:
        return stop.value
    raise MosaikLinkError("it waits for something other than mosaik")


class RemoteLink:
    """A simulator at the other end of a socket.

    Parameters
    ----------
    peer : socket
        Connected.
    child : Child or None
        Its process, if it was started here.
    """

    def __init__(self, peer: socket.socket, child: Child | None = None) -> None:
        self._peer = peer
        self._child = child
        self._numbers = itertools.count()
        self._questions = _Questions()
        peer.settimeout(_SLICE_S)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """Call a function at the other end and wait for the answer."""
        number = next(self._numbers)
        self._send(_REQUEST, number, [function, args, kwargs])
        while True:
            kind, of, content = self._receive()
            if kind == _REQUEST:
                self._answer(of, content)
            elif of == number and kind == _FAILURE:
                raise MosaikLinkError(_told(content))
            elif of == number:
                return content

    def _answer(self, number: int, content: Any) -> None:
        name, args, kwargs = content
        self._send(_SUCCESS, number, _answer_of(getattr(self._questions, name)(*args, **kwargs)))

    def _send(self, kind: int, number: int, content: Any) -> None:
        left = memoryview(_packed(kind, number, content))
        while left:
            try:
                left = left[self._peer.send(left) :]
            except TimeoutError:
                continue
            except OSError as error:
                raise MosaikLinkError(self._gone()) from error

    def _receive(self) -> tuple[int, int, Any]:
        length = int.from_bytes(self._read(4), "big")
        try:
            kind, number, content = json.loads(self._read(length))
        except ValueError as error:
            raise MosaikLinkError(f"it sent what is no message of mosaik's: {error}") from error
        return kind, number, content

    def _read(self, length: int) -> bytes:
        parts: list[bytes] = []
        while length:
            try:
                part = self._peer.recv(min(length, 1 << 20))
            except TimeoutError:
                continue
            except OSError:
                part = b""
            if not part:
                raise MosaikLinkError(self._gone())
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _gone(self) -> str:
        """Return how it ended."""
        text = "it closed its connection"
        if self._child is None:
            return text
        code = _code_of(self._child)
        if code is None:
            return text
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"{text}: {how}"

    def close(self) -> None:
        """Ask it to stop; end its process if it was started here."""
        with contextlib.suppress(OSError):  # it may be gone, or deaf
            self._peer.send(_packed(_REQUEST, next(self._numbers), ["stop", [], {}]))
        self._peer.close()
        if self._child is not None:
            end([self._child], 1.0)


def _told(content: Any) -> str:
    """Return what a failure says; of one without a text, the line it comes from."""
    if isinstance(content, str):
        return (content.strip().splitlines() or ["no reason given"])[-1]
    kind, text, *trace = [*map(str, content), "", ""]
    if text.strip():
        return f"{kind}: {text}"
    places = re.findall(r'File "([^"]+)", line (\d+), in (\w+)\n?(.*)', "\n".join(trace))
    if not places:
        return kind
    file, line, function, said = places[-1]
    return placed(kind, function, file, int(line), said)


def _packed(kind: int, number: int, content: Any) -> bytes:
    data = json.dumps([kind, number, content]).encode()
    return len(data).to_bytes(4, "big") + data


def _code_of(child: Child) -> int | None:
    deadline = time.monotonic() + 0.5
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return child.returncode


def by_command(command: str, folder: Path, timeout_s: float) -> RemoteLink:
    """Start a process and wait until it has connected.

    Parameters
    ----------
    command : str
        As mosaik's ``cmd``: ``%(addr)s`` is where to connect, ``%(python)s`` this Python.
    folder : Path
        Its working folder.
    timeout_s : float
        Time it is given. [s]
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "{}:{}".format(*server.getsockname())
        command = command.replace("%(addr)s", address).replace("%(python)s", sys.executable)
        words = shlex.split(command)
        script = Path(sysconfig.get_path("scripts")) / words[0]
        if script.exists():
            words[0] = str(script)
        try:
            child = start(words, folder)
        except OSError as error:
            raise MosaikLinkError(f"'{words[0]}' cannot be started: {error}") from error
        server.settimeout(_SLICE_S)
        deadline = time.monotonic() + timeout_s
        while child.poll() is None and time.monotonic() < deadline:
            try:
                return RemoteLink(server.accept()[0], child)
            except TimeoutError:
                continue
    end([child], 0.0)
    raise MosaikLinkError(f"'{command}' did not connect within {timeout_s:g} s")


def by_address(address: str, timeout_s: float) -> RemoteLink:
    """Connect to a simulator that waits at ``host:port``."""
    host, _, port = address.rpartition(":")
    try:
        return RemoteLink(socket.create_connection((host, int(port)), timeout_s))
    except (OSError, ValueError) as error:
        raise MosaikLinkError(f"nobody answers at '{address}': {error}") from error
