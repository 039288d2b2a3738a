"""OpenDSS through a year by its own loop: native yearly mode, read from monitors.

The engine goes through the hours by itself; nothing of Python is in its loop. Profiles
follow `EnergyConsumer.profile`; what has none stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.errors import SolverError
from gridmodel.ingest.opendss_engine import new_engine
from gridmodel.ingest.opendss_profile import Profile
from gridmodel.ingest.opendss_writer import opendss_script
from gridmodel.network.network import Network

Real = NDArray[np.float64]


@dataclass(frozen=True)
class OpenDssYear:
    """What monitors recorded, one column an hour.

    Parameters
    ----------
    tap_pu : mapping of ndarray, shape (n_hour,)
        Ratio of each tap changer, by ``transformer.end``. [pu]
    v_v : mapping of ndarray, shape (n_phase, n_hour)
        Magnitudes of the voltages to earth at the far end of watched lines. [V]
    """

    tap_pu: Mapping[str, Real]
    v_v: Mapping[str, Real]


def year_opendss(
    network: Network,
    profiles: Mapping[str, Profile],
    hours: int = 8760,
    watch: Sequence[str] = (),
    tolerance_pu: float = 1e-8,
) -> OpenDssYear:
    """Solve hours that follow each other in OpenDSS's yearly mode, controls in static mode.

    Parameters
    ----------
    network : Network
        The network; taps and capacitors start as it says.
    profiles : mapping
        Values by name of profile.
    hours : int
        How many.
    watch : sequence of str
        Names of lines at whose far ends voltages are recorded.
    tolerance_pu : float
        Greatest change of a voltage in the last iteration of a solution. [pu]

    Raises
    ------
    SolverError
        If OpenDSS stops, with its words.
    """
    script = opendss_script(network, profiles)
    names, dss = script.names, new_engine()
    changers = [
        (one.name, k)
        for one in network.transformers
        for k, end in enumerate(one.ends)
        if end.tap_changer is not None
    ]
    commands = [*script.commands]
    for number, (name, k) in enumerate(changers):
        element = f"transformer.{names.of('transformer', 'transformers', name)}"
        commands.append(f"new monitor.tap{number} element={element} terminal={k + 1} mode=2")
    for number, name in enumerate(watch):
        element = f"line.{names.of('line', 'lines', name)}"
        commands.append(f"new monitor.volts{number} element={element} terminal=2 mode=0")
    commands += [
        f"set tolerance={tolerance_pu!r} maxiterations=100 maxcontroliter=200",
        f"set mode=yearly number={hours} stepsize=1h controlmode=static",
        "solve",
    ]
    try:
        for command in commands:
            dss.Text.Command(command)
    except dss.DSSException as error:
        raise SolverError(f"OpenDSS stopped in its yearly mode: {error}") from error
    taps = {
        f"{name}.{k + 1}": _channels(dss, f"tap{number}")[0]
        for number, (name, k) in enumerate(changers)
    }
    volts = {}
    for number, name in enumerate(watch):
        found = _channels(dss, f"volts{number}")
        count = len(next(line for line in network.lines if line.name == name).phases)
        volts[name] = found[: 2 * count : 2]  # magnitudes; angles stand between them
    return OpenDssYear(taps, volts)


def _channels(dss: Any, monitor: str) -> Real:
    """Return what a monitor recorded, one row a channel."""
    dss.Monitors.Name(monitor)
    rows = [np.array(dss.Monitors.Channel(k)) for k in range(1, dss.Monitors.NumChannels() + 1)]
    found: Real = np.array(rows)
    return found
