"""``feedertwin hil``: a scenario with some of its nodes outside, or from their record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cosim import run_folder
from cosim.cli.arguments import scenario_path, span_us
from cosim.cli.console import err, out, print_table
from cosim.cli.progress import RunProgress
from cosim.cli.run import (
    JsonOption,
    OutOption,
    QuietOption,
    RealTimeOption,
    SetOption,
    UntilOption,
    show,
    tell_pace,
)
from cosim.hil.hil import Outcome, compared, cut_us, hil, inside, replay
from cosim.hil.node_file import EMULATED
from cosim.hil.session import DEADLINE_S, START_S
from cosim.hil.statistics import percentiles
from cosim.hil.trace import TraceComparison
from cosim.hil.wish import wishes
from cosim.node.bodies import body_of
from cosim.pacer import RealTimeConfig
from cosim.run import DONE, FELL_SHORT, INTERRUPTED, RunOptions
from gridmodel.errors import Fault, FeedertwinError, ScenarioError
from gridmodel.settings import near

#: Rows of the table of orders.
MOST_ORDERS = 12


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("hil")(hil_command)


def hil_command(  # noqa: PLR0913  one parameter an option
    scenario: Annotated[
        str | None, typer.Argument(help="A scenario file, or a bundled scenario's name.")
    ] = None,
    nodes: Annotated[
        list[str] | None,
        typer.Option(
            "--node",
            metavar="NAME=HOW",
            help="A node outside: emulated (started here), emulated-udp, udp:HOST:PORT, "
            "tcp:HOST:PORT, mqtt:HOST:PORT or serial:DEVICE. May be repeated.",
        ),
    ] = None,
    real_time: RealTimeOption = None,
    deadline_ms: Annotated[
        float,
        typer.Option(min=0.001, help="In real time, how long a step waits for an answer."),
    ] = 1e3 * DEADLINE_S,
    bodies: Annotated[
        list[str] | None,
        typer.Option(
            "--body", metavar="PORT=BODY", help="Body of meter, relay, radio or inverter."
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Also run it with all nodes inside, and compare decisions."),
    ] = False,
    replay_of: Annotated[
        str | None, typer.Option("--replay", metavar="RUN", help="Run again from its arrivals.")
    ] = None,
    sets: SetOption = None,
    until: UntilOption = None,
    out_folder: OutOption = Path("runs"),
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a scenario with nodes in processes of their own, or on real hardware."""
    _check(scenario, replay_of)
    still = quiet or as_json
    promise: dict[str, TraceComparison] = {}
    cut: int | None = None
    with RunProgress(scenario or f"replay of {replay_of}", still) as progress:
        if replay_of is not None:
            outcome = replay(run_folder.find(out_folder, replay_of), out_folder, progress)
        else:
            assert scenario is not None
            pace = RealTimeConfig(factor=real_time) if real_time is not None else None
            until_us = span_us(until) if until is not None else None
            options = RunOptions(out_folder, until_us, real_time=pace)
            path, asked = scenario_path(scenario), wishes(nodes or [])
            wait_s, chosen = deadline_ms / 1e3, _bodies(bodies or [])
            if not still:
                tell_pace(pace, until_us)
            if check:
                progress.begin(f"{scenario}, all nodes inside")
                twin = inside(path, asked, options, sets or [], chosen, progress)
                _stop_if_interrupted(twin, as_json, quiet)
                progress.begin(f"{scenario}, nodes outside")
            elsewhere = [wish for wish in asked if not wish.ours] if not still else []
            for wish in elsewhere:
                text = f"waiting up to {START_S:g} s for {wish.name} at {wish.how}: start it now"
                err.print(escape(text), soft_wrap=True)
            try:
                outcome = hil(path, asked, options, sets or [], wait_s, chosen, progress)
            except KeyboardInterrupt:
                err.print("interrupted while nodes were waited for; no run was begun")
                raise typer.Exit(INTERRUPTED) from None
            if check:
                promise, cut = compared(twin, outcome), cut_us(twin, outcome)
    _show(outcome, promise, cut, as_json, quiet, replay_of is not None)
    broken = outcome.differs or not all(found.equal for found in promise.values())
    code = outcome.result.code
    raise typer.Exit(FELL_SHORT if code == DONE and broken else code)


def _stop_if_interrupted(twin: Outcome, as_json: bool, quiet: bool) -> None:
    """End here if the run that the nodes outside would be held to was interrupted."""
    if twin.result.code == INTERRUPTED:
        show(twin.result, as_json, quiet)
        err.print("interrupted while all nodes were inside; those outside were not started")
        raise typer.Exit(INTERRUPTED)


def _check(scenario: str | None, replay_of: str | None) -> None:
    if (scenario is None) == (replay_of is None):
        problem = "a scenario, or --replay RUN, is asked for; one of the two."
        raise ScenarioError("nothing to run", [Fault("hil", "", problem)])


def _bodies(texts: list[str]) -> dict[str, str]:
    """Return the bodies chosen on the command line."""
    found, faults = {}, []
    for text in texts:
        port, _, body = text.partition("=")
        if port not in EMULATED or not body:
            advice = f"Write --body radio=simulated. {near(port, EMULATED)}"
            faults.append(Fault("--body", text, "is no PORT=BODY.", advice))
            continue
        try:
            body_of(port, body)
        except FeedertwinError as error:
            faults.append(Fault("--body", text, str(error)))
        found[port] = body
    if faults:
        raise ScenarioError("bodies cannot be told", faults)
    return found


def _show(
    outcome: Outcome,
    promise: Mapping[str, TraceComparison],
    cut: int | None,
    as_json: bool,
    quiet: bool,
    replayed: bool,
) -> None:
    result = outcome.result
    if as_json:
        data = {
            "run": str(result.folder),
            "exit": result.code,
            "reason": result.reason,
            "kpis": {name: kpi.value for name, kpi in result.kpis.items()},
            "nodes": {name: line.figures() for name, line in outcome.lines.items()},
            "orders": [vars(way) for way in outcome.orders],
            "decisions_equal": {name: found.equal for name, found in promise.items()},
            "compared_until_us": cut,
            "differs": list(outcome.differs),
        }
        print(json.dumps(data))  # noqa: T201  exactly one JSON object, no styling
        return
    if not quiet:
        rows = [
            (name, line.asked, line.late, line.own, *percentiles(line.round_trips_ms), line.fate)
            for name, line in outcome.lines.items()
        ]
        columns = ("node outside", "asked", "late", "alone", "p50 [ms]", "p99 [ms]", "max [ms]", "")
        print_table("", columns, rows)
        _show_orders(outcome)
        for warning in outcome.scenario.warnings:
            if warning.split(":")[0] in outcome.lines:
                err.print(f"[bold yellow]warning[/] {escape(warning)}", soft_wrap=True)
    show(result, as_json, quiet)
    _show_promise(promise, cut)
    if replayed and outcome.differs:
        out.print(f"[bold red]differs[/] from the run it replays: {', '.join(outcome.differs)}")
    elif replayed:
        out.print("[bold green]the same[/]: every recorded byte is as in the run it replays")


def _show_promise(promise: Mapping[str, TraceComparison], cut: int | None) -> None:
    """Print for each node whether it decided the same inside and outside."""
    if promise and cut is not None:
        out.print(f"decisions are compared up to t = {cut / 1e6:g} s, where a run was cut short")
    for name, found in promise.items():
        if found.equal and not found.same:
            out.print(f"[bold yellow]nothing to compare[/]: {name} took no decision")
        elif found.equal:
            out.print(
                f"[bold green]the same[/]: {name} took {found.same:,} decisions, inside and out"
            )
        else:
            out.print(
                f"[bold red]differs[/]: {name}: {found.same:,} decisions the same, "
                f"{len(found.shifted)} at another instant, {len(found.missing)} missing, "
                f"{len(found.extra)} more; {escape(found.first)}",
                soft_wrap=True,
            )


def _show_orders(outcome: Outcome) -> None:
    """Print the ways of orders from master to contact, and how long they took."""
    if not outcome.orders:
        return
    rows = []
    for way in outcome.orders[:MOST_ORDERS]:
        wall = "" if way.wall_ms is None else f"{way.wall_ms:.2f}"
        rows.append((f"{way.sent_us / 1e6:.6f}", way.contact, f"{way.order_ms:.3f}", wall))
    columns = ("order sent [s]", "contact moved", "simulated [ms]", "wall clock [ms]")
    print_table("", columns, rows)
    simulated = percentiles([way.order_ms for way in outcome.orders])
    walls = percentiles([way.wall_ms for way in outcome.orders if way.wall_ms is not None])
    out.print(
        f"{len(outcome.orders)} orders moved a contact: {simulated[0]:g} ms simulated (median), "
        f"{walls[0]:g} ms on the wall clock, {walls[2]:g} ms at most",
        soft_wrap=True,
    )
