"""Mixes of spreading factors in a cell: how many nodes each bears, and how delivery falls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gridmodel.wire.lora import Modem
from simulators.radio.path_loss import PATH_LOSS, range_m
from simulators.radio.uplink import Capacity, UplinkConfig, capacity, study

#: The mix that gives each node the lowest spreading factor that reaches.
LOWEST = "lowest"
#: Where a curve ends. [pu]
_LITTLE_PU = 0.25
_SLOWEST = 12


@dataclass(frozen=True)
class Mix:
    """What a cell is like with one mix.

    Parameters
    ----------
    name : str
        ``sf7`` to ``sf12``, or ``lowest``.
    range_m : float
        How far its slowest spreading factor reaches. [m]
    capacity : Capacity
        The most nodes with enough delivered.
    curve : tuple of (int, float)
        Nodes and the part of their packets that is delivered. [pu]
    """

    name: str
    range_m: float
    capacity: Capacity
    curve: tuple[tuple[int, float], ...]

    @property
    def alone_pu(self) -> float:
        """Delivery of a node that has the cell to itself: what range and fading leave. [pu]"""
        return self.capacity.tried[0][1]

    def as_json(self) -> dict[str, Any]:
        """Return it by stable names."""
        return {
            "range_m": self.range_m,
            "nodes": self.capacity.nodes,
            "delivery_pu": self.capacity.delivery_pu,
            "alone_pu": self.alone_pu,
            "packets_per_h": self.capacity.per_hour,
            "limited": self.capacity.limited,
            "curve": [{"nodes": nodes, "delivery_pu": pu} for nodes, pu in self.curve],
        }


def study_mixes(
    names: Sequence[str],
    modem: Modem,
    cell: Mapping[str, Any],
    target_pu: float,
    most_nodes: int,
    seed: int,
) -> list[Mix]:
    """Return what a cell bears by mix.

    Parameters
    ----------
    names : sequence of str
        The mixes.
    modem : Modem
        Everything but the spreading factor.
    cell : mapping
        Other settings of `UplinkConfig`.
    target_pu : float
        Least part of packets delivered. [pu]
    most_nodes, seed : int
        Where the search ends; of all that is drawn.
    """
    found = []
    for name in names:
        sf = _SLOWEST if name == LOWEST else int(name.removeprefix("sf"))
        tuned = modem.model_copy(update={"spreading_factor": sf})
        chosen: dict[str, Any] = {"spreading_factor": LOWEST} if name == LOWEST else {}
        config = UplinkConfig(modem=tuned, **chosen, **cell)
        window_s = max(3600.0, 3 * config.period_s)
        budget = tuned.tx_power_dbm - tuned.sensitivity_dbm(config.noise_figure_db)
        found.append(
            Mix(
                name,
                range_m(PATH_LOSS[config.path_loss], budget, tuned.frequency_mhz),
                capacity(config, target_pu, window_s, most_nodes=most_nodes, seed=seed),
                _curve(config, window_s, most_nodes, seed),
            )
        )
    return found


def _curve(
    config: UplinkConfig, window_s: float, most_nodes: int, seed: int
) -> tuple[tuple[int, float], ...]:
    found: list[tuple[int, float]] = []
    counts = [step * 10**decade for decade in range(1, len(str(most_nodes))) for step in (1, 2, 5)]
    for nodes in [n for n in counts if n <= most_nodes] or [1, most_nodes]:
        if not found or found[-1][1] > _LITTLE_PU:
            found.append((nodes, study(config, nodes, window_s, seed).delivery_pu))
    return tuple(found)
