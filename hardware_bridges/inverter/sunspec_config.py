"""Settings of inverters that speak SunSpec."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le
from pydantic import Field

from gridmodel.settings import Settings

Seconds = Annotated[float, Gt(0.0), Le(3600.0)]


class SunSpecConfig(Settings):
    """An inverter reached by SunSpec over Modbus TCP."""

    host: str = Field("127.0.0.1", description="address of the inverter (IPv4 or a name)")
    port: Annotated[int, Ge(1), Le(65535)] = Field(502, description="TCP port of the inverter")
    unit_id: Annotated[int, Ge(1), Le(247)] = Field(1, description="Modbus unit behind it")
    timeout_s: Seconds = Field(0.5, description="longest wait of one call of a step")
    retry_first_s: Seconds = Field(0.5, description="pause after the first loss; doubles")
    retry_most_s: Seconds = Field(30.0, description="longest pause between two attempts")
    hold_s: Seconds = Field(10.0, description="the last state stands in for a lost link so long")
    reversion_s: Annotated[int, Ge(0), Le(86400)] = Field(
        120, description="without a word from us the inverter goes back after this; 0 never"
    )
    enter_service: bool = Field(False, description="permit it to enter service (703) at connection")
    discharge_is_negative: bool = Field(
        False, description="the device's signs are against SunSpec's: charging is positive"
    )


class EmulatedInverterConfig(Settings):
    """An emulated SunSpec inverter on this host, and the client that reads it."""

    port: Annotated[int, Ge(0), Le(65535)] = Field(0, description="TCP port; 0 takes a free one")
    unit_id: Annotated[int, Ge(1), Le(247)] = Field(1, description="Modbus unit")
    p_rated_kw: Annotated[float, Gt(0.0)] = Field(5.0, description="rating, charge and discharge")
    e_rated_kwh: Annotated[float, Gt(0.0)] = Field(13.5, description="energy of a full battery")
    timeout_s: Seconds = Field(2.0, description="longest wait of one call of a step")
    hold_s: Seconds = Field(10.0, description="the last state stands in for a lost link so long")
    reversion_s: Annotated[int, Ge(0), Le(86400)] = Field(
        120, description="without a word from us the inverter goes back after this; 0 never"
    )
