"""A street of inverters for tests: an anchor, PV plants and load, held until they change."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridmodel.neighbourhood import Neighbourhood
from simulators.inverters.island import Island, IslandConfig
from tests.simulators.bench import S, context, step

HOUSES = 13
#: Ratings of the street's four plants. [kVA]
RATINGS = (40.0, 78.381, 23.0, 19.0)
F0 = 50.0


def island(network: Neighbourhood, anchor: dict[str, Any] | None = None, **settings: Any) -> Island:
    """Return the federate with an anchor of 150 kVA, unless told otherwise."""
    anchor = {"house": "house_02", "s_kva": 150.0} | (anchor or {})
    return Island.build(IslandConfig(anchor=anchor, **settings), context(network))


class Street:
    """A street that the grid has just left: its anchor forms the island from now on.

    Parameters
    ----------
    network : Neighbourhood
        The street.
    anchor : dict
        The anchor's settings.
    load_kw : float
        Power the customers take at nominal frequency, shared evenly. [kW]
    sun_kw : sequence of float
        What each plant's panels offer. [kW]
    battery_kw : float
        Rated power of the battery; it can give and take all of it. [kW]
    soc_pu : float
        Its state of charge.
    loss_kw : float
        Loss in the cables. [kW]
    """

    def __init__(
        self,
        network: Neighbourhood,
        anchor: dict[str, Any] | None = None,
        load_kw: float = 0.0,
        sun_kw: tuple[float, ...] = (0.0,) * 4,
        battery_kw: float = 1e3,
        soc_pu: float = 0.5,
        loss_kw: float = 0.0,
        **settings: Any,
    ) -> None:
        self.part = island(network, anchor, **settings)
        self.t_us = 0
        self.held: dict[str, Any] = {
            "grid_v_pu": 1.0, "grid_f_hz": network.f_nominal_hz, "grid_angle_deg": 0.0,
            "tied": True, "form": False, "soc_pu": soc_pu, "p_rated_kw": battery_kw,
            "p_discharge_max_kw": battery_kw, "p_charge_max_kw": battery_kw,
            "p_available_kw": np.array(sun_kw), "households_p_kw": -load_kw / HOUSES,
            "island_loss_kw": loss_kw, "grid_loss_kw": loss_kw,
        }  # fmt: skip
        self.sent = step(self.part, 0, **self.held)
        self.step()  # one interval on the grid, for the plants to be at work
        self.held |= {"tied": False, "form": True, "grid_v_pu": 0.0}

    def step(self, **changed: Any) -> dict[str, Any]:
        """Change what is held and let one period pass."""
        if "load_kw" in changed:
            changed["households_p_kw"] = -changed.pop("load_kw") / HOUSES
        self.held |= changed
        self.t_us += self.part.period_us
        self.sent = step(self.part, self.t_us, **self.held)
        return self.sent

    def until(self, t_s: float, **changed: Any) -> dict[str, Any]:
        """Change what is held and let time pass; return what was sent last."""
        self.held |= changed
        while self.t_us < round(t_s * S):
            self.step()
        return self.sent

    @property
    def dev_hz(self) -> float:
        """Frequency over nominal. [Hz]"""
        return float(self.sent["f_hz"]) - self.part._f0
