"""Year: 8,760 h of a feeder with its controls, by our sweep and by OpenDSS's own loop.

The shape of the year is of our own making and the same for both: a day, a season, noise.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.ingest.opendss_reader import read_opendss
from simulators.power_flow.fbs import Fbs

#: The IEEE 123-node feeder, where the folder of shared data stands beside the product.
MASTER = Path(__file__).parents[2] / "shared/data/ieee-feeders/123Bus/IEEE123Master.dss"
HOURS = 8760
LOW_PU, HIGH_PU = 0.95, 1.05
QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)
Array = NDArray[Any]


def shape() -> Array:
    """Return the load of each hour, of rated."""
    hour = np.arange(HOURS)
    day = np.sin((hour % 24 - 9) / 24 * 2 * np.pi)
    season = np.cos(hour / HOURS * 2 * np.pi)
    noise = np.random.default_rng(1).standard_normal(HOURS)
    return np.clip(0.6 + 0.2 * day + 0.12 * season + 0.03 * noise, 0.2, 1.1)


@cache
def _ready() -> tuple[Fbs, Array]:
    network, _ = read_opendss(MASTER)
    fbs = Fbs(network)
    scale = np.tile(shape(), (len(fbs.owners), 1))
    scale[[group != "consumers" for group, _ in fbs.owners]] = 1.0
    fbs.year(scale[:, :16])
    return fbs, scale


def ours() -> tuple[float, dict[str, Array]]:
    """Return the processor time [s] and the taps of each hour by transformer. [pu]

    The time includes the quantiles of all node voltages and their hours out of bounds.
    """
    fbs, scale = _ready()
    begin = time.process_time()
    year = fbs.year(scale)
    vm = year.vm_pu
    np.quantile(vm, QUANTILES, axis=1)
    ((vm < LOW_PU) | (vm > HIGH_PU)).sum(axis=1)
    taken = time.process_time() - begin
    assert year.converged.all()
    names = [name.lower() for name, _ in fbs.compiled.taps]
    return taken, dict(zip(names, year.tap_pu, strict=True))


def theirs(all_voltages: bool) -> tuple[float, dict[str, Array]]:
    """Return the same of OpenDSS's yearly mode, which only solves and samples monitors.

    Parameters
    ----------
    all_voltages : bool
        A monitor of the voltages at the end of every line; else only those of the taps.
    """
    from opendssdirect import dss as engine

    dss = engine.NewContext()
    command = dss.Text.Command
    command(f'redirect "{MASTER}"')
    points = " ".join(repr(value) for value in shape().tolist())
    command(f"new loadshape.year npts={HOURS} interval=1 mult=({points})")
    command("batchedit load..* yearly=year")
    network = _ready()[0].compiled.network
    changers = [one.name for one in network.transformers if any(e.tap_changer for e in one.ends)]
    for name in changers:
        command(f"new monitor.tap_{name} element=transformer.{name} terminal=2 mode=2")
    for name in dss.Lines.AllNames() if all_voltages else ():
        command(f"new monitor.v_{name} element=line.{name} terminal=2 mode=0")
    command("set controlmode=static tolerance=1e-8 maxcontroliter=100")
    command(f"set mode=yearly number={HOURS} stepsize=1h hour=0")
    begin = time.process_time()
    dss.Solution.Solve()
    taken = time.process_time() - begin
    taps = {}
    for name in changers:
        dss.Monitors.Name(f"tap_{name}")
        taps[name.lower()] = np.array(dss.Monitors.Channel(1))
    return taken, taps


def same_hours(one: dict[str, Array], other: dict[str, Array]) -> float:
    """Return the share of hours in which all taps are the same. [percent]"""
    same = [np.abs(one[name] - other[name]) < 1e-4 for name in one]
    return 100.0 * float(np.all(same, axis=0).mean())
