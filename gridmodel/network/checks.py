"""Checks: what in a network does not fit together, all of it, by the names of elements.

Impossible values of one element are refused when it is made; here is what only shows
when they are put side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gridmodel.errors import Fault, NetworkError
from gridmodel.network.element import GROUND, Element
from gridmodel.network.equipment import AtBus, EnergySource, GroundingImpedance
from gridmodel.network.network import Network
from gridmodel.network.topology import topology
from gridmodel.settings import near

#: Faults of one kind that are told one by one; of further ones the number.
_MOST = 20


def check(network: Network, where: str = "") -> None:
    """Refuse a network that cannot exist or cannot be solved.

    Parameters
    ----------
    network : Network
        The network.
    where : str
        The file it comes from; an element's own origin comes first.

    Raises
    ------
    NetworkError
        With every fault: duplicate names, references to nothing, phases that do not
        match, deltas without a winding, loops where a radial network is claimed, no
        source.
    """
    faults = [*_duplicates(network, where), *_dangling(network, where)]
    if not faults:  # the rest needs references that hold
        faults = [
            *_phases(network, where),
            *_taps(network, where),
            *_measured(network, where),
            *_stiff(network, where),
            *_graph(network, where),
        ]
        faults += _windings(network, where)
    if faults:
        raise NetworkError(f"network '{network.name}' cannot be used", faults)


def _at(element: Element, where: str) -> str:
    return element.origin or where


def _duplicates(network: Network, where: str) -> Iterator[Fault]:
    for key in network.GROUPS:
        elements = getattr(network, key)
        if len({element.name for element in elements}) == len(elements):
            continue
        seen: set[str] = set()
        for element in elements:
            if element.name in seen:
                problem = f"the name '{element.name}' is there twice."
                yield Fault(_at(element, where), key, problem, "Rename one.")
            seen.add(element.name)


def _dangling(network: Network, where: str) -> Iterator[Fault]:
    for element, key, name, known in _references(network):
        if name not in known:
            problem = f"'{name}' does not exist."
            yield Fault(_at(element, where), f"{element.name}.{key}", problem, near(name, known))


def _references(network: Network) -> Iterator[tuple[Element, str, str, Mapping[str, object]]]:
    """Yield who refers, by which field, to which name, among which names."""
    buses = network.bus
    for line in network.lines:
        yield line, "impedance", line.impedance, network.impedance
    for conductor in network.conductors:
        yield conductor, "bus_from", conductor.bus_from, buses
        yield conductor, "bus_to", conductor.bus_to, buses
    for transformer in network.transformers:
        for k, end in enumerate(transformer.ends):
            yield transformer, f"ends[{k}].bus", end.bus, buses
    at_one: Iterable[AtBus | EnergySource | GroundingImpedance] = (
        *network.at_buses, *network.energy_sources, *network.groundings
    )  # fmt: skip
    for equipment in at_one:
        yield equipment, "bus", equipment.bus, buses
    yield from _controlled(network)


def _controlled(
    network: Network,
) -> Iterator[tuple[Element, str, str, Mapping[str, object]]]:
    transformers, capacitors = network.group("transformers"), network.group("capacitors")
    for control in network.tap_controls:
        yield control, "transformer", control.transformer, transformers
        if control.bus:
            yield control, "bus", control.bus, network.bus
    branches = {**network.group("lines"), **network.group("switches"), **transformers}
    for switching in network.capacitor_controls:
        yield switching, "capacitor", switching.capacitor, capacitors
        if switching.element:
            yield switching, "element", switching.element, branches
    curves = network.group("inverter_controls")
    for inverter in network.inverters:
        if inverter.control:
            yield inverter, "control", inverter.control, curves


def _stiff(network: Network, where: str) -> Iterator[Fault]:
    """Yield sources without impedance at one node: what each of them gives is not determined."""
    first: dict[tuple[str, str], str] = {}
    for source in network.energy_sources:
        if any((source.r1_ohm, source.x1_ohm, source.r0_ohm, source.x0_ohm)):
            continue
        for node in source.nodes:
            other = first.setdefault((source.bus, node), source.name)
            if other != source.name:
                problem = f"has no impedance and shares bus '{source.bus}' with '{other}'."
                yield Fault(_at(source, where), source.name, problem, "Give one an impedance.")
                break


def _phases(network: Network, where: str) -> Iterator[Fault]:
    for line in network.lines:
        size = len(network.impedance[line.impedance].r_ohm_per_km)
        if size != len(line.phases):
            problem = (
                f"has {len(line.phases)} conductors ({line.phases}), "
                f"its kind '{line.impedance}' {size}."
            )
            yield Fault(_at(line, where), line.name, problem, "Give it a kind that fits.")
    nodes = nodes_of(network)
    for equipment in network.at_buses:
        lacking = set(equipment.nodes) - {GROUND} - nodes.get(equipment.bus, set())
        if lacking:
            problem = (
                f"is connected to {', '.join(sorted(lacking))} of bus '{equipment.bus}', "
                "where no line, switch or transformer brings that phase."
            )
            yield Fault(_at(equipment, where), f"{equipment.name}.nodes", problem, "Check phases.")


def nodes_of(network: Network) -> dict[str, set[str]]:
    """Return the nodes that lines, switches, transformers and sources bring to each bus."""
    nodes: dict[str, set[str]] = {}
    for conductor in network.conductors:
        nodes.setdefault(conductor.bus_from, set()).update(conductor.phases)
        nodes.setdefault(conductor.bus_to, set()).update(conductor.phases_to or conductor.phases)
    for transformer in network.transformers:
        for end in transformer.ends:
            nodes.setdefault(end.bus, set()).update(end.nodes.replace(GROUND, ""))
    for source in network.energy_sources:
        nodes.setdefault(source.bus, set()).update(source.nodes.replace(GROUND, ""))
    return nodes


def _taps(network: Network, where: str) -> Iterator[Fault]:
    transformers = network.group("transformers")
    for control in network.tap_controls:
        transformer = transformers[control.transformer]
        if control.end > len(transformer.ends):
            problem = f"'{transformer.name}' has {len(transformer.ends)} ends, not {control.end}."
            yield Fault(_at(control, where), f"{control.name}.end", problem)
        elif transformer.ends[control.end - 1].tap_changer is None:
            problem = f"end {control.end} of '{transformer.name}' has no tap changer."
            advice = "Give the end a tap_changer."
            yield Fault(_at(control, where), f"{control.name}.end", problem, advice)
    for transformer in network.transformers:
        for k, end in enumerate(transformer.ends):
            changer = end.tap_changer
            if changer and not changer.tap_min_pu <= end.tap_pu <= changer.tap_max_pu:
                problem = (
                    f"the tap stands at {end.tap_pu:g}, outside "
                    f"{changer.tap_min_pu:g} to {changer.tap_max_pu:g}."
                )
                yield Fault(_at(transformer, where), f"{transformer.name}.ends[{k}]", problem)


def _measured(network: Network, where: str) -> Iterator[Fault]:
    """Yield controls that measure at a phase, conductor or end that is not there."""
    nodes, transformers = nodes_of(network), network.group("transformers")
    for relay in network.tap_controls:
        ends = transformers[relay.transformer].ends
        if not relay.bus and relay.end <= len(ends) and relay.coil > ends[relay.end - 1].coil_count:
            problem = f"it measures phase {relay.coil} of {ends[relay.end - 1].coil_count}."
            yield Fault(_at(relay, where), f"{relay.name}.coil", problem)
        if relay.bus and relay.node and relay.node not in nodes.get(relay.bus, set()):
            problem = f"there is no {relay.node} at bus '{relay.bus}'."
            yield Fault(_at(relay, where), f"{relay.name}.node", problem)
    for switching in network.capacitor_controls:
        name = switching.element
        count = len(transformers[name].ends) if name in transformers else 2
        if name and switching.terminal > count:
            problem = f"'{name}' has {count} ends, not {switching.terminal}."
            yield Fault(_at(switching, where), f"{switching.name}.terminal", problem)


def _graph(network: Network, where: str) -> Iterator[Fault]:
    if not network.energy_sources:
        problem = "there is none."
        yield Fault(where, "energy_sources", problem, "Name the bus the public grid feeds.")
        return
    graph = topology(network)
    if network.radial:
        for edge in graph.loops[:_MOST].tolist():
            name = getattr(network, graph.edges[edge].group)[graph.edges[edge].position].name
            round_it = " - ".join(graph.loop(edge)[:12])
            problem = f"'{name}' closes a loop: {round_it}."
            yield Fault(where, "radial", problem, "Open a switch in it, or say radial: false.")
        if len(graph.loops) > _MOST:
            yield Fault(where, "radial", f"and {len(graph.loops) - _MOST} more loops.")


def _windings(network: Network, where: str) -> Iterator[Fault]:
    """Find conductors that no winding feeds, such as the third of an open delta of one."""
    graph = topology(network)
    looped = {int(k) for edge in graph.loops for k in graph.ends[edge]}
    brought: dict[str, set[str]] = {}
    banks: dict[str, list[str]] = {}
    for transformer in network.transformers:
        for end in transformer.ends:
            brought.setdefault(end.bus, set()).update(end.nodes)
            banks.setdefault(end.bus, []).append(transformer.name)
    for earth in network.groundings:
        brought.setdefault(earth.bus, set()).add(earth.node)
    fed = {
        graph.names[k]
        for k in graph.order.tolist()
        if graph.edge_to[k] >= 0
        and graph.edges[graph.edge_to[k]].group == "transformers"
        and k not in looped
    }
    for conductor in network.conductors:
        for bus, phases in (
            (conductor.bus_from, conductor.phases),
            (conductor.bus_to, conductor.phases_to or conductor.phases),
        ):
            lacking = set(phases) - brought.get(bus, set())
            if bus in fed and lacking and not getattr(conductor, "open", False):
                problem = (
                    f"takes {', '.join(sorted(lacking))} from bus '{bus}', where "
                    f"{', '.join(dict.fromkeys(banks[bus]))} have no winding for it."
                )
                advice = "An open delta has two windings: add the missing transformer."
                yield Fault(_at(conductor, where), f"{conductor.name}.phases", problem, advice)


def warnings(network: Network) -> Iterable[str]:
    """Return what is odd in a network but can be."""
    dead = topology(network).dead
    if dead:
        more = f" and {len(dead) - 10} more" if len(dead) > 10 else ""
        yield f"no source reaches {', '.join(dead[:10])}{more}: left out of power flows"
