"""Latency: from an order of the master to the contact it moves, and back to the master.

In a cell, an order goes by radio from the coordinator to one house; the house moves its
contacts and confirms. Simulated time holds the airtimes; the wall clock adds what processes,
sockets and emulated chips need.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cosim.hil.arrivals import FOLDER
from cosim.hil.trace import Decision
from gridmodel.errors import FrameError
from gridmodel.wire.frames import COORDINATOR, FrameKind
from gridmodel.wire.seal import Opener, node_key

if TYPE_CHECKING:
    from cosim.hil.session import Place

Traces = Mapping[str, Sequence[Decision]]
#: An order that has moved nothing after this is not followed. [us]
_LONGEST_US = 5_000_000


@dataclass(frozen=True)
class OrderWay:
    """One order that moved a contact.

    Parameters
    ----------
    sent_us, moved_us : int
        The master gave it to the air; the neighbour's contact moved. [us]
    contact : str
        Which contact, and where it went.
    order_ms : float
        From one to the other in simulated time: airtime. [ms]
    wall_ms : float or None
        From the master's answer to the neighbour's on the wall clock; None if one of them was
        inside, or the run was not live. [ms]
    """

    sent_us: int
    moved_us: int
    contact: str
    order_ms: float
    wall_ms: float | None


def order_ways(
    master: Sequence[Decision],
    neighbour: Sequence[Decision],
    address: int,
    key: bytes,
    wall: Sequence[dict[int, float]] = ({}, {}),
) -> list[OrderWay]:
    """Return the orders to one node that moved a contact there.

    Parameters
    ----------
    master, neighbour : sequence of Decision
        Traces of the coordinator and of the node.
    address : int
        The node's address.
    key : bytes
        The coordinator's key.
    wall : pair of dict
        When each of them answered on the wall clock, by instant. [s]
    """
    opener, orders = Opener(COORDINATOR, key), []
    for decision in master:
        if decision.what != "frame":
            continue
        try:
            frame = opener.open(bytes.fromhex(decision.value))
        except FrameError:
            continue
        if frame.kind == FrameKind.ORDER and frame.destination == address:
            orders.append(decision.t_us)
    found = []
    for decision in neighbour:
        sent = [t for t in orders if 0 < decision.t_us - t < _LONGEST_US]
        if decision.what.startswith("relay") and sent:
            at, moved = sent[-1], decision.t_us
            begun_s, done_s = wall[0].get(at), wall[1].get(moved)
            took = None if begun_s is None or done_s is None else 1e3 * (done_s - begun_s)
            contact = f"{decision.what.removeprefix('relay ')} {decision.value}"
            found.append(OrderWay(at, moved, contact, (moved - at) / 1e3, took))
    return found


def answered_s(run: Path, seat: str) -> dict[int, float]:
    """Return when a node answered on the wall clock, by simulated instant. [s]"""
    path = run / FOLDER / f"{seat}.jsonl"
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {line["t_us"]: line["wall_s"][1] for line in lines if "wall_s" in line}


def ways_of_run(run: Path, places: Mapping[str, Place], traces: Traces) -> list[OrderWay]:
    """Return the orders that went from a master outside to a neighbour outside and moved it."""
    found = []
    for master, boss in places.items():
        if boss.seat.address != COORDINATOR:
            continue
        key = node_key(boss.seat.seed, boss.seat.cell, COORDINATOR)
        for name, place in places.items():
            seat = place.seat
            if seat.address == COORDINATOR or seat.cell != boss.seat.cell:
                continue
            wall = answered_s(run, master), answered_s(run, name)
            ways = order_ways(traces[master], traces[name], seat.address, key, wall)
            found += [replace(way, contact=f"{name} {way.contact}") for way in ways]
    return sorted(found, key=lambda way: way.sent_us)
