"""Timeline: what happened, from the recorded messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cosim.events import EVENTS
from cosim.recorder.compact import message_batches
from cosim.recorder.message_table import content_of

#: More entries than this are cut, and the report says so.
LONGEST = 200
#: Of a longer list the first ones are told.
_MOST_WORDS = 8


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
                what = row["kind"] if given else f"{row['port']}: {row['kind']}"
                detail = _pairs(content_of(row["data"]))
                entries.append(Entry(row["t_us"] / 3.6e9, who, what, detail, given))
    entries.sort(key=lambda entry: entry.t_h)
    return entries[:LONGEST], max(len(entries) - LONGEST, 0)


def _pairs(content: Mapping[str, object]) -> str:
    return "; ".join(f"{key} {words(value)}" for key, value in content.items())


def words(value: object) -> str:
    r"""Return a value of a message as a person reads it.

    Examples
    --------
    >>> words(("house_01", "house_02")), words(True), words(b"\x01\xff"), words(0.20000000000000015)
    ('house_01, house_02', 'yes', '01ff', '0.2')
    >>> words(tuple(range(13)))
    '0, 1, 2, 3, 4, 5, 6, 7 and 5 more'
    """
    if value is None or value == () or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return _pairs(value)
    if isinstance(value, list | tuple):
        more = len(value) - _MOST_WORDS
        told = ", ".join(words(item) for item in value[:_MOST_WORDS])
        return f"{told} and {more} more" if more > 0 else told
    return str(value)
