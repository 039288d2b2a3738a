"""``feedertwin broker`` and ``feedertwin partition``: one run over several hosts."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from cosim import run_folder
from cosim.cli.arguments import duration_us, scenario_path
from cosim.cli.console import err, out
from cosim.cli.run import OutOption, SetOption, UntilOption
from cosim.engines.helics_border import HelicsBroker
from cosim.engines.partition_process import PARTS, PartitionJob, PartitionProcess, homes, kpis_in
from cosim.interrupt import Interrupt
from cosim.recorder.compact import compact
from cosim.report.report import write_report
from cosim.run import FAILED
from cosim.scenario.build import load
from gridmodel.errors import BorderError, Fault, RunError, ScenarioError
from gridmodel.settings import near

DEFAULT_PORT = 23_404


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("broker")(broker_command)
    app.command("partition")(partition_command)


def broker_command(
    partitions: Annotated[int, typer.Option(help="Partitions that will join.")],
    interface: Annotated[
        str, typer.Option(help="Address of this host that the partitions can reach.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port, and the one above it.")] = DEFAULT_PORT,
    join_within: Annotated[
        str, typer.Option(metavar="1min", help="Give up if a partition has not joined by then.")
    ] = "1min",
) -> None:
    """Hold a federation together until its partitions have ended; not encrypted."""
    patience_s = duration_us(join_within) / 1e6
    try:
        broker = HelicsBroker(partitions, port, interface)
    except BorderError as error:
        raise RunError(str(error)) from error
    out.print(f"broker at {broker.address}, waiting for {partitions} partitions")
    began_s, code = time.monotonic(), 0
    with Interrupt() as interrupt:
        while broker.connected() and not interrupt.asked:
            time.sleep(0.1)
            if not broker.complete() and time.monotonic() - began_s > patience_s:
                missing = partitions - broker.joined()
                text = f"{missing} of {partitions} partitions have not joined within {join_within}"
                err.print(f"[bold red]failed[/]: {text}")
                broker.fail(FAILED, text)
                code = FAILED
                break
    if interrupt.asked:
        broker.fail(FAILED, "the broker was interrupted")
        code = 130
    broker.close(1000)
    raise typer.Exit(code)


def partition_command(
    name: Annotated[str, typer.Argument(help="Name of the partition in the scenario's deploy.")],
    scenario: Annotated[str, typer.Argument(help="The scenario, the same on every host.")],
    broker: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the broker is.")],
    interface: Annotated[
        str, typer.Option(help="Address of this host that the others can reach.")
    ] = "127.0.0.1",
    sets: SetOption = None,
    until: UntilOption = None,
    out_folder: OutOption = Path("runs"),
) -> None:
    """Run one partition of a scenario; its federates' record stays on this host."""
    path, overrides = scenario_path(scenario), sets or []
    loaded = load(path, overrides)
    places = set(homes(loaded).values())
    if name not in places:
        fault = Fault(str(path), "deploy.partitions", f"there is no '{name}'.", near(name, places))
        raise ScenarioError("partition cannot be run", [fault])
    folder = run_folder.create(
        out_folder, f"{loaded.config.name}-{name}", started := run_folder.utc_now()
    )
    (folder / PARTS).mkdir()
    until_us = min(duration_us(until) if until else loaded.duration_us, loaded.duration_us)
    job = PartitionJob(
        name, str(path.resolve()), tuple(overrides), broker, str(folder), until_us, interface
    )
    begin_s = time.perf_counter()
    try:
        with Interrupt() as interrupt:
            code = PartitionProcess(job, lambda: interrupt.asked).run()
    except BorderError as error:
        raise RunError(
            f"{error}. Start it: feedertwin broker --partitions {len(places)}"
        ) from error
    compact(folder)
    report = run_folder.read_json(folder / PARTS / f"{name}.json")
    run_folder.write_json(
        folder / run_folder.RUN_FILE,
        {
            "scenario": loaded.config.name,
            "partition": name,
            "scenario_file": str(path.resolve()),
            "overrides": list(overrides),
            "engine": "helics",
            "status": report["reason"],
            "exit": FAILED if code not in (0, 130) else code,
            "seed": loaded.config.seed,
            "until_us": until_us,
            "t_us": report["now_us"],
            "started_utc": started.isoformat(),
            "ended_utc": run_folder.utc_now().isoformat(),
            "wall_s": round(time.perf_counter() - begin_s, 3),
            "instants": report["instants"],
            "steps": report["steps"],
            "lateness": None,
            "warnings": list(loaded.warnings),
            "kpis": {
                key: {"value": kpi.value, "unit": kpi.unit, "about": kpi.about}
                for key, kpi in kpis_in(report).items()
            },
            "shortfalls": [],
            "environment": run_folder.environment(),
            "resolved": loaded.resolved,
        },
    )
    if report["failure"]:
        run_folder.write_json(folder / "failure.json", report["failure"])
    write_report(folder)
    out.print(f"{name}: {report['reason']} {report['now_us'] / 3.6e9:g} h", soft_wrap=True)
    out.print(str(folder), soft_wrap=True)
    out.file.flush()
    os._exit(FAILED if code not in (0, 130) else code)  # HELICS would wait for its own threads
