"""Keys of a radio cell: random, made once where the cell is planned, never on air.

`provision` makes the key rings of all members of a cell; each is written to a file of
its own and carried to its node by hand (a card, a cable). A node shares one key with its
coordinator and one with the whole cell; so what a stolen node can forge is its own word
and what is said to everyone. Commands to everyone that matter are signed, and only the
coordinator has the private key.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gridmodel.errors import Fault, InputError, RecordError
from gridmodel.wire.frames import COORDINATOR, EVERYONE
from gridmodel.wire.signature import new_private_key, public_key_of

KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys one member of a cell holds.

    Parameters
    ----------
    cell, address : int
        The cell and the member's address in it.
    epoch : int
        Part of every nonce, 0..65535; raise it at all members when a counter is lost.
    keys : mapping of int to bytes
        Key of 16 bytes by the address it is shared with; the cell's own under 255.
    public_key : bytes
        Of the coordinator, 32 bytes.
    private_key : bytes or None
        The coordinator's own, 32 bytes.
    """

    cell: int
    address: int
    epoch: int
    keys: Mapping[int, bytes] = field(repr=False)
    public_key: bytes
    private_key: bytes | None = field(default=None, repr=False)


def provision(
    addresses: Iterable[int],
    cell: int = 0,
    epoch: int = 0,
    neighbours: Iterable[tuple[int, int]] = (),
) -> dict[int, KeyRing]:
    """Return fresh key rings of a cell's coordinator and nodes, by address.

    Parameters
    ----------
    addresses : iterable of int
        Addresses of the nodes, 1..254.
    cell, epoch : int
        As in `KeyRing`.
    neighbours : iterable of pairs of int
        Nodes that also share a key with each other.

    Raises
    ------
    ValueError
        If an address is not 1..254.
    """
    nodes = sorted(set(addresses))
    for address in nodes:
        if not COORDINATOR < address < EVERYONE:
            raise ValueError(f"a node's address is 1 to {EVERYONE - 1}, not {address}")
    private_key = new_private_key()
    shared = secrets.token_bytes(KEY_BYTES)
    keys: dict[int, dict[int, bytes]] = {a: {EVERYONE: shared} for a in (COORDINATOR, *nodes)}
    for one, other in [(COORDINATOR, node) for node in nodes] + list(neighbours):
        keys[one][other] = keys[other][one] = secrets.token_bytes(KEY_BYTES)
    public_key = public_key_of(private_key)
    return {
        address: KeyRing(
            cell, address, epoch, own, public_key, private_key if address == COORDINATOR else None
        )
        for address, own in keys.items()
    }


def write_keys(path: Path, ring: KeyRing) -> None:
    """Write a key ring to a new file that only its owner may read.

    Raises
    ------
    RecordError
        If the file exists or cannot be written.
    """
    told: dict[str, Any] = {
        "cell": ring.cell,
        "address": ring.address,
        "epoch": ring.epoch,
        "keys": {str(peer): key.hex() for peer, key in ring.keys.items()},
        "public_key": ring.public_key.hex(),
    }
    if ring.private_key is not None:
        told["private_key"] = ring.private_key.hex()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(json.dumps(told, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RecordError(f"{path}: keys cannot be written: {error}") from error


def read_keys(path: Path) -> KeyRing:
    """Return the key ring of a file.

    Raises
    ------
    InputError
        If it cannot be read, others than its owner may read it, or it is not what
        `write_keys` writes.
    """
    try:
        told = json.loads(path.read_text())
        others = path.stat().st_mode & 0o077
    except (OSError, ValueError) as error:
        raise _refused(path, "", f"cannot be read: {error}") from error
    if others:
        raise _refused(path, "", "others may read these keys.", f"Say: chmod 600 {path}")
    try:
        private = told.get("private_key")
        keys = {_peer(path, peer): _key(path, key, KEY_BYTES) for peer, key in told["keys"].items()}
        if EVERYONE not in keys:
            raise KeyError(EVERYONE)
        return KeyRing(
            cell=_number(path, told, "cell", 0xFFFF),
            address=_number(path, told, "address", EVERYONE - 1),
            epoch=_number(path, told, "epoch", 0xFFFF),
            keys=keys,
            public_key=_key(path, told["public_key"], 32),
            private_key=None if private is None else _key(path, private, 32),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise _refused(path, "", f"is no key ring: {error!r}", "Provision the cell anew.") from None


def _refused(path: Path, key: str, problem: str, advice: str = "") -> InputError:
    return InputError("Keys", [Fault(str(path), key, problem, advice)])


def _number(path: Path, told: Mapping[str, Any], name: str, most: int) -> int:
    value = told[name]
    if not isinstance(value, int) or not 0 <= value <= most:
        raise _refused(path, name, f"is {value!r}", f"A whole number 0 to {most} is asked for.")
    return value


def _peer(path: Path, text: str) -> int:
    peer = int(text)
    if not COORDINATOR <= peer <= EVERYONE:
        raise _refused(path, "keys", f"there is no peer {peer}.", f"Addresses end at {EVERYONE}.")
    return peer


def _key(path: Path, text: str, length: int) -> bytes:
    """Return a key; its text never gets into an error."""
    try:
        key = bytes.fromhex(text)
    except (TypeError, ValueError):
        key = b""
    if len(key) != length:
        raise _refused(path, "keys", "a key is damaged", f"Each has {length} bytes in hex.")
    return key
