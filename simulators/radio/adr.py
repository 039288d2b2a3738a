"""Adaptive data rate: the reference algorithm of LoRaWAN network servers.

After Semtech's "LoRaWAN - simple rate adaptation recommended algorithm", as The Things
Network documents it: the best signal-to-noise ratio of the last 20 uplinks, less the floor
of the spreading factor and a margin, is spent in steps of 3 dB: first on a lower spreading
factor, then on less power. A server never raises the spreading factor; the device does so
itself when it hears nothing for long (`after_silence`).
"""

from __future__ import annotations

from dataclasses import dataclass

from gridmodel.wire.lora import SNR_FLOOR_DB

#: Uplinks whose best signal decides.
HISTORY = 20
#: What one step is worth. [dB]
STEP_DB = 3.0
SF_LEAST, SF_MOST = 7, 12
#: Uplinks without any downlink after which a device asks for one, and how many more it
#: waits before each step of its own (LoRaWAN 1.0.4: ADR_ACK_LIMIT, ADR_ACK_DELAY).
ASK_AFTER, THEN_EVERY = 64, 32


@dataclass(frozen=True, slots=True)
class Rate:
    """A spreading factor and a power. [dBm]"""

    spreading_factor: int
    power_dbm: float


def adapted(
    rate: Rate,
    snr_best_db: float,
    power_least_dbm: float,
    power_most_dbm: float,
    margin_db: float = 10.0,
) -> Rate:
    """Return the rate the server asks for.

    Parameters
    ----------
    rate : Rate
        What the uplinks were sent with.
    snr_best_db : float
        Best signal-to-noise ratio among them. [dB]
    power_least_dbm, power_most_dbm : float
        Bounds of the power. [dBm]
    margin_db : float
        Kept for fading. [dB]

    Examples
    --------
    >>> adapted(Rate(12, 14.0), 5.0, 2.0, 14.0)  # 15 dB to spare are 5 steps
    Rate(spreading_factor=7, power_dbm=14.0)
    """
    sf, power = rate.spreading_factor, rate.power_dbm
    steps = int((snr_best_db - SNR_FLOOR_DB[sf] - margin_db) / STEP_DB)
    lower = max(min(steps, sf - SF_LEAST), 0)
    sf, steps = sf - lower, steps - lower
    while steps > 0 and power > power_least_dbm:
        power, steps = max(power - STEP_DB, power_least_dbm), steps - 1
    while steps < 0 and power < power_most_dbm:
        power, steps = min(power + STEP_DB, power_most_dbm), steps + 1
    return Rate(sf, power)


def after_silence(rate: Rate, unanswered: int, power_most_dbm: float) -> Rate:
    """Return what a device sends with after uplinks without any downlink."""
    steps, rest = divmod(unanswered - ASK_AFTER, THEN_EVERY)
    if steps < 1 or rest:
        return rate
    if rate.power_dbm < power_most_dbm:
        return Rate(rate.spreading_factor, power_most_dbm)
    return Rate(min(rate.spreading_factor + 1, SF_MOST), rate.power_dbm)
