"""Freezing: what leaves a federate cannot change any more, and must be what was declared."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from types import MappingProxyType
from typing import Any

import numpy as np

from gridmodel.errors import FederateError, NonFiniteError, OutputError
from gridmodel.federate import Message, Signal

_PLAIN = (int, float, str, bytes, bool, type(None))


class Freezer:
    """Checks and freezes the values of one output signal."""

    __slots__ = ("_dtype", "_name", "_owner", "_shape", "_type")

    def __init__(self, owner: str, signal: Signal) -> None:
        self._owner = owner
        self._name = signal.name
        self._shape = signal.shape
        self._type = signal.dtype
        self._dtype = np.dtype(signal.dtype)

    def __call__(self, t_us: int, value: Any) -> Any:
        """Return the value as a plain scalar or a read-only array of its own.

        Raises
        ------
        OutputError
            If shape or type is not what the port declares.
        NonFiniteError
            If a number is NaN or infinite.
        """
        if self._shape == ():
            return self._scalar(t_us, value)
        try:
            array = np.array(value, self._dtype)
        except (TypeError, ValueError) as error:
            raise self._fault(t_us, f"sent {value!r}, which is no array of numbers") from error
        if array.shape != self._shape:
            raise self._fault(t_us, f"sent shape {array.shape}; declared is {self._shape}")
        if self._type is float:
            flat = array.ravel()
            # The dot product is finite if all values are (and of sane size): one fast call.
            if not isfinite(flat.dot(flat)) and not np.isfinite(flat).all():
                bad = [int(k) for k in np.flatnonzero(~np.isfinite(flat))[:5]]
                problem = f"output '{self._name}' is not finite at positions {bad}"
                raise NonFiniteError(self._owner, t_us, problem)
        array.setflags(write=False)
        return array

    def _scalar(self, t_us: int, value: Any) -> Any:
        try:
            plain = self._type(value)
        except (TypeError, ValueError) as error:
            raise self._fault(
                t_us, f"sent {value!r}; declared is one {self._type.__name__}"
            ) from error
        if self._type is float and not isfinite(plain):
            raise NonFiniteError(self._owner, t_us, f"output '{self._name}' is {plain}")
        return plain

    def _fault(self, t_us: int, problem: str) -> OutputError:
        return OutputError(self._owner, t_us, f"output '{self._name}' {problem}")


def freeze_message(owner: str, port: str, t_us: int, message: Message) -> Message:
    """Return a message whose content cannot change any more.

    Raises
    ------
    OutputError
        If the content is not plain, or it is to arrive before it is sent.
    """
    if not isinstance(message, Message):
        raise OutputError(owner, t_us, f"port '{port}' sent {message!r}, which is no Message")
    if type(message.t_us) is not int or message.t_us < t_us:
        problem = f"port '{port}' sent a message for {message.t_us!r} us, before it was sent"
        raise OutputError(owner, t_us, problem)
    data = {key: _plain(owner, port, t_us, key, value) for key, value in message.data.items()}
    return Message(message.t_us, message.kind, MappingProxyType(data))


def _plain(owner: str, port: str, t_us: int, key: str, value: Any) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, (list, tuple)):
        return tuple(_plain(owner, port, t_us, key, item) for item in value)
    if isinstance(value, np.generic):
        return value.item()
    problem = (
        f"port '{port}' sent {key}={value!r}; a message carries numbers, text, bytes, "
        "booleans, None and tuples of these"
    )
    raise OutputError(owner, t_us, problem)


def check_ports(owner: str, t_us: int, sent: Iterable[str], declared: Iterable[str]) -> None:
    """Refuse outputs on ports that were not declared."""
    unknown = sorted(set(sent) - set(declared))
    if unknown:
        raise OutputError(owner, t_us, f"sent on undeclared ports {unknown}")


def check_next(owner: str, t_us: int, next_us: Any) -> None:
    """Refuse a next instant that is no whole number after the present one."""
    from gridmodel.errors import BackwardStepError

    if next_us is None:
        return
    if isinstance(next_us, bool) or not isinstance(next_us, int):
        raise FederateError(
            owner, t_us, f"asked for its next step at {next_us!r}; it must be a whole number of us"
        )
    if next_us <= t_us:
        problem = f"asked for its next step at {next_us} us, which is not after {t_us} us"
        raise BackwardStepError(owner, t_us, problem)
