"""OpenDSS as a part of a scenario, beside the same work written by hand with OpenDSSDirect.

By hand: the same circuit; each step edits all loads in one walk through the engine's list,
begins from scratch as the part does, solves, and reads the voltages of all buses once; or all
that the part tells, too: the current of each line, the power of both sources, the unbalance.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from gridmodel.codes import AnchorMode
from gridmodel.federate import Inputs, Signal
from gridmodel.ingest.neighbourhood_file import read_neighbourhood
from simulators.power_flow.feeder import Feeder, FeederConfig
from simulators.power_flow.opendss_circuit import script

ANCHOR = "house_02"


def _street() -> Any:
    return read_neighbourhood(Path(__file__).parents[1] / "scenarios/street_island/network.json")


def _loads_kw(customers: int, steps: int) -> Any:
    return np.random.default_rng(1).uniform(-3.0, 3.0, (steps, customers))


def ours(steps: int) -> float:
    """Return the processor time of a step of the part. [s]"""
    part = Feeder(FeederConfig(anchor_house=ANCHOR), _street())
    values: dict[str, Any] = {}
    for port in part.inputs:
        if isinstance(port, Signal):
            initial = 0.0 if port.initial is None else port.initial
            values[port.name] = np.full(port.shape, initial) if port.shape else initial
    values |= {"mode": int(AnchorMode.FOLLOWING), "island_v_pu": 1.0, "grid_v_pu": 1.0}
    loads = _loads_kw(len(values["households_p_kw"]), steps)
    part.step(0, Inputs(values))
    begin = time.process_time()
    for k in range(steps):
        values["households_p_kw"] = loads[k]
        part.step((k + 1) * part.period_us, Inputs(values))
    return (time.process_time() - begin) / steps


def by_hand(steps: int, whole: bool) -> float:
    """Return the same of a plain loop. [s]"""
    from opendssdirect import dss as engine

    street, dss = _street(), engine.NewContext()
    for command in script(street, ANCHOR):
        dss.Text.Command(command)
    dss.Text.Command("vsource.anchor.enabled=no")
    share = np.array([one.phase_share_pu for one in street.consumers])
    loads_kw = _loads_kw(len(share), steps)
    loads = dss.Loads
    dss.Solution.Solve()
    begin = time.process_time()
    for k in range(steps):
        loads.First()
        for kw in (-share * loads_kw[k][:, None]).ravel().tolist():
            loads.kW(kw)
            loads.kvar(0.0)
            loads.Next()
        dss.Text.Command("init")
        dss.Solution.Solve()
        if whole:
            _told(dss, [line.name for line in street.lines])
        else:
            dss.Circuit.AllBusMagPu()
    return (time.process_time() - begin) / steps


def _told(dss: Any, lines: list[str]) -> tuple[float, float, float]:
    """Return the greatest current [A], the grid's power [kW] and the worst unbalance."""
    flat = np.asarray(dss.Circuit.AllBusVolts())
    v = flat[0::2] + 1j * flat[1::2]
    current = 0.0
    for name in lines:
        dss.Circuit.SetActiveElement(f"line.{name}")
        current = max(current, float(np.max(dss.CktElement.CurrentsMagAng()[0::2])))
    power = 0.0
    for name in ("source", "anchor"):
        dss.Circuit.SetActiveElement(f"vsource.{name}")
        power -= float(np.sum(dss.CktElement.Powers()[0::2]))
    a = np.exp(2j * np.pi / 3)
    three = v[: len(v) // 4 * 4].reshape(-1, 4)
    positive = np.abs(three[:, 0] + a * three[:, 1] + a**2 * three[:, 2])
    negative = np.abs(three[:, 0] + a**2 * three[:, 1] + a * three[:, 2])
    return current, power, float((negative / np.maximum(positive, 1.0)).max())
