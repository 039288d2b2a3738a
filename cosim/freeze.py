"""Freezing: what leaves a federate cannot change any more, and must be what was declared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite
from types import MappingProxyType
from typing import Any

import numpy as np

from gridmodel.errors import BackwardStepError, FederateError, NonFiniteError, OutputError
from gridmodel.federate import Message, Signal

_PLAIN = (int, float, str, bytes, bool, type(None))


Freezer = Callable[[int, Any], Any]


def freezer(owner: str, signal: Signal) -> Freezer:
    """Return a function that checks and freezes the values of one output signal.

    The function takes the instant and the value, and returns a plain scalar or a
    read-only array of its own. It raises `OutputError` if shape or type is not what the
    port declares, `NonFiniteError` if a number is NaN or infinite.
    """
    return _scalar_freezer(owner, signal) if signal.shape == () else _array_freezer(owner, signal)


def _scalar_freezer(owner: str, signal: Signal) -> Freezer:
    kind, name = signal.dtype, signal.name

    def freeze(t_us: int, value: Any) -> Any:
        try:
            plain = kind(value)
        except (TypeError, ValueError) as error:
            problem = f"output '{name}' sent {value!r}; declared is one {kind.__name__}"
            raise OutputError(owner, t_us, problem) from error
        if plain - plain != 0:  # only NaN and infinities differ from themselves so
            raise NonFiniteError(owner, t_us, f"output '{name}' is {plain}")
        return plain

    return freeze


def _array_freezer(owner: str, signal: Signal) -> Freezer:
    shape, name, dtype = signal.shape, signal.name, np.dtype(signal.dtype)
    floating, flat_shape = signal.dtype is float, len(signal.shape or ()) == 1

    def freeze(t_us: int, value: Any) -> Any:
        try:
            array = np.array(value, dtype)
        except (TypeError, ValueError) as error:
            problem = f"output '{name}' sent {value!r}, which is no array of numbers"
            raise OutputError(owner, t_us, problem) from error
        if array.shape != shape:
            problem = f"output '{name}' sent shape {array.shape}; declared is {shape}"
            raise OutputError(owner, t_us, problem)
        if floating:
            flat = array if flat_shape else array.ravel()
            # The dot product is finite if all values are (and of sane size): one fast call.
            if not isfinite(flat.dot(flat)) and not np.isfinite(flat).all():
                bad = [int(k) for k in np.flatnonzero(~np.isfinite(flat))[:5]]
                problem = f"output '{name}' is not finite at positions {bad}"
                raise NonFiniteError(owner, t_us, problem)
        array.setflags(write=False)
        return array

    return freeze


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
    if next_us is None:
        return
    if isinstance(next_us, bool) or not isinstance(next_us, int):
        raise FederateError(
            owner, t_us, f"asked for its next step at {next_us!r}; it must be a whole number of us"
        )
    if next_us <= t_us:
        problem = f"asked for its next step at {next_us} us, which is not after {t_us} us"
        raise BackwardStepError(owner, t_us, problem)
