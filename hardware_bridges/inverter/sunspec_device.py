"""Emulated SunSpec inverter: what its registers say and do, without a network.

The simulation gives it the truth and takes its set-point. It acts on 703 (permit to enter
service) and on 704's active power set-point with its reversion timer, which counts in the
simulation's time; all other settings are kept and shown.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

from gridmodel.inverter_scale import (
    INT16_MAX,
    UINT16_MAX,
    InverterScale,
    from_raw,
    to_raw,
)
from gridmodel.ports import InverterState
from hardware_bridges.inverter.sunspec_defaults import defaults
from hardware_bridges.inverter.sunspec_image import BASE_ADDRESS, SunSpecImage

WATTS = 1
RUNNING, STANDBY = 3, 7
S_US = 1_000_000


class InverterTruth(NamedTuple):
    """What the simulation knows of the inverter.

    Parameters
    ----------
    t_us : int
        Instant. [us]
    state : InverterState
        Power, state of charge, limit, energy.
    v_v, f_hz : float
        Voltage and frequency at its terminals. [V], [Hz]
    connected : bool
        Whether it is on the grid.
    """

    t_us: int
    state: InverterState
    v_v: float = 230.0
    f_hz: float = 50.0
    connected: bool = True


class EmulatedSunSpecDevice:
    """Registers of a battery inverter. Safe to use from two threads.

    Parameters
    ----------
    p_rated_kw : float
        Rating for charge and for discharge. [kW]
    e_rated_kwh : float
        Energy of the full battery. [kWh]
    unit_id : int
        Modbus unit.
    """

    def __init__(self, p_rated_kw: float, e_rated_kwh: float, unit_id: int = 1) -> None:
        self.scale = InverterScale.for_rating(p_rated_kw, e_rated_kwh)
        self.image = SunSpecImage(defaults(p_rated_kw, e_rated_kwh, unit_id, self.scale))
        self._lock = threading.Lock()
        self._now_us = 0
        self._reversion_us: int | None = None
        self._w_max = self.image.number(702, "WMax") or 0
        self._set_point = self.image.place(704, "WSetEna").address
        self._set_point_end = self.image.place(704, "WSetRvrtTms").address + 2

    def set(self, truth: InverterTruth) -> None:
        """Take over what the simulation knows; a reversion that is due happens now."""
        with self._lock:
            self._now_us = truth.t_us
            self._count_down()
            self._show(truth)

    @property
    def p_set_kw(self) -> float | None:
        """Power wanted of it, discharge positive; None while nobody sets it. [kW]"""
        with self._lock:
            number = self.image.number
            if number(704, "WSetEna") != 1 or number(703, "ES") == 0:
                return None
            if number(704, "WSetMod") == WATTS:
                return from_raw(number(704, "WSet") or 0, self.scale.w_set_power - 3)
            part_pct = from_raw(number(704, "WSetPct") or 0, number(704, "WSetPct_SF") or 0)
            return part_pct / 100.0 * from_raw(self._w_max, self.scale.w_power - 3)

    def read(self, address: int, count: int) -> list[int]:
        """Return registers; the caller has checked that they exist."""
        at = address - BASE_ADDRESS
        with self._lock:
            return self.image.registers[at : at + count]

    def write(self, address: int, values: Sequence[int]) -> None:
        """Take over registers that may be written; the caller has checked that they may."""
        at = address - BASE_ADDRESS
        with self._lock:
            self.image.registers[at : at + len(values)] = values
            if address < self._set_point_end and address + len(values) > self._set_point:
                seconds = self.image.number(704, "WSetRvrtTms")
                self._reversion_us = self._now_us + seconds * S_US if seconds else None
                self._count_down()

    def _count_down(self) -> None:
        """Show the time left before reversion, and revert when there is none."""
        if self._reversion_us is None:
            self.image.put(704, "WSetRvrtRem", 0)
            return
        left_us = self._reversion_us - self._now_us
        self.image.put(704, "WSetRvrtRem", max(-(-left_us // S_US), 0))
        if left_us <= 0:
            self._reversion_us = None
            for point in ("WSetEna", "WSet", "WSetPct"):
                self.image.put(704, point, self.image.number(704, _REVERSION_OF[point]))

    def _show(self, truth: InverterTruth) -> None:
        put, scale, state = self.image.put, self.scale, truth.state
        watt = to_raw(1e3 * state.p_kw, scale.w_power, INT16_MAX, -INT16_MAX)
        volt = to_raw(truth.v_v, -1, UINT16_MAX)
        put(701, "ConnSt", int(truth.connected))
        put(701, "InvSt", RUNNING if truth.connected else STANDBY)
        for model, point in ((701, "W"), (701, "WL1"), (714, "DCW"), (714, "Prt.0.DCW")):
            put(model, point, watt)
        for point in ("LNV", "VL1"):
            put(701, point, volt)
        put(701, "Hz", to_raw(truth.f_hz, -3, UINT16_MAX))
        put(702, "WDisChaRteMax", to_raw(1e3 * state.p_max_kw, scale.w_power, UINT16_MAX))
        energy_wh = 1e3 * state.e_kwh
        put(713, "WHRtg", to_raw(energy_wh, scale.wh_power, UINT16_MAX))
        put(713, "WHAvail", to_raw(energy_wh * state.soc_pu, scale.wh_power, UINT16_MAX))
        put(713, "SoC", to_raw(1e2 * state.soc_pu, scale.pct_power, UINT16_MAX))


_REVERSION_OF = {"WSetEna": "WSetEnaRvrt", "WSet": "WSetRvrt", "WSetPct": "WSetPctRvrt"}
