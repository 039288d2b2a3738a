"""Payloads: JSON objects whose keys end in units, checked on arrival."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from hardware_bridges.link_error import DeviceError

#: Longer payloads are not ours.
LONGEST_BYTES = 4096


def encode(fields: Mapping[str, Any]) -> bytes:
    """Return an object as JSON; its numbers keep every bit."""
    return json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()


def decode(topic: str, payload: bytes, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return the fields of a payload; further ones are ignored.

    Parameters
    ----------
    topic : str
        Where it came from, for the error.
    payload : bytes
        What came.
    kinds : mapping
        Type of each field: ``float`` (any finite number), ``int``, ``bool`` or ``str``.

    Raises
    ------
    DeviceError
        If it is not JSON, or a field is missing or of another kind.
    """
    try:
        if len(payload) > LONGEST_BYTES:
            raise ValueError(f"{len(payload)} bytes")
        data = json.loads(payload)
        return {name: _as(kind, data[name]) for name, kind in kinds.items()}
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        wanted = ", ".join(f"{name} ({kind.__name__})" for name, kind in kinds.items())
        raise DeviceError(
            topic,
            f"{payload[:60]!r} is no such state ({type(error).__name__}: {error}).",
            f"Wanted is a JSON object with {wanted}.",
        ) from None


def _as(kind: type, value: Any) -> Any:
    number = kind is float and type(value) in (int, float)
    if not number and type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    if kind is float and not isfinite(value):
        raise ValueError(f"{value!r} is not finite")
    return float(value) if number else value
