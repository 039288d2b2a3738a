"""``feedertwin dist``: networks of any format, their power flow and their picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cosim.cli.compile_notice import tell_of_compiling
from cosim.cli.console import err, out
from cosim.cli.dist_compare import UNSOLVED, compare_command
from cosim.cli.dist_draw import draw_command
from cosim.cli.dist_source import FromOption, NetArgument, NoControlsOption, net_path, read_net
from cosim.cli.dist_tables import print_flow, print_idle, print_troubles
from gridmodel.counted import counted
from gridmodel.errors import Fault, InputError
from gridmodel.ingest.formats import BY_SUFFIX, WRITABLE, Notices
from gridmodel.ingest.write import faults_of_target, write_any
from gridmodel.network.checks import warnings
from gridmodel.network.network import Network
from simulators.power_flow.solvers import SOLVERS, faults_of_solver, solve

app = typer.Typer(
    help="Networks of any format: read, solve, compare and draw them.", no_args_is_help=True
)
app.command("compare")(compare_command)
app.command("draw")(draw_command)

SolverOption = Annotated[
    str, typer.Option("--solver", help=f"Which power flow: {', '.join(SOLVERS)}.")
]


@app.command("import")
def import_command(
    file: NetArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=f"Write it here; the ending says the format: "
                     f"{' '.join(BY_SUFFIX)}. Nothing is written if left out."),
    ] = None,
    form: FromOption = "",
    to: Annotated[
        str,
        typer.Option("--to", metavar="FORMAT", help=f"The format to write, if the ending does not "
                     f"say it: {', '.join(WRITABLE)}."),
    ] = "",
) -> None:  # fmt: skip
    """Read a network and write it as ours or in another format; tell all that was not taken over."""
    faults = [] if output is None else faults_of_target(output, to, "--to")
    if output is not None and output.exists() and _is_read(file, output):
        advice = "Give another name."
        faults.append(Fault("--output", "", f"'{output}' is the file that is read.", advice))
    network, notices = read_net(file, form, faults)
    _print_notices(notices)
    for warning in warnings(network):
        err.print(f"[bold yellow]warning[/] {escape(warning)}", soft_wrap=True)
    out.print(f"[bold]{escape(network.name)}[/]: {_summary(network)}", soft_wrap=True)
    if output is not None:
        _print_notices(write_any(network, output, to))
        out.print(str(output), soft_wrap=True, markup=False)


def _is_read(text: str, output: Path) -> bool:
    """Return whether the file to write is the one that is read."""
    try:
        path = net_path(text)
    except InputError:  # told when it is read
        return False
    return path.exists() and output.samefile(path)


def _print_notices(notices: Notices) -> None:
    for notice in notices:
        err.print(f"[yellow]notice[/] {escape(str(notice))}", soft_wrap=True)


def _summary(network: Network) -> str:
    """Return how many there are of everything, ``17 buses, 12 lines``."""
    parts = []
    for key in network.GROUPS:
        count = len(getattr(network, key))
        if count:
            one = key.removesuffix("es" if key.endswith(("ses", "ches")) else "s")
            parts.append(counted(count, one.replace("_", " ")))
    return ", ".join(parts)


@app.command("pf")
def pf_command(  # noqa: PLR0913  one option each
    net: NetArgument,
    solver: SolverOption = "fbs",
    no_controls: NoControlsOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    v_min_pu: Annotated[float, typer.Option("--v-min", help="Below it is low. [pu]")] = 0.95,
    v_max_pu: Annotated[float, typer.Option("--v-max", help="Above it is high. [pu]")] = 1.05,
    every: Annotated[bool, typer.Option("--all", help="Show every bus.")] = False,
    form: FromOption = "",
) -> None:
    """Solve a network: voltages, losses, taps, what is out of range.

    Voltages in the table are to the neutral where a bus has one, else to earth; in the
    JSON all are to earth. Exit code 0 solved, 3 no solution, 2 bad input.
    """
    faults = faults_of_solver(solver, "--solver")
    if v_min_pu >= v_max_pu:
        problem = f"{v_min_pu:g} is not below --v-max {v_max_pu:g}."
        faults.append(Fault("--v-min", "", problem, "Give the lower limit first."))
    network, notices = read_net(net, form, faults)
    if notices:
        text = f"[dim]{counted(len(notices), 'notice')} of the reader: feedertwin dist import {escape(net)}[/]"
        err.print(text, soft_wrap=True)
    controls = not no_controls
    if solver == "fbs":
        tell_of_compiling()
    flow = solve(network, solver, controls)
    if as_json:
        print(json.dumps(flow.as_json()))  # noqa: T201  for machines, so not through the console
    elif flow.converged:
        print_flow(flow, (v_min_pu, v_max_pu), every, controls and SOLVERS[solver].moves_taps)
    if flow.troubles:
        print_troubles(flow)
    if flow.idle:
        print_idle(flow)
    raise typer.Exit(0 if flow.converged else UNSOLVED)
