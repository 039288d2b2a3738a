"""A neighbourhood as a network: the same street, in the terms of every solver.

The compact model a scenario is written in becomes the general one: four-wire cables with
earth return (`gridmodel.four_wire`), the Dyn transformer with its star point earthed, each
customer as one load a phase from phase to neutral, each PV plant in three phases.
"""

from __future__ import annotations

from collections.abc import Iterator

from gridmodel.four_wire import series_ohm_per_km
from gridmodel.ingest.notices import Notice
from gridmodel.neighbourhood import EARTHING_OHM, GRID_MVA, LineCode, Neighbourhood
from gridmodel.neighbourhood import ACLineSegment as Cable
from gridmodel.neighbourhood import PowerTransformer as StreetTransformer
from gridmodel.network.conductors import ACLineSegment, Matrix, PerLengthPhaseImpedance
from gridmodel.network.element import Connection
from gridmodel.network.equipment import (
    EnergyConsumer,
    EnergySource,
    GroundingImpedance,
    PowerElectronicsConnection,
)
from gridmodel.network.network import Bus, Network
from gridmodel.network.transformer import PowerTransformer, PowerTransformerEnd

#: Reactance over resistance of the public grid; OpenDSS's own default.
_GRID_X_PER_R = 4.0
#: Below and above, a customer is a constant impedance. [pu]
_V_MIN_PU, _V_MAX_PU = 0.5, 1.5
#: Ending of the name of a customer's terminal on the private cables.
PRIVATE = "_private"


def from_neighbourhood(street: Neighbourhood) -> tuple[Network, tuple[Notice, ...]]:
    """Return a neighbourhood as a network, every profile at a value of 1.

    Parameters
    ----------
    street : Neighbourhood
        The neighbourhood, as `gridmodel.neighbourhood.check_neighbourhood` lets it pass.

    Returns
    -------
    network : Network
        Customers are on the public cables. Private cables are there, between buses
        ``<customer>_private``, and without a source.
    notices : tuple of Notice
        What was assumed.
    """
    (first, *_) = street.transformers
    network = Network(
        name=street.name,
        f_nominal_hz=street.f_nominal_hz,
        coordinates="EPSG:4326",
        source=street.source,
        buses=tuple(_buses(street)),
        energy_sources=(_source(street, first.hv_bus),),
        impedances=tuple(_impedance(code, street.f_nominal_hz) for code in street.line_codes),
        lines=(
            *(_line(cable) for cable in street.lines),
            *(_line(cable, PRIVATE) for cable in street.private_lines),
        ),
        transformers=tuple(_transformer(street, one) for one in street.transformers),
        consumers=tuple(_consumers(street)),
        inverters=tuple(_inverters(street)),
        groundings=tuple(
            GroundingImpedance(name=f"earth_{bus}", bus=bus, node="N", r_ohm=EARTHING_OHM)
            for bus in dict.fromkeys(one.lv_bus for one in street.transformers)
        ),
    )
    return network, tuple(_notices(street))


def _notices(street: Neighbourhood) -> Iterator[Notice]:
    yield Notice(
        street.name, "energy_sources",
        f"a grid of {GRID_MVA:g} MVA feeds bus '{street.transformers[0].hv_bus}', and a star "
        f"point is earthed by {EARTHING_OHM:g} ohm, as in co-simulation",
    )  # fmt: skip
    if street.private_lines:
        yield Notice(
            street.name, "private_lines",
            f"{len(street.private_lines)} cables have no source of their own: the anchor that "
            "feeds them is part of a scenario; customers are on the public cables",
        )  # fmt: skip


def _buses(street: Neighbourhood) -> Iterator[Bus]:
    for bus in street.buses:
        yield Bus(name=bus.name, v_nominal_v=bus.v_nominal_v, x=bus.lon, y=bus.lat)
    if street.private_lines:
        for consumer in street.consumers:
            at = street.bus[consumer.bus]
            name = f"{consumer.name}{PRIVATE}"
            yield Bus(name=name, v_nominal_v=at.v_nominal_v, x=at.lon, y=at.lat)


def _source(street: Neighbourhood, bus: str) -> EnergySource:
    v_v = street.bus[bus].v_nominal_v
    r_ohm = v_v**2 / (GRID_MVA * 1e6) / (1.0 + _GRID_X_PER_R**2) ** 0.5
    x_ohm = r_ohm * _GRID_X_PER_R
    return EnergySource(
        name="grid", bus=bus, v_nominal_v=v_v,
        r1_ohm=r_ohm, x1_ohm=x_ohm, r0_ohm=r_ohm, x0_ohm=x_ohm,
    )  # fmt: skip


def _impedance(code: LineCode, f_hz: float) -> PerLengthPhaseImpedance:
    z = series_ohm_per_km(code, f_hz)
    c = [code.c_nf_per_km] * 3 + [0.0]
    return PerLengthPhaseImpedance(
        name=code.name,
        r_ohm_per_km=_rows(z.real.tolist()),
        x_ohm_per_km=_rows(z.imag.tolist()),
        c_nf_per_km=tuple(tuple(c[i] if i == j else 0.0 for j in range(4)) for i in range(4)),
        ampacity_a=code.ampacity_a,
    )


def _rows(values: list[list[float]]) -> Matrix:
    return tuple(tuple(row) for row in values)


def _line(cable: Cable, suffix: str = "") -> ACLineSegment:
    return ACLineSegment(
        name=cable.name,
        bus_from=f"{cable.bus_from}{suffix}",
        bus_to=f"{cable.bus_to}{suffix}",
        phases="ABCN",
        length_km=cable.length_km,
        impedance=cable.code,
    )


def _transformer(street: Neighbourhood, one: StreetTransformer) -> PowerTransformer:
    no_load = 100.0 * one.pfe_kw / one.s_kva

    def end(bus: str, nodes: str, connection: Connection) -> PowerTransformerEnd:
        return PowerTransformerEnd(
            bus=bus,
            nodes=nodes,
            connection=connection,
            v_rated_v=street.bus[bus].v_nominal_v,
            s_kva=one.s_kva,
            r_percent=one.vkr_percent / 2.0,
        )

    return PowerTransformer(
        name=one.name,
        ends=(end(one.hv_bus, "ABC", "delta"), end(one.lv_bus, "ABCN", "wye")),
        x_percent=((one.vk_percent**2 - one.vkr_percent**2) ** 0.5,),
        no_load_loss_percent=no_load,
        magnetizing_percent=max(one.i0_percent**2 - no_load**2, 0.0) ** 0.5,
    )


def _consumers(street: Neighbourhood) -> Iterator[EnergyConsumer]:
    """Yield one load a phase; the first one counts the customer."""
    for consumer in street.consumers:
        v_v = street.bus[consumer.bus].v_nominal_v / 3**0.5
        shares = [(k, share) for k, share in zip("ABC", consumer.phase_share_pu, strict=True)]
        on = [(phase, share) for phase, share in shares if share > 0.0]
        for number, (phase, share) in enumerate(on):
            yield EnergyConsumer(
                name=f"{consumer.name}_{phase.lower()}",
                origin=consumer.origin,
                bus=consumer.bus,
                nodes=f"{phase}N",
                v_rated_v=v_v,
                p_rated_kw=consumer.p_rated_kw * share,
                q_rated_kvar=consumer.q_rated_kvar * share,
                v_min_pu=_V_MIN_PU,
                v_max_pu=_V_MAX_PU,
                profile=consumer.profile,
                customer_count=int(number == 0),
            )


def _inverters(street: Neighbourhood) -> Iterator[PowerElectronicsConnection]:
    for plant in street.photovoltaics:
        bus = street.consumer[plant.consumer].bus
        yield PowerElectronicsConnection(
            name=plant.name,
            origin=plant.origin,
            bus=bus,
            nodes="ABCN",
            v_rated_v=street.bus[bus].v_nominal_v,
            s_kva=plant.s_kva,
            p_kw=plant.s_kva,
            v_min_pu=_V_MIN_PU,
            v_max_pu=_V_MAX_PU,
            profile=plant.profile,
        )
