"""``feedertwin broker`` and ``feedertwin partition``: one run over several hosts."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cosim.cli.arguments import duration_us, scenario_path, span_us
from cosim.cli.console import err, out
from cosim.cli.run import OutOption, SetOption, UntilOption
from cosim.engines.helics_border import HelicsBroker
from cosim.engines.lifeline import End, Lifelines
from cosim.engines.partition_by_hand import PartitionByHand
from cosim.engines.partition_process import ABANDONED, PartitionJob, homes
from cosim.interrupt import Interrupt
from cosim.run import DONE, FAILED, INTERRUPTED
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
    port: Annotated[
        int, typer.Option(min=1025, max=65_000, help="Port; those below and above are used, too.")
    ] = DEFAULT_PORT,
    join_within: Annotated[
        str, typer.Option(metavar="1min", help="Give up if a partition has not joined by then.")
    ] = "1min",
) -> None:
    """Hold a federation together until its partitions have ended; not encrypted."""
    patience_s = duration_us(join_within) / 1e6
    try:
        lifelines = Lifelines(f"{interface}:{port}")
        broker = HelicsBroker(partitions, port, interface)
    except BorderError as error:
        raise RunError(str(error)) from error
    out.print(f"broker at {broker.address}, waiting for {partitions} partitions")
    with Interrupt() as interrupt:
        code, reason = _watch(broker, lifelines, partitions, patience_s, lambda: interrupt.asked)
    if code == FAILED:
        err.print(f"[bold red]failed[/]: {escape(reason)}", soft_wrap=True)
    if reason:
        broker.fail(FAILED, reason)
    lifelines.close(reason)
    broker.close(1000)
    raise typer.Exit(code)


def _watch(
    broker: HelicsBroker,
    lifelines: Lifelines,
    partitions: int,
    patience_s: float,
    asked: Callable[[], bool],
) -> tuple[int, str]:
    """Wait until all partitions have ended, or one ended badly; return exit code and why."""
    began_s = time.monotonic()
    ends: list[End] = []
    while not asked():
        ends += lifelines.look()
        roots = [end for end in ends if end.code not in (DONE, INTERRUPTED, ABANDONED)]
        if roots:
            return FAILED, f"partition '{roots[0].partition}': {roots[0].reason}"
        if len(ends) == partitions:
            break
        if not broker.complete() and time.monotonic() - began_s > patience_s:
            missing = partitions - broker.joined()
            text = f"{missing} of {partitions} partitions have not joined within {patience_s:g} s"
            return FAILED, text
        time.sleep(0.05)
    if asked():
        return INTERRUPTED, "the broker was interrupted"
    if any(end.code == INTERRUPTED for end in ends):
        return INTERRUPTED, ""
    left = [end.reason for end in ends if end.code == ABANDONED]
    return (FAILED, left[0]) if left else (DONE, "")


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
    faults = []
    if name not in places:
        advice = near(name, places)
        faults.append(Fault(str(path), "deploy.partitions", f"there is no '{name}'.", advice))
    host, _, port = broker.rpartition(":")
    if not host or not port.isdigit() or not 1024 < int(port) < 65_536:
        advice = f"Write it as the broker said it: 10.0.0.1:{DEFAULT_PORT}."
        faults.append(Fault("--broker", broker, "is no HOST:PORT.", advice))
    if faults:
        raise ScenarioError("partition cannot be run", faults)
    until_us = loaded.end_us(span_us(until) if until is not None else None)
    scenario_file = str(path.resolve())
    job = PartitionJob(name, scenario_file, tuple(overrides), broker, "", until_us, interface)
    with Interrupt() as interrupt:
        partition = PartitionByHand(job, loaded, out_folder, lambda: interrupt.asked)
        try:
            code, left = partition.run()
        except BorderError as error:
            shutil.rmtree(partition.folder)  # nothing was begun
            advice = f"Start it: feedertwin broker --partitions {len(places)}"
            raise RunError(f"{error}. {advice}") from error
    out.print(f"{name}: {left['reason']} {left['now_us'] / 3.6e9:g} h", soft_wrap=True)
    out.print(str(partition.folder), soft_wrap=True)
    out.file.flush()
    os._exit(code)  # HELICS would wait for its own threads
