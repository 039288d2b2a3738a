"""Switches: what the controls of a network move, as arrays.

The rules they follow are in `switching`. Reverse power, co-generation modes and
power-factor control are left out and refused with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_type_hints

import numpy as np
from numpy.typing import NDArray

from gridmodel.errors import Fault, NetworkError
from gridmodel.network.controls import ShuntCompensatorControl, TapChangerControl
from gridmodel.network.element import GROUND, NODES
from gridmodel.network.equipment import LinearShuntCompensator
from simulators.power_flow.compiled import Compiled

Real = NDArray[np.float64]
Index = NDArray[np.int64]

#: What a capacitor's control looks at.
VOLTAGE, CURRENT, KVAR, TIME = 0, 1, 2, 3
_MODES = {"voltage": VOLTAGE, "current": CURRENT, "kvar": KVAR, "time": TIME}
_ELSEWHERE = "Use the solver opendss."


class Regulators(NamedTuple):
    """Tap changers with a control, one a row."""

    slot: Index
    i: Index  # nodes it measures between
    j: Index
    per_v: Real  # relay volts per volt
    drop_re: Real  # relay volts per ampere
    drop_im: Real
    v_set: Real  # [V] on the relay
    half_band: Real
    per_step: Real  # relay volts per step
    step_pu: Real
    low_pu: Real
    high_pu: Real
    most: Index
    delay_s: Real


class Banks(NamedTuple):
    """Capacitors with a control, one a row; and their elements, one after the other."""

    mode: Index
    i: Index  # nodes it measures between
    j: Index
    branch: Index  # branch whose flow it measures
    per_v: Real
    per_a: Real
    on: Real
    off: Real
    on_s: Real
    off_s: Real
    dead_s: Real
    override: Index
    low: Real
    high: Real
    sections: Index
    sections_on: Index
    first: Index  # where its elements begin
    element: Index
    q_var: Real  # of one section in each element [var]
    p_w: Real


class Switches(NamedTuple):
    """Everything that moves."""

    regulators: Regulators
    banks: Banks


def switches_of(compiled: Compiled) -> Switches:
    """Return what a network's controls move.

    Raises
    ------
    NetworkError
        With every control the sweep cannot act for.
    """
    faults: list[Fault] = []
    net = compiled.network
    taps = [_regulator(compiled, control, faults) for control in net.tap_controls]
    banks = [_bank(compiled, control, faults) for control in net.capacitor_controls]
    if faults:
        raise NetworkError(f"the controls of '{net.name}' cannot be swept", faults)
    own = [bank.pop("own") for bank in banks]
    first = np.cumsum([0, *(len(elements) for elements in own)]).astype(np.int64)
    flat = [(k, 1e3 / bank["sections"] / len(elements), bank)
            for bank, elements in zip(banks, own, strict=True) for k in elements]  # fmt: skip
    return Switches(
        Regulators(**_columns(taps, Regulators, Regulators._fields)),
        Banks(
            **_columns(banks, Banks, Banks._fields[:-4]),
            first=first,
            element=np.array([k for k, _, _ in flat], np.int64),
            q_var=np.array([part * bank["q_kvar"] for _, part, bank in flat], np.float64),
            p_w=np.array([-part * bank["g_kw"] for _, part, bank in flat], np.float64),
        ),
    )


def nothing() -> Switches:
    """Return switches that never move."""
    none = np.zeros(0, np.int64)
    return Switches(
        Regulators(**_columns([], Regulators, Regulators._fields)),
        Banks(
            **_columns([], Banks, Banks._fields[:-4]),
            first=np.zeros(1, np.int64), element=none, q_var=np.zeros(0), p_w=np.zeros(0),
        ),
    )  # fmt: skip


def _columns(
    rows: Sequence[Mapping[str, Any]], kind: Any, names: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Return rows as arrays by name, of the type the class says."""
    hints = get_type_hints(kind)
    types = {name: np.int64 if hints[name] == Index else np.float64 for name in names}
    return {name: np.array([row[name] for row in rows], types[name]) for name in names}


def _regulator(
    compiled: Compiled, control: TapChangerControl, faults: list[Fault]
) -> dict[str, Any]:
    transformer = compiled.network.group("transformers")[control.transformer]
    k = control.end - 1
    end, tap = transformer.ends[k], (transformer.name, k)
    coils, changer = transformer.end_coils(k), end.tap_changer
    pair, bus = (control.node or end.nodes[0], GROUND), control.bus or end.bus
    if not control.bus and control.coil <= len(coils):
        pair = coils[control.coil - 1]
    i, j = _nodes(compiled, bus, pair)
    drop = 0j
    if control.ct_rated_a and not control.bus:
        drop = complex(control.r_v, control.x_v) / control.ct_rated_a
    problem = ""
    if tap not in compiled.taps or changer is None:
        problem = f"the tap of '{transformer.name}' is not on coils between a phase and the earth."
    elif not control.bus and control.coil > len(coils):
        problem = f"it measures phase {control.coil} of {len(coils)}."
    elif i < 0 or j < 0:
        problem = "no source reaches what it measures."
    elif drop and compiled.tap_to[i] < 0:
        problem = "line-drop compensation on the feeding end is not swept."
    if problem or changer is None:
        faults.append(Fault(control.origin, control.name, problem, _ELSEWHERE))
        return {}
    return {
        "slot": compiled.taps.index(tap), "i": i, "j": j, "per_v": 1.0 / control.pt_ratio,
        "drop_re": drop.real, "drop_im": drop.imag, "v_set": control.v_set_v,
        "half_band": control.band_v / 2.0,
        "per_step": changer.step_pu * end.coil_v / control.pt_ratio, "step_pu": changer.step_pu,
        "low_pu": changer.tap_min_pu, "high_pu": changer.tap_max_pu, "most": control.most_steps,
        "delay_s": control.delay_s,
    }  # fmt: skip


def _nodes(compiled: Compiled, bus: str, pair: Sequence[str]) -> tuple[int, int]:
    """Return two nodes of a bus; the earth is the row behind all nodes, -1 is not fed."""
    at, count = compiled.network.bus_index[bus], compiled.node_count
    i, j = (
        count if node == GROUND else compiled.node.get((at, NODES.index(node)), -1) for node in pair
    )
    return i, j


def _bank(
    compiled: Compiled, control: ShuntCompensatorControl, faults: list[Fault]
) -> dict[str, Any]:
    elements = compiled.elements
    capacitor: LinearShuntCompensator = compiled.network.group("capacitors")[control.capacitor]
    owner = ("capacitors", capacitor.name)
    own = [k for k, o in enumerate(elements.owner) if elements.owners[o] == owner]
    i, j, branch = _measured(compiled, control, capacitor)
    problem = ""
    if control.mode not in _MODES:
        problem = f"control by {control.mode} is not swept."
    elif not own:
        problem = f"'{capacitor.name}' is not fed, or all that ties its nodes to the earth."
    elif i < 0 or j < 0 or (branch < 0 and control.mode in ("current", "kvar")):
        problem = f"what it measures ('{control.element or capacitor.bus}') is not fed."
    if problem:
        faults.append(Fault(control.origin, control.name, problem, _ELSEWHERE))
        return {}
    return {
        "mode": _MODES[control.mode], "i": i, "j": j, "branch": branch,
        "per_v": 1.0 / control.pt_ratio, "per_a": 1.0 / control.ct_ratio, "on": control.on,
        "off": control.off, "on_s": control.delay_s, "off_s": control.delay_off_s,
        "dead_s": control.dead_time_s, "override": int(control.v_override),
        "low": control.v_min_v, "high": control.v_max_v, "sections": capacitor.section_count,
        "sections_on": capacitor.sections_on, "own": own, "q_kvar": capacitor.q_kvar,
        "g_kw": capacitor.g_kw,
    }  # fmt: skip


def _measured(
    compiled: Compiled, control: ShuntCompensatorControl, capacitor: LinearShuntCompensator
) -> tuple[int, int, int]:
    """Return the nodes between which a control measures, and the branch."""
    net = compiled.network
    bus, branch = capacitor.bus, -1
    if control.element:
        ends = {c.name: (c.bus_from, c.bus_to) for c in net.conductors}
        ends |= {t.name: (t.ends[0].bus, t.ends[1].bus) for t in net.transformers}
        bus = ends[control.element][min(control.terminal, 2) - 1]
        names = compiled.branch_name
        branch = names.index(control.element) if control.element in names else -1
    at = net.bus_index[bus]
    fed = [node for n, node in enumerate(NODES) if (at, n) in compiled.node]
    one = control.node or (fed[0] if fed else "A")
    delta = capacitor.connection == "delta"
    other = "ABC"[("ABC".index(one) + 1) % 3] if delta and one in "ABC" else GROUND
    return (*_nodes(compiled, bus, (one, other)), branch)
