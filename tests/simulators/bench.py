"""A workbench: federates built and stepped by hand, with inputs as an engine hands them over."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gridmodel.federate import BuildContext, Federate, Inputs, ProgramFactory, Signal
from gridmodel.neighbourhood import Neighbourhood

STREET = Path(__file__).parents[2] / "scenarios" / "street_island"
S = 1_000_000  # microseconds in a second
NOON_UTC_S = datetime(2016, 5, 24, 10, 0, tzinfo=UTC).timestamp()


def context(
    network: Neighbourhood | None,
    name: str = "part",
    seed: int = 1,
    start_utc_s: float = NOON_UTC_S,
    duration_h: float = 4.0,
    program: ProgramFactory | None = None,
) -> BuildContext:
    """Return what a federate may use while it is built."""
    duration_us = round(duration_h * 3600 * S)
    return BuildContext(
        name, seed, {"profiles": STREET}, network, duration_us, start_utc_s, program
    )


def inputs(federate: Federate, **given: Any) -> Inputs:
    """Return the values given, and of every other port its initial value."""
    values: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for port in federate.inputs:
        if not isinstance(port, Signal):
            messages[port.name] = tuple(given.pop(port.name, ()))
            continue
        value = given.pop(port.name, port.initial)
        assert value is not None, f"{port.name} must be given"
        values[port.name] = _frozen(value, port)
    assert not given, f"no such ports: {sorted(given)}"
    seen = Inputs(values)
    seen.messages = messages
    return seen


def _frozen(value: Any, port: Signal) -> Any:
    if port.shape == ():
        return port.dtype(value)
    if port.shape is None:
        return value if isinstance(value, float) else np.asarray(value, port.dtype)
    array = np.array(np.broadcast_to(np.asarray(value, port.dtype), port.shape))
    array.setflags(write=False)
    return array


def step(federate: Federate, t_us: int, **given: Any) -> dict[str, Any]:
    """Step a federate and return copies of what it sent."""
    sent, _ = federate.step(t_us, inputs(federate, **given))
    return copied(sent)


def copied(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return outputs that a later step cannot change."""
    return {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in sent.items()}


def walk(federate: Federate, count: int, first: int = 0, **given: Any) -> list[dict[str, Any]]:
    """Step a federate ``count`` times by its period, from step number ``first``."""
    seen = inputs(federate, **given)
    return [
        copied(federate.step(k * federate.period_us, seen)[0]) for k in range(first, first + count)
    ]


def kpi(federate: Federate, name: str) -> float:
    """Return one key figure."""
    return {figure.name: figure.value for figure in federate.kpis()}[name]


def parcel(federate: Federate) -> Any:
    """Return a federate's snapshot as it comes back from a checkpoint file."""
    return pickle.loads(pickle.dumps(federate.snapshot()))


def same_bytes(a: Any, b: Any) -> bool:
    """Return whether two records of outputs are equal to the last bit."""
    return pickle.dumps(_plain(a)) == pickle.dumps(_plain(b))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, Mapping):
        return [(str(key), _plain(value[key])) for key in sorted(value)]
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return repr(value)
