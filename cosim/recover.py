"""Recover: makes whole what a run that was killed, or a full disk, left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cosim import run_folder, snapshots
from cosim.recorder.compact import LIVE, SIGNALS, compact
from cosim.run_owner import lives
from gridmodel.errors import RunError

#: What ``run.json`` calls a run that was killed and made whole.
RECOVERED = "killed, recovered"


@dataclass(frozen=True)
class Recovered:
    """What was made whole.

    Parameters
    ----------
    rows : int
        Rows of signals.
    last_us : int
        Last instant on record. [us]
    lost : str
        What the run does not have, as it was killed; empty if it ended by itself.
    """

    rows: int
    last_us: int
    lost: str = ""


def recover(folder: Path) -> Recovered:
    """Make a run's tables whole, and say in ``run.json`` that it was killed, if it was.

    Parameters
    ----------
    folder : Path
        The run.

    Raises
    ------
    RunError
        If it still runs.
    """
    run = run_folder.read_run(folder)
    killed = run["exit"] is None
    if killed and lives(run.get("process")):
        pid = run["process"]["pid"]
        raise RunError(f"{folder.name} still runs (process {pid}). End it first: kill {pid}")
    if killed and not run["wall_s"]:  # before the files change
        run |= _until_its_last_write(folder, run)
        run_folder.write_json(folder / run_folder.RUN_FILE, run)
    rows = compact(folder)
    last_us = _last_us(folder)
    lost = _lost(folder, run, last_us) if killed else ""
    if killed and run["status"] != RECOVERED:
        run |= {"status": RECOVERED, "t_us": last_us, "warnings": [*run["warnings"], lost]}
        run["not_judged"] = "the run was killed" if run["resolved"].get("expect") else None
        run_folder.write_json(folder / run_folder.RUN_FILE, run)
    return Recovered(rows, last_us, lost)


def _until_its_last_write(folder: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return how long a killed run took, by the last change of its record."""
    for place in (LIVE, SIGNALS):
        times = [path.stat().st_mtime for path in (folder / place).glob("*")]
        if times:
            began_s = datetime.fromisoformat(run["started_utc"]).timestamp()
            ended = datetime.fromtimestamp(max(times), UTC).isoformat()
            return {"wall_s": round(max(max(times) - began_s, 0.0), 3), "ended_utc": ended}
    return {}


def _last_us(folder: Path) -> int:
    """Return the last instant on record. [us]"""
    import pyarrow.parquet as pq

    last_us = 0
    for path in (folder / SIGNALS).glob("*.parquet"):
        table = pq.ParquetFile(path).metadata
        if table.num_rows:
            group = table.row_group(table.num_row_groups - 1)
            last_us = max(last_us, int(group.column(0).statistics.max))
    return last_us


def _lost(folder: Path, run: Mapping[str, Any], last_us: int) -> str:
    """Return what a killed run does not have, and how to get it."""
    wall_s = float(run["wall_s"])
    took = f" after about {wall_s:.{int(wall_s < 10.0)}f} s of wall time" if wall_s else ""
    judged = ", so its expectations were not judged" if run["resolved"].get("expect") else ""
    saved = snapshots.instants(folder)
    way = (
        f"Go on from its snapshot at {saved[-1] / 3.6e9:g} h: feedertwin resume {folder.name}"
        if saved
        else "To have them, run it again; with --snapshot-every 1h it could go on from where it was"
    )
    return (
        f"the run was killed{took}. Its tables are whole up to t = {last_us / 3.6e9:g} h; it has no "
        f"key figures, as parts count them in memory and tell them at the end{judged}. {way}."
    )
