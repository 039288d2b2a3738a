"""Replay of a federate: its inputs as they were, its own steps, its outputs compared."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim import run_folder, snapshots
from cosim.clock import Slot, arrival_us
from cosim.engines.in_process import InProcess
from cosim.federation import Federation, Link, Member
from cosim.recorder.message_table import contents
from cosim.recorder.rows import Rows, messages
from cosim.replay.judge import Difference, Judge
from cosim.replay.tape import Tape
from cosim.run import FAILED
from cosim.scenario.build import Scenario
from gridmodel.errors import FederateError, RunError
from gridmodel.federate import Message, Messages, Signal
from gridmodel.settings import near
from gridmodel.units import microseconds


@dataclass(frozen=True)
class Replayed:
    """How a replay went.

    Parameters
    ----------
    federate : str
        Which one.
    from_us, until_us : int
        What was replayed. [us]
    steps : int
        Steps it took.
    wall_s : float
        Time of the steps, reading included, without the first. [s]
    first_s : float
        Time of the first step, which loads its compiled code. [s]
    first : Difference or None
        Where it first says something else than is on record.
    counts : mapping
        Values or messages that differ, by port.
    compared : sequence of str
        Signals that were compared; messages always are.
    left_out : sequence of str
        Signals that were not recorded.
    error : FederateError or None
        What ended it, if it failed.
    expected : bool
        It failed when it was recorded, in the same way.
    """

    federate: str
    from_us: int
    until_us: int
    steps: int
    wall_s: float
    first_s: float
    first: Difference | None
    counts: Mapping[str, int]
    compared: tuple[str, ...]
    left_out: tuple[str, ...]
    error: FederateError | None = None
    expected: bool = False

    @property
    def same(self) -> bool:
        """Whether it did again what is on record."""
        return self.first is None and (self.error is None or self.expected)


def replay(
    folder: Path,
    scenario: Scenario,
    name: str,
    at_us: int | None = None,
    until_us: int | None = None,
) -> Replayed:
    """Step one federate again on its recorded inputs.

    Parameters
    ----------
    folder : Path
        The run.
    scenario : Scenario
        The run's scenario, perhaps with other settings of that federate.
    name : str
        The federate.
    at_us : int, optional
        Begin at the newest snapshot at or before this instant, instead of at 0. [us]
    until_us : int, optional
        Stop earlier than the run did. [us]

    Raises
    ------
    RunError
        If the record has not all it needs.
    """
    federation = scenario.federation
    names = [member.name for member in federation.members]
    if name not in names:
        raise RunError(f"{folder.name} has no federate '{name}'. {near(name, names)}")
    run, member = run_folder.read_run(folder), federation[name]
    from_us = _start(folder, run, at_us)
    end_us = _until(folder, from_us, until_us, _end(folder, run, federation, member))
    left_out = _check(folder, run["resolved"].get("record", {}), federation, member)
    every_s = run["resolved"].get("record", {}).get("every_s", {}).get(name, 0.0)
    if from_us:
        state = snapshots.load(folder, from_us)
    judge = Judge(folder, member, microseconds(every_s), from_us)
    engine = InProcess(federation, judge, {name})
    if from_us:
        _restore(engine, state, from_us)
    tapes = _tapes(engine, folder, federation, from_us)
    begin_s = time.perf_counter()
    with _uncollected():
        _deliver(engine, folder, federation, member, (from_us, end_us))
    first_s = 0.0

    def between(t_us: int) -> bool:
        for tape in tapes:
            if tape.next_us <= t_us:
                tape.play(t_us)
        return True

    error = None
    try:
        if (first_us := engine.desk(name).next_us()) is not None:
            now_s = time.perf_counter()
            engine.run(min(first_us + 1, end_us), between)
            first_s = time.perf_counter() - now_s
        engine.run(end_us, between)
    except FederateError as failed:
        error = failed
    judge.close(engine.now_us if error is not None else end_us)
    wall_s = time.perf_counter() - begin_s - first_s
    gc.unfreeze()
    for tape in tapes:
        tape.close()
    return Replayed(
        name, from_us, end_us, engine.steps, wall_s, first_s, judge.verdict.first, judge.verdict.counts,
        tuple(judge.compared), left_out, error, _expected(folder, run, error),
    )  # fmt: skip


def _start(folder: Path, run: Mapping[str, Any], at_us: int | None) -> int:
    """Return where to begin: what a run took over from another is not its own. [us]"""
    origin = run.get("goes_on_from")
    own_us = int(origin["at_us"]) if origin else 0
    return own_us if at_us is None else max(snapshots.newest_at(folder, at_us), own_us)


def _end(folder: Path, run: Mapping[str, Any], federation: Federation, member: Member) -> int:
    """Return the first instant that is not on record for a federate. [us]"""
    t_us = int(run["t_us"])
    if run["exit"] != FAILED or not (folder / run_folder.FAILURE_FILE).exists():
        return t_us
    failed = run_folder.read_failure(folder)["federate"]
    order = {m.name: (m.level, m.index) for m in federation.members}
    return t_us + (order[member.name] <= order.get(failed, (-1, -1)))


def _until(folder: Path, from_us: int, until_us: int | None, end_us: int) -> int:
    """Return where to stop: where it was asked for, if that is on record. [us]"""
    if until_us is None:
        return end_us
    if not from_us < until_us <= end_us:
        raise RunError(
            f"a replay of {folder.name} from {from_us / 3.6e9:g} h cannot end at "
            f"{until_us / 3.6e9:g} h (--until); its record ends at {end_us / 3.6e9:g} h."
        )
    return until_us


def _expected(folder: Path, run: Mapping[str, Any], error: FederateError | None) -> bool:
    """Return whether it failed like this when it was recorded."""
    if error is None or run["exit"] != FAILED:
        return False
    then = run_folder.read_failure(folder)
    return (then["federate"], then["t_us"], then["problem"]) == (
        error.federate, error.t_us, error.problem,
    )  # fmt: skip


def _check(
    folder: Path, record: Mapping[str, Any], federation: Federation, member: Member
) -> tuple[str, ...]:
    """Refuse inputs that are not on record; return own signals that are not."""
    problems = []
    for link in federation.links:
        port = federation[link.source].outputs[link.source_port]
        if link.target == member.name != link.source and isinstance(port, Signal):
            why = _missing(folder, record, link, port)
            end = f"{link.source}.{link.source_port}"
            problems += [f"  input '{link.target_port}' comes from {end}: {why}"] if why else []
    if problems:
        raise RunError(
            f"'{member.name}' cannot be replayed, for not all it saw is on record\n"
            + "\n".join(problems)
        )
    have = _recorded(folder, member.name)
    ports = [port for port in member.outputs.values() if isinstance(port, Signal)]
    return tuple(p.name for p in ports if p.name not in have and not _is_empty(p))


def _missing(folder: Path, record: Mapping[str, Any], link: Link, port: Signal) -> str:
    """Return why what a link carried is not on record; empty if it is."""
    every_s = record.get("every_s", {})
    if {link.source, f"{link.source}.{link.source_port}"} & set(record.get("skip", ())):
        return "record: skip left it out"
    if link.source in every_s:
        return f"record: every_s kept one row in {every_s[link.source]:g} s"
    known = _is_empty(port) or port.name in _recorded(folder, link.source)
    return "" if known else "the run has none of it"


def _is_empty(port: Signal) -> bool:
    """Return whether a signal has no elements, and so no columns."""
    return port.shape is not None and 0 in port.shape


def _recorded(folder: Path, name: str) -> set[str]:
    rows = Rows(folder, name, ())
    try:
        return {c.name for c in rows.known}
    finally:
        rows.close()


def _restore(engine: InProcess, state: dict[str, Any], at_us: int) -> None:
    try:
        engine.restore(state)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise RunError(
            f"the snapshot at {at_us / 1e6:g} s does not fit these settings "
            f"({type(error).__name__}: {error})."
        ) from error


def _tapes(engine: InProcess, folder: Path, federation: Federation, from_us: int) -> list[Tape]:
    """Return a tape for each federate whose signals are read."""
    slots: dict[str, dict[str, Slot]] = {}
    delayed = {id(slot) for desk in engine.desks for _, slot, late in desk.pulls if late}
    for (source, port), slot in engine.imports.items():
        slots.setdefault(source, {})[port] = slot
    return [
        Tape(folder, source, found, _signals(federation[source], found), delayed, from_us)
        for source, found in slots.items()
    ]


def _signals(member: Member, names: Mapping[str, Slot]) -> dict[str, Signal]:
    return {n: port for n in names if isinstance(port := member.outputs[n], Signal)}


def _deliver(
    engine: InProcess,
    folder: Path,
    federation: Federation,
    member: Member,
    span_us: tuple[int, int],
) -> None:
    """Put all messages of others into the federate's inbox, as the engine did."""
    ways: dict[tuple[str, str], list[Link]] = {}
    for link in federation.links:
        port = federation[link.source].outputs[link.source_port]
        if link.target == member.name != link.source and isinstance(port, Messages):
            ways.setdefault((link.source, link.source_port), []).append(link)
    if not ways:
        return
    desk = engine.desk(member.name)
    senders = {source: federation[source] for source, _ in ways}
    for b in messages(folder, senders, *span_us):
        heard = [k for k, way in enumerate(zip(b.sender, b.port, strict=True)) if way in ways]
        for k, data in zip(heard, contents([b.data[k] for k in heard]), strict=True):
            sender, message = senders[b.sender[k]], Message(b.arrival_us[k], b.kind[k], data)
            passed = member.level <= sender.level
            for link in ways[sender.name, b.port[k]]:
                arrival = arrival_us(message, b.sent_us[k], link.delayed, passed)
                engine.deliver(
                    desk, arrival, sender.index, b.sequence[k], link.target_port, message
                )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep what is made meanwhile, which lives to the end, from the garbage collector.

    It would look through all messages again and again. Give them back by ``gc.unfreeze``.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
