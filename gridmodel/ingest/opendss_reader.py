"""OpenDSS scripts: run by the OpenDSS engine itself, then read from it element by element.

So every way to write a line, a transformer or a load is understood as OpenDSS does. The
engine has a context of its own; its base frequency, which outlives ``Clear``, is set
before the first command, and the working directory of the process stays as it is.

Harmonics, dynamics, costs, monitors and meters are no part of a network and left out.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.errors import Fault, NetworkError
from gridmodel.ingest.notices import Notice
from gridmodel.ingest.opendss_conductors import Conductors, read_conductors
from gridmodel.ingest.opendss_controls import read_capacitor_controls, read_inverter_controls
from gridmodel.ingest.opendss_dump import Dump, Intake
from gridmodel.ingest.opendss_engine import new_engine
from gridmodel.ingest.opendss_equipment import (
    read_capacitors,
    read_consumers,
    read_inverters,
    read_machines,
    read_sources,
)
from gridmodel.ingest.opendss_profile import Profile
from gridmodel.ingest.opendss_refusals import Refusals
from gridmodel.ingest.opendss_script import Skipped, read_script
from gridmodel.ingest.opendss_transformers import read_transformers
from gridmodel.network.checks import check
from gridmodel.network.network import Bus, Network
from gridmodel.network.transformer import PowerTransformer

#: The frequency OpenDSS starts with. [Hz]
_USUAL_HZ = 60.0
#: Errors of a script that are told one by one, besides those that follow from them.
_MOST_FAULTS = 20
#: Classes that are taken over.
_KNOWN = """
    Line Reactor Transformer Vsource Load Capacitor Generator PVSystem Storage RegControl
    CapControl InvControl SwtControl Fuse Recloser Relay XYcurve
"""
#: Classes that others refer to, which the engine has put into those.
_LIBRARY = """
    LineCode LineGeometry LineSpacing WireData CNData TSData XfmrCode LoadShape TShape
    PriceShape GrowthShape TCC_Curve Spectrum DynamicExp
"""
#: Classes that only look on.
_WATCHING = frozenset(("Monitor", "EnergyMeter", "Sensor"))
#: A text, or a number that is none.
_NO_NUMBER = re.compile(r'("(?:\\.|[^"\\])*")|[+-]?(?:nan|inf)\w*', re.IGNORECASE)
#: ``DSSJSONFlags.Full | DSSJSONFlags.SkipTimestamp`` of the engine.
_EVERY_PROPERTY = 1 | 512
_ADMITTANCES = ("Reactor", "Capacitor")


def read_opendss(path: Path) -> tuple[Network, tuple[Notice, ...]]:
    """Return the network that an OpenDSS master file describes.

    ``solve`` is left to the solvers, so taps and capacitors stand as the script sets them.
    Names come in lower case, as the engine has them.

    Parameters
    ----------
    path : Path
        The master file; files it redirects to are found in whatever case of letters.

    Returns
    -------
    Network
        The network, checked.
    tuple of Notice
        What was left out, assumed or changed, by file and line.

    Raises
    ------
    NetworkError
        With every fault: commands OpenDSS refuses, by file and line, without those that only
        follow from another; values that cannot be; what does not fit together.
    """
    title = f"OpenDSS script {path.name} cannot be used"
    with _engine(path, title) as (dss, script):
        dump = _dump(dss, script)
    intake = Intake(dump, notices=list(script.notices))
    network = _network(intake, path)
    if intake.faults or network is None:
        raise NetworkError(title, intake.faults)
    check(network, str(path))
    return network, tuple(intake.notices)


def read_opendss_profiles(path: Path) -> dict[str, Profile]:
    """Return the load shapes of an OpenDSS master file by name, in lower case.

    Raises
    ------
    NetworkError
        If OpenDSS refuses a command.
    """
    title = f"OpenDSS script {path.name} cannot be used"
    profiles: dict[str, Profile] = {}
    with _engine(path, title) as (dss, _):
        for name in dss.LoadShape.AllNames():
            dss.LoadShape.Name(name)
            p = np.array(dss.LoadShape.PMult(), np.float64)
            q = np.array(dss.LoadShape.QMult(), np.float64)
            profiles[name.lower()] = Profile(
                step_s=float(dss.LoadShape.SInterval()),
                p_pu=p,
                q_pu=q if len(q) == len(p) else p,
                actual=bool(dss.LoadShape.UseActual()),
            )
    return profiles


@dataclass
class _Script:
    """What running a script told besides the circuit."""

    notices: list[Notice]
    origins: dict[str, str]
    tags: dict[str, dict[str, str]]
    buses: list[str]


@contextmanager
def _engine(path: Path, title: str) -> Iterator[tuple[Any, _Script]]:
    """Give an engine of its own that has run a script, and what the script told."""
    dss, folder = new_engine(), Path.cwd()
    dss.Text.Command("clear")
    dss.Text.Command(f"set DefaultBaseFrequency={_USUAL_HZ:g}")
    script = _Script([], {}, {}, [])
    try:
        faults = _run(dss, path, script)
        if not faults and not dss.Basic.NumCircuits():
            problem = "makes no circuit."
            faults = [Fault(str(path), "", problem, "A master has a line 'new circuit.name'.")]
        if faults:
            raise NetworkError(title, faults)
        yield dss, script
    finally:
        os.chdir(folder)  # a command we do not know of may have changed it


def _run(dss: Any, path: Path, script: _Script) -> list[Fault]:
    """Run a script command by command; return why the engine refused some."""
    refusals = Refusals(dss)
    command = dss.Text.Command
    for line in read_script(path):
        if isinstance(line, Fault):
            refusals.missing(line)
        elif isinstance(line, Skipped):
            what = "left to the solver" if line.solves else "shows or writes something: skipped"
            script.notices.append(Notice(line.where, line.text[:60], f"{what}."))
        else:
            try:
                command(line.text)
                refusals.passed(line)
            except dss.DSSException as error:
                refusals.refused(line, error, script.origins)
                if len(refusals) == _MOST_FAULTS:
                    problem = f"is read no further than this, after {_MOST_FAULTS} errors."
                    return [*refusals.faults, Fault(line.where, "", problem, "Mend these first.")]
            if line.creates:
                script.origins[line.creates] = line.where
                if line.tags:
                    script.tags[line.creates] = dict(line.tags)
            elif "bus" in line.tags:  # our writer's, in the order of the network
                script.buses.append(line.text.partition("bus=")[2].split()[0].lower())
    return refusals.faults


def _dump(dss: Any, script: _Script) -> Dump:
    """Return all that is in the engine."""
    # Without it, lines given by sequence values and the like still have no matrices.
    dss.Solution.BuildYMatrix(1, 1)
    bus_kv = _bus_kv(dss)
    if not all(bus_kv.values()):
        dss.Text.Command("calcvoltagebases")
        bus_kv = {name: bus_kv[name] or kv for name, kv in _bus_kv(dss).items()}
    classes, library = {}, _LIBRARY.split()
    for kind in (one for one in dss.Basic.Classes() if one not in library):
        dss.Circuit.SetActiveClass(kind)
        if dss.ActiveClass.Count():
            classes[kind] = _records(dss)
    f_hz = float(dss.Solution.Frequency())
    return Dump(
        name=dss.Circuit.Name().lower(),
        f_hz=f_hz,
        load_mult=float(dss.Solution.LoadMult()),
        classes=classes,
        bus_kv=_sorted(bus_kv, script.buses),
        bus_xy=_coordinates(dss),
        opened=frozenset(_opened(dss, classes)),
        yprim=dict(_admittances(dss, classes, f_hz)),
        origins=script.origins,
        tags=script.tags,
    )


def _records(dss: Any) -> tuple[dict[str, Any], ...]:
    return parsed(dss.ActiveClass.ToJSON(_EVERY_PROPERTY))


def parsed(text: str) -> tuple[dict[str, Any], ...]:
    """Return the engine's JSON as data.

    Matrices that nobody set are memory nobody wrote; now and then it reads ``Nan`` or
    ``+Inf``, which is no JSON.
    """
    try:
        return tuple(json.loads(text))
    except json.JSONDecodeError:
        return tuple(json.loads(_NO_NUMBER.sub(lambda m: m[1] or "null", text)))


def _bus_kv(dss: Any) -> dict[str, float]:
    bases: dict[str, float] = {}
    for k, name in enumerate(dss.Circuit.AllBusNames()):
        dss.Circuit.SetActiveBusi(k)
        bases[name.lower()] = float(dss.Bus.kVBase())
    return bases


def _sorted(values: dict[str, float], order: list[str]) -> dict[str, float]:
    known = {name: values[name] for name in order if name in values}
    return {**known, **values}


def _coordinates(dss: Any) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for k, name in enumerate(dss.Circuit.AllBusNames()):
        dss.Circuit.SetActiveBusi(k)
        if dss.Bus.Coorddefined():
            found[name.lower()] = (float(dss.Bus.X()), float(dss.Bus.Y()))
    return found


def _opened(dss: Any, classes: dict[str, tuple[dict[str, Any], ...]]) -> Iterator[str]:
    for kind in ("Line", "Transformer", "Load", "Capacitor", "Reactor"):
        for record in classes.get(kind, ()):
            key = f"{kind}.{record['Name']}".lower()
            dss.Circuit.SetActiveElement(key)
            ends = range(1, dss.CktElement.NumTerminals() + 1)
            if any(dss.CktElement.IsOpen(end, 0) for end in ends):
                yield key


def _admittances(
    dss: Any, classes: dict[str, tuple[dict[str, Any], ...]], f_hz: float
) -> Iterator[tuple[str, NDArray[np.complex128]]]:
    wanted = [f"{kind}.{one['Name']}" for kind in _ADMITTANCES for one in classes.get(kind, ())]
    wanted += [f"Line.{one['Name']}" for one in classes.get("Line", ()) if one["BaseFreq"] != f_hz]
    for key in wanted:
        dss.Circuit.SetActiveElement(key)
        flat = np.asarray(dss.CktElement.YPrim(), np.float64)
        y = flat[0::2] + 1j * flat[1::2]
        size = round(len(y) ** 0.5)
        yield key.lower(), y.reshape(size, size).astype(np.complex128)


def _network(intake: Intake, path: Path) -> Network | None:
    """Return the network of a dump; its faults and notices are in the intake."""
    dump = intake.dump
    conductors = read_conductors(intake)
    transformers, tap_controls = read_transformers(intake, conductors.groundings)
    capacitors = (*read_capacitors(intake, conductors), *conductors.shunts)
    consumers, chargers = read_consumers(intake)
    inverter_controls, controlled = read_inverter_controls(intake)
    names = {one.name for one in capacitors}
    fields: dict[str, Any] = {
        "energy_sources": read_sources(intake),
        "impedances": tuple(conductors.impedances),
        "lines": tuple(conductors.lines),
        "switches": tuple(conductors.switches),
        "series_compensators": tuple(conductors.series),
        "transformers": transformers,
        "consumers": consumers,
        "capacitors": capacitors,
        "inverters": read_inverters(intake, controlled),
        "ev_chargers": chargers,
        "machines": read_machines(intake),
        "groundings": tuple(conductors.groundings),
        "tap_controls": tap_controls,
        "capacitor_controls": read_capacitor_controls(
            intake, names, _terminals(conductors, transformers)
        ),
        "inverter_controls": inverter_controls,
    }
    _left_out(intake)
    buses = _buses(intake)
    if intake.faults:
        return None
    return Network(
        name=dump.name,
        f_nominal_hz=dump.f_hz,
        radial=dump.tag("vsource.source", "radial") == "yes",
        coordinates=dump.tag("vsource.source", "coordinates"),
        source=path.name,
        buses=buses,
        **fields,
    )


def _terminals(
    conductors: Conductors, transformers: tuple[PowerTransformer, ...]
) -> dict[str, tuple[str, ...]]:
    """Return the nodes at each terminal of what a control can watch."""
    found = {
        one.name: (one.phases, one.phases_to or one.phases)
        for one in (*conductors.lines, *conductors.switches)
    }
    return {**found, **{one.name: tuple(end.nodes for end in one.ends) for one in transformers}}


def _buses(intake: Intake) -> tuple[Bus, ...]:
    dump = intake.dump
    usual = next((float(one["BasekV"]) / 3**0.5 for one in dump.of("Vsource")), 1.0)
    buses = []
    for name, kv in dump.bus_kv.items():
        if kv <= 0.0:
            intake.notice(
                f"bus.{name}", f"has no voltage base; the source's {usual:g} kV is taken."
            )
        x, y = dump.bus_xy.get(name, (None, None))
        nominal_v = (kv if kv > 0.0 else usual) * 1e3 * 3**0.5
        bus = intake.make(Bus, f"bus.{name}", name=name, v_nominal_v=nominal_v, x=x, y=y)
        buses += [bus] if bus else []
    return tuple(buses)


def _left_out(intake: Intake) -> None:
    """Report what is in the script and not in the network."""
    dump, known = intake.dump, _KNOWN.split()
    for kind, records in dump.classes.items():
        for record in records:
            key = f"{kind}.{record['Name']}".lower()
            if key not in dump.origins and kind not in ("Line", "Load"):
                continue  # OpenDSS brings some of its own: a default shape, spectra, curves
            if not record.get("Enabled", True):
                intake.notice(key, "is disabled: left out.")
            elif kind in _WATCHING:
                intake.notice(key, "only looks on: left out.")
            elif kind not in known:
                intake.notice(key, f"is of class {kind}, which is not known: left out.")
    for key in sorted(dump.opened):
        if not key.startswith("line."):
            intake.notice(key, "is opened; it is taken for closed.")
    if dump.load_mult != 1.0:
        text = f"LoadMult={dump.load_mult:g} is multiplied into the loads of variable status."
        intake.notice("options", text)
