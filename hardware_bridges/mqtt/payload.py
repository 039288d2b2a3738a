"""Payloads: JSON objects whose keys end in units, and the checks that every payload passes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from hardware_bridges.link_error import DeviceError

#: Longer payloads are not ours.
LONGEST_BYTES = 4096
#: Whole numbers are of 64 bits, as protobuf has them.
MOST_INT = 2**63 - 1


def encode(fields: Mapping[str, Any]) -> bytes:
    """Return an object as JSON; its numbers keep every bit."""
    return json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()


def decode(topic: str, payload: bytes, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return the fields of a JSON object; further ones are ignored.

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
        If it is too long or no JSON object, or as `checked` says.
    """
    refuse_long(topic, payload)
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise DeviceError(
            topic, f"{payload[:60]!r} is no JSON ({type(error).__name__}).", wanted(kinds)
        ) from None
    if not isinstance(found, dict):
        raise DeviceError(topic, f"{payload[:60]!r} is no JSON object.", wanted(kinds))
    return checked(topic, found, kinds)


def checked(topic: str, found: Mapping[str, Any], kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return the fields that are wanted, each of its kind.

    Raises
    ------
    DeviceError
        If a field is missing, of another kind, not finite or too great, with its name.
    """
    fields = {}
    for name, kind in kinds.items():
        if name not in found:
            raise DeviceError(topic, f"{name} is missing.", wanted(kinds))
        value = found[name]
        if problem := _problem(kind, value):
            raise DeviceError(topic, f"{name}: {str(value)[:60]!r} {problem}.", wanted(kinds))
        fields[name] = float(value) if kind is float else value
    return fields


def refuse_long(topic: str, payload: bytes) -> None:
    """Raise `DeviceError` at a payload longer than any of ours."""
    if len(payload) > LONGEST_BYTES:
        raise DeviceError(topic, f"{len(payload)} bytes; {LONGEST_BYTES} are the most.")


def wanted(kinds: Mapping[str, type]) -> str:
    """Return what fields a payload must have, for an error's advice."""
    fields = ", ".join(f"{name} ({kind.__name__})" for name, kind in kinds.items())
    return f"Wanted are the fields {fields}."


def _problem(kind: type, value: Any) -> str:
    """Return what is wrong with a value; nothing if it may pass."""
    whole = type(value) is int
    if whole and abs(value) > MOST_INT:
        return "is too great"
    if kind is float and (whole or type(value) is float):
        return "" if isfinite(value) else "is not finite"
    return "" if type(value) is kind else f"is no {kind.__name__}"
