"""``feedertwin dist compare``: the solvers side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import typer

from cosim.cli.compile_notice import tell_of_compiling
from cosim.cli.console import err, out, print_table
from cosim.cli.dist_source import FromOption, NetArgument, NoControlsOption, read_net
from cosim.cli.dist_tables import print_troubles
from gridmodel.counted import counted
from gridmodel.errors import InputError, MissingExtraError
from gridmodel.network.element import NODES
from gridmodel.network.network import Network
from simulators.power_flow.result import PowerFlow
from simulators.power_flow.solvers import SOLVERS, Solver

#: No solution, or solvers that could not hold the network at all.
UNSOLVED = 3
_REFERENCE = "opendss"
#: Reasons that are told.
_MOST_REASONS = 10


@dataclass(frozen=True)
class Side:
    """What one solver made of a network.

    Parameters
    ----------
    solver : str
        Its name.
    flow : PowerFlow or None
        Its answer; none if it cannot hold the network.
    ms : float
        Time of a second solve, network to answer. [ms]
    why : tuple of str
        Why it cannot.
    install : str
        The command that would install it, if it is not installed.
    """

    solver: str
    flow: PowerFlow | None
    ms: float = 0.0
    why: tuple[str, ...] = ()
    install: str = ""


def compare_command(
    net: NetArgument,
    form: FromOption = "",
    no_controls: NoControlsOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Solve a network by every solver: greatest differences and where, losses, taps, time.

    A solver that is not installed, or cannot hold the network, is left out and told. A solver without controls takes the taps and capacitors that another one came to. The
    time is that of a second solve. Exit code 3 if a solver that can hold the network finds
    no solution.
    """
    network, _ = read_net(net, form)
    sides = solved(network, not no_controls)
    flows = {side.solver: side.flow for side in sides if side.flow is not None}
    good = {name: flow for name, flow in flows.items() if flow.converged}
    reference = _REFERENCE if _REFERENCE in good else next(iter(good), "")
    if as_json:
        print(json.dumps(_as_data(sides, good, reference)))  # noqa: T201  for machines
    else:
        _print(sides, good, reference, not no_controls)
    raise typer.Exit(0 if good and len(good) == len(flows) else UNSOLVED)


def solved(network: Network, controls: bool) -> list[Side]:
    """Return every solver's answer; those without controls come last and take others' taps."""
    sides: dict[str, Side] = {}
    for solver in sorted(SOLVERS.values(), key=lambda one: not one.moves_taps):
        taken = network
        if controls and not solver.moves_taps:
            led = [s.flow for s in sides.values() if s.flow is not None and s.flow.converged]
            taken = standing(network, led[0]) if led else network
        if solver.name == "fbs":
            tell_of_compiling()
        sides[solver.name] = _side(solver, taken, controls)
    return [sides[name] for name in SOLVERS]


def standing(network: Network, flow: PowerFlow) -> Network:
    """Return a network with taps and capacitors where an answer has them."""
    ends: dict[str, Any] = {}
    for one in network.transformers:
        taps = {k: flow.taps_pu.get(f"{one.name}.{k}") for k in range(1, len(one.ends) + 1)}
        moved = tuple(
            end if taps[k] is None else end.model_copy(update={"tap_pu": taps[k]})
            for k, end in enumerate(one.ends, 1)
        )
        if moved != one.ends:
            ends[one.name] = {"ends": moved}
    banks = {name: {"sections_on": on} for name, on in flow.sections_on.items()}
    return network.with_(transformers=ends, capacitors=banks)


def _side(solver: Solver, network: Network, controls: bool) -> Side:
    try:
        solver.run(network, controls)  # the first one loads libraries and compiles
        start = perf_counter()
        flow = solver.run(network, controls)
        return Side(solver.name, flow, 1e3 * (perf_counter() - start))
    except InputError as error:
        return Side(solver.name, None, why=tuple(str(fault) for fault in error.faults))
    except MissingExtraError as error:
        _, _, install = str(error).partition(": ")
        return Side(solver.name, None, why=("it is not installed",), install=install)


def difference(one: PowerFlow, other: PowerFlow) -> tuple[float, str]:
    """Return the greatest difference of complex voltages, and its node. [pu]"""
    base = np.array([bus.v_nominal_v for bus in one.network.buses])[:, None] / 3**0.5
    both = one.present & other.present
    apart = np.where(both, np.abs(one.v_v - other.v_v) / base, 0.0)
    row, column = np.unravel_index(int(np.argmax(apart)), apart.shape)
    name = f"{one.network.buses[int(row)].name}.{NODES[int(column)]}"
    return float(apart[row, column]), name


def _print(
    sides: Sequence[Side], good: Mapping[str, PowerFlow], reference: str, controls: bool
) -> None:
    rows = []
    for side in sides:
        flow = side.flow
        if flow is None:
            rows.append([side.solver, "left out", *[""] * 6])
            continue
        if not flow.converged:
            rows.append([side.solver, "no", str(flow.iterations), f"{side.ms:,.1f}"])
            rows[-1] += [""] * 4
            continue
        apart, at = difference(flow, good[reference])
        same = side.solver == reference
        where = ["-", ""] if same else [f"{apart:.1e}", at]
        figures = [f"{flow.source_kva.real:,.3f}", f"{flow.losses_kva.real:,.4f}"]
        rows.append([side.solver, "yes", str(flow.iterations), f"{side.ms:,.1f}", *figures, *where])
    columns = ("solver", "solved", "steps", "ms", "source kW", "losses kW", "apart pu", "at")
    print_table("", columns, rows)
    if reference:
        out.print(f"[dim]apart: greatest difference of a voltage from {reference}'s[/]")
    _print_positions(good, controls)
    for side in sides:
        if side.flow is not None and side.flow.troubles:
            print_troubles(side.flow)
        if side.flow is None:
            _print_left_out(side)


def _print_left_out(side: Side) -> None:
    """Print why a solver was not asked, and what would change that."""
    name = f"\n[bold]{side.solver}[/] is left out"
    if side.install:
        err.print(f"{name}: it is not installed. To compare with it as well:")
        err.print(f"  {side.install}", markup=False, soft_wrap=True)
        return
    err.print(f"{name}: it cannot hold this network, for {counted(len(side.why), 'reason')}:")
    for line in side.why[:_MOST_REASONS]:
        err.print(f"  {line}", markup=False, soft_wrap=True)
    more = len(side.why) - _MOST_REASONS
    if more > 0:
        err.print(f"  and {counted(more, 'more reason')}")


def _print_positions(good: Mapping[str, PowerFlow], controls: bool) -> None:
    """Print taps and capacitors, solver by solver."""
    names = dict.fromkeys(name for flow in good.values() for name in flow.taps_pu)
    rows = [
        [
            name,
            *(
                f"{flow.taps_pu[name]:.5f}" if name in flow.taps_pu else ""
                for flow in good.values()
            ),
        ]
        for name in names
    ]
    banks = dict.fromkeys(name for flow in good.values() for name in flow.sections_on)
    rows += [
        [name, *(str(flow.sections_on.get(name, "")) for flow in good.values())] for name in banks
    ]
    if not rows:
        return
    out.print()
    print_table("", ("tap or capacitor", *good), rows)
    led = [name for name in good if SOLVERS[name].moves_taps]
    still = [name for name in good if not SOLVERS[name].moves_taps]
    if controls and led and still:
        out.print(f"[dim]{', '.join(still)}: no controls, taken over from {led[0]}[/]")


def _as_data(
    sides: Sequence[Side], good: Mapping[str, PowerFlow], reference: str
) -> dict[str, Any]:
    solvers: dict[str, Any] = {}
    for side in sides:
        if side.flow is None:
            solvers[side.solver] = {"converged": False, "why": list(side.why)}
            solvers[side.solver] |= {"install": side.install} if side.install else {}
            continue
        flow = side.flow
        solvers[side.solver] = {
            "converged": flow.converged,
            "iterations": flow.iterations,
            "ms": side.ms,
            "source_kw": flow.source_kva.real,
            "losses_kw": flow.losses_kva.real,
            "taps_pu": dict(flow.taps_pu),
            "sections_on": dict(flow.sections_on),
            "why": [str(trouble) for trouble in flow.troubles],
        }
        if side.solver in good:
            apart, at = difference(flow, good[reference])
            solvers[side.solver] |= {"apart_pu": apart, "at": at}
    return {"reference": reference, "solvers": solvers}
