"""Settings of a star of gateways and devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import Field

from gridmodel.errors import Fault
from gridmodel.settings import Settings, near
from gridmodel.wire.cells import CellPlan
from gridmodel.wire.lora import LONGEST_BYTES, Modem
from simulators.radio.adr import Rate
from simulators.radio.isolation import MATRICES
from simulators.radio.terrain import Terrain


class StarRadios(Settings):
    """Radios of one fleet of nodes, one at each customer."""

    at: tuple[str, ...] | None = Field(None, description="customers; all of them if left out")
    every_cell: bool = Field(
        False, description="a radio for every cell at each place, as coordinators have"
    )
    device_class: Literal["A", "C"] = Field(
        "A", description="A listens after its own packets only, C whenever it does not send"
    )
    confirmed: bool = Field(False, description="uplinks are acknowledged, and repeated if not")
    adr: bool = Field(True, description="the server sets spreading factor and power")


class StarConfig(Terrain):
    """Gateways, devices, and the air between them (LoRaWAN-like, EU868 channels)."""

    gateways: str = Field(description="the fleet whose radios are gateways")
    fleets: Mapping[str, StarRadios] = Field(description="radios, by name of their federate")
    cells: CellPlan = Field(CellPlan(), description="how customers share addresses")
    modem: Modem = Field(
        Modem(spreading_factor=12),
        description="what devices start with, SF12 if left out; its power is the most",
    )
    channels_mhz: tuple[float, ...] = Field(
        (868.1, 868.3, 868.5), min_length=1, description="drawn for each uplink"
    )
    rx1_s: Annotated[float, Ge(1.0)] = Field(
        1.0, description="from an uplink's end to the first window, at the uplink's settings"
    )
    rx2: Modem = Field(
        Modem(spreading_factor=12, frequency_mhz=869.525),
        description="of the second window, one second later, and of class C",
    )
    gateway_power_dbm: Annotated[float, Le(27.0)] = Field(14.0, description="of downlinks")
    demodulators: Annotated[int, Ge(1)] = Field(8, description="packets a gateway receives at once")
    tries: Annotated[int, Ge(1), Le(15)] = Field(8, description="of a confirmed uplink, at most")
    queue: Annotated[int, Ge(1)] = Field(8, description="frames that wait at or for a device")
    header_bytes: Annotated[int, Ge(0), Le(100)] = Field(
        13, description="of LoRaWAN around each frame, its check included"
    )
    command_bytes: Annotated[int, Ge(0), Le(15)] = Field(
        5, description="of the server's command to change rate"
    )
    margin_db: Annotated[float, Ge(0.0)] = Field(10.0, description="kept by adaptive data rate")
    power_least_dbm: float = Field(2.0, description="adaptive data rate goes no lower")
    isolation: str = Field("croce", description=f"one of {', '.join(MATRICES)}")
    capture_db: Annotated[float, Ge(0.0)] | None = Field(
        None, description="among packets of one spreading factor; the matrix's own if left out"
    )
    report_s: Annotated[float, Ge(0.001)] = Field(60.0, description="step of the star's figures")

    @property
    def room_bytes(self) -> int:
        """Greatest frame that fits a downlink together with a command. [B]"""
        return LONGEST_BYTES - self.header_bytes - self.command_bytes

    def tuned(self, rate: Rate, frequency_mhz: float) -> Modem:
        """Return a device's modem at a rate on a channel."""
        return self.modem.model_copy(
            update={
                "spreading_factor": rate.spreading_factor,
                "tx_power_dbm": rate.power_dbm,
                "frequency_mhz": frequency_mhz,
            }
        )

    def faults(self, where: str) -> list[Fault]:
        """Return what is wrong, places aside."""
        faults = super().faults(where)
        if self.gateways not in self.fleets:
            problem = f"'{self.gateways}' is none of its fleets."
            faults.append(Fault(where, "gateways", problem, near(self.gateways, self.fleets)))
        elif self.fleets[self.gateways].at == ():
            problem = f"'{self.gateways}' has no radio."
            faults.append(Fault(where, "gateways", problem, "Name customers by 'at'."))
        if self.isolation not in MATRICES:
            problem = f"'{self.isolation}' is no isolation table."
            faults.append(Fault(where, "isolation", problem, near(self.isolation, MATRICES)))
        down = {"tx_power_dbm": self.gateway_power_dbm}
        modems = [("rx2", self.rx2.model_copy(update=down))]
        for f_mhz in self.channels_mhz:
            tuned = self.modem.model_copy(update={"frequency_mhz": f_mhz})
            modems += [("channels_mhz", tuned), ("channels_mhz", tuned.model_copy(update=down))]
        for key, modem in modems:
            try:
                modem.rule()
            except ValueError as error:
                faults.append(Fault(where, key, str(error)))
        return faults
