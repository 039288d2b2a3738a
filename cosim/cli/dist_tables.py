"""A power flow on the terminal: voltages bus by bus, totals, taps, what is out of range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.markup import escape

from cosim.cli.console import err, out, print_table
from gridmodel.counted import counted
from gridmodel.network.topology import topology
from simulators.power_flow.phase_voltages import PhaseVoltages, phase_voltages
from simulators.power_flow.result import PowerFlow, Trouble

#: Buses that are all shown; of more only those furthest from 1 pu.
_MOST_BUSES = 40
#: Names in one list, steps of a history.
_MOST_NAMES, _MOST_STEPS = 20, 8
_PHASES = "ABC"


def print_flow(flow: PowerFlow, band_pu: tuple[float, float], every: bool, controls: bool) -> None:
    """Print an answer that converged.

    Parameters
    ----------
    flow : PowerFlow
        The answer.
    band_pu : tuple of float
        Voltages outside of it are told. [pu]
    every : bool
        Show every bus, however many.
    controls : bool
        Whether controls have acted.
    """
    source, losses = flow.source_kva, flow.losses_kva
    share = f" ({100.0 * losses.real / abs(source.real):.2f} %)" if abs(source.real) > 1e-9 else ""
    how = "controls have acted" if controls else "taps and capacitors as they stand"
    out.print(
        f"[bold]{escape(flow.network.name)}[/] by {flow.solver}: [green]converged[/] in "
        f"{steps_of(flow)}; {how}\n"
        f"source {source.real:,.2f} kW, {source.imag:,.2f} kvar   "
        f"losses {losses.real:,.3f} kW{share}, {losses.imag:,.3f} kvar\n",
        soft_wrap=True,
    )
    found = phase_voltages(flow)
    _print_buses(flow, found, band_pu, every)
    _print_positions(flow)
    _print_outside(flow, found, band_pu)
    dead = topology(flow.network).dead
    if dead:
        out.print(f"[yellow]no source reaches[/] {_listed(dead)}", soft_wrap=True)


def _print_buses(
    flow: PowerFlow, found: PhaseVoltages, band_pu: tuple[float, float], every: bool
) -> None:
    vm = found.vm_pu
    rows = np.flatnonzero(np.isfinite(vm).any(axis=1))
    hidden = 0
    if len(rows) > _MOST_BUSES and not every:
        far = np.nanmax(np.abs(vm[rows] - 1.0), axis=1)
        keep = np.sort(np.argsort(-far, kind="stable")[:_MOST_BUSES])
        hidden, rows = len(rows) - len(keep), rows[keep]
    with_neutral = bool(np.isfinite(found.neutral_v).any())
    columns = ["bus", "nominal V", "phases", "lowest pu", "highest pu"]
    columns += ["neutral V"] * with_neutral + [""]
    table = [_bus_row(flow, found, row, band_pu, with_neutral) for row in rows.tolist()]
    print_table("", columns, table)
    if hidden:
        out.print(f"[dim]and {counted(hidden, 'bus')} nearer to 1 pu; --all shows all[/]")
    out.print()


def _bus_row(
    flow: PowerFlow,
    found: PhaseVoltages,
    row: int,
    band_pu: tuple[float, float],
    with_neutral: bool,
) -> list[str]:
    vm, bus = found.vm_pu[row], flow.network.buses[row]
    low, high = int(np.nanargmin(vm)), int(np.nanargmax(vm))
    phases = "".join(p for p, v in zip(_PHASES, vm, strict=True) if np.isfinite(v))
    cells = [bus.name, f"{bus.v_nominal_v:,.0f}", phases]
    cells += [f"{vm[k]:.4f} {_PHASES[k]}" for k in (low, high)]
    if with_neutral:
        volts = found.neutral_v[row]
        cells.append(f"{volts:.2f}" if np.isfinite(volts) else "")
    words = [
        w for w, bad in (("low", vm[low] < band_pu[0]), ("high", vm[high] > band_pu[1])) if bad
    ]
    return [*cells, " and ".join(words)]


def _print_positions(flow: PowerFlow) -> None:
    taps = [
        f"{name} {ratio:.5g}{_steps(flow, name, ratio)}" for name, ratio in flow.taps_pu.items()
    ]
    if taps:
        out.print(f"taps  {escape(', '.join(taps))}", soft_wrap=True)
    count = {one.name: one.section_count for one in flow.network.capacitors}
    banks = [f"{name} {on} of {count.get(name, 1)}" for name, on in flow.sections_on.items()]
    if banks:
        out.print(f"capacitors  {escape(', '.join(banks))}", soft_wrap=True)


def _steps(flow: PowerFlow, name: str, ratio: float) -> str:
    """Return a tap's position in steps from 1, ``(+6)``."""
    transformer, _, end = name.rpartition(".")
    changer = flow.network.group("transformers")[transformer].ends[int(end) - 1].tap_changer
    return f" ({(ratio - 1.0) / changer.step_pu:+.0f})" if changer else ""


def _print_outside(flow: PowerFlow, found: PhaseVoltages, band_pu: tuple[float, float]) -> None:
    low, high = band_pu
    vm = found.vm_pu
    with np.errstate(invalid="ignore"):
        outside = np.argwhere((vm < low) | (vm > high))
    span = f"{low:g} to {high:g} pu"
    if not len(outside):
        out.print(f"[green]every phase is within {span}[/]")
        return
    far = np.argsort([-abs(vm[r, c] - 1.0) for r, c in outside], kind="stable")
    buses = flow.network.buses
    names = [f"{buses[r].name}.{_PHASES[c]} {vm[r, c]:.4f}" for r, c in outside[far].tolist()]
    out.print(f"[red]{len(names)} outside {span}[/]: {_listed(names)}", soft_wrap=True)


def steps_of(flow: PowerFlow) -> str:
    """Return what it took, ``60 iterations``; the sweep counts solutions between its controls."""
    return counted(flow.iterations, "solution" if flow.solver == "fbs" else "iteration")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return escape(", ".join(names[:_MOST_NAMES])) + more


def print_troubles(flow: PowerFlow) -> None:
    """Print why there is no solution: where, how it went, and the usual causes."""
    state = "found, with troubles" if flow.converged else "not found"
    took = f", {steps_of(flow)}" if flow.iterations else ""
    err.print(
        f"[bold red]solution of {escape(flow.network.name)} {state}[/] ({flow.solver}{took})",
        soft_wrap=True,
    )
    for trouble in flow.troubles:
        _print_trouble(trouble)


def print_idle(flow: PowerFlow) -> None:
    """Print what takes no part, as no source reaches all its nodes."""
    names, more = ", ".join(flow.idle[:10]), len(flow.idle) - 10
    rest = f" and {more} more" if more > 0 else ""
    err.print(f"[yellow]without supply, left out:[/] {escape(names)}{rest}", soft_wrap=True)


def _print_trouble(trouble: Trouble) -> None:
    err.print(f"  [cyan]{escape(trouble.where)}[/]: {escape(trouble.problem)}", soft_wrap=True)
    err.print(f"  [green]{escape(trouble.advice)}[/]", soft_wrap=True)
    if len(trouble.residuals_pu) > 1:  # a single one is told in the problem
        err.print(
            f"  residuals  {_history(trouble.residuals_pu)} pu, the greatest change of a voltage "
            "from iteration to iteration",
            soft_wrap=True,
        )


def _history(residuals_pu: Sequence[float]) -> str:
    """Return a history's first and last steps, each with its iteration."""
    steps = [f"{k}: {value:.2g}" for k, value in enumerate(residuals_pu, 1)]
    if len(steps) > 2 * _MOST_STEPS:
        steps = [*steps[:_MOST_STEPS], "...", *steps[-_MOST_STEPS:]]
    return "  ".join(steps)
