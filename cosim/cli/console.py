"""Console: what goes to the terminal. Results go to standard output, the rest beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cosim.report.report import Row
from gridmodel.errors import InputError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def complain(error: Exception) -> None:
    """Print an error: all faults of an input, each on a line of its own."""
    if isinstance(error, InputError):
        count = len(error.faults)
        err.print(f"[bold red]{escape(error.title)}[/]: {count} fault{'s' * (count != 1)}")
        for fault in error.faults:
            place = f"[cyan]{escape(fault.where)}[/]"
            key = f" [bold]{escape(fault.key)}[/]" if fault.key else ""
            err.print(
                f"  {place}{key}: {escape(fault.problem)} [green]{escape(fault.advice)}[/]",
                soft_wrap=True,
            )
    else:
        err.print(f"[bold red]error[/]: {escape(str(error))}", soft_wrap=True)


def warn(warnings: Sequence[str]) -> None:
    """Print what a user should know before a run."""
    for warning in warnings:
        err.print(f"[bold yellow]warning[/] {escape(warning)}")


def kpi_table(rows: Sequence[Row]) -> Table:
    """Return key figures as a table that fits a screen."""
    table = Table(box=None, pad_edge=False)
    table.add_column("key figure", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("unit", style="dim", no_wrap=True)
    table.add_column("expected", no_wrap=True)
    table.add_column("", style="dim", overflow="ellipsis", no_wrap=True)
    for row in rows:
        mark = "" if not row.expected else ("[red]fell short[/]" if row.short else "[green]met[/]")
        expected = f"{row.expected} {mark}" if row.expected else ""
        value = f"[red]{row.value}[/]" if row.short else row.value
        table.add_row(row.name, value, row.unit, expected, escape(row.about))
    return table


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a plain table."""
    table = Table(title=title or None, box=None, pad_edge=False, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    out.print(table)
