"""Wiring: what a meter takes of its board."""

from __future__ import annotations

from hardware_bridges.claims import Claim, ClaimError, Claims
from hardware_bridges.meter.config import SampledMeterConfig


def claimed(config: SampledMeterConfig, owner: str, claims: Claims) -> tuple[Claim, ...]:
    """Take a meter's two channels; several meters may look at one voltage.

    Raises
    ------
    ClaimError
        If somebody has the chip's place on the bus, or the clamp's channel.
    """
    current = claims.take(config.where, owner, f"channel {config.i_channel}", config.chip)
    try:
        voltage = claims.take(
            config.where, owner, f"channel {config.v_channel}", config.chip, shared=True
        )
    except ClaimError:
        claims.give_back([current])
        raise
    return current, voltage
