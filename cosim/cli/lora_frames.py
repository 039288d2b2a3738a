"""``feedertwin lora frames``: what a node's frame journal says, opened with its keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from cosim.cli.console import out, print_table
from cosim.cli.run import JsonOption
from gridmodel.counted import counted
from gridmodel.errors import Fault, FrameError, InputError, UnitError
from gridmodel.units import seconds, unit_of
from gridmodel.wire.frames import EVERYONE, LAYOUTS

if TYPE_CHECKING:
    from gridmodel.wire.record import FrameRecord, Journal
    from gridmodel.wire.seal import Opened
    from gridmodel.wire.unsealing import Peeked, Unsealer

_COLUMNS = ("time [s]", "", "kind", "from", "to", "counter", "RSSI [dBm]", "SNR [dB]", "says")


class Row(NamedTuple):
    """An entry, and what could be learned of its frame.

    Parameters
    ----------
    record : FrameRecord
        As it stands in the journal.
    opened : Opened or None
        The frame, proven.
    peeked : Peeked or None
        What it tells without keys, unproven.
    problem : str
        Why it was not opened.
    """

    record: FrameRecord
    opened: Opened | None = None
    peeked: Peeked | None = None
    problem: str = ""


def frames_command(
    file: Annotated[Path, typer.Argument(help="The journal of a node.", show_default=False)],
    keys: Annotated[
        Path | None, typer.Option("--keys", help="Folder of the node's keys, as in its YAML.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed of simulated keys, of a node without others.")
    ] = None,
    cell: Annotated[int, typer.Option("--cell", help="Radio cell of simulated keys.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Also write what could be opened, in "
                     "clear, as protobuf."),
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Print every frame that a node sent and heard; without keys only who spoke, and when."""
    if keys is not None and seed is not None:
        problem = "is given together with --seed."
        raise InputError("frames", [Fault("--keys", "", problem, "A node has one or the other.")])
    journal = _read(file)
    unsealer = _unsealer(keys, seed, cell)
    rows = [_row(record, unsealer) for record in journal.records]
    if output is not None:
        _write(output, rows)
    if as_json:
        content = {
            "path": str(file),
            "records": [_plain(row) for row in rows],
            "broken_count": journal.broken_count,
            "cut_bytes": journal.cut_bytes,
        }
        print(json.dumps(content))  # noqa: T201  exactly one JSON object
        return
    print_table("", _COLUMNS, [_cells(row) for row in rows])
    opened = sum(row.opened is not None for row in rows)
    frames = sum(row.record.frame is not None for row in rows)
    out.print(f"{counted(frames, 'frame')}, {opened:,} opened", soft_wrap=True)
    if journal.broken_count or journal.cut_bytes:
        out.print(
            f"passed over: {counted(journal.broken_count, 'entry')} that cannot be read, "
            f"{counted(journal.cut_bytes, 'byte')} of one that was cut off",
            soft_wrap=True,
        )


def _read(file: Path) -> Journal:
    """Return what both halves of a journal hold, the older one first."""
    from cosim.node.journal import older
    from gridmodel.wire.record import Journal, from_journal

    try:
        parts = [part.read_bytes() for part in (older(file), file) if part == file or part.exists()]
    except OSError as error:
        fault = Fault(str(file), "", f"cannot be read: {error.strerror}.", "Name a node's journal.")
        raise InputError("frames cannot be told", [fault]) from error
    found = [from_journal(part) for part in parts]
    if any(parts) and not any(one.records for one in found):
        advice = "Name the file that 'journal' of the node's YAML names."
        raise InputError("frames cannot be told", [Fault(str(file), "", "is no journal.", advice)])
    return Journal(
        [record for one in found for record in one.records],
        sum(one.broken_count for one in found),
        sum(one.cut_bytes for one in found),
    )


def _unsealer(keys: Path | None, seed: int | None, cell: int) -> Unsealer | None:
    from gridmodel.wire.keys import read_keys
    from gridmodel.wire.unsealing import Unsealer

    if keys is not None:
        return Unsealer.of_ring(read_keys(keys / "keys.json" if keys.is_dir() else keys))
    return Unsealer.of_seed(seed, cell) if seed is not None else None


def _row(record: FrameRecord, unsealer: Unsealer | None) -> Row:
    from gridmodel.wire.unsealing import peek_all

    frame = record.frame
    if frame is None:
        return Row(record)
    if not isinstance(frame, bytes):
        return Row(record, opened=frame)
    try:
        peeked = peek_all(frame)
    except FrameError as error:
        return Row(record, problem=str(error))
    if unsealer is None:
        return Row(record, peeked=peeked, problem="sealed")
    try:
        return Row(record, opened=unsealer.open(frame))
    except FrameError as error:
        return Row(record, peeked=peeked, problem=str(error))


def _write(path: Path, rows: list[Row]) -> None:
    """Write the entries that could be opened, in clear."""
    from dataclasses import replace

    from gridmodel.wire.record import to_journal

    clear = [replace(row.record, frame=row.opened) for row in rows if not row.problem]
    try:
        path.write_bytes(to_journal(clear))
    except OSError as error:
        fault = Fault(str(path), "", f"cannot be written: {error.strerror}.")
        raise InputError("frames cannot be kept", [fault]) from error


def _plain(row: Row) -> dict[str, Any]:
    """Return an entry for JSON."""
    record = row.record
    told: dict[str, Any] = {"t_us": record.t_us, "event": record.event.name.lower()}
    if row.opened is not None:
        one = row.opened
        told |= {
            "kind": one.kind.name.lower(), "source": one.source, "destination": one.destination,
            "counter": one.counter, "values": one.values,
        }  # fmt: skip
    elif row.peeked is not None:
        seen = row.peeked
        told |= {
            "kind": seen.kind.name.lower(), "source": seen.source,
            "destination": seen.destination, "counter_low": seen.counter_low,
            "unproven": seen.values,
        }  # fmt: skip
    if row.problem:
        told["problem"] = row.problem
    report = {
        name: getattr(record, name)
        for name in ("rssi_dbm", "snr_db", "wall_ms")
        if getattr(record, name) is not None
    }
    return told | report


def _cells(row: Row) -> tuple[str, ...]:
    record = row.record
    start = (f"{seconds(record.t_us):.3f}", record.event.name.lower())
    if record.wall_ms is not None:
        at = datetime.fromtimestamp(record.wall_ms // 1000, UTC)
        return (*start, *[""] * 6, f"the program, {at:%Y-%m-%d %H:%M:%S} UTC")
    signal = tuple(
        "" if value is None else f"{value:.1f}" for value in (record.rssi_dbm, record.snr_db)
    )
    one = row.opened or row.peeked
    if one is None:
        return (*start, *[""] * 4, *signal, row.problem)
    counter = f"{row.opened.counter:,}" if row.opened is not None else "?"
    who = (one.kind.name.lower().replace("_", " "), str(one.source), _name(one.destination))
    names = [field.name for field in LAYOUTS[one.kind] if field.name in one.values]
    says = ", ".join(_with_unit(name, one.values[name]) for name in names)
    return (*start, *who, counter, *signal, "; ".join(filter(None, (says, row.problem))))


def _name(destination: int) -> str:
    return "all" if destination == EVERYONE else str(destination)


def _with_unit(name: str, value: float) -> str:
    """Return a value as a person writes it: ``soc 0.5 pu``."""
    try:
        unit = unit_of(name)
    except UnitError:
        unit = ""
    stem = name.rsplit("_", 1)[0] if unit else name
    return f"{stem} {round(value, 3):g} {unit}".rstrip()
