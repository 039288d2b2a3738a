"""Dialect: in which units and by which signs a CIM file speaks, as far as it says so.

GridAPPS-D's profile (CIM100, written by CIMHub and by OpenDSS's export) uses V, W, m and
counts generation positive. CGMES uses kV, MW, km and counts what a machine draws positive.
The older CDPSM export of OpenDSS (CIM15) gives taps as ratios and does not know which star
points are earthed.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridmodel.ingest.cim_graph import CimObject, Graph

#: Where a file does not say its frequency.
_F_HZ = 60.0
_F_CGMES_HZ = 50.0
#: No grid has a nominal voltage below this many volts, nor a feeder one above so many kV.
_LEAST_V = 50.0


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the numbers of a file are meant.

    Parameters
    ----------
    volts, watts : float
        What one of the file's units of voltage, and of power, is. [V], [W]
    metres : float
        What one of its units of length is. [m]
    generation : int
        1 if injection is positive in the file, -1 if what is drawn is.
    cdpsm : bool
        The older export of OpenDSS.
    f_hz : float
        Nominal frequency. [Hz]
    """

    volts: float
    watts: float
    metres: float
    generation: int
    cdpsm: bool
    f_hz: float


def dialect_of(graph: Graph, f_hz: float | None) -> Dialect:
    """Return the dialect of a file; what it does not say is assumed, with a notice."""
    headers = list(graph.of("FullModel"))
    versions = list(graph.of("IEC61970CIMVersion"))
    voltages = [
        graph.number(item, "BaseVoltage.nominalVoltage") for item in graph.of("BaseVoltage")
    ]
    kilo = bool(headers)
    cdpsm = False
    for item in headers:
        graph.ask(item)
    for item in versions:
        version = graph.text(item, "IEC61970CIMVersion.version") or ""
        cdpsm = any(f"CIM{number}" in version for number in (14, 15, 16))
    if not headers and not versions:
        kilo = any(v is not None and v < _LEAST_V for v in voltages)
        text = f"no header says the units; {'kV, MW' if kilo else 'V, W, m'} are taken"
        _note_file(graph, "units", text)
    return Dialect(
        volts=1e3 if kilo else 1.0,
        watts=1e6 if kilo else 1.0,
        metres=1e3 if headers else 1.0,
        generation=-1 if headers else 1,
        cdpsm=cdpsm,
        f_hz=_frequency(graph, f_hz, _F_CGMES_HZ if headers else _F_HZ),
    )


def _frequency(graph: Graph, given: float | None, usual: float) -> float:
    said = [graph.number(item, "BaseFrequency.frequency") for item in graph.of("BaseFrequency")]
    if given is not None:
        return given
    for value in said:
        if value:
            return value
    _note_file(graph, "frequency", f"is not in the file; {usual:g} Hz is taken")
    return usual


def _note_file(graph: Graph, what: str, text: str) -> None:
    graph.note(CimObject("", "", f"{graph.path}:1"), what, text)
