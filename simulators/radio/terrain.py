"""Terrain: how much of a radio's power arrives, as studies and meshes are told it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray
from pydantic import Field

from gridmodel.errors import Fault
from gridmodel.settings import Settings, near
from gridmodel.wire.lora import Modem
from simulators.radio.path_loss import (
    MODELS,
    NEAREST_M,
    LogDistance,
    Loss,
    Masts,
    loss_of,
    range_m,
)

Array = NDArray[np.float64]


class Terrain(Settings):
    """Path loss between radios, and the noise of their receivers."""

    path_loss: str = Field(description=f"one of {', '.join(MODELS)}; see the range it gives")
    log_distance: LogDistance | None = Field(None, description="constants of log_distance")
    masts: Masts | None = Field(None, description="heights for suburban_3gpp; 1 m if left out")
    shadowing_db: Annotated[float, Ge(0.0)] = Field(
        0.0, description="spread of a link's loss around the preset, drawn once"
    )
    noise_figure_db: Annotated[float, Ge(0.0)] = Field(6.0, description="of the receivers")

    def loss(self) -> Loss:
        """Return the path loss.

        Raises
        ------
        ValueError
            If it lacks its constants; `faults` says so before.
        """
        return loss_of(self.path_loss, self.log_distance, self.masts)

    def losses_db(self, distance_m: Array, f_mhz: float) -> Array:
        """Return the loss at each distance, without shadowing. [dB]"""
        loss = self.loss()
        flat = [loss(max(d_m, NEAREST_M), f_mhz) for d_m in distance_m.ravel().tolist()]
        return np.array(flat).reshape(distance_m.shape)

    def range_m(self, modem: Modem) -> float:
        """Return the distance at which a modem's packet is just demodulated. [m]"""
        budget_db = modem.tx_power_dbm - modem.sensitivity_dbm(self.noise_figure_db)
        return range_m(self.loss(), budget_db, modem.frequency_mhz)

    def faults(self, where: str) -> list[Fault]:
        """Return what is wrong with the path loss."""
        if self.path_loss not in MODELS:
            problem = f"'{self.path_loss}' is no path-loss preset."
            return [Fault(where, "path_loss", problem, near(self.path_loss, MODELS))]
        try:
            self.loss()
        except ValueError as error:
            return [Fault(where, "path_loss", f"{error}.")]
        return []
