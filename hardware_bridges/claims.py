"""Claims: who uses which pin, bus line or port of a board, so that nobody takes it twice.

The bodies of a node take what they use from the `Claims` of its board: an emulated board
has its own (`claims_of`), the real one's hold between processes by lock files
(`board_claims`).
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from gridmodel.errors import BridgeError


class ClaimError(BridgeError, RuntimeError):
    """Two owners want the same pin, chip, address, port or radio.

    Parameters
    ----------
    resource : str
        What both want, such as ``GPIO17``.
    owner, other : str
        Who asked, and who has it.
    """

    def __init__(self, resource: str, owner: str, other: str) -> None:
        self.resource = resource
        self.owner = owner
        self.other = other
        super().__init__(
            resource,
            f"'{owner}' wants it, but '{other}' has it.",
            "Give one of them another pin, channel, address or port.",
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """What one owner has: a resource, or a part of one that others of its kind may share."""

    resource: str
    owner: str
    part: str = ""
    kind: str = ""
    shared: bool = False

    def excludes(self, other: Claim) -> bool:
        """Return whether both cannot be held at once."""
        if self.resource != other.resource:
            return False
        if not self.part or not other.part or self.kind != other.kind:
            return True
        return self.part == other.part and not (self.shared and other.shared)

    def __str__(self) -> str:
        """Return the resource with its part."""
        return f"{self.resource} {self.part}".rstrip()


class Claims:
    """What is in use on one board.

    Parameters
    ----------
    folder : Path, optional
        Where lock files are kept; with it, other processes' claims count too.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._held: list[Claim] = []
        self._locks: dict[str, IO[str]] = {}

    def take(
        self, resource: str, owner: str, part: str = "", kind: str = "", *, shared: bool = False
    ) -> Claim:
        """Take a resource.

        Parameters
        ----------
        resource : str
            ``GPIO17``, ``SPI 0.0``, ``I2C 1 0x48``, ``serial /dev/ttyS0``, ``radio ...``.
        owner : str
            Who takes it, as an error should name it.
        part, kind : str
            One part of it, such as ``channel 0``; owners of the same kind (of chip) may
            have different parts.
        shared : bool
            Others may have the same part, if they share it too.

        Raises
        ------
        ClaimError
            If somebody has it; with both names.
        """
        claim = Claim(resource, owner, part, kind, shared)
        for held in self._held:
            if claim.excludes(held):
                raise ClaimError(str(claim), owner, held.owner)
        if self._folder is not None and resource not in self._locks:
            self._locks[resource] = _lock(self._folder, claim)
        self._held.append(claim)
        return claim

    def release(self, owner: str) -> None:
        """Give back all that an owner has."""
        self.give_back([claim for claim in self._held if claim.owner == owner])

    def give_back(self, claims: Iterable[Claim]) -> None:
        """Give back what `take` gave; what was given back already does not matter."""
        gone = {id(claim) for claim in claims}
        self._held = [claim for claim in self._held if id(claim) not in gone]
        for resource in self._locks.keys() - {claim.resource for claim in self._held}:
            self._locks.pop(resource).close()

    def owners(self) -> dict[str, str]:
        """Return the owner of each thing that is in use."""
        return {str(claim): claim.owner for claim in self._held}


def claims_of(bench: Any) -> Claims:
    """Return the claims on the emulated board of a node's bench; all its bodies share them."""
    if not hasattr(bench, "claims"):
        bench.claims = Claims()
    claims: Claims = bench.claims
    return claims


@cache
def board_claims() -> Claims:
    """Return the claims on this machine's own pins and buses, with locks that all nodes see."""
    locks = Path("/run/lock")
    usable = locks.is_dir() and os.access(locks, os.W_OK)
    return Claims((locks if usable else Path(tempfile.gettempdir())) / "feedertwin")


def _lock(folder: Path, claim: Claim) -> IO[str]:
    """Return the locked file of a resource; it bears its owner's name."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "".join(c if c.isalnum() else "_" for c in claim.resource)
    file = (folder / f"{name}.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        other = file.read().strip() or "another process"
        file.close()
        raise ClaimError(str(claim), claim.owner, other) from None
    file.truncate(0)
    file.write(claim.owner)
    file.flush()
    return file
