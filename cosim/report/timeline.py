"""Timeline: what happened, from the recorded messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cosim.events import EVENTS
from cosim.recorder.compact import message_batches
from cosim.recorder.message_table import content_of

#: More entries than this are cut, and the report says so.
LONGEST = 200


@dataclass(frozen=True)
class Entry:
    """One thing that happened."""

    t_h: float
    who: str
    what: str
    detail: str
    given: bool  # by the scenario, not by a part of it


def timeline(run: Path, ports: Sequence[str]) -> tuple[list[Entry], int]:
    """Return what happened, and how much of it was cut.

    Parameters
    ----------
    run : Path
        The run folder.
    ports : sequence of str
        ``sender.port`` of the messages to list besides the scenario's own events.
    """
    entries = []
    wanted = set(ports)
    for batch in message_batches(run):
        for row in batch.to_pylist():
            given = row["sender"] == EVENTS
            if given or f"{row['sender']}.{row['port']}" in wanted:
                who = row["port"] if given else row["sender"]
                data = ", ".join(f"{k} {_text(v)}" for k, v in content_of(row["data"]).items())
                entries.append(Entry(row["t_us"] / 3.6e9, who, row["kind"], data, given))
    entries.sort(key=lambda entry: entry.t_h)
    return entries[:LONGEST], max(len(entries) - LONGEST, 0)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return f"{value:.3g}" if isinstance(value, float) else str(value)
