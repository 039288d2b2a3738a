"""OpenDSS as a solver of any network: unbalanced, with its own controls.

The network goes in as the script of `gridmodel.ingest.opendss_writer`, into an engine
context of its own; the answer comes back in bulk. Known traps of the engine are seen to:
its base frequency outlives ``Clear`` and is set first; error 485 (controls that do not
settle) and a flow that does not converge are troubles of the answer, not exceptions; an
answer is never NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.ingest.opendss_engine import new_engine
from gridmodel.ingest.opendss_names import Names
from gridmodel.ingest.opendss_writer import opendss_script
from gridmodel.network.conductors import Conductor
from gridmodel.network.element import NODES, Element
from gridmodel.network.network import Bus, Network
from gridmodel.network.topology import topology
from gridmodel.network.transformer import PowerTransformer
from simulators.power_flow.result import PowerFlow, Trouble

Complex = NDArray[np.complex128]

#: Error of the engine: the controls did not settle.
_UNSETTLED = 485
_CAUSES = (
    "Usual causes: more load than the feeder can carry, a part without a source, impedances "
    "in wrong units, or a transformer's voltages the wrong way round. Try the solver 'fbs', which "
    "tells how far the load is from what lines can carry; scale the loads down until there is a "
    "solution."
)
_HUNTING = (
    "Usual causes: bands narrower than a tap step, two regulators with the same delay, or a "
    "capacitor whose on and off settings are closer than the voltage it brings. Try without "
    "controls to see the voltages; then widen the bands, or leave out one control after the other."
)


def solve_opendss(
    network: Network,
    controls: bool = True,
    tolerance_pu: float = 1e-8,
    most_iterations: int = 100,
    most_control_iterations: int = 200,
) -> PowerFlow:
    """Solve a network with OpenDSS.

    Parameters
    ----------
    network : Network
        The network; taps and capacitors start as it says.
    controls : bool
        Whether tap changers, capacitors and inverters are controlled; if not, they stay.
    tolerance_pu : float
        Greatest change of a voltage in the last iteration. [pu]
    most_iterations, most_control_iterations : int
        Iterations of a flow, and of the controls around it.

    Returns
    -------
    PowerFlow
        The answer; with troubles where it has not converged or controls did not settle.
    """
    if not network.energy_sources:
        advice = "Name the bus that the public grid feeds."
        return _nothing(network, [Trouble(f"network '{network.name}'", "has no source.", advice)])
    script = opendss_script(_alive(network))
    dss = new_engine()
    troubles = _run(
        dss,
        (
            *script.commands,
            f"set mode=snapshot tolerance={tolerance_pu!r} maxiterations={most_iterations}",
            f"set maxcontroliter={most_control_iterations}",
            f"set controlmode={'static' if controls else 'off'}",
            "solve",
        ),
        network,
    )
    try:
        dss.Circuit.TotalPower()
    except dss.DSSException:  # no circuit, or one it could not even set up
        return _nothing(network, troubles)
    return _answer(dss, network, script.names, troubles)


def _alive(network: Network) -> Network:
    """Return what a source reaches: a dead island makes OpenDSS's matrix singular."""
    dead = set(topology(network).dead)
    if not dead:
        return network
    kept: dict[str, tuple[Any, ...]] = {
        key: tuple(one for one in getattr(network, key) if not dead.intersection(_buses(one)))
        for key in network.GROUPS
    }
    names = {key: {one.name for one in kept[key]} for key in kept}
    branches = names["lines"] | names["switches"] | names["transformers"] | {""}
    kept["tap_controls"] = tuple(
        one for one in kept["tap_controls"] if one.transformer in names["transformers"]
    )
    kept["capacitor_controls"] = tuple(
        one
        for one in network.capacitor_controls
        if one.capacitor in names["capacitors"] and one.element in branches
    )
    return network.with_(**kept)


def _buses(element: Element) -> tuple[str, ...]:
    """Return the buses an element is at."""
    if isinstance(element, Bus):
        return (element.name,)
    if isinstance(element, Conductor):
        return (element.bus_from, element.bus_to)
    if isinstance(element, PowerTransformer):
        return tuple(end.bus for end in element.ends)
    bus = getattr(element, "bus", "")
    return (bus,) if bus else ()


def _run(dss: Any, commands: tuple[str, ...], network: Network) -> list[Trouble]:
    """Give commands to the engine; return why it stopped, if it did."""
    where = f"network '{network.name}'"
    for command in commands:
        try:
            dss.Text.Command(command)
        except dss.DSSException as error:
            number, text = error.args if len(error.args) == 2 else (0, str(error))
            if number == _UNSETTLED:
                rounds = dss.Solution.MaxControlIterations()
                return [Trouble(where, f"controls did not settle in {rounds} rounds.", _HUNTING)]
            problem = f"OpenDSS stopped at '{command[:60]}' (error {number}): {text}"
            return [Trouble(where, " ".join(problem.split()), _CAUSES)]
    return []


def _nothing(network: Network, troubles: list[Trouble]) -> PowerFlow:
    """Return the answer for a network that OpenDSS does not even take."""
    shape = (len(network.buses), 4)
    return PowerFlow(
        network=network,
        solver="opendss",
        v_v=np.zeros(shape, np.complex128),
        present=np.zeros(shape, np.bool_),
        converged=False,
        iterations=0,
        losses_kva=0j,
        source_kva=0j,
        troubles=tuple(troubles),
    )


def _answer(dss: Any, network: Network, names: Names, troubles: list[Trouble]) -> PowerFlow:
    iterations = int(dss.Solution.Iterations())
    losses, source = complex(*dss.Circuit.Losses()) / 1e3, -complex(*dss.Circuit.TotalPower())
    taps, sections = _taps(dss, network, names), _sections(dss, network, names)
    v_v, present = _voltages(dss, network, names)
    if not troubles and not (dss.Solution.Converged() and np.isfinite(v_v).all()):
        troubles = [_unconverged(dss, network, names, v_v, iterations)]
    return PowerFlow(
        network=network,
        solver="opendss",
        v_v=np.where(np.isfinite(v_v), v_v, 0.0),
        present=present,
        converged=not troubles,
        iterations=iterations,
        losses_kva=_finite(losses),
        source_kva=_finite(source),
        taps_pu=taps,
        sections_on=sections,
        troubles=tuple(troubles),
    )


def _finite(value: complex) -> complex:
    return value if np.isfinite(value) else 0j


def _voltages(dss: Any, network: Network, names: Names) -> tuple[Complex, NDArray[np.bool_]]:
    """Return complex voltages by bus and node, and which nodes there are. [V]"""
    at = {names.bus(bus.name).lower(): k for k, bus in enumerate(network.buses)}
    flat = np.asarray(dss.Circuit.YNodeVArray(), np.float64)
    v = flat[0::2] + 1j * flat[1::2]
    v_v = np.zeros((len(network.buses), 4), np.complex128)
    present = np.zeros((len(network.buses), 4), np.bool_)
    order = [name.lower().rpartition(".") for name in dss.Circuit.YNodeOrder()]
    rows = np.array([at.get(bus, -1) for bus, _, _ in order], np.int64)
    columns = np.array([int(node) - 1 for _, _, node in order], np.int64)
    ours = (rows >= 0) & (columns < 4)
    v_v[rows[ours], columns[ours]] = v[ours]
    present[rows[ours], columns[ours]] = True
    return v_v, present


def _unconverged(
    dss: Any, network: Network, names: Names, v_v: Complex, iterations: int
) -> Trouble:
    """Return where one more round moves the voltage most."""
    try:
        dss.Text.Command("set maxiterations=1 controlmode=off")
        dss.Solution.Solve()
    except dss.DSSException:
        pass
    again, _ = _voltages(dss, network, names)
    base = np.array([bus.v_nominal_v for bus in network.buses])[:, None] / 3**0.5
    with np.errstate(invalid="ignore", over="ignore"):
        change = np.abs(again - v_v) / base
    change = np.where(np.isfinite(change), change, np.inf)
    worst, node = divmod(int(np.argmax(change)), change.shape[1])
    residual = float(change[worst, node])
    size = f"by {residual:.2g} pu" if np.isfinite(residual) else "without bound"
    return Trouble(
        f"island fed by {_fed_by(network, worst)}, bus {network.buses[worst].name}, "
        f"{'neutral' if NODES[node] == 'N' else f'phase {NODES[node]}'}",
        f"OpenDSS did not converge in {iterations} iterations: no voltages fit the loads. One more "
        f"iteration still moves this bus most, {size}.",
        _CAUSES,
        (min(residual, 1e300),),
    )


def _fed_by(network: Network, bus: int) -> str:
    """Return the sources of the island that a bus is in."""
    islands, at = topology(network).islands, network.bus_index
    names = [s.name for s in network.energy_sources if islands[at[s.bus]] == islands[bus]]
    return ", ".join(f"'{name}'" for name in names) or "no source"


def _taps(dss: Any, network: Network, names: Names) -> dict[str, float]:
    """Return the ratio of every tap changer by transformer and end. [pu]"""
    taps: dict[str, float] = {}
    there = set(names.given("transformer", "transformers").values())  # not in a dead part
    for one in network.transformers:
        ends = {k: end.tap_pu for k, end in enumerate(one.ends, 1) if end.tap_changer}
        if ends and one.name in there:
            dss.Transformers.Name(names.of("transformer", "transformers", one.name))
        for k, tap_pu in ends.items():
            if one.name in there:
                dss.Transformers.Wdg(k)
                tap_pu = float(dss.Transformers.Tap())
            taps[f"{one.name}.{k}"] = tap_pu
    return taps


def _sections(dss: Any, network: Network, names: Names) -> dict[str, int]:
    """Return how many sections of every capacitor are connected."""
    sections = {one.name: one.sections_on for one in network.capacitors}
    for safe, name in names.given("capacitor", "capacitors").items():
        dss.Capacitors.Name(safe)
        sections[name] = sum(int(on) for on in dss.Capacitors.States())
    return sections
