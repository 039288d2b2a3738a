"""Places of a network that grows: where a next bus may hang on."""

from __future__ import annotations

from dataclasses import dataclass

#: First letter of a bus that only deltas feed: its voltage to the earth is nobody's choice.
FLOATING = "f"


@dataclass(frozen=True)
class Zone:
    """What lies between transformers: one voltage, one rating, earthed or not."""

    number: int
    v_v: float
    s_kva: float
    earthed: bool


@dataclass(frozen=True)
class Place:
    """A bus to go on from."""

    bus: str
    nodes: str
    zone: Zone

    @property
    def phases(self) -> str:
        return self.nodes.replace("N", "")
