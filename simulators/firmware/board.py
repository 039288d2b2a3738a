"""Boards: what the hardware of a fleet of nodes adds to their programs' lives.

A crystal that is a little fast or slow, a power supply that bridges so much and no more,
a boot that takes its time, a watchdog, a flash that wears, and a processor's budget. With
the default settings a board is ideal: it has a battery, boots at once, never drifts.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray
from pydantic import Field

from gridmodel.kpi import Kpi
from gridmodel.settings import Settings
from gridmodel.units import microseconds

NonNegative = Annotated[float, Ge(0.0)]
Positive = Annotated[float, Gt(0.0)]
_YEAR_US = round(365.25 * 86_400e6)
#: Never.
NEVER_US = int(np.iinfo(np.int64).max)


class Flash(Settings):
    """Where programs keep what must survive; written in whole pages, spread over all of them."""

    page_bytes: Annotated[int, Gt(0)] = Field(4096, description="written at once")
    page_count: Annotated[int, Gt(0)] = Field(256, description="pages that writes are spread over")
    endurance_count: Annotated[int, Gt(0)] = Field(
        100_000, description="writes that a page bears; NOR flash"
    )


class Enclosure(Settings):
    """What warms the contacts: losses grow with the square of the current."""

    ambient_c: float = Field(25.0, description="around the enclosure")
    rise_c: Positive = Field(30.0, description="above that in the end, at `rise_at_a`")
    rise_at_a: Positive = Field(40.0, description="current of that rise")
    lag_s: Positive = Field(900.0, description="time constant of the warming")


class BoardConfig(Settings):
    """A node's board."""

    clock_ppm: NonNegative = Field(
        0.0, description="spread of the nodes' crystals, standard deviation; 10 to 30 is usual"
    )
    hold_up_s: NonNegative | None = Field(
        None, description="so long a node lives without mains; null: it has a battery"
    )
    v_brownout_pu: Positive = Field(0.6, description="below this its power supply gives up")
    boot_s: NonNegative = Field(0.0, description="from power to the program's first step")
    rest: Literal["hold", "open"] = Field(
        "hold", description="contacts without power: latching relays hold, contactors open"
    )
    watchdog_s: Positive = Field(30.0, description="a program that hangs is started anew after")
    enclosure: Enclosure | None = Field(None, description="there is a thermometer by the contacts")
    flash: Flash | None = Field(None, description="what programs keep survives a loss of power")
    step_us: NonNegative = Field(
        180.0, description="processor time of a step, for the budget; see the benchmarks"
    )


class Boards:
    """Boards of a fleet.

    Parameters
    ----------
    config : BoardConfig
        What they are like.
    count : int
        How many.
    v_nominal_v : float
        Nominal voltage of their supply. [V]
    generator : numpy.random.Generator or None
        Draws the crystals; None if they are ideal.
    """

    def __init__(
        self,
        config: BoardConfig,
        count: int,
        v_nominal_v: float,
        generator: np.random.Generator | None,
    ) -> None:
        self.config = config
        ppm = config.clock_ppm * generator.standard_normal(count) if generator else np.zeros(count)
        #: Parts in 1e9 that each crystal is fast.
        self._fast: list[int] = np.rint(1e3 * ppm).astype(np.int64).tolist()
        self.drifts = any(self._fast)
        self._v_low_v = config.v_brownout_pu * v_nominal_v
        self._dark_us = np.full(count, NEVER_US)  # since when the mains are away
        self._off = np.zeros(count, dtype=np.bool_)
        self._steps = np.zeros(count, dtype=np.int64)
        self._brownout_count = 0
        self._hang_count = 0
        self._temp_c = np.full(count, config.enclosure.ambient_c if config.enclosure else 0.0)
        self._warmed_us = 0

    def local_us(self, node: int, t_us: int) -> int:
        """Return what a node's clock shows. [us]"""
        return t_us + t_us * self._fast[node] // 10**9

    def true_us(self, node: int, local_us: int) -> int:
        """Return the first instant at which a node's clock shows a time. [us]"""
        fast = self._fast[node]
        if not fast or local_us >= NEVER_US:
            return local_us
        t_us = local_us * 10**9 // (10**9 + fast) - 1
        while self.local_us(node, t_us) < local_us:
            t_us += 1
        return t_us

    def powered(self, t_us: int, v_v: NDArray[np.float64]) -> tuple[list[int], list[int]]:
        """Take the voltages; return nodes that lose power now, and those that get it back.

        Parameters
        ----------
        v_v : ndarray, shape (n_node,)
            Voltage at each node's supply. [V]
        """
        if self.config.hold_up_s is None:
            return [], []
        low = v_v < self._v_low_v
        self._dark_us[low & (self._dark_us == NEVER_US)] = t_us
        self._dark_us[~low] = NEVER_US
        hold_us = microseconds(self.config.hold_up_s)
        empty = low & (t_us - np.where(low, self._dark_us, t_us) >= hold_us)
        lost = np.flatnonzero(empty & ~self._off).tolist()
        back = np.flatnonzero(~low & self._off).tolist()
        self._off[lost], self._off[back] = True, False
        self._brownout_count += len(lost)
        return lost, back

    def warm(self, t_us: int, i_a: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take the currents since the last call; return the temperatures, (n_node,). [deg C]

        A first-order lag, exact for a current that is constant in between.
        """
        enclosure = self.config.enclosure
        assert enclosure is not None
        end_c = enclosure.ambient_c + enclosure.rise_c * (i_a / enclosure.rise_at_a) ** 2
        left = np.exp(-(t_us - self._warmed_us) / 1e6 / enclosure.lag_s)
        self._temp_c = end_c + (self._temp_c - end_c) * left
        self._warmed_us = t_us
        return self._temp_c

    def is_off(self, node: int) -> bool:
        """Return whether a node has no power."""
        return bool(self._off[node])

    def ran(self, node: int) -> None:
        """Count a step of a program."""
        self._steps[node] += 1

    def hung(self) -> None:
        """Count a program that hangs."""
        self._hang_count += 1

    def kpis(self, t_us: int, write_counts: Iterable[int]) -> tuple[Kpi, ...]:
        """Return what the boards went through, and what is left of their budgets."""
        t_us = max(t_us, 1)
        busiest = int(self._steps.max(initial=0))
        cpu_pu = busiest * self.config.step_us / t_us
        found = [Kpi("cpu_pu", cpu_pu, f"busiest processor, at {self.config.step_us:g} us a step")]
        if self.config.hold_up_s is not None:
            found.append(Kpi("brownout_count", self._brownout_count, "nodes that lost power"))
        if self._hang_count:
            found.append(Kpi("watchdog_count", self._hang_count, "programs started anew"))
        flash = self.config.flash
        if flash is not None:
            most = max(write_counts, default=0)
            found.append(Kpi("flash_write_count", most, "writes of the node that writes most"))
            life_writes = flash.page_count * flash.endurance_count
            years = life_writes * t_us / max(most, 1) / _YEAR_US
            found.append(Kpi("flash_life_years", years, "life of its flash at that rate"))
        return tuple(found)

    def snapshot(self) -> Any:
        """Return the dynamic state."""
        names = (
            "_dark_us", "_off", "_steps", "_brownout_count", "_hang_count", "_temp_c", "_warmed_us",
        )  # fmt: skip
        return copy.deepcopy({name: getattr(self, name) for name in names})

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        vars(self).update(copy.deepcopy(state))
