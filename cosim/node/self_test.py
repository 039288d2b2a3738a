"""Self-test: what a node finds on each of its buses."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cosim.lines.messages import Ask, Start, Truth
from cosim.node.assembly import bare, fit_all
from cosim.node.config import NodeConfig
from cosim.node.provision import link_in
from gridmodel.errors import FeedertwinError
from gridmodel.ports import InverterState, Measurement
from hardware_bridges.link_error import LinkError

#: An inverter that has not answered for so long is missing. [s]
_PATIENCE_S = 10.0
#: What emulated hardware is shown: 230 V, 4.35 A, 1 kW drawn, 50 Hz.
_SHOWN = Truth(230.0, 4.348, -1.0, 50.0)


class Finding(NamedTuple):
    """What was found at one port."""

    port: str
    body: str
    good: bool
    text: str


def self_test(config: NodeConfig) -> Iterator[Finding]:
    """Open each port, use it once without moving a contact, and yield what was found."""
    yield from _files(config)
    node = bare(config.model_copy(update={"keys": None}))
    try:
        opened = list(fit_all(node))
        _show(node.bench, config)
        for key, block, error in opened:
            if error is not None:
                yield Finding(key, block.body, False, f"not opened: {error}")
                continue
            try:
                good, text = _used(key.split(".")[0], node.ports[key], node.clock.now_us())
            except (FeedertwinError, OSError, ValueError, LookupError, RuntimeError) as failed:
                yield Finding(key, block.body, False, f"opened, then {failed}")
            else:
                yield Finding(key, block.body, good, text)
    finally:
        node.close()


def _show(bench: Any, config: NodeConfig) -> None:
    """Show emulated hardware an ordinary day, so that there is something to read."""
    readings = {name: Measurement(0, *_SHOWN) for name in config.meters}
    truth = dict.fromkeys(config.meters, _SHOWN)
    contacts = dict.fromkeys(config.relays, True)
    for start in bench.starts:
        start(Start(0, None, contacts))
    state = InverterState(0.0, 0.5, 1.0, 1.0)
    for feed in bench.feeds:
        feed(Ask(0, "step", 0, readings, truth, contacts, (), state, 25.0))


def _used(kind: str, port: Any, now_us: int) -> tuple[bool, str]:
    """Use a port once; return whether it is there, and what it said."""
    if kind == "meter":
        reading = port.read(now_us)
        volts, amperes, power, hertz = reading.v_v, reading.i_a, reading.p_kw, reading.f_hz
        text = f"{volts:.1f} V, {amperes:.2f} A, {power:.3f} kW, {hertz:.2f} Hz"
        faults = getattr(port, "faults", ())
        if volts <= 0.0 and not faults:
            faults = ("no voltage: is the sensor plugged in?",)
        return not faults, "; ".join((text, *faults))
    if kind == "relay":
        contact = "closed" if port.closed else "open"
        return getattr(
            port, "follows", True
        ), f"{_own_words(port) or f'reads back {contact}'}; not moved"
    if kind == "radio":
        return True, _own_words(port) or "opened"
    if kind == "thermometer":
        return True, f"{port.read():.1f} deg C"
    state = _first_state(port)
    text = f"{state.p_kw:.2f} kW, {100 * state.soc_pu:.0f} % of {state.e_kwh:g} kWh"
    words = _own_words(port)
    return True, f"{words}; {text}" if words else text


def _first_state(port: Any) -> Any:
    """Return an inverter's state; to find it and its models may take more than one call."""
    end_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return port.read()
        except LinkError:
            if time.monotonic() >= end_s:
                raise
            time.sleep(0.1)


def _files(config: NodeConfig) -> Iterator[Finding]:
    """Yield whether the folders that a node reads and writes are there and may be written."""
    if config.keys is not None:
        folder = Path(config.keys)
        try:
            link_in(folder, config.address, config.cell)
        except (FeedertwinError, OSError) as error:
            faults = getattr(error, "faults", (error,))
            yield Finding("keys", "file", False, "; ".join(map(str, faults)))
        else:
            yield _written("keys", folder, "keys are there", "its frame counter is kept there.")
    for key, path in (("persist", config.persist), ("journal", config.journal)):
        if path is not None:
            folder = Path(path) if key == "persist" else Path(path).parent
            while not folder.exists() and folder != folder.parent:
                folder = folder.parent  # it is made when the node starts
            yield _written(key, folder, path, "the node's user must be able to.")


def _written(port: str, folder: Path, text: str, why: str) -> Finding:
    if os.access(folder, os.W_OK | os.X_OK):
        return Finding(port, "file", True, text)
    return Finding(port, "file", False, f"{folder} cannot be written by this user; {why}")


def _own_words(port: Any) -> str:
    """Return what a body says of itself, if it can."""
    for name in ("found", "describe", "status"):
        say = getattr(port, name, None)
        if callable(say):
            return str(say())
    return ""
