"""Loads as rows of pandapower's tables, symmetric and asymmetric."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Protocol

from gridmodel.ingest.notices import Notice
from gridmodel.network.element import Element
from gridmodel.network.equipment import AtBus, EnergyConsumer
from gridmodel.network.network import Network

#: Index of the asymmetric tables' phase, by the pair of nodes a coil lies between.
_PAIRS = {frozenset(pair): phase for phase, pair in zip("abc", ("AB", "BC", "CA"), strict=True)}
_Share = tuple[float, float, float, float]
_CONSTANT: tuple[_Share, _Share] = ((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0))


class Writer(Protocol):
    """What of a writer of a net is needed here."""

    network: Network
    where: str
    net: Any
    library: Any
    at: dict[str, int]
    single: list[Notice]
    for_solver: bool

    def lose(self, elements: Iterable[Element], text: str) -> None:
        """Tell of elements that the net does not hold."""

    def note(self, elements: Iterable[Element], text: str) -> None:
        """Tell of elements that it holds in another way."""


def write_consumers(writer: Writer) -> None:
    """Write loads and charging points, those of single phases to the asymmetric table."""
    writer.note(writer.network.ev_chargers, "a charging point: written as a load")
    three: list[tuple[Any, str]] = []
    loads: tuple[Any, ...] = (*writer.network.consumers, *writer.network.ev_chargers)
    for load in loads:
        kind = even(load)
        if kind:
            three.append((load, kind))
            continue
        by_phase(writer, load, complex(load.p_rated_kw, load.q_rated_kvar), "load")
        if isinstance(load, EnergyConsumer) and _shares(writer.network, load) != _CONSTANT:
            writer.lose([load], "follows the voltage, which no load of single phases does")
    table = _Table()
    for load, kind in three:
        found = _shares(writer.network, load) if isinstance(load, EnergyConsumer) else _CONSTANT
        if found is None:
            writer.lose([load], "follows the voltage by exponents other than 0, 1 and 2")
            continue
        p, q = (
            _part(rated / 1e3, share)
            for rated, share in zip((load.p_rated_kw, load.q_rated_kvar), found, strict=True)
        )
        if writer.for_solver:
            p, q = _apart(writer, load, p, q)
        if any(not (0.0 <= x[k] <= 1.0 and x[1] + x[2] <= 1.0) for x in (p, q) for k in (1, 2)):
            writer.lose([load], "follows the voltage with shares outside 0 to 1")
            continue
        table.add(load, kind, writer.at[load.bus], p, q)
    if table.rows["name"]:
        writer.library.create_loads(writer.net, table.buses, **table.rows)


#: Power of a load [MW or Mvar], and its shares of impedance and of current.
_Part = tuple[float, float, float]


def _part(rated_m: float, share: _Share) -> _Part:
    """Return a load's power at its bus's voltage with shares of impedance and current."""
    return rated_m * share[3], share[0], share[1]


class _Table:
    """Columns of pandapower's table of loads."""

    def __init__(self) -> None:
        self.buses: list[int] = []
        columns = ("name", "type", "p_mw", "q_mvar", *_PERCENTS)
        self.rows: dict[str, list[Any]] = {column: [] for column in columns}

    def add(self, load: Any, kind: str, bus: int, p: _Part, q: _Part) -> None:
        """Add a row."""
        self.buses.append(bus)
        percents = (100.0 * share for share in (p[1], p[2], q[1], q[2]))
        values = (load.name, kind, p[0], q[0], *percents)
        for column, value in zip(self.rows, values, strict=True):
            self.rows[column].append(value)


_PERCENTS = (
    "const_z_p_percent", "const_i_p_percent", "const_z_q_percent", "const_i_q_percent"
)  # fmt: skip


def _apart(writer: Writer, load: EnergyConsumer, p: _Part, q: _Part) -> tuple[_Part, _Part]:
    """Return a load without its share of impedance, which becomes a shunt.

    `runpp` takes for a bus the plain mean of the shares of its loads, whatever their power,
    and applies it to all power there (pandapower 3.5.6). A shunt is exact; a share of current
    is so where the load is alone.
    """
    (p_z, p_rest), (q_z, q_rest) = _split(p), _split(q)
    if p_z or q_z:
        v_kv = writer.network.bus[load.bus].v_nominal_v / 1e3
        name = f"{load.name} impedance"
        at = writer.at[load.bus]
        writer.library.create_shunt(writer.net, at, p_mw=p_z, q_mvar=q_z, vn_kv=v_kv, name=name)
    if (p_rest[2] or q_rest[2]) and not _alone(writer.network, load):
        writer.lose([load], "has a share of constant current, and is not alone at its bus")
    return p_rest, q_rest


def _split(part: _Part) -> tuple[float, _Part]:
    """Return the power of the impedance, and the rest."""
    power, z, i = part
    rest = 1.0 - z
    if abs(rest) < 1e-12:
        return power, (0.0, 0.0, 0.0)
    return power * z, (power * rest, 0.0, i / rest)


def _alone(network: Network, load: EnergyConsumer) -> bool:
    """Return whether nothing else draws or gives power at a load's bus, or next to a switch."""
    others = [e for e in network.at_buses if e.bus == load.bus and e.name != load.name]
    joined = any(
        load.bus in (s.bus_from, s.bus_to) and not (s.open or s.r_ohm or s.x_ohm)
        for s in network.switches
    )
    return not others and not joined


def by_phase(writer: Writer, element: AtBus, s_kva: complex, what: str) -> None:
    """Write a load or a generator of some phases to an asymmetric table."""
    fields: dict[str, float] = {}
    kinds = set()
    for one, other in element.coils:
        pair = frozenset((one, other))
        grounded = other == "0" and one in "ABC"
        phase = one.lower() if grounded else _PAIRS.get(pair, "")
        if not phase:
            writer.lose([element], f"lies between {one} and {other}")
            return
        kinds.add("wye" if grounded else "delta")
        part = s_kva / len(element.coils) / 1e3
        fields[f"p_{phase}_mw"] = fields.get(f"p_{phase}_mw", 0.0) + part.real
        fields[f"q_{phase}_mvar"] = fields.get(f"q_{phase}_mvar", 0.0) + part.imag
    writer.single.append(Notice(writer.where, element.name, "is not of three phases"))
    create = getattr(writer.library, f"create_asymmetric_{what}")
    create(writer.net, writer.at[element.bus], name=element.name, type=kinds.pop(), **fields)


def even(element: AtBus) -> str:
    """Return wye or delta for equipment that is alike on three phases, else ''."""
    if len(element.coils) != 3 or set(element.nodes) - {"0", "N"} != set("ABC"):
        return ""
    return element.connection


def _shares(network: Network, load: EnergyConsumer) -> tuple[_Share, _Share] | None:
    """Return shares of impedance and current, and the power, at the bus's own voltage."""
    response = load.response
    ratio = network.bus[load.bus].v_nominal_v / load.v_rated_v
    if len(load.coils) == 1:
        ratio = 1.0
    found = []
    for zip_pu, exponent in (
        (response.p_zip_pu, response.p_exponent),
        (response.q_zip_pu, response.q_exponent),
    ):
        if exponent is not None:
            if exponent not in (0.0, 1.0, 2.0):
                return None
            zip_pu = tuple(float(exponent == k) for k in (2.0, 1.0, 0.0))  # type: ignore[assignment]
        z, i, s = zip_pu[0] * ratio**2, zip_pu[1] * ratio, zip_pu[2]
        total = z + i + s
        if math.isclose(total, 0.0):
            return None
        found.append((z / total, i / total, s / total, total))
    return found[0], found[1]
