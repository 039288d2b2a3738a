"""Write what the street scenarios need of SimBench: network and profiles.

Reads the grid ``1-LV-rural1--0-sw`` and its year of 15-minute profiles from the PyPI
package ``simbench`` (which brings pandapower) and writes into ``scenarios/street_island``:

- ``network.json``: the street, with houses placed on phases;
- ``citizen_mesh.json``: the same street with private cables between the houses;
- ``profiles.parquet``: the profiles the street uses, a whole year.

Run it with ``make extract``. The output is checked in; nobody needs to run this again
unless the recipe changes.

What is ours and not SimBench's:

- Phases. SimBench is balanced. Customers rated below 4.6 kW get one phase, others all
  three with unequal shares, both drawn with a fixed seed.
- PV inverters stay three-phase and balanced, as German rules want above 4.6 kVA.
- Time. SimBench's clock is German local time with both changes of the clock; rows are
  equally spaced, so they are stored as counted quarters from the first instant in UTC.
- The private cables: NYY-J 5x10 along the minimum spanning tree of the house positions.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simbench

from gridmodel.ingest.neighbourhood_file import write_neighbourhood
from gridmodel.neighbourhood import (
    ACLineSegment,
    Bus,
    EnergyConsumer,
    LineCode,
    Neighbourhood,
    PhotovoltaicUnit,
    PowerTransformer,
    check_neighbourhood,
)

CODE = "1-LV-rural1--0-sw"
OUT = Path(__file__).parent.parent / "scenarios" / "street_island"
SEED = 1
SINGLE_PHASE_BELOW_KW = 4.6
#: NYY-J 5x10 copper in the ground: DIN VDE 0276-603 ampacity, IEC 60228 resistance.
PRIVATE_CABLE = LineCode(
    name="NYY-J 5x10", r_ohm_per_km=1.83, x_ohm_per_km=0.094, c_nf_per_km=0.0, ampacity_a=79.0
)
SOURCE = (
    f"SimBench grid {CODE}, PyPI package simbench; database licence ODbL 1.0, see ATTRIBUTION.md"
)


def bus_name(net: object, index: int) -> str:
    """Return a bus name without blanks: ``bus_04``, or ``mv`` for the 20 kV side."""
    name = net.bus.name[index]
    return f"bus_{int(name.split()[-1]):02d}" if net.bus.vn_kv[index] < 1 else "mv"


def buses(net: object) -> tuple[Bus, ...]:
    """Return the buses, the 20 kV one first."""
    order = sorted(net.bus.index, key=lambda index: (-net.bus.vn_kv[index], index))
    found = []
    for index in order:
        lon, lat = json.loads(net.bus.geo[index])["coordinates"]
        found.append(
            Bus(
                name=bus_name(net, index),
                v_nominal_v=1e3 * float(net.bus.vn_kv[index]),
                lat=float(lat),
                lon=float(lon),
            )
        )
    return tuple(found)


def lines(net: object) -> tuple[ACLineSegment, ...]:
    """Return the street's cables."""
    return tuple(
        ACLineSegment(
            name=f"line_{int(row.name.split()[-1]):02d}"
            if isinstance(row.name, str)
            else f"{row.name}",
            bus_from=bus_name(net, row.from_bus),
            bus_to=bus_name(net, row.to_bus),
            length_km=round(float(row.length_km), 6),
            code=row.std_type,
        )
        for row in net.line.itertuples(index=False)
    )


def line_code(net: object) -> LineCode:
    """Return the one kind of cable in the street."""
    (std_type,) = set(net.line.std_type)
    row = net.line.iloc[0]
    return LineCode(
        name=std_type,
        r_ohm_per_km=float(row.r_ohm_per_km),
        x_ohm_per_km=float(row.x_ohm_per_km),
        c_nf_per_km=round(float(row.c_nf_per_km), 3),
        ampacity_a=1e3 * float(row.max_i_ka),
    )


def consumers(net: object) -> tuple[EnergyConsumer, ...]:
    """Return the customers, on phases."""
    rng = np.random.default_rng(SEED)
    phases = rng.permutation(np.arange(len(net.load)) % 3)
    found = []
    for row in net.load.itertuples():
        number = int(row.name.split()[-1])
        p_kw = 1e3 * float(row.p_mw)
        if p_kw < SINGLE_PHASE_BELOW_KW:
            share = np.eye(3)[phases[row.Index]]
        else:
            share = np.round(rng.dirichlet((8.0, 8.0, 8.0)), 2)
            share[2] = round(1.0 - share[0] - share[1], 2)
        found.append(
            EnergyConsumer(
                name=f"house_{number:02d}",
                bus=bus_name(net, row.bus),
                phase_share_pu=tuple(float(part) for part in share),
                p_rated_kw=p_kw,
                q_rated_kvar=round(1e3 * float(row.q_mvar), 6),
                profile=row.profile,
                origin=row.name,
            )
        )
    return tuple(found)


def photovoltaics(net: object, houses: tuple[EnergyConsumer, ...]) -> tuple[PhotovoltaicUnit, ...]:
    """Return the PV plants, each at the customer of its bus."""
    at_bus = {house.bus: house.name for house in houses}
    plants = [
        PhotovoltaicUnit(
            name=f"pv_{int(row.name.split()[-1])}",
            consumer=at_bus[bus_name(net, row.bus)],
            s_kva=round(1e3 * float(row.sn_mva), 3),
            profile=row.profile,
            origin=row.name,
        )
        for row in net.sgen.itertuples()
    ]
    return tuple(sorted(plants, key=lambda plant: plant.name))


def street(net: object) -> Neighbourhood:
    """Return the street."""
    houses = consumers(net)
    trafo = net.trafo.iloc[0]
    return Neighbourhood(
        name="street_island",
        f_nominal_hz=float(net.f_hz),
        source=SOURCE,
        buses=buses(net),
        line_codes=(line_code(net),),
        lines=lines(net),
        transformers=(
            PowerTransformer(
                name="transformer",
                hv_bus=bus_name(net, trafo.hv_bus),
                lv_bus=bus_name(net, trafo.lv_bus),
                s_kva=1e3 * float(trafo.sn_mva),
                vk_percent=float(trafo.vk_percent),
                vkr_percent=float(trafo.vkr_percent),
                pfe_kw=float(trafo.pfe_kw),
                i0_percent=float(trafo.i0_percent),
            ),
        ),
        consumers=houses,
        photovoltaics=photovoltaics(net, houses),
    )


def with_private_lines(network: Neighbourhood) -> Neighbourhood:
    """Return the network with private cables along the minimum spanning tree of its houses."""
    names = network.consumer_names
    joined = [names[0]]
    private = []
    while len(joined) < len(names):
        length, near, new = min(
            (network.distance_m(a, b), a, b) for a in joined for b in names if b not in joined
        )
        joined.append(new)
        private.append(
            ACLineSegment(
                name=f"private_{len(private) + 1:02d}",
                bus_from=near,
                bus_to=new,
                length_km=round(max(length, 5.0) * 1.2e-3, 4),  # 20 % detour
                code=PRIVATE_CABLE.name,
            )
        )
    return network.model_copy(
        update={
            "name": "citizen_mesh",
            "line_codes": (*network.line_codes, PRIVATE_CABLE),
            "private_lines": tuple(private),
        }
    )


def write_profiles(net: object, network: Neighbourhood) -> None:
    """Write the year of profiles the network names; P and Q of loads, P of PV."""
    load, pv = net.profiles["load"], net.profiles["renewables"]
    columns = {}
    for name in sorted({house.profile for house in network.consumers}):
        columns[f"{name}_p_pu"] = load[f"{name}_pload"]
        columns[f"{name}_q_pu"] = load[f"{name}_qload"]
    for name in sorted({plant.profile for plant in network.photovoltaics}):
        columns[f"{name}_p_pu"] = pv[name]
    table = pa.table(
        {name: pa.array(values.to_numpy(np.float32)) for name, values in columns.items()}
    )
    meta = {
        "start_utc": "2015-12-31T23:00:00+00:00",  # 2016-01-01 00:00 in Germany
        "step_s": "900",
        "source": SOURCE,
    }
    table = table.replace_schema_metadata(meta)
    pq.write_table(table, OUT / "profiles.parquet", compression="zstd", compression_level=19)


def main() -> None:
    """Write all three files."""
    net = simbench.get_simbench_net(CODE)
    network = street(net)
    mesh = with_private_lines(network)
    for each, name in ((network, "network.json"), (mesh, "citizen_mesh.json")):
        check_neighbourhood(each, name)
        write_neighbourhood(each, OUT / name)
    write_profiles(net, network)


if __name__ == "__main__":
    main()
