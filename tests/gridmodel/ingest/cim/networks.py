"""Networks for the tests of the CIM reader and writer: one of each kind, and random ones."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from gridmodel.network.conductors import (
    ACLineSegment,
    PerLengthPhaseImpedance,
    SeriesCompensator,
    Switch,
)
from gridmodel.network.controls import ShuntCompensatorControl, TapChangerControl
from gridmodel.network.equipment import (
    EnergyConsumer,
    EnergySource,
    GroundingImpedance,
    LinearShuntCompensator,
    LoadResponseCharacteristic,
    PowerElectronicsConnection,
    RotatingMachine,
)
from gridmodel.network.network import Bus, Network
from gridmodel.network.transformer import PowerTransformer, PowerTransformerEnd, RatioTapChanger

V = 12470.0
LN = V / math.sqrt(3.0)
LEGS_V = 120.0 * math.sqrt(3.0)


def impedance(size: int) -> PerLengthPhaseImpedance:
    """Return an unsymmetrical kind of line with some conductors."""

    def matrix(own: float, mutual: float) -> tuple[tuple[float, ...], ...]:
        return tuple(
            tuple(own + 0.01 * i if i == j else mutual + 0.003 * (i + j) for j in range(size))
            for i in range(size)
        )

    return PerLengthPhaseImpedance(
        name=f"kind {size}",
        r_ohm_per_km=matrix(0.3, 0.09),
        x_ohm_per_km=matrix(0.6, 0.3),
        c_nf_per_km=matrix(11.0, -3.0),
        ampacity_a=300.0,
    )


def line(name: str, one: str, other: str, phases: str, **fields: Any) -> ACLineSegment:
    """Return a line of the kind that fits its phases."""
    kind = f"kind {len(phases)}"
    return ACLineSegment(
        name=name,
        bus_from=one,
        bus_to=other,
        phases=phases,
        length_km=0.7,
        impedance=kind,
        **fields,
    )


def feeder(**groups: Any) -> Network:
    """Return a feeder of three buses a - b - c with all conductors, and what is given."""
    base: dict[str, Any] = {
        "buses": tuple(Bus(name=name, v_nominal_v=V) for name in "abc"),
        "energy_sources": (
            EnergySource(
                name="grid", bus="a", v_nominal_v=V, v_pu=1.02, angle_deg=30.0, r1_ohm=0.1,
                x1_ohm=1.0, r0_ohm=0.2, x0_ohm=1.5,
            ),
        ),
        "impedances": tuple(impedance(size) for size in (1, 2, 3, 4)),
        "lines": (line("ab", "a", "b", "ABC"), line("bc", "b", "c", "ABCN")),
    }  # fmt: skip
    more = {key: (*base.get(key, ()), *value) for key, value in groups.items()}
    return Network(name="feeder", **{**base, **more})


def end(bus: str, nodes: str, volts: float, **fields: Any) -> PowerTransformerEnd:
    """Return a winding of 500 kVA."""
    kind = "wye" if set(nodes) & set("0N") else "delta"
    given = {"connection": kind, "s_kva": 500.0, "r_percent": 0.5} | fields
    return PowerTransformerEnd(bus=bus, nodes=nodes, v_rated_v=volts, **given)


def low(*ends: PowerTransformerEnd, volts: float = 480.0, **fields: Any) -> Network:
    """Return the feeder with a transformer to a bus `d`, and a load there."""
    transformer = PowerTransformer(
        name="t",
        ends=ends,
        x_percent=(4.0,) if len(ends) == 2 else (2.0, 2.1, 1.3),
        no_load_loss_percent=0.2,
        magnetizing_percent=0.6,
        **fields,
    )
    return feeder(buses=(Bus(name="d", v_nominal_v=volts),), transformers=(transformer,))


def load(name: str, nodes: str, bus: str = "c", **fields: Any) -> EnergyConsumer:
    """Return a load with the rated voltage of its bus (12.47 kV)."""
    delta = not set(nodes) & set("0N")
    single = len(nodes) == 2
    given = {
        "connection": "delta" if delta else "wye",
        "v_rated_v": LN if single and not delta else V,
        "p_rated_kw": 90.0,
        "q_rated_kvar": 30.0,
    }
    return EnergyConsumer(name=name, bus=bus, nodes=nodes, **given | fields)


def capacitor(name: str, nodes: str, **fields: Any) -> LinearShuntCompensator:
    """Return a capacitor at bus c."""
    delta = not set(nodes) & set("0N")
    given = {
        "connection": "delta" if delta else "wye",
        "v_rated_v": LN if len(nodes) == 2 and not delta else V,
        "q_kvar": 300.0,
        "section_count": 3,
        "sections_on": 2,
    }
    return LinearShuntCompensator(name=name, bus="c", nodes=nodes, **given | fields)


def inverter(name: str, nodes: str, **fields: Any) -> PowerElectronicsConnection:
    """Return an inverter at bus c."""
    given: dict[str, Any] = {"bus": "c", "v_rated_v": LN if len(nodes) == 2 else V, "s_kva": 50.0}
    return PowerElectronicsConnection(name=name, nodes=nodes, **given | fields)


def tap_control(**fields: Any) -> TapChangerControl:
    """Return a control of the transformer `t`."""
    given: dict[str, Any] = {
        "name": "rc", "transformer": "t", "v_set_v": 122.0, "band_v": 2.0, "pt_ratio": 2.31,
        "ct_rated_a": 700.0, "r_v": 3.0, "x_v": 9.0, "delay_s": 45.0, "tap_delay_s": 3.0,
    }  # fmt: skip
    return TapChangerControl(**given | fields)


def switched(mode: str, on: float, off: float, **fields: Any) -> Network:
    """Return the feeder with a capacitor and its control."""
    control = ShuntCompensatorControl(
        name="cc", capacitor="k", mode=mode, on=on, off=off, pt_ratio=1.0, ct_ratio=1.0,
        delay_s=20.0, delay_off_s=20.0, **fields,
    )  # fmt: skip
    return feeder(capacitors=(capacitor("k", "ABC0"),), capacitor_controls=(control,))


_TAPS = RatioTapChanger(tap_min_pu=0.9, tap_max_pu=1.05, step_count=24)
_HOUSE = (
    end("b", "C0", LN, s_kva=25.0, r_percent=0.6),
    end("d", "A0", 120.0, s_kva=25.0, r_percent=1.2),
    end("d", "0B", 120.0, s_kva=25.0, r_percent=1.2),
)


def _house(**groups: Any) -> Network:
    house = low(*_HOUSE, volts=LEGS_V)
    drop = line("drop", "d", "e", "BA")
    e = Bus(name="e", v_nominal_v=LEGS_V)
    return house.with_(buses=(*house.buses, e), lines=(*house.lines, drop), **groups)


_ZIP = LoadResponseCharacteristic(p_zip_pu=(0.5, 0.25, 0.25), q_zip_pu=(1.0, 0.0, 0.0))
_EXPONENTS = LoadResponseCharacteristic(p_exponent=0.75, q_exponent=2.0)

#: A network for each thing that must survive being written and read.
EXAMPLES: dict[str, Network] = {
    "a bare feeder": feeder(),
    "coordinates": feeder().with_(
        coordinates="EPSG:4326",
        buses={"a": {"x": -97.7, "y": 30.3}, "c": {"x": -97.6, "y": 30.25}},
    ),
    "50 Hz": feeder().with_(f_nominal_hz=50.0),
    "a line whose conductors are in another order": feeder(
        buses=(Bus(name="d", v_nominal_v=V),), lines=(line("cd", "c", "d", "CA", ampacity_a=99.0),)
    ),
    "switches of every kind": feeder(
        buses=tuple(Bus(name=name, v_nominal_v=V) for name in "defghij"),
        switches=tuple(
            Switch(name=kind, kind=kind, bus_from="c", bus_to=bus, phases="ABC", open=bus in "eg")
            for kind, bus in zip(
                ("breaker", "disconnector", "fuse", "load_break_switch", "recloser",
                 "sectionaliser", "switch"),
                "defghij", strict=True,
            )
        ),
    ),
    "a switch of one phase, and one that crosses phases": feeder(
        buses=(Bus(name="d", v_nominal_v=V), Bus(name="e", v_nominal_v=V)),
        switches=(
            Switch(name="one", bus_from="c", bus_to="d", phases="B", ampacity_a=40.0),
            Switch(name="two", bus_from="c", bus_to="e", phases="ABC", phases_to="BCA"),
        ),
    ),
    "a reactor in series": feeder(
        buses=(Bus(name="d", v_nominal_v=V),),
        series_compensators=(
            SeriesCompensator(name="x", bus_from="c", bus_to="d", phases="AC", r_ohm=0.1, x_ohm=2.0),
        ),
    ),
    "an earthed neutral": feeder(
        groundings=(GroundingImpedance(name="rod", bus="c", r_ohm=5.0, x_ohm=0.1),)
    ),
    "delta - wye, low side lags": low(end("c", "ABC", V), end("d", "ABC0", 480.0)),
    "delta - wye, low side leads": low(end("c", "ABC", V), end("d", "ABC0", 480.0), lead=True),
    "delta - wye, 150 degrees": low(end("c", "ABC", V), end("d", "CAB0", 480.0)),
    "stepping up": low(
        end("c", "ABC0", V), end("d", "ABC", 34500.0, s_kva=600.0), volts=34500.0
    ),
    "star point on the neutral": low(end("c", "ABCN", V), end("d", "ABC0", 480.0)),
    "three windings": low(
        end("c", "ABC", V), end("d", "ABC0", 480.0), end("b", "ABC", V, s_kva=200.0), lead=True
    ),
    "one phase to earth": low(end("c", "B0", LN), end("d", "B0", 277.0)),
    "one phase between phases": low(end("c", "CA", V), end("d", "A0", 277.0)),
    "one phase to the neutral": low(end("c", "AN", LN), end("d", "A0", 277.0)),
    "turned round": low(end("c", "B0", LN), end("d", "0B", 277.0)),
    "open wye": low(end("c", "AB0", V), end("d", "AB0", 480.0)),
    "a regulator": low(
        end("c", "ABC0", V), end("d", "ABC0", 480.0, tap_pu=1.01875, tap_changer=_TAPS)
    ).with_(tap_controls=(tap_control(coil=2),)),
    "a regulator that looks elsewhere": low(
        end("c", "A0", LN), end("d", "A0", 277.0, tap_pu=0.925, tap_changer=_TAPS)
    ).with_(tap_controls=(tap_control(bus="b", node="C"),)),
    "a house": _house(
        consumers=(
            load("leg 1", "A0", "e", v_rated_v=120.0),
            load("leg 2", "B0", "d", v_rated_v=115.0),
            load("oven", "AB", "e", v_rated_v=240.0),
            load("both", "AB0", "e", v_rated_v=LEGS_V),
        ),
        inverters=(
            inverter("roof", "AB0", bus="e", v_rated_v=LEGS_V, p_kw=4.0, v_min_pu=0.8),
            inverter("wall", "B0", bus="e", v_rated_v=120.0, unit="battery", e_kwh=13.5),
        ),
    ),
    "loads in every way": feeder(
        consumers=(
            load("wye", "ABC0", response=_ZIP, profile="evening", customer_count=7),
            load("delta", "ABC", response=_EXPONENTS, profile="evening"),
            load("neutral", "ABCN", profile="night"),
            *(load(f"to earth {x}", f"{x}0", response=_ZIP) for x in "ABC"),
            *(load(f"between {x}", x) for x in ("AB", "BC", "CA")),
            load("one to neutral", "BN"),
            load("two", "AC0"),
            load("other voltage", "ABC0", v_rated_v=12000.0),
        )
    ),
    "capacitors in every way": feeder(
        capacitors=(
            capacitor("wye", "ABC0", g_kw=1.5),
            capacitor("delta", "ABC"),
            capacitor("one", "B0", v_rated_v=7200.0),
            capacitor("two", "AC0", g_kw=0.5),
            capacitor("between", "BC", v_rated_v=13200.0),
            capacitor("neutral", "ABCN"),
            capacitor("reactor", "ABC0", q_kvar=-50.0),
        )
    ),
    "inverters and machines": feeder(
        inverters=(
            inverter("pv", "ABC0", p_kw=40.0, q_kvar=-5.0, profile="sun"),
            inverter("battery", "A0", p_kw=-10.0, unit="battery", e_kwh=100.0, v_min_pu=0.5),
            inverter("wind", "BC0", unit="wind", p_kw=20.0),
            inverter("other", "ABC0", unit="other"),
        ),
        machines=(
            RotatingMachine(name="given", bus="c", v_rated_v=V, p_kw=100.0, q_kvar=20.0),
            RotatingMachine(
                name="held", bus="b", v_rated_v=V, p_kw=100.0, v_set_pu=1.01, q_min_kvar=-30.0,
                q_max_kvar=60.0,
            ),
        ),
    ),
    "a capacitor switched by voltage": switched("voltage", 7000.0, 7400.0, node="B"),
    "a capacitor switched by current": switched("current", 90.0, 40.0, element="ab", terminal=2),
    "a capacitor switched by kvar": switched("kvar", 400.0, 100.0, element="ab", node="A"),
    "a capacitor switched by power factor": switched("power_factor", 0.92, 0.99, element="ab"),
    "a capacitor switched by the clock": switched("time", 8.0, 20.0),
}  # fmt: skip


@st.composite
def radial_networks(draw: st.DrawFn) -> Network:
    """Return a radial network of up to nine buses with lines, switches, banks and loads."""
    volts = {"b0": V}
    phases = {"b0": "ABC"}
    groups: dict[str, list[Any]] = {
        key: [] for key in ("lines", "switches", "transformers", "consumers", "capacitors")
    }
    for k in range(1, draw(st.integers(2, 9))):
        above, bus = draw(st.sampled_from(sorted(volts))), f"b{k}"
        chosen = "".join(draw(st.permutations(phases[above])))
        chosen = chosen[: draw(st.integers(1, len(chosen)))]
        volts[bus], phases[bus] = volts[above], chosen
        kind = draw(st.sampled_from(("line", "line", "switch", "transformer")))
        if kind == "line":
            groups["lines"].append(line(f"l{k}", above, bus, chosen))
        elif kind == "switch":
            shut = not draw(st.booleans())
            groups["switches"].append(
                Switch(
                    name=f"s{k}",
                    bus_from=above,
                    bus_to=bus,
                    phases="".join(sorted(chosen)),
                    open=shut,
                )
            )
        else:
            volts[bus] = draw(st.sampled_from((480.0, 4160.0)))
            scale = 1.0 if len(chosen) > 1 else 1.0 / math.sqrt(3.0)
            ends = (
                end(above, f"{chosen}0", volts[above] * scale),
                end(bus, f"{chosen}0", volts[bus] * scale),
            )
            x = draw(st.floats(0.5, 12.0))
            groups["transformers"].append(PowerTransformer(name=f"t{k}", ends=ends, x_percent=(x,)))
        nodes = "".join(sorted(chosen)) + "0"
        rated = volts[bus] if len(nodes) > 2 else volts[bus] / math.sqrt(3.0)
        p = draw(st.floats(-50.0, 500.0))
        groups["consumers"].append(load(f"c{k}", nodes, bus, v_rated_v=rated, p_rated_kw=p))
    buses = tuple(Bus(name=name, v_nominal_v=v) for name, v in volts.items())
    source = EnergySource(name="grid", bus="b0", v_nominal_v=V)
    made = {key: tuple(value) for key, value in groups.items()}
    kinds = tuple(impedance(size) for size in (1, 2, 3))
    return Network(name="random", buses=buses, energy_sources=(source,), impedances=kinds, **made)
