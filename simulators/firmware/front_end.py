"""Front end: the converters of a fleet of nodes, and comparators that watch the readings.

A reading is the true value, spoilt by the sensor's faults, in whole steps of the
converter. With ``sampling: sampled`` it is metered instead from the codes that the
converter gives of the spoilt value's wave, by the function that a node's meter uses. A
comparator rings when a reading leaves the bounds that the node's program set, so the
program sleeps until then.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from math import inf
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Gt
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from gridmodel.control import Alarm
from gridmodel.federate import Inputs
from gridmodel.metering import DARK_V, MeterScale
from gridmodel.ports import Measurement
from gridmodel.settings import Settings
from gridmodel.waveform import Waveform
from simulators.firmware.board import NEVER_US
from simulators.firmware.sampled_meters import SampledMeters

Array = NDArray[np.float64]
QUANTITIES = ("v_v", "i_a", "p_kw", "f_hz")
#: Columns of a reading.
VOLTAGE, CURRENT, POWER, FREQUENCY = range(4)


class SensorFault(Settings):
    """A node's reading is wrong: scaled, then shifted."""

    node: str = Field(description="customer of the node")
    quantity: Literal["v_v", "i_a", "p_kw", "f_hz"] = Field(description="the reading")
    scale_pu: float = Field(1.0, description="factor on the true value")
    offset: float = Field(0.0, description="added to it, in the reading's unit")
    for_min: Annotated[float, Gt(0.0)] = Field(description="how long it lasts")


@njit(cache=True)
def _sense(  # noqa: PLR0913  a kernel takes its arrays one by one
    rows: NDArray[np.int64],
    v_v: Array,
    p_kw: Array,
    vehicles_p_kw: Array,
    q_kvar: Array,
    f_hz: Array,
    others: Array,
    on_grid: NDArray[np.bool_],
    wrong: Array,
    truth: Array,
) -> None:
    """Put what each meter looks at into `truth`, spoilt by its sensor's faults.

    Parameters
    ----------
    rows : ndarray, shape (n,)
        The nodes' customers.
    v_v, p_kw, vehicles_p_kw, q_kvar : ndarray, shape (n_customer,)
        Voltage and power at each customer.
    f_hz : ndarray, shape (2,)
        Frequency of the public grid and of the island. [Hz]
    others : ndarray, shape (n_meter - 1, 4)
        True readings of the meters besides the supply's, the same at every node.
    on_grid : ndarray, shape (n,)
        Nodes whose customer is on the public grid by a transfer switch.
    wrong : ndarray, shape (n, 4, 2)
        Factor and offset of each reading of the supply.
    truth : ndarray, shape (n, n_meter, 4)
        Voltage, current, power and frequency of each meter.
    """
    for node in range(rows.shape[0]):
        row = rows[node]
        v = v_v[row]
        power = p_kw[row] + vehicles_p_kw[row]
        supply = truth[node, 0]
        supply[VOLTAGE] = v
        supply[CURRENT] = 1e3 * np.hypot(power, q_kvar[row]) / max(v, DARK_V)
        supply[POWER] = power
        supply[FREQUENCY] = f_hz[0 if on_grid[node] else 1] if v > DARK_V else 0.0
        for kind in range(4):
            supply[kind] = wrong[node, kind, 0] * supply[kind] + wrong[node, kind, 1]
        for meter in range(1, truth.shape[1]):
            truth[node, meter] = others[meter - 1]


@njit(cache=True)
def _round(truth: Array, steps: Array, readings: Array) -> None:
    """Put the truth in whole steps into `readings`; both have shape (n, n_meter, 4)."""
    for node in range(truth.shape[0]):
        for meter in range(truth.shape[1]):
            for kind in range(4):
                step = steps[kind]
                readings[node, meter, kind] = np.rint(truth[node, meter, kind] / step) * step


@njit(cache=True)
def _ring(readings: Array, bounds: Array, due: NDArray[np.bool_]) -> bool:
    """Set `due` where a reading is out of its alarm's bounds; return whether any is."""
    anyone = False
    for node in range(readings.shape[0]):
        for meter in range(readings.shape[1]):
            r, b = readings[node, meter], bounds[node, meter]
            if r[VOLTAGE] < b[0] or r[VOLTAGE] > b[1] or r[FREQUENCY] < b[2] or r[FREQUENCY] > b[3]:
                due[node] = anyone = True
    return anyone


class FrontEnd:
    """Meters of a fleet.

    Parameters
    ----------
    rows : ndarray, shape (n,)
        The nodes' customers.
    meters : sequence of str
        Meters of each node; the first one is the house's supply.
    scale : MeterScale
        Resolution of the converters.
    v_base_v : float
        Nominal voltage, phase to neutral. [V]
    """

    def __init__(
        self, rows: NDArray[np.int64], meters: Sequence[str], scale: MeterScale, v_base_v: float
    ) -> None:
        n = len(rows)
        self._rows = rows
        self._meters = tuple(meters)
        self._steps = scale.steps
        self._v_base_v = v_base_v
        self._truth = np.zeros((n, len(meters), 4))
        self._readings = np.zeros_like(self._truth)
        self._sampled = SampledMeters(scale) if scale.sampling == "sampled" else None
        self._bounds = np.tile([-inf, inf, -inf, inf], (n, len(meters), 1))
        self._wrong = np.tile([1.0, 0.0], (n, 4, 1))
        self._spoilt_until_us = np.full((n, 4), NEVER_US)
        self._spoilt_next_us = NEVER_US
        self._sample_us = 0

    def spoil(self, node: int, fault: Any, until_us: int) -> None:
        """Let a sensor of a node be wrong."""
        kind = QUANTITIES.index(fault["quantity"])
        self._wrong[node, kind] = fault["scale_pu"], fault["offset"]
        self._spoilt_until_us[node, kind] = until_us
        self._spoilt_next_us = int(self._spoilt_until_us.min())

    def read(
        self, t_us: int, inputs: Inputs, on_grid: NDArray[np.bool_], due: NDArray[np.bool_]
    ) -> bool:
        """Take all readings and mark nodes whose alarm rings; return whether any does."""
        base = self._v_base_v
        tie_kw = inputs.get("tie_p_kw", 0.0)
        # A sampled meter has its power from a wave: power without voltage (whose link a
        # scenario may leave out) or without current would read as none.
        tie_v = (inputs["grid_v_pu"] or float(tie_kw != 0.0)) * base
        tie_a = 1e3 * abs(tie_kw) / max(tie_v, DARK_V)
        truth = {  # voltage, current, power, frequency
            "grid": (inputs["grid_v_pu"] * base, 0.0, 0.0, inputs["grid_f_hz"]),
            "island": (inputs["island_v_pu"] * base, 0.0, 0.0, inputs["island_f_hz"]),
            "tie": (tie_v, tie_a, tie_kw, inputs["grid_f_hz"]),
        }
        f_hz = np.array([inputs["grid_f_hz"], inputs["island_f_hz"]])
        others = np.array([truth[name] for name in self._meters[1:]]).reshape(-1, 4)
        if t_us >= self._spoilt_next_us:
            over = self._spoilt_until_us <= t_us
            self._wrong[over] = (1.0, 0.0)
            self._spoilt_until_us[over] = NEVER_US
            self._spoilt_next_us = int(self._spoilt_until_us.min())
        self._sample_us = t_us
        _sense(
            self._rows,
            inputs["v_v"],
            inputs["p_kw"],
            inputs["vehicles_p_kw"],
            inputs["q_kvar"],
            f_hz,
            others,
            on_grid,
            self._wrong,
            self._truth,
        )
        if self._sampled is None:
            _round(self._truth, self._steps, self._readings)
        else:
            self._sampled.read(self._truth, self._readings)
        rings: bool = _ring(self._readings, self._bounds, due)
        return rings

    def truth(self, node: int) -> dict[str, Waveform]:
        """Return what each meter of a node looks at, its sensor's faults included.

        An emulated converter that is given this has the codes of ``sampling: sampled``.
        """
        rows = self._truth[node].tolist()
        return {meter: Waveform(*row) for meter, row in zip(self._meters, rows, strict=True)}

    def measurements(self, node: int) -> dict[str, Measurement]:
        """Return the newest reading of each meter of a node."""
        rows = self._readings[node].tolist()
        return {
            meter: Measurement(self._sample_us, *row)
            for meter, row in zip(self._meters, rows, strict=True)
        }

    def current_a(self, node: int) -> float:
        """Return the newest current of a node's own supply. [A]"""
        return float(self._readings[node, 0, CURRENT])

    def watch(self, node: int, alarms: Sequence[Alarm]) -> None:
        """Set the bounds of a node's comparators."""
        bounds = self._bounds[node]
        bounds[:] = (-inf, inf, -inf, inf)
        for alarm in alarms:
            b = bounds[self._meters.index(alarm.meter)]
            b[0], b[1] = max(b[0], alarm.v_min_v), min(b[1], alarm.v_max_v)
            b[2], b[3] = max(b[2], alarm.f_min_hz), min(b[3], alarm.f_max_hz)

    def snapshot(self) -> Any:
        """Return readings, bounds and faults."""
        fixed = ("_rows", "_meters", "_steps", "_v_base_v", "_sampled")
        return copy.deepcopy({k: v for k, v in vars(self).items() if k not in fixed})

    def restore(self, state: Any) -> None:
        """Take over a state that `snapshot` gave."""
        vars(self).update(copy.deepcopy(state))
