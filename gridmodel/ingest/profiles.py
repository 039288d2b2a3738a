"""Profiles: a year of equally spaced values by name, from a Parquet file.

The file has one column per profile and, in its metadata, ``start_utc`` (ISO 8601) and
``step_s``. Values are means over the step that begins at their instant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridmodel.errors import Fault, ScenarioError
from gridmodel.settings import near

TITLE = "profiles cannot be used"


@dataclass(frozen=True)
class Profiles:
    """Equally spaced values over one window of time.

    Parameters
    ----------
    step_s : int
        Width of a value. [s]
    values : mapping
        Arrays of equal length by profile name. [pu]
    """

    step_s: int
    values: Mapping[str, NDArray[np.float64]]


def read_profiles(
    path: Path, names: Sequence[str], start_utc_s: float, duration_s: float
) -> Profiles:
    """Return the named profiles over a run, and one step before and after it.

    The margin lets a synthesis look at the neighbours of the first and the last step; at
    the ends of the file the outermost value is repeated.

    Parameters
    ----------
    path : Path
        The Parquet file.
    names : sequence of str
        Profiles wanted.
    start_utc_s : float
        Wall-clock time of the first value wanted, since 1970-01-01 UTC. [s]
    duration_s : float
        Length of the run. [s]

    Raises
    ------
    ScenarioError
        If the file cannot be read, a name is not in it, a value is not finite, or the
        profile does not cover the run.
    """
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise ScenarioError(TITLE, [Fault(str(path), "", f"cannot be read: {error}.")]) from error
    with file:
        known = list(file.schema_arrow.names)
        faults = [
            Fault(str(path), name, "there is no such profile.", near(name, known))
            for name in names
            if name not in known
        ]
        if faults:
            raise ScenarioError(TITLE, faults)
        start_utc, step_s = _start_and_step(file.schema_arrow.metadata or {}, path)
        begin_utc_s = start_utc.timestamp()
        table = file.read(columns=list(dict.fromkeys(names)))
    first = int((start_utc_s - begin_utc_s) // step_s)
    last = int(-((start_utc_s + duration_s - begin_utc_s) // -step_s))
    if first < 0 or last > table.num_rows:
        fault = Fault(
            str(path),
            "",
            f"the profiles cover {table.num_rows * step_s / 3600:g} h from "
            f"{start_utc.isoformat()}; the run needs {duration_s / 3600:g} h from "
            f"{datetime.fromtimestamp(start_utc_s, UTC).isoformat()}.",
            "Move start, shorten duration_h, or bring a longer profile.",
        )
        raise ScenarioError(TITLE, [fault])
    rows = np.clip(np.arange(first - 1, last + 1), 0, table.num_rows - 1)
    values = {name: table[name].to_numpy().astype(np.float64)[rows] for name in set(names)}
    for name, column in values.items():
        if not np.isfinite(column).all():
            raise ScenarioError(
                TITLE, [Fault(str(path), name, "holds a value that is not finite.")]
            )
    return Profiles(step_s, values)


def _start_and_step(meta: Mapping[bytes, bytes], path: Path) -> tuple[datetime, int]:
    """Return when the first step begins, and how long a step is. [s]"""
    start, step = (meta.get(key, b"").decode() for key in (b"start_utc", b"step_s"))
    faults = []
    try:
        start_utc = datetime.fromisoformat(start)
    except ValueError:
        faults.append(
            Fault(
                str(path),
                "start_utc",
                f"'{start}' is given in the metadata.",
                "Allowed is an ISO 8601 instant, 2015-12-31T23:00:00+00:00.",
            )
        )
    if not step.isdecimal() or int(step) == 0:
        faults.append(
            Fault(
                str(path),
                "step_s",
                f"'{step}' is given in the metadata.",
                "Allowed is a whole number of seconds, 900.",
            )
        )
    if faults:
        raise ScenarioError(TITLE, faults)
    return start_utc, int(step)
