"""``feedertwin run`` and ``feedertwin resume``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cosim import registry, run_folder, snapshots
from cosim.cli.arguments import duration_us, scenario_path, span_us
from cosim.cli.compile_notice import tell_of_compiling
from cosim.cli.console import err, kpi_table, out, warn
from cosim.cli.ending import ending
from cosim.cli.profile_view import show_profile
from cosim.cli.progress import RunProgress
from cosim.compiling import may_compile
from cosim.pacer import RealTimeConfig, pace_text
from cosim.report.report import rows
from cosim.run import RunOptions, RunResult, run
from cosim.scenario.build import Scenario, load
from cosim.scenario.changes import changes

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's folder, its name, or 'last'.")
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder of runs.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="Change a value of the scenario; may be repeated."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress, no warnings.")]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object; what is wrong goes to standard error."),
]
EngineOption = Annotated[
    str | None, typer.Option("--engine", help="in_process, mosaik, helics, or one of your own.")
]
RealTimeOption = Annotated[
    float | None,
    typer.Option(
        "--real-time", metavar="FACTOR", min=1e-6,
        help="Keep in step with the wall clock: 1 as it is, 0.1 ten times faster.",
    ),
]  # fmt: skip
ProfileOption = Annotated[
    bool, typer.Option("--profile", help="Time of each federate, as a table and as a trace.")
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="5h", help="Stop before the scenario's end.")
]
SnapshotOption = Annotated[
    str | None,
    typer.Option("--snapshot-every", metavar="1h", help="Save the whole state so often."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run")(run_command)
    app.command("resume")(resume_command)


def run_command(  # noqa: PLR0913  one parameter an option
    scenario: Annotated[str, typer.Argument(help="A scenario file, or a bundled scenario's name.")],
    sets: SetOption = None,
    seed: Annotated[int | None, typer.Option(help="Seed, instead of the scenario's.")] = None,
    until: UntilOption = None,
    out_folder: OutOption = Path("runs"),
    snapshot_every: SnapshotOption = None,
    engine: EngineOption = None,
    real_time: RealTimeOption = None,
    profile: ProfileOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a scenario: progress, key figures, and a folder with everything it did."""
    overrides = [*(sets or []), *([f"seed={seed}"] if seed is not None else [])]
    loaded = load(scenario_path(scenario), overrides)
    options = options_of(loaded, out_folder, until, snapshot_every, engine, real_time, profile)
    go(loaded, options, quiet or as_json, as_json, overrides)


def resume_command(  # noqa: PLR0913  one parameter an option
    run_name: RunArgument,
    at: Annotated[
        str | None, typer.Option(metavar="5h", help="From the snapshot at or before this time.")
    ] = None,
    until: UntilOption = None,
    out_folder: OutOption = Path("runs"),
    snapshot_every: SnapshotOption = None,
    engine: EngineOption = None,
    real_time: RealTimeOption = None,
    profile: ProfileOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go on from a snapshot of a run that was cut short; a new run holds the whole."""
    folder = run_folder.find(out_folder, run_name)
    at_us = duration_us(at) if at is not None else None
    start_us = snapshots.newest_at(folder, at_us)
    if not as_json:
        origin = f"{escape(folder.name)} at {origin_text(start_us, at_us)}"
        err.print(f"goes on from the snapshot of {origin}", soft_wrap=True)
    earlier = run_folder.read_run(folder)
    loaded = load(Path(earlier["scenario_file"]), earlier.get("overrides", []))
    changed = changes(earlier["resolved"], loaded.resolved)
    if changed and not (quiet or as_json):
        warn([f"{loaded.path} has changed since: {'; '.join(changed)}"])
    engine = engine if engine is not None else earlier["engine"]
    options = options_of(loaded, out_folder, until, snapshot_every, engine, real_time, profile)
    overrides = earlier.get("overrides", [])
    go(loaded, options, quiet or as_json, as_json, overrides, (folder, start_us))


def options_of(
    scenario: Scenario,
    out_folder: Path,
    until: str | None,
    snapshot_every: str | None,
    engine: str | None,
    real_time: float | None,
    profile: bool,
) -> RunOptions:
    """Return what the command line asks of a run.

    Raises
    ------
    PluginError
        If there is no such engine.
    """
    options = RunOptions(
        out_folder,
        span_us(until) if until is not None else None,
        span_us(snapshot_every) if snapshot_every is not None else None,
        engine if engine is not None else RunOptions.engine,
        _pace(scenario, real_time) if real_time is not None else None,
        profile,
    )
    registry.load(registry.ENGINES, options.engine)  # before a folder is made
    return options


def _pace(scenario: Scenario, factor: float) -> RealTimeConfig:
    """Return the scenario's pace with another factor."""
    given = scenario.config.real_time or RealTimeConfig()
    return RealTimeConfig(**{**given.model_dump(), "factor": factor})


def tell_pace(pace: RealTimeConfig | None, span_us: int | None) -> None:
    """Say how fast a run in real time goes, and how long it will take, if that is known."""
    if pace is not None:
        text = pace_text(pace.factor)
        if span_us is not None:
            span_s = 1e-6 * span_us
            text += f": {_span(span_s)} will take {_span(span_s * pace.factor)}"
        err.print(text, soft_wrap=True)


def _span(seconds: float) -> str:
    if seconds < 120.0:
        return f"{seconds:.3g} s"
    return f"{seconds / 60.0:.3g} min" if seconds < 7200.0 else f"{seconds / 3600.0:.4g} h"


def origin_text(start_us: int, at_us: int | None) -> str:
    """Return which snapshot a run goes on from, and that it is not quite the one asked for."""
    text = f"{start_us / 3.6e9:g} h"
    if at_us is not None and at_us != start_us:
        text += f", the newest at or before {at_us / 3.6e9:g} h"
    return text


def go(
    scenario: Scenario,
    options: RunOptions,
    quiet: bool,
    as_json: bool,
    overrides: list[str],
    resume_from: tuple[Path, int] | None = None,
) -> None:
    """Run a scenario, print how it ended, and exit with its code."""
    if not quiet:
        warn(scenario.warnings)
        start_us = resume_from[1] if resume_from is not None else 0
        end_us = scenario.end_us(options.until_us, start_us)
        tell_pace(options.real_time or scenario.config.real_time, end_us - start_us)
        if may_compile():
            tell_of_compiling()
    with RunProgress(scenario.config.name, quiet) as progress:
        result = run(scenario, options, progress, resume_from, overrides)
    show(result, as_json, quiet)
    if not (as_json or quiet):
        show_profile(result, scenario.federation)
    raise typer.Exit(result.code)


def show(result: RunResult, as_json: bool, quiet: bool) -> None:
    """Print how a run ended."""
    read = run_folder.read_run(result.folder)
    if as_json:
        data = {
            "run": str(result.folder),
            "exit": result.code,
            "reason": result.reason,
            "kpis": {name: run_folder.plain(kpi.value) for name, kpi in result.kpis.items()},
        }
        if read["goes_on_from"] is not None:
            data["goes_on_from"] = read["goes_on_from"]
        print(json.dumps(data))  # noqa: T201  exactly one JSON object, no styling
        return
    first, rest = rows(read)
    if not quiet:
        out.print(kpi_table(first, result.not_judged is None))
        if rest:
            out.print(f"[dim]and {len(rest)} more in the report[/]")
    for short in result.shortfalls:
        err.print(f"[bold red]fell short[/]: {short}", soft_wrap=True)
    for line in ending(result, read):
        out.print(line, soft_wrap=True)
