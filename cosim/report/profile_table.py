"""Profile tables: the time of each federate, of waiting and of the engine; what links carried."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc

from cosim.federation import Federation, Link
from cosim.profile import MOST_SPANS, Profile
from cosim.recorder.compact import message_batches
from gridmodel.federate import Signal

#: Row of what is neither a federate's step nor waiting: the engine and the record.
ENGINE = "(engine and record)"


class TimeRow(NamedTuple):
    """Wall-clock time of one federate, of a kind of waiting, or of the engine."""

    name: str
    steps: int
    wall_s: float
    share_pu: float
    mean_us: float
    longest_us: float


class LinkRow(NamedTuple):
    """What one link carried; bytes of messages as they are recorded."""

    link: str
    sent: int
    values: int
    size_bytes: int


def time_rows(profile: Profile, wall_s: float) -> list[TimeRow]:
    """Return where the time of a run went, the greatest part first, the engine last.

    Parameters
    ----------
    profile : Profile
        Of the run.
    wall_s : float
        Time of the whole; each process has as much, and shares are of them together. [s]
    """
    wall_s *= profile.processes
    rows = [
        TimeRow(
            name, total.steps, total.wall_s, total.wall_s / wall_s,
            1e6 * total.wall_s / max(total.steps, 1), 1e6 * total.longest_s,
        )
        for name, total in profile.totals.items()
    ]  # fmt: skip
    rows.sort(key=lambda row: (-row.wall_s, row.name))
    rest_s = max(wall_s - sum(row.wall_s for row in rows), 0.0)
    steps = sum(row.steps for row in rows if row.name not in profile.waits)
    mean_us = 1e6 * rest_s / max(steps, 1)
    return [*rows, TimeRow(ENGINE, steps, rest_s, rest_s / wall_s, mean_us, np.nan)]


def link_rows(profile: Profile, federation: Federation, run: Path) -> list[LinkRow]:
    """Return what each link carried, most bytes first; only links that were counted."""
    said = _message_bytes(run)
    rows = [
        _link_row(link, profile, federation, said)
        for link in federation.links
        if link.source in profile.sent
    ]
    return sorted(rows, key=lambda row: (-row.size_bytes, row.link))


def _link_row(
    link: Link, profile: Profile, federation: Federation, said: dict[tuple[str, str], int]
) -> LinkRow:
    port = federation[link.source].outputs[link.source_port]
    sent = profile.sent.get(link.source, {}).get(link.source_port, 0)
    if not isinstance(port, Signal):
        return LinkRow(str(link), sent, sent, said.get((link.source, link.source_port), 0))
    lengths = [length or 0 for length in port.shape or ()]
    values = sent * int(np.prod(lengths, dtype=int))
    return LinkRow(str(link), sent, values, values * np.dtype(port.dtype).itemsize)


def _message_bytes(run: Path) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for batch in message_batches(run):
        lengths = pc.binary_length(batch.column("data")).to_pylist()
        senders, ports = (batch.column(name).to_pylist() for name in ("sender", "port"))
        for sender, port, length in zip(senders, ports, lengths, strict=True):
            found[sender, port] = found.get((sender, port), 0) + length
    return found


def trace_note(profile: Profile, steps: int) -> str:
    """Return that the trace does not hold all steps, if so."""
    if steps <= MOST_SPANS:
        return ""
    return f"the first {MOST_SPANS:,} of {steps:,} steps"
