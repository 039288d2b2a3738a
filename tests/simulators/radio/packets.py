"""Packets and places that the tests of the air share."""

from __future__ import annotations

#: Two frames of 20 bytes.
A, B = b"A" * 20, b"B" * 20
#: Airtime of such a frame as a radio sends it if told nothing. [us]
SF7_20_BYTES_US = 56_576
#: Two senders at the same distance from a receiver between them. [m]
TRIANGLE = {"a": 0.0, "b": 200.0, "receiver": 100.0}
#: Thirty places, 30 m apart. [m]
ROW = {f"n{k}": 30.0 * k for k in range(30)}
