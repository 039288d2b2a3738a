"""OpenDSS script of a network: one file that OpenDSS solves to the same answer.

What OpenDSS has no property for (kinds of switches, charging points) stands in comments
``! feedertwin key=value`` behind the command, where our own reader finds it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gridmodel.ingest.notices import Notice
from gridmodel.ingest.opendss_equipment_writer import equipment
from gridmodel.ingest.opendss_names import Names, matrix, number, numbers, tag
from gridmodel.ingest.opendss_profile import Profile
from gridmodel.network.checks import nodes_of
from gridmodel.network.network import Network
from gridmodel.network.transformer import PowerTransformer

#: Impedance of a switch or source that has none, so that it can be inverted. [ohm]
_LEAST_OHM = 1e-7


@dataclass(frozen=True)
class Script:
    """A network in OpenDSS's language.

    Parameters
    ----------
    commands : tuple of str
        The commands, without one that solves.
    names : Names
        What every element is called in them.
    """

    commands: tuple[str, ...]
    names: Names


def write_opendss(
    network: Network, path: Path, profiles: Mapping[str, Profile] | None = None
) -> tuple[Notice, ...]:
    """Write a network as an OpenDSS script.

    The script makes the circuit and does not solve it: tolerance, iterations and mode are
    the solver's.

    Parameters
    ----------
    network : Network
        The network.
    path : Path
        The file to write.
    profiles : mapping, optional
        Values of load shapes by name; a shape without values is a single 1.

    Returns
    -------
    tuple of Notice
        What OpenDSS cannot hold, by group and name.
    """
    script = opendss_script(network, profiles)
    path.write_text("\n".join(script.commands) + "\n", encoding="utf-8")
    return tuple(script.names.notices)


def opendss_script(network: Network, profiles: Mapping[str, Profile] | None = None) -> Script:
    """Return a network in OpenDSS's language."""
    names = Names()
    commands = (
        *_circuit(network, names),
        *_profiles(network, profiles or {}, names),
        *_line_codes(network, names),
        *_lines(network, names),
        *_switches(network, names),
        *_series(network, names),
        *(_transformer(one, names) for one in network.transformers),
        *_tap_controls(network, names),
        *equipment(network, names),
        *_buses(network, names),
        *_open(network, names),
    )
    return Script(commands, names)


def _circuit(network: Network, names: Names) -> Iterator[str]:
    yield "clear"
    yield f"set DefaultBaseFrequency={number(network.f_nominal_hz)}"
    circuit = names.of("circuit", "network", network.name)
    facts = {"name": network.energy_sources[0].name} if network.energy_sources else {}
    if network.radial:
        facts["radial"] = "yes"
    if network.coordinates:
        facts["coordinates"] = network.coordinates
    for k, source in enumerate(network.energy_sources):
        several = len(source.nodes) > 1
        x1, x0 = source.x1_ohm, source.x0_ohm
        if not (source.r1_ohm or x1) or not (source.r0_ohm or x0):
            x1, x0 = max(x1, _LEAST_OHM), max(x0, _LEAST_OHM)
        yield (
            (f"new circuit.{circuit}" if k == 0 else f"new vsource.{_source(names, source.name)}")
            + f" bus1={names.at(source.bus, source.nodes)} phases={len(source.nodes)}"
            f" basekv={number(source.v_nominal_v / 1e3 / (1.0 if several else 3**0.5))}"
            f" pu={number(source.v_pu)} angle={number(source.angle_deg)}"
            f" Z1={numbers((source.r1_ohm, x1))} Z0={numbers((source.r0_ohm, x0))}"
            + (tag(facts) if k == 0 else "")
        )


def _source(names: Names, name: str) -> str:
    return names.of("vsource", "energy_sources", name if name != "source" else "source_")


def _profiles(network: Network, profiles: Mapping[str, Profile], names: Names) -> Iterator[str]:
    used = [one.profile for one in network.consumers]
    used += [one.profile for one in network.inverters]
    used += [one.profile for one in network.ev_chargers]
    for name in dict.fromkeys(filter(None, used)):
        shape = names.of("loadshape", "profiles", name)
        if shape.lower() == "default":
            continue  # OpenDSS has one of that name
        if name not in profiles:
            yield f"new loadshape.{shape} npts=1 interval=1 mult=(1)"
            continue
        one = profiles[name]
        yield (
            f"new loadshape.{shape} npts={len(one.p_pu)} sinterval={number(one.step_s)} "
            f"mult={numbers(one.p_pu)}"
            + (f" qmult={numbers(one.q_pu)}" if one.q_pu is not one.p_pu else "")
            + (" useactual=yes" if one.actual else "")
        )


def _line_codes(network: Network, names: Names) -> Iterator[str]:
    for kind in network.impedances:
        zero = tuple((0.0,) * len(row) for row in kind.r_ohm_per_km)
        yield (
            f"new linecode.{names.of('linecode', 'impedances', kind.name)}"
            f" nphases={len(kind.r_ohm_per_km)} units=km rmatrix={matrix(kind.r_ohm_per_km)}"
            f" xmatrix={matrix(kind.x_ohm_per_km)} cmatrix={matrix(kind.c_nf_per_km or zero)}"
            f" normamps={number(kind.ampacity_a)}"
        )


def _lines(network: Network, names: Names) -> Iterator[str]:
    for line in network.lines:
        yield (
            f"new line.{names.of('line', 'lines', line.name)}"
            f" bus1={names.at(line.bus_from, line.phases)}"
            f" bus2={names.at(line.bus_to, line.phases_to or line.phases)}"
            f" phases={len(line.phases)}"
            f" linecode={names.of('linecode', 'impedances', line.impedance)}"
            f" length={number(line.length_km)} units=km"
            + (f" normamps={number(line.ampacity_a)}" if line.ampacity_a else "")
        )


def _switches(network: Network, names: Names) -> Iterator[str]:
    for switch in network.switches:
        r, x = switch.r_ohm, switch.x_ohm
        if not r and not x:
            r = _LEAST_OHM
        yield (
            f"new line.{names.of('line', 'switches', switch.name)}"
            f" bus1={names.at(switch.bus_from, switch.phases)}"
            f" bus2={names.at(switch.bus_to, switch.phases_to or switch.phases)}"
            f" phases={len(switch.phases)} switch=yes r1={number(r)} x1={number(x)}"
            f" r0={number(r)} x0={number(x)} c1=0 c0=0 length=1"
            f" normamps={number(switch.ampacity_a)}"
            + tag({"kind": switch.kind} if switch.kind != "switch" else {})
        )


def _open(network: Network, names: Names) -> Iterator[str]:
    for switch in network.switches:
        if switch.open:
            for terminal in (1, 2):
                yield f"open line.{names.of('line', 'switches', switch.name)} {terminal}"


def _series(network: Network, names: Names) -> Iterator[str]:
    for one in network.series_compensators:
        yield (
            f"new reactor.{names.of('reactor', 'series_compensators', one.name)}"
            f" bus1={names.at(one.bus_from, one.phases)}"
            f" bus2={names.at(one.bus_to, one.phases_to or one.phases)}"
            f" phases={len(one.phases)} r={number(one.r_ohm)} x={number(one.x_ohm)}"
        )
        if one.ampacity_a:
            text = "its ampacity is left out: OpenDSS derives a reactor's."
            names.notice("series_compensators", one.name, text)


def _transformer(one: PowerTransformer, names: Names) -> str:
    ends = one.ends
    ranges = "".join(
        f" wdg={k} mintap={number(changer.tap_min_pu)} maxtap={number(changer.tap_max_pu)}"
        f" numtaps={changer.step_count}"
        for k, changer in enumerate((end.tap_changer for end in ends), 1)
        if changer
    )
    x = " ".join(
        f"{key}={number(value)}"
        for key, value in zip(("xhl", "xht", "xlt"), one.x_percent, strict=False)
    )
    return (
        f"new transformer.{names.of('transformer', 'transformers', one.name)}"
        f" phases={ends[0].coil_count} windings={len(ends)}"
        f" buses=({' '.join(names.at(end.bus, end.nodes) for end in ends)})"
        f" conns=({' '.join(end.connection for end in ends)})"
        f" kvs={numbers(end.v_rated_v / 1e3 for end in ends)}"
        f" kvas={numbers(end.s_kva for end in ends)} %rs={numbers(end.r_percent for end in ends)}"
        f" {x} %noloadloss={number(one.no_load_loss_percent)}"
        f" %imag={number(one.magnetizing_percent)} leadlag={'lead' if one.lead else 'lag'}"
        f" ppm_antifloat={number(one.antifloat_ppm)}{ranges}"
        f" taps={numbers(end.tap_pu for end in ends)}"
    )


def _tap_controls(network: Network, names: Names) -> Iterator[str]:
    for one in network.tap_controls:
        remote = ""
        if one.bus:
            remote = (
                f" bus={names.at(one.bus, one.node or 'A')} remoteptratio={number(one.pt_ratio)}"
            )
        yield (
            f"new regcontrol.{names.of('regcontrol', 'tap_controls', one.name)}"
            f" transformer={names.of('transformer', 'transformers', one.transformer)}"
            f" winding={one.end} vreg={number(one.v_set_v)} band={number(one.band_v)}"
            f" ptratio={number(one.pt_ratio)} ctprim={number(one.ct_rated_a)} r={number(one.r_v)}"
            f" x={number(one.x_v)} delay={number(one.delay_s)} tapdelay={number(one.tap_delay_s)}"
            f" maxtapchange={one.most_steps} ptphase={one.coil}{remote}"
        )


def _buses(network: Network, names: Names) -> Iterator[str]:
    yield "makebuslist"
    there = nodes_of(network)
    for bus in network.buses:
        name = names.bus(bus.name)
        if bus.name not in there and bus.name not in {one.bus for one in network.at_buses}:
            names.notice("buses", bus.name, "is left out: nothing is connected to it.")
            continue
        yield f"setkvbase bus={name} kvln={number(bus.v_nominal_v / 1e3 / 3**0.5)} ! feedertwin bus=1"
        if bus.x is not None and bus.y is not None:
            yield f"setbusxy bus={name} x={number(bus.x)} y={number(bus.y)}"
