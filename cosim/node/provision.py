"""Provision: random keys for a cell, one folder a member, and the link a folder gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from gridmodel.errors import Fault, InputError, RecordError
from gridmodel.wire.counter_store import CounterStore
from gridmodel.wire.frames import COORDINATOR, EVERYONE
from gridmodel.wire.keys import provision, read_keys, write_keys
from gridmodel.wire.link import Link

_KEYS, _COUNTER = "keys.json", "counter"


def folder_name(address: int) -> str:
    """Return the name of a member's folder."""
    return "coordinator" if address == COORDINATOR else f"node_{address}"


def provision_cell(
    folder: Path,
    count: int,
    cell: int = 0,
    epoch: int = 0,
    neighbours: Iterable[tuple[int, int]] = (),
) -> Mapping[int, Path]:
    """Write a folder for the coordinator and each node of a cell; return them by address.

    Parameters
    ----------
    folder : Path
        Where they go; it must not exist, as keys are made once.
    count : int
        Nodes; they have the addresses 1, 2, ...
    cell, epoch : int
        As in `gridmodel.wire.keys.KeyRing`.
    neighbours : iterable of pairs of int
        Nodes that also share a key with each other.

    Raises
    ------
    InputError
        With every fault of what is asked.
    RecordError
        If a folder cannot be written.
    """
    pairs = list(neighbours)
    faults = []
    if folder.exists():
        advice = "Name a new one; renew the keys of all members together."
        faults.append(Fault(str(folder), "", "is there already.", advice))
    if not 1 <= count < EVERYONE:
        problem = f"a cell has 1 to {EVERYONE - 1} nodes, not {count}."
        faults.append(Fault("--nodes", "", problem, "Make another cell of the rest."))
    for one, other in pairs:
        if one == other or not (1 <= one <= count and 1 <= other <= count):
            faults.append(Fault("--neighbours", "", f"{one}-{other} are no two nodes of the cell."))
    if faults:
        raise InputError("keys cannot be made", faults)
    rings = provision(range(1, count + 1), cell, epoch, pairs)
    found = {}
    for address, ring in rings.items():
        found[address] = folder / folder_name(address)
        try:
            found[address].mkdir(parents=True)
        except OSError as error:
            raise RecordError(f"{folder}: keys cannot be written: {error}") from error
        write_keys(found[address] / _KEYS, ring)
        CounterStore.create(found[address] / _COUNTER)
    return found


def link_in(folder: Path, address: int, cell: int) -> Link:
    """Return the link of a member whose keys and counter are in a folder.

    Raises
    ------
    InputError
        If the keys are of another address or cell.
    FeedertwinError
        If keys or counter cannot be read.
    """
    ring = read_keys(folder / _KEYS)
    if (ring.address, ring.cell) != (address, cell):
        problem = f"are of address {ring.address} in cell {ring.cell}, not {address} in {cell}."
        fault = Fault(str(folder / _KEYS), "", problem, "Each node has a folder of its own.")
        raise InputError("keys of another node", [fault])
    return Link(ring, CounterStore(folder / _COUNTER))
