"""Pieces: what current flows through in a network, before it has its place in the tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gridmodel.network.conductors import SeriesCompensator, Switch
from gridmodel.network.element import GROUND, NODES
from gridmodel.network.network import Network
from gridmodel.network.transformer import PowerTransformer
from simulators.power_flow.compiled import Complex
from simulators.power_flow.primitive import line_y_s, line_z_ohm

#: A node by position: bus, conductor.
At = tuple[int, int]


@dataclass
class Piece:
    """Something current flows through: its sides by bus, and what lies between them."""

    name: str
    sides: Mapping[int, tuple[At, ...]]
    #: Of a line: series impedance and the whole shunt admittance.
    z_ohm: Complex | None = None
    y_s: Complex | None = None
    #: Of a bank of transformers.
    bank: tuple[PowerTransformer, ...] = ()


def pieces_of(network: Network) -> list[Piece]:
    """Return lines, closed switches, series compensators and banks of transformers."""
    return [*_lines(network), *_banks(network)]


def keys_of(at: Mapping[str, int], bus: str, nodes: Iterable[str]) -> tuple[At, ...]:
    """Return nodes of a bus by position, the earth left out."""
    k = at[bus]
    return tuple((k, NODES.index(node)) for node in nodes if node != GROUND)


def _lines(net: Network) -> Iterator[Piece]:
    for line in net.lines:
        kind = net.impedance[line.impedance]
        yield _line(
            net.bus_index, line.name, line.bus_from, line.bus_to, line.phases, line.phases_to,
            line_z_ohm(kind, line.length_km),
            line_y_s(kind, line.length_km, net.f_nominal_hz),
        )  # fmt: skip
    closed = [switch for switch in net.switches if not switch.open]
    in_series: tuple[Switch | SeriesCompensator, ...] = (*closed, *net.series_compensators)
    for series in in_series:
        z = np.diag([complex(series.r_ohm, series.x_ohm)] * len(series.phases))
        yield _line(
            net.bus_index,
            series.name,
            series.bus_from,
            series.bus_to,
            series.phases,
            series.phases_to,
            z,
        )


def _line(  # noqa: PLR0913 - the ends of a line
    at: Mapping[str, int], name: str, a: str, b: str, phases: str, phases_to: str | None, z: Complex,
    y: Complex | None = None,
) -> Piece:  # fmt: skip
    sides = {at[a]: keys_of(at, a, phases), at[b]: keys_of(at, b, phases_to or phases)}
    return Piece(name, sides, z, y)


def _banks(net: Network) -> Iterator[Piece]:
    """Put transformers between the same buses together: they may share windings' nodes."""
    banks: dict[frozenset[str], list[PowerTransformer]] = {}
    for transformer in net.transformers:
        banks.setdefault(frozenset(e.bus for e in transformer.ends), []).append(transformer)
    for bank in banks.values():
        sides: dict[int, dict[At, None]] = {}
        for transformer in bank:
            for end in transformer.ends:
                found = dict.fromkeys(keys_of(net.bus_index, end.bus, end.nodes))
                sides.setdefault(net.bus_index[end.bus], {}).update(found)
        name = ", ".join(transformer.name for transformer in bank)
        order = {bus: tuple(sorted(nodes)) for bus, nodes in sides.items()}
        yield Piece(name, order, bank=tuple(bank))
