"""Feeders that OpenDSS itself solves, for the tests of its reader, writer and solver."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from gridmodel.ingest.opendss_reader import read_opendss
from gridmodel.network.network import Network
from simulators.power_flow.result import PowerFlow
from tests.conftest import ROOT

DATA = ROOT.parent / "shared" / "data"
_IEEE = "ieee-feeders"
_SMARTDS = "smartds-sample/substations/p1uhs23_1247"
#: Masters by a short name.
MASTERS = {
    "4 YY": f"{_IEEE}/4Bus-YY-Bal/4Bus-YY-Bal.DSS",
    "4 DY": f"{_IEEE}/4Bus-DY-Bal/4Bus-DY-Bal.DSS",
    "4 YD": f"{_IEEE}/4Bus-YD-Bal/4Bus-YD-Bal.DSS",
    "4 grounded YD": f"{_IEEE}/4Bus-GrdYD-Bal/4Bus-GrdYD-Bal.DSS",
    "4 open-Y open-D": f"{_IEEE}/4Bus-OYOD-UnBal/4bus-OYOD-UnBal.dss",
    "4 open-Y open-D balanced": f"{_IEEE}/4Bus-OYOD-Bal/4Bus-OYOD-Bal.DSS",
    "4 YYD": f"{_IEEE}/4Bus-YYD/YYD-Master-step1.DSS",
    "13": f"{_IEEE}/13Bus/IEEE13Nodeckt.dss",
    "34 mod 1": f"{_IEEE}/34Bus/ieee34Mod1.dss",
    "34 mod 2": f"{_IEEE}/34Bus/ieee34Mod2.dss",
    "123": f"{_IEEE}/123Bus/IEEE123Master.dss",
    "European LV": "european-lv/Master.dss",
    "SMART-DS": f"{_SMARTDS}/Master.dss",
    "J1": "epri-j1/Master_noPV.dss",
    "J1 with PV": "epri-j1/Master_withPV.dss",
    "ckt7": "epri-ckt7/Master_ckt7.dss",
}
_SLOW = ("J1", "J1 with PV", "ckt7")
#: All of them as parameters of a test.
FEEDERS = [
    pytest.param(name, id=name, marks=pytest.mark.slow if name in _SLOW else ()) for name in MASTERS
]


def master(name: str) -> Path:
    """Return a master file; skip the test where the data are not there."""
    if not DATA.is_dir():
        pytest.skip("the feeders of ../shared/data are not on this machine")
    return DATA / MASTERS[name]


@dataclass(frozen=True)
class Original:
    """What OpenDSS answers to a master as it stands, controls settled and tightly solved."""

    v_v: dict[str, complex]
    losses_kva: complex
    source_kva: complex
    taps_pu: dict[str, float]
    sections_on: dict[str, int]


@cache
def feeder(name: str) -> Network:
    """Return a feeder as our reader reads it."""
    return read_opendss(master(name))[0]


@cache
def original(path: Path, f_hz: float = 60.0) -> Original:
    """Return OpenDSS's own answer to a master."""
    from opendssdirect import dss as engine

    dss, folder = engine.NewContext(), Path.cwd()
    run = dss.Text.Command
    run("clear")
    run(f"set DefaultBaseFrequency={f_hz}")
    try:
        run(f'compile "{path}"')
        run("set mode=snap maxiterations=100 maxcontroliter=200")
        run("solve")
        run("set controlmode=off tolerance=1e-9")
        run("solve")
    finally:
        os.chdir(folder)
    assert dss.Solution.Converged()
    flat = np.asarray(dss.Circuit.YNodeVArray())
    nodes = [node.lower() for node in dss.Circuit.YNodeOrder()]
    taps = {}
    for name in dss.Transformers.AllNames():
        dss.Transformers.Name(name)
        for k in range(1, dss.Transformers.NumWindings() + 1):
            dss.Transformers.Wdg(k)
            taps[f"{name.lower()}.{k}"] = dss.Transformers.Tap()
    sections = {}
    for name in dss.Capacitors.AllNames():
        dss.Capacitors.Name(name)
        sections[name.lower()] = int(sum(dss.Capacitors.States()))
    return Original(
        dict(zip(nodes, flat[0::2] + 1j * flat[1::2], strict=True)),
        complex(*dss.Circuit.Losses()) / 1e3,
        -complex(*dss.Circuit.TotalPower()),
        taps,
        sections,
    )


def at_taps_of(network: Network, truth: Original) -> Network:
    """Return a network with the taps and sections at which OpenDSS ended."""
    ends = {
        one.name: {
            "ends": tuple(
                end.model_copy(update={"tap_pu": truth.taps_pu[f"{one.name}.{k}"]})
                for k, end in enumerate(one.ends, 1)
            )
        }
        for one in network.transformers
    }
    known = {one.name for one in network.capacitors}
    sections = {k: {"sections_on": n} for k, n in truth.sections_on.items() if k in known}
    return network.with_(transformers=ends, capacitors=sections)


def worst_pu(flow: PowerFlow, truth: Original) -> float:
    """Return the greatest difference of a complex node voltage, of nominal; all must be there."""
    base = {bus.name: bus.v_nominal_v / 3**0.5 for bus in flow.network.buses}
    row = flow.network.bus_index
    worst = 0.0
    for key, v_v in truth.v_v.items():
        bus, _, node = key.rpartition(".")
        assert flow.present[row[bus], int(node) - 1], key
        difference = abs(flow.v_v[row[bus], int(node) - 1] - v_v) / base[bus]
        worst = max(worst, float(difference))
    assert int(flow.present.sum()) == len(truth.v_v)
    return worst
