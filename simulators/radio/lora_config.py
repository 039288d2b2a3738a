"""Settings of the air of a neighbourhood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import Field

from gridmodel.settings import Settings
from gridmodel.wire.cells import CellPlan
from gridmodel.wire.lora import SYNC_SYMBOLS, Modem
from simulators.radio.clear_channel import ListenBeforeTalk
from simulators.radio.energy import EnergyConfig
from simulators.radio.isolation import MATRICES
from simulators.radio.path_loss import MODELS, LogDistance, Masts
from simulators.radio.sensitivity import SENSITIVITIES


class RadiosConfig(Settings):
    """Radios of one fleet of nodes, one at each customer."""

    at: tuple[str, ...] | None = Field(None, description="customers; all of them if left out")
    listen: Modem = Field(Modem(), description="what its receivers are tuned to")
    idle: Literal["receive", "standby", "sleep"] | None = Field(
        None,
        description="as energy.idle, which it replaces; only 'receive' hears anything",
        exclude_if=lambda value: value is None,  # runs from before it was there stay what they are
    )
    every_cell: bool = Field(
        False, description="a radio for every cell at each place, as coordinators have"
    )


class LoraConfig(Settings):
    """The neighbourhood's air."""

    path_loss: str = Field(description=f"one of {', '.join(MODELS)}; see the range it gives")
    log_distance: LogDistance | None = Field(None, description="constants of log_distance")
    masts: Masts | None = Field(None, description="heights for suburban_3gpp; 1 m if left out")
    cells: CellPlan = Field(CellPlan(), description="how customers share channels")
    fleets: Mapping[str, RadiosConfig] = Field(description="radios, by name of their federate")
    shadowing_db: Annotated[float, Ge(0.0)] = Field(
        0.0, description="spread of a link's loss around the preset, drawn once"
    )
    fading: Literal["none", "rayleigh"] = Field(
        "none", description="of each packet at each radio around its mean power"
    )
    drop_pu: Annotated[float, Ge(0.0), Le(1.0)] = Field(
        0.0, description="receptions lost for no reason modelled here"
    )
    noise_figure_db: Annotated[float, Ge(0.0)] = Field(6.0, description="of the receivers")
    sensitivity: str = Field(
        "snr_floor", description=f"weakest signal: one of {', '.join(SENSITIVITIES)}"
    )
    isolation: str = Field(
        "none", description=f"between spreading factors: one of {', '.join(MATRICES)}"
    )
    capture_db: Annotated[float, Ge(0.0)] | None = Field(
        None,
        description="a packet survives others of its spreading factor that are weaker by this; "
        "the matrix's own if left out: 1 for croce, else 6",
    )
    sync_symbols_count: Annotated[int, Ge(0)] = Field(
        SYNC_SYMBOLS, description="last symbols of the preamble that must be unharmed"
    )
    neighbour_margin_db: Annotated[float, Ge(0.0)] = Field(
        30.0, description="radios this far below the floor are not looked at"
    )
    over_limit: Literal["refuse", "queue"] = Field(
        "refuse", description="what becomes of a packet that may not be sent now"
    )
    queue_count: Annotated[int, Ge(1)] = Field(16, description="packets that may wait at a radio")
    listen_before_talk: ListenBeforeTalk | None = Field(
        None, description="how radios listen before they talk; not at all if left out"
    )
    energy: EnergyConfig | None = Field(
        None, description="what the radios run on; not counted if left out"
    )
    report_s: Annotated[float, Ge(0.001)] = Field(60.0, description="step of the channel's figures")
