"""``feedertwin dist draw``: a network as a one-line picture, by voltage and by loading."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cosim.cli.console import err, out
from cosim.cli.dist_compare import UNSOLVED
from cosim.cli.dist_source import FromOption, NetArgument, NoControlsOption, read_net
from cosim.cli.dist_tables import print_troubles
from gridmodel.errors import Fault, InputError
from gridmodel.settings import near
from simulators.power_flow.solvers import SOLVERS, faults_of_solver, solve

_ENDINGS = (".svg", ".png")


def draw_command(
    net: NetArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The picture, SVG or PNG; NET's name and .svg in "
                     "this folder if left out."),
    ] = None,
    solver: Annotated[
        str, typer.Option("--solver", help=f"Which power flow: {', '.join(SOLVERS)}.")
    ] = "fbs",
    no_controls: NoControlsOption = False,
    form: FromOption = "",
) -> None:  # fmt: skip
    """Draw a network: buses coloured by voltage, lines and transformers by loading.

    By coordinates if at least half of the buses have some, else as a tree. Without a
    solution the picture is grey and the exit code 3.
    """
    from cosim.report.network_picture import draw  # matplotlib takes a second to load

    picture = output or Path(f"{Path(net).stem}.svg")
    faults = faults_of_solver(solver, "--solver")
    if picture.suffix.lower() not in _ENDINGS:
        problem = f"'{picture}' is no picture's name."
        faults.append(Fault("--output", "", problem, near(picture.suffix, _ENDINGS)))
    if not picture.parent.is_dir():
        problem = f"there is no folder '{picture.parent}'."
        faults.append(Fault("--output", "", problem, "Make it first."))
    network, _ = read_net(net, form, faults)
    flow = solve(network, solver, not no_controls)
    if flow.troubles:
        print_troubles(flow)
    try:
        draw(flow, picture)
    except OSError as error:
        fault = Fault(str(picture), "", f"cannot be written: {error.strerror}.")
        raise InputError("the picture cannot be kept", [fault]) from error
    if not flow.converged:
        err.print(f"{escape(network.name)} has no solution: drawn without colours", soft_wrap=True)
    out.print(str(picture), soft_wrap=True, markup=False)
    raise typer.Exit(0 if flow.converged else UNSOLVED)
