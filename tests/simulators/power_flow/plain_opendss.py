"""The street as a person would write it for OpenDSS by hand: a second opinion.

Nothing of ours is in it but the network file's data. It is put together in another way
than the adapter does it: three-phase generators and loads instead of single phases, line
codes, joints as reactors, and an islanded street is a circuit of its own whose only
source is the anchor. The constants are those the adapter documents: a public grid of
200 MVA, star points earthed through 1 ohm, joints and anchor of 0.1 milliohm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log, pi, sqrt

import numpy as np
from opendssdirect import dss

from gridmodel.neighbourhood import ACLineSegment, Neighbourhood

LIMITS = "model=1 vminpu=0.5 vmaxpu=1.5"


@dataclass(frozen=True)
class Load:
    """What is connected at one bus, injection positive. [kW] [kvar]"""

    bus: str
    phases_kw: Sequence[float] = (0.0, 0.0, 0.0)
    phases_kvar: Sequence[float] = (0.0, 0.0, 0.0)
    balanced_kw: Sequence[float] = field(default_factory=tuple)


@dataclass(frozen=True)
class Answer:
    """What OpenDSS says: volts by bus and conductor, and the loss in all elements."""

    v_v: Mapping[str, np.ndarray]
    loss_kw: float

    def to_neutral_v(self, bus: str) -> np.ndarray:
        """Return the magnitudes of phase to neutral voltage."""
        v = self.v_v[bus]
        return np.abs(v[:3] - (v[3] if len(v) == 4 else 0.0))


def tied(network: Neighbourhood, loads: Sequence[Load], grid_pu: float) -> Answer:
    """Return the state of the street on the public grid."""
    t = network.transformers[0]
    hv_kv = network.bus[t.hv_bus].v_nominal_v / 1e3
    lv_kv = network.bus[t.lv_bus].v_nominal_v / 1e3
    iron = 100 * t.pfe_kw / t.s_kva
    commands = [
        f"New Circuit.street bus1={t.hv_bus} basekv={hv_kv} pu={grid_pu!r} MVAsc3=200 MVAsc1=200",
        f"New Transformer.T windings=2 phases=3 xhl={sqrt(t.vk_percent**2 - t.vkr_percent**2)!r}"
        f" %loadloss={t.vkr_percent!r} %noloadloss={iron!r}"
        f" %imag={sqrt(max(t.i0_percent**2 - iron**2, 0.0))!r}"
        f" wdg=1 bus={t.hv_bus} conn=delta kv={hv_kv} kva={t.s_kva}"
        f" wdg=2 bus=star.1.2.3.4 conn=wye kv={lv_kv} kva={t.s_kva}",
        "New Reactor.earth bus1=star.4 phases=1 R=1 X=0",
    ]
    for k in (1, 2, 3, 4):
        ends = f"bus1=star.{k} bus2={t.lv_bus}.{k}"
        commands.append(f"New Reactor.joint_{k} {ends} phases=1 R=1e-4 X=0")
    commands += _cables(network, network.lines)
    commands += _customers(loads, lv_kv)
    return _solve(network, commands, (hv_kv, lv_kv))


def islanded(
    network: Neighbourhood,
    loads: Sequence[Load],
    anchor_bus: str,
    earth_bus: str,
    anchor_pu: float,
    private: bool = False,
) -> Answer:
    """Return the state of the street, or of its private cables, on the anchor alone."""
    lv_kv = network.bus[network.transformers[0].lv_bus].v_nominal_v / 1e3
    commands = [
        f"New Circuit.island bus1={anchor_bus}.1.2.3 bus2={anchor_bus}.4.4.4 basekv={lv_kv}"
        f" pu={anchor_pu!r} R1=1e-4 X1=1e-4 R0=1e-4 X0=1e-4",
        f"New Reactor.earth bus1={earth_bus}.4 phases=1 R={1.0 if private else 1.0001} X=0",
    ]
    commands += _cables(network, network.private_lines if private else network.lines)
    commands += _customers(loads, lv_kv)
    return _solve(network, commands, (lv_kv,))


def _cables(network: Neighbourhood, lines: Sequence[ACLineSegment]) -> list[str]:
    codes, f_hz = [], network.f_nominal_hz
    for number, code in enumerate(network.line_codes):
        # Carson's earth return, conductors 20 mm apart; the radius follows from x
        henry = 2 * pi * f_hz * 2e-4
        radius_m = 0.02 * exp(-code.x_ohm_per_km / henry)
        depth_m = 658.5 * sqrt(100.0 / f_hz)
        earth_ohm = pi**2 * f_hz * 1e-4
        r = _triangle([code.r_ohm_per_km + earth_ohm] * 4, earth_ohm)
        x = _triangle([henry * log(depth_m / radius_m)] * 4, henry * log(depth_m / 0.02))
        c = _triangle([code.c_nf_per_km] * 3 + [0.0], 0.0)
        codes.append(
            f"New Linecode.code_{number} nphases=4 basefreq={f_hz} units=km"
            f" rmatrix=[{r}] xmatrix=[{x}] cmatrix=[{c}]"
        )
    number = {code.name: k for k, code in enumerate(network.line_codes)}
    return codes + [
        f"New Line.{line.name} phases=4 linecode=code_{number[line.code]} length={line.length_km!r}"
        f" units=km bus1={line.bus_from}.1.2.3.4 bus2={line.bus_to}.1.2.3.4"
        for line in lines
    ]


def _triangle(own: Sequence[float], mutual: float) -> str:
    """Return the lower triangle of a matrix in OpenDSS's notation."""
    rows = ([*[mutual] * k, value] for k, value in enumerate(own))
    return " | ".join(" ".join(map(repr, row)) for row in rows)


def _customers(loads: Sequence[Load], lv_kv: float) -> list[str]:
    commands = []
    for n, load in enumerate(loads):
        for k, (p, q) in enumerate(zip(load.phases_kw, load.phases_kvar, strict=True), start=1):
            if p or q:
                commands.append(
                    f"New Load.house_{n}_{k} bus1={load.bus}.{k}.4 phases=1 kv={lv_kv / sqrt(3)!r}"
                    f" kw={-p!r} kvar={-q!r} {LIMITS}"
                )
        for k, p in enumerate(load.balanced_kw):
            ends = f"bus1={load.bus}.1.2.3.4 phases=3 conn=wye kv={lv_kv}"
            if p > 0:  # what feeds in is a generator here
                commands.append(f"New Generator.g_{n}_{k} {ends} kw={p!r} kvar=0 {LIMITS}")
            elif p < 0:
                commands.append(f"New Load.l_{n}_{k} {ends} kw={-p!r} kvar=0 {LIMITS}")
    return commands


def _solve(network: Neighbourhood, commands: Sequence[str], bases_kv: Sequence[float]) -> Answer:
    engine = dss.NewContext()
    engine.Text.Command("Clear")
    engine.Text.Command(f"Set DefaultBaseFrequency={network.f_nominal_hz}")
    for command in commands:
        engine.Text.Command(command)
    engine.Text.Command(f"Set VoltageBases=[{' '.join(map(repr, bases_kv))}]")
    engine.Text.Command("CalcVoltageBases")
    engine.Text.Command("Set Tolerance=1e-11 MaxIterations=500 ControlMode=OFF")
    engine.Solution.Solve()
    assert engine.Solution.Converged()
    volts = {}
    for bus in engine.Circuit.AllBusNames():
        engine.Circuit.SetActiveBus(bus)
        flat = np.asarray(engine.Bus.Voltages())
        volts[bus] = (flat[0::2] + 1j * flat[1::2])[np.argsort(engine.Bus.Nodes())]
    return Answer(volts, engine.Circuit.Losses()[0] / 1e3)
