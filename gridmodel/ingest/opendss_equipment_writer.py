"""What is at the buses of a network, and its controls, as OpenDSS commands."""

from __future__ import annotations

from collections.abc import Iterator

from gridmodel.ingest.opendss_names import Names, number, numbers, tag
from gridmodel.network.controls import InverterControl, ShuntCompensatorControl
from gridmodel.network.equipment import (
    EnergyConsumer,
    LinearShuntCompensator,
    LoadResponseCharacteristic,
    PowerElectronicsConnection,
    Rated,
    RotatingMachine,
)
from gridmodel.network.network import Network

#: OpenDSS's model of a load by its shares of constant impedance, current and power.
_MODELS = {
    ((0.0, 0.0, 1.0), (0.0, 0.0, 1.0)): 1,
    ((1.0, 0.0, 0.0), (1.0, 0.0, 0.0)): 2,
    ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0)): 3,
    ((0.0, 1.0, 0.0), (0.0, 1.0, 0.0)): 5,
}
#: Below this voltage OpenDSS takes a load for its rated impedance. [pu]
_V_LOW_PU = 0.5
#: Settled to these an inverter control has found its point. [pu]
_SETTLED = "varchangetolerance=1e-5 voltagechangetolerance=1e-7 activepchangetolerance=1e-5"
_LEAST_OHM = 1e-6


def equipment(network: Network, names: Names) -> Iterator[str]:
    """Yield the commands for loads, capacitors, generators, inverters and their controls."""
    for consumer in network.consumers:
        yield _consumer(consumer, names)
    for charger in network.ev_chargers:
        yield (
            f"new load.{names.of('load', 'ev_chargers', charger.name)} {_at(charger, names)}"
            f" kw={number(charger.p_rated_kw)} kvar={number(charger.q_rated_kvar)} model=1"
            f" vminpu=0 vlowpu=0 vmaxpu=10{_shape(charger.profile, names)}"
            + tag({"is": "ev_charger"})
        )
    for capacitor in network.capacitors:
        yield from _shunt(capacitor, names)
    for machine in network.machines:
        yield _machine(machine, names)
    controls = {one.name: one for one in network.inverter_controls}
    for inverter in network.inverters:
        yield _inverter(inverter, controls.get(inverter.control), names)
    for grounding in network.groundings:
        r = grounding.r_ohm if grounding.r_ohm or grounding.x_ohm else _LEAST_OHM
        yield (
            f"new reactor.{names.of('reactor', 'groundings', grounding.name)} phases=1"
            f" bus1={names.at(grounding.bus, grounding.node)}"
            f" r={number(r)} x={number(grounding.x_ohm)}"
        )
    for switching in network.capacitor_controls:
        yield _capacitor_control(switching, network, names)
    for control in network.inverter_controls:
        yield from _inverter_control(control, network, names)


def _at(one: Rated, names: Names) -> str:
    return (
        f"bus1={names.at(one.bus, one.nodes)} phases={len(one.coils)} conn={one.connection}"
        f" kv={number(one.v_rated_v / 1e3)}"
    )


def _generating_at(one: Rated, names: Names) -> str:
    """Return where a generator is; a delta of one coil as a wye between two conductors.

    It is the same, but OpenDSS gives a single-phase delta generator that is outside its band of
    voltages a third of the admittance it gives any other (measured).
    """
    at = _at(one, names)
    return at.replace("conn=delta", "conn=wye") if len(one.coils) == 1 else at


def _shape(profile: str, names: Names) -> str:
    return f" yearly={names.of('loadshape', 'profiles', profile)}" if profile else ""


def _consumer(one: EnergyConsumer, names: Names) -> str:
    low = f" vlowpu={number(one.v_min_pu)}" if one.v_min_pu < _V_LOW_PU else ""
    return (
        f"new load.{names.of('load', 'consumers', one.name)} {_at(one, names)}"
        f" kw={number(one.p_rated_kw)} kvar={number(one.q_rated_kvar)}"
        f" {_model(one, names)} vminpu={number(one.v_min_pu)} vmaxpu={number(one.v_max_pu)}{low}"
        f" numcust={one.customer_count}{_shape(one.profile, names)}"
    )


def _model(one: EnergyConsumer, names: Names) -> str:
    response = one.response
    if response.p_exponent is not None or response.q_exponent is not None:
        p, q = _exponent(response, "p"), _exponent(response, "q")
        if p is None or q is None:
            text = "has an exponent beside shares; OpenDSS gets constant power for those."
            names.notice("consumers", one.name, text)
        return f"model=4 cvrwatts={number(p or 0.0)} cvrvars={number(q or 0.0)}"
    model = _MODELS.get((response.p_zip_pu, response.q_zip_pu))
    if model:
        return f"model={model}"
    return f"model=8 zipv={numbers((*response.p_zip_pu, *response.q_zip_pu, 0.0))}"


def _exponent(response: LoadResponseCharacteristic, key: str) -> float | None:
    """Return an exponent, also where pure shares mean one."""
    given: float | None = getattr(response, f"{key}_exponent")
    shares = {(1.0, 0.0, 0.0): 2.0, (0.0, 1.0, 0.0): 1.0, (0.0, 0.0, 1.0): 0.0}
    return given if given is not None else shares.get(getattr(response, f"{key}_zip_pu"))


def _shunt(one: LinearShuntCompensator, names: Names) -> Iterator[str]:
    if one.q_kvar > 0.0:
        yield _capacitor(one, names)
        if one.g_kw > 0.0:
            names.notice("capacitors", one.name, "its losses become a resistor of their own.")
            yield _reactor(one, f"{one.name}_losses", 0.0, names)
        return
    share = one.sections_on / one.section_count
    if share < 1.0:
        text = "a reactor has no sections in OpenDSS; it gets what is on."
        names.notice("capacitors", one.name, text)
    if share > 0.0 and (one.q_kvar or one.g_kw):
        part = (
            one
            if share == 1.0
            else one.model_copy(update={"q_kvar": one.q_kvar * share, "g_kw": one.g_kw * share})
        )
        yield _reactor(part, one.name, -part.q_kvar, names)


def _capacitor(one: LinearShuntCompensator, names: Names) -> str:
    phases, count = len(one.coils), one.section_count
    fields = _at(one, names)
    if one.connection == "wye":
        star = names.at(one.bus, one.nodes[-1] * phases)
        fields = fields.replace(names.at(one.bus, one.nodes), names.at(one.bus, one.nodes[:-1]), 1)
        fields += f" bus2={star}"
    states = [1] * one.sections_on + [0] * (count - one.sections_on)
    return (
        f"new capacitor.{names.of('capacitor', 'capacitors', one.name)} {fields}"
        f" numsteps={count} kvar={numbers([one.q_kvar / count] * count)}"
        f" states=({' '.join(map(str, states))})"
    )


def _reactor(one: LinearShuntCompensator, name: str, kvar: float, names: Names) -> str:
    phases = len(one.coils)
    fields = _at(one, names)
    if one.connection == "wye":
        star = names.at(one.bus, one.nodes[-1] * phases)
        fields = fields.replace(names.at(one.bus, one.nodes), names.at(one.bus, one.nodes[:-1]), 1)
        fields += f" bus2={star}"
    per_phase = one.coil_v**2 / 1e3 * phases
    if kvar > 0.0:
        fields += f" kvar={number(kvar)}"
        fields += f" rp={number(per_phase / one.g_kw)}" if one.g_kw else ""
    else:
        fields += f" r={number(per_phase / one.g_kw)} x=0"
    return f"new reactor.{names.of('reactor', 'capacitors', name)} {fields}"


def _machine(one: RotatingMachine, names: Names) -> str:
    holds = one.v_set_pu is not None
    reactive = (
        f" model=3 vpu={number(one.v_set_pu or 1.0)} maxkvar={number(one.q_max_kvar)}"
        f" minkvar={number(one.q_min_kvar)}"
        if holds
        else " model=1"
    )
    return (
        f"new generator.{names.of('generator', 'machines', one.name)} {_generating_at(one, names)}"
        f" kw={number(one.p_kw)} kvar={number(one.q_kvar)}{reactive}"
        f" vminpu={number(one.v_min_pu)} vmaxpu={number(one.v_max_pu)}"
    )


def _inverter(
    one: PowerElectronicsConnection, control: InverterControl | None, names: Names
) -> str:
    limits = f" kva={number(one.s_kva)} kvarmax={number(one.s_kva)} kvarmaxabs={number(one.s_kva)}"
    ends = (
        f" kvar={number(one.q_kvar)} vminpu={number(one.v_min_pu)} vmaxpu={number(one.v_max_pu)}"
        f" wattpriority={'yes' if control and control.priority == 'p' else 'no'}"
        f" %cutin=0 %cutout=0{_shape(one.profile, names)}"
    )
    facts: dict[str, str]
    if is_storage(one):
        stored = one.e_kwh or 1e6
        facts = {} if one.unit == "battery" else {"unit": one.unit}
        facts |= {} if one.e_kwh else {"e_kwh": "0"}
        return (
            f"new storage.{names.of('storage', 'inverters', one.name)} {_generating_at(one, names)}{limits}"
            f" kwrated={number(max(one.s_kva, abs(one.p_kw)))} kwhrated={number(stored)}"
            f" %stored=50 %reserve=0 %idlingkw=0 kw={number(one.p_kw)}{ends}{tag(facts)}"
        )
    facts = {} if one.unit == "photovoltaic" else {"unit": one.unit}
    return (
        f"new pvsystem.{names.of('pvsystem', 'inverters', one.name)} {_generating_at(one, names)}{limits}"
        f" pmpp={number(one.p_kw)} irradiance=1{ends}{tag(facts)}"
    )


def is_storage(one: PowerElectronicsConnection) -> bool:
    """Return whether OpenDSS must take an inverter for a storage: it can draw power."""
    return one.unit == "battery" or one.p_kw < 0.0


def _capacitor_control(one: ShuntCompensatorControl, network: Network, names: Names) -> str:
    element, terminal, phases = _watched(one, network, names)
    mode = "PF" if one.mode == "power_factor" else one.mode
    power = one.mode in ("kvar", "power_factor")
    at = phases.index(one.node) + 1 if one.node and one.node in phases else 1
    measured = "avg" if power and one.node is None else str(at)
    facts = {} if one.element else {"element": "none"}
    return (
        f"new capcontrol.{names.of('capcontrol', 'capacitor_controls', one.name)}"
        f" capacitor={names.of('capacitor', 'capacitors', one.capacitor)}"
        f" element={element} terminal={terminal} type={mode} onsetting={number(one.on)}"
        f" offsetting={number(one.off)} ptratio={number(one.pt_ratio)}"
        f" ctratio={number(one.ct_ratio)} delay={number(one.delay_s)}"
        f" delayoff={number(one.delay_off_s)} deadtime={number(one.dead_time_s)}"
        f" voltoverride={'yes' if one.v_override else 'no'} vmin={number(one.v_min_v)}"
        f" vmax={number(one.v_max_v)} ctphase={measured}"
        f" ptphase={at if power else measured}{tag(facts)}"
    )


def _watched(one: ShuntCompensatorControl, network: Network, names: Names) -> tuple[str, int, str]:
    """Return element, terminal and its phases; any at the capacitor's bus if none is named."""
    bus = next((c.bus for c in network.capacitors if c.name == one.capacitor), "")
    for group in ("lines", "switches"):
        for line in getattr(network, group):
            ends = (line.phases, line.phases_to or line.phases)
            if line.name == one.element:
                found = names.of("line", group, line.name)
                return f"line.{found}", one.terminal, ends[one.terminal - 1]
            if not one.element and bus in (line.bus_from, line.bus_to):
                k = 0 if line.bus_from == bus else 1
                return f"line.{names.of('line', group, line.name)}", k + 1, ends[k]
    for transformer in network.transformers:
        nodes = [end.nodes.replace("0", "") for end in transformer.ends]
        found = f"transformer.{names.of('transformer', 'transformers', transformer.name)}"
        if transformer.name == one.element:
            return found, one.terminal, nodes[one.terminal - 1]
        if not one.element and bus in [end.bus for end in transformer.ends]:
            k = [end.bus for end in transformer.ends].index(bus)
            return found, k + 1, nodes[k]
    return "", one.terminal, ""


def _inverter_control(one: InverterControl, network: Network, names: Names) -> Iterator[str]:
    members = [
        f"{kind}.{names.of(kind, 'inverters', inverter.name)}"
        for inverter in network.inverters
        if inverter.control == one.name
        for kind in ("storage" if is_storage(inverter) else "pvsystem",)
    ]
    if not members or not (one.volt_var or one.volt_watt):
        names.notice("inverter_controls", one.name, "is left out: it controls nothing.")
        return
    name = names.of("invcontrol", "inverter_controls", one.name)
    for key, curve in (("vv", one.volt_var), ("vw", one.volt_watt)):
        if curve:
            yield (
                f"new xycurve.{name}_{key} npts={len(curve)}"
                f" xarray={numbers(v for v, _ in curve)} yarray={numbers(y for _, y in curve)}"
            )
    both = bool(one.volt_var and one.volt_watt)
    mode = "combimode=VV_VW" if both else f"mode={'VOLTVAR' if one.volt_var else 'VOLTWATT'}"
    yield (
        f"new invcontrol.{name} derlist=({' '.join(members)}) {mode}"
        + (f" vvc_curve1={name}_vv" if one.volt_var else "")
        + (f" voltwatt_curve={name}_vw voltwattyaxis=KVARATINGPU" if one.volt_watt else "")
        + f" refreactivepower={'VARAVAL' if one.q_of_available else 'VARMAX'} {_SETTLED}"
    )
