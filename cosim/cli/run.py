"""``feedertwin run`` and ``feedertwin resume``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cosim import registry, run_folder, snapshots
from cosim.cli.arguments import duration_us, scenario_path
from cosim.cli.console import err, kpi_table, out, warn
from cosim.cli.profile_view import show_profile
from cosim.cli.progress import RunProgress
from cosim.pacer import RealTimeConfig
from cosim.report.report import REPORT, lateness_text, rows
from cosim.run import DONE, RunOptions, RunResult, run
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
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
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
    start_us = snapshots.newest_at(folder, duration_us(at) if at is not None else None)
    earlier = run_folder.read_run(folder)
    loaded = load(Path(earlier["scenario_file"]), earlier.get("overrides", []))
    changed = changes(earlier["resolved"], loaded.resolved)
    if changed and not (quiet or as_json):
        warn([f"{loaded.path} has changed since: {'; '.join(changed)}"])
    options = options_of(
        loaded, out_folder, until, snapshot_every, engine or earlier["engine"], real_time, profile
    )
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
        duration_us(until) if until is not None else None,
        duration_us(snapshot_every) if snapshot_every is not None else None,
        engine or RunOptions.engine,
        _pace(scenario, real_time) if real_time is not None else None,
        profile,
    )
    registry.load(registry.ENGINES, options.engine)  # before a folder is made
    return options


def _pace(scenario: Scenario, factor: float) -> RealTimeConfig:
    """Return the scenario's pace with another factor."""
    given = scenario.config.real_time or RealTimeConfig()
    return RealTimeConfig(**{**given.model_dump(), "factor": factor})


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
    with RunProgress(scenario.config.name, quiet) as progress:
        result = run(scenario, options, progress, resume_from, overrides)
    show(result, as_json, quiet)
    if not (as_json or quiet):
        show_profile(result, scenario.federation)
    raise typer.Exit(result.code)


def show(result: RunResult, as_json: bool, quiet: bool) -> None:
    """Print how a run ended."""
    if as_json:
        data = {
            "run": str(result.folder),
            "exit": result.code,
            "reason": result.reason,
            "kpis": {name: kpi.value for name, kpi in result.kpis.items()},
        }
        print(json.dumps(data))  # noqa: T201  exactly one JSON object, no styling
        return
    read = run_folder.read_run(result.folder)
    first, rest = rows(read)
    if not quiet:
        out.print(kpi_table(first))
        if rest:
            out.print(f"[dim]and {len(rest)} more in the report[/]")
    for short in result.shortfalls:
        err.print(
            f"[bold red]fell short[/]: {short.name} is {short.value:g}, expected {short.bound}"
        )
    late = read["lateness"]
    if late is not None:
        out.print(lateness_text(late), soft_wrap=True)
    style = "green" if result.code == DONE else "red"
    simulated_s = (result.t_us - result.start_us) / 1e6
    speed = f"{simulated_s / result.wall_s:,.0f} x real time" if result.wall_s > 0 else ""
    out.print(
        f"[bold {style}]{result.reason}[/] {simulated_s / 3600:g} h in {result.wall_s:.1f} s, {speed}",
        soft_wrap=True,
    )
    out.print(str(result.folder / REPORT), soft_wrap=True)
