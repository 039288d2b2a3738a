"""Connected: loads, inverters, machines and capacitors as elements between two nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from gridmodel.errors import Fault, NetworkError
from gridmodel.network.element import GROUND, NODES
from gridmodel.network.equipment import LoadResponseCharacteristic, Rated
from gridmodel.network.network import Network
from simulators.power_flow.branches import Shunts
from simulators.power_flow.compiled import EXPONENT, POWER, ZIP, Elements
from simulators.power_flow.pieces import At


def elements_of(
    network: Network, node: Mapping[At, int], floating: AbstractSet[int], shunts: Shunts
) -> tuple[Elements, list[str]]:
    """Return everything that is connected, and the names of what no source reaches.

    Parameters
    ----------
    node : mapping
        Nodes by bus and conductor.
    floating : set of int
        Nodes nothing ties to the earth; capacitors there go to ``shunts``.
    """
    at, idle = network.bus_index, list[str]()
    rows: list[tuple[Any, ...]] = []
    owners: list[tuple[str, str]] = []
    for group, equipment, p_kw, q_kvar, response in _equipment(network):
        keys = {terminal: (at[equipment.bus], NODES.index(terminal))
                for terminal in equipment.nodes if terminal != GROUND}  # fmt: skip
        if any(key not in node for key in keys.values()):
            idle.append(equipment.name)
            continue
        place = {terminal: node[key] for terminal, key in keys.items()} | {GROUND: -1}
        if group == "capacitors" and floating & set(place.values()):
            _tie(equipment, place, complex(p_kw, q_kvar) * 1e3, shunts)
            continue
        kind, shares = _kind(equipment, response)
        low = getattr(equipment, "v_min_pu", 0.0)
        high = getattr(equipment, "v_max_pu", np.inf)
        ramp = group == "consumers" and low > 0.5
        between = equipment.coils
        for i, j in between:
            if i == GROUND:  # the same coil, seen from its other end
                i, j = j, i
            part = 1.0 / len(between)
            rows.append(
                (place[i], place[j], len(owners), p_kw * part, q_kvar * part,
                 equipment.coil_v, kind, shares, low, high, ramp)
            )  # fmt: skip
        owners.append((group, equipment.name))
    rows.sort(key=lambda row: row[6])  # kinds together: each has a loop of its own
    columns = list(zip(*rows, strict=True)) if rows else [()] * 11
    ints = [np.array(columns[k], np.int64) for k in (0, 1, 2, 6)]
    reals = [np.array(columns[k], np.float64) for k in (3, 4, 5, 8, 9)]
    shares_pu = np.array(columns[7], np.float64).reshape(-1, 6)
    made = Elements(
        ints[0], ints[1], ints[2], reals[0], reals[1], reals[2], ints[3], shares_pu,
        reals[3], reals[4], np.array(columns[10], bool), tuple(owners),
    )  # fmt: skip
    return made, idle


def _tie(capacitor: Rated, place: Mapping[str, int], s_va: complex, shunts: Shunts) -> None:
    """Take a capacitor as a shunt: it may be all that ties its nodes to the earth."""
    between = capacitor.coils
    y = -np.conj(s_va) / len(between) / capacitor.coil_v**2
    for i, j in between:
        nodes = [place[node] for node in (i, j) if node != GROUND]
        signs = np.array([1.0, -1.0])[: len(nodes)]
        shunts.add(nodes, y * np.outer(signs, signs))


def _equipment(
    net: Network,
) -> Iterator[tuple[str, Rated, float, float, LoadResponseCharacteristic | None]]:
    for load in net.consumers:
        yield "consumers", load, -load.p_rated_kw, -load.q_rated_kvar, load.response
    for charger in net.ev_chargers:
        yield "ev_chargers", charger, -charger.p_rated_kw, -charger.q_rated_kvar, None
    for inverter in net.inverters:
        yield "inverters", inverter, inverter.p_kw, inverter.q_kvar, None
    for machine in net.machines:
        yield "machines", machine, machine.p_kw, machine.q_kvar, None
    constant = LoadResponseCharacteristic(p_zip_pu=(1.0, 0.0, 0.0), q_zip_pu=(1.0, 0.0, 0.0))
    for capacitor in net.capacitors:
        on = capacitor.sections_on / capacitor.section_count
        g_kw, q_kvar = -capacitor.g_kw * on, capacitor.q_kvar * on
        yield "capacitors", capacitor, g_kw, q_kvar, constant


def _kind(equipment: Rated, response: LoadResponseCharacteristic | None) -> tuple[int, list[float]]:
    """Return how something follows the voltage: kind and shares, or exponents."""
    if response is None:
        return POWER, [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    p, q = response.p_zip_pu, response.q_zip_pu
    if response.p_exponent is None and response.q_exponent is None:
        flat = (0.0, 0.0, 1.0)
        return (POWER if p == flat == q else ZIP), [*p, *q]
    shares = {(1.0, 0.0, 0.0): 2.0, (0.0, 1.0, 0.0): 1.0, (0.0, 0.0, 1.0): 0.0}
    exponents = []
    for key, exponent, zip_pu in (("p", response.p_exponent, p), ("q", response.q_exponent, q)):
        if exponent is None and zip_pu not in shares:
            problem = f"{key} has shares of a polynomial and the other an exponent."
            fault = Fault(equipment.origin, f"{equipment.name}.response", problem, "Use one form.")
            raise NetworkError("the network cannot be compiled", [fault])
        exponents.append(shares[zip_pu] if exponent is None else exponent)
    return EXPONENT, [exponents[0], 0.0, 0.0, exponents[1], 0.0, 0.0]
