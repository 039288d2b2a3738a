"""Path loss: named presets, because published models differ by a factor of 70 in range.

A scenario must name one. Each is taken with the constants of its source, including
those that look odd: LoRaSim's code uses the natural logarithm, which makes it the
shortest of all. ``log_distance`` is for constants of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log, log10, pi
from typing import Annotated

from annotated_types import Gt
from pydantic import Field

from gridmodel.settings import Settings

Loss = Callable[[float, float], float]  # (distance in m, frequency in MHz) -> dB

_LIGHT_M_PER_S = 299_792_458.0
#: Two radios are never nearer to each other than this: no model holds there. [m]
NEAREST_M = 3.0


class LogDistance(Settings):
    """Path loss that grows with the logarithm of distance, by constants of one's own."""

    loss_db: Annotated[float, Gt(0.0)] = Field(description="loss at the reference distance")
    at_m: Annotated[float, Gt(0.0)] = Field(1000.0, description="the reference distance")
    exponent: Annotated[float, Gt(0.0)] = Field(
        description="of distance: 2 in free space, 2 to 4 over ground"
    )


class Masts(Settings):
    """Heights of antennas, for ``suburban_3gpp``."""

    node_m: Annotated[float, Gt(0.0)] = Field(1.0, description="height of the lower antenna")
    base_m: Annotated[float, Gt(0.0)] = Field(1.0, description="height of the higher antenna")


def _free_space(d_m: float, f_mhz: float) -> float:
    """Friis: no obstacle, no ground."""
    return 20 * log10(4 * pi * d_m * f_mhz * 1e6 / _LIGHT_M_PER_S)


def _log_distance(loss_db: float, at_m: float, exponent: float) -> Loss:
    """Return loss that grows with the logarithm of distance from a reference."""
    return lambda d_m, _: loss_db + 10 * exponent * log10(d_m / at_m)


def _lorasim(d_m: float, _: float) -> float:
    """LoRaSim (Bor et al., 2016): 127.41 dB at 40 m, exponent 2.08, natural logarithm."""
    return 127.41 + 10 * 2.08 * log(d_m / 40.0)


def _suburban_3gpp(masts: Masts) -> Loss:
    """3GPP TR 25.996 suburban macro cell; Meshtasticator has both antennas 1 m high."""
    slope = 44.9 - 6.55 * log10(masts.base_m)
    base_db = 13.82 * log10(masts.base_m)

    def loss(d_m: float, f_mhz: float) -> float:
        return (
            slope * log10(d_m / 1000.0)
            + 45.5
            + (35.46 - 1.1 * masts.node_m) * log10(f_mhz)
            - base_db
            + 0.7 * masts.node_m
        )

    return loss


PATH_LOSS: Mapping[str, Loss] = {
    "free_space": _free_space,
    "lorasim": _lorasim,
    # FLoRa (Slabicki et al., 2018): LoRaSim's constants with the common logarithm.
    "flora_suburban": _log_distance(127.41, 40.0, 2.08),
    # Petajajarvi et al., 2015, measured in Oulu; their shadowing is 7.8 dB.
    "oulu": _log_distance(128.95, 1000.0, 2.32),
    # signetlabdei's LoRaWAN module for ns-3: 7.7 dB at 1 m, exponent 3.76.
    "ns3_lorawan": _log_distance(7.7, 1.0, 3.76),
    "suburban_3gpp": _suburban_3gpp(Masts()),
}


#: What ``path_loss`` may be.
MODELS = (*PATH_LOSS, "log_distance")


def loss_of(name: str, own: LogDistance | None = None, masts: Masts | None = None) -> Loss:
    """Return a path loss by name.

    Parameters
    ----------
    name : str
        One of `MODELS`.
    own : LogDistance or None
        Constants of ``log_distance``.
    masts : Masts or None
        Heights for ``suburban_3gpp``; both 1 m if left out.

    Raises
    ------
    ValueError
        If a block is missing that the name needs, or there is one it does not take.
    """
    if (name == "log_distance") != (own is not None):
        problem = "needs" if own is None else "takes no"
        raise ValueError(f"path loss {name} {problem} log_distance: {{loss_db, at_m, exponent}}")
    if masts is not None and name != "suburban_3gpp":
        raise ValueError(f"path loss {name} takes no masts; suburban_3gpp does")
    if own is not None:
        return _log_distance(own.loss_db, own.at_m, own.exponent)
    return PATH_LOSS[name] if masts is None else _suburban_3gpp(masts)


def range_m(loss: Loss, budget_db: float, f_mhz: float) -> float:
    """Return the distance at which a link budget is used up. [m]

    Examples
    --------
    >>> [round(range_m(PATH_LOSS[name], 147.25, 868.1)) for name in ("lorasim", "oulu")]
    [104, 6148]
    """
    low, high = 1e-3, 1e7
    for _ in range(80):  # bisection on the logarithm: loss rises with distance
        middle = (low * high) ** 0.5
        low, high = (middle, high) if loss(middle, f_mhz) < budget_db else (low, middle)
    return low
