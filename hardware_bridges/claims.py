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


#: Pins of the header that a bus or a port uses (Raspberry Pi, BCM numbers).
_PINS = {
    "SPI 0.0": (8, 9, 10, 11), "SPI 0.1": (7, 9, 10, 11),
    "SPI 1.0": (18, 19, 20, 21), "SPI 1.1": (17, 19, 20, 21), "SPI 1.2": (16, 19, 20, 21),
    "I2C 1": (2, 3),
    "serial /dev/serial0": (14, 15), "serial /dev/ttyS0": (14, 15), "serial /dev/ttyAMA0": (14, 15),
}  # fmt: skip


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
            beside = self._uses(other) or other._uses(self)
            return beside and self.owner != other.owner
        if not self.part or not other.part or self.kind != other.kind:
            return True
        return self.part == other.part and not (self.shared and other.shared)

    def _uses(self, pin: Claim) -> bool:
        """Return whether a pin is one of this bus's; an I2C resource ends with an address."""
        bus = self.resource.rsplit(" 0x", 1)[0]
        return pin.resource in {f"GPIO{number}" for number in _PINS.get(bus, ())}

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
                beside = "" if held.resource == resource else f" (beside {held.resource})"
                raise ClaimError(f"{claim}{beside}", owner, held.owner)
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
    """Return the locked file of a resource; it bears its owner's name.

    Folder and files are everyone's: a self-test by hand must not lock out the service, which
    runs as another user, until the next boot.
    """
    name = "".join(c if c.isalnum() else "_" for c in claim.resource)
    path = folder / f"{name}.lock"
    try:
        file = _shared_file(path)
    except OSError as error:
        advice = f"Remove {folder}, or run as the user it belongs to."
        raise BridgeError(str(path), f"cannot be locked: {error}.", advice) from error
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


def _shared_file(path: Path) -> IO[str]:
    """Return a file that any user may open and write, opened."""
    if not path.parent.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o1777)  # mkdir's own mode is cut by the umask
    # No link is followed: in a folder of everyone's it could lead anywhere.
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        os.fchmod(handle, 0o666)
    return os.fdopen(handle, "r+", encoding="utf-8")
