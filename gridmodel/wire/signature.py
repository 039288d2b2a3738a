"""Signature under a frame: only the coordinator can have sent it.

All houses of a cell hold the key that opens what is said to everyone, so any of them
could also forge it. Commands that darken or energise the whole cell therefore bear an
Ed25519 signature (RFC 8032) of 64 bytes, which every house can check and none can make.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gridmodel.errors import FrameError

SIGNATURE_BYTES = 64
#: What is signed begins with these words, so that no other use of the key can be mistaken.
_CONTEXT = b"feedertwin frame 1"


def new_private_key() -> bytes:
    """Return a fresh private key from the system's own random numbers, 32 bytes."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def public_key_of(private_key: bytes) -> bytes:
    """Return the public key that belongs to a private one, 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def _statement(epoch: int, said: bytes) -> bytes:
    return _CONTEXT + epoch.to_bytes(2, "big") + said


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs what one sender says.

    Parameters
    ----------
    private_key : bytes
        32 bytes, see `new_private_key`.

    Raises
    ------
    ValueError
        If the key has another length.
    """

    private_key: bytes = field(repr=False)
    _key: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        key = Ed25519PrivateKey.from_private_bytes(self.private_key)
        object.__setattr__(self, "_key", key)

    def sign(self, epoch: int, said: bytes) -> bytes:
        """Return the signature of header and body in an epoch of the keys, 64 bytes."""
        signature: bytes = self._key.sign(_statement(epoch, said))
        return signature


@dataclass(frozen=True, slots=True)
class Verifier:
    """Knows one sender's public key.

    Parameters
    ----------
    public_key : bytes
        32 bytes.

    Raises
    ------
    ValueError
        If the key has another length.
    """

    public_key: bytes
    _key: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_key", Ed25519PublicKey.from_public_bytes(self.public_key))

    def verify(self, epoch: int, said: bytes, signature: bytes) -> None:
        """Check that the sender signed header and body.

        Raises
        ------
        FrameError
            If it did not.
        """
        try:
            self._key.verify(signature, _statement(epoch, said))
        except InvalidSignature as error:
            raise FrameError("the signature is not the coordinator's") from error
