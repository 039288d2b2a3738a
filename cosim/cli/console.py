"""Console: what goes to the terminal. Results go to standard output, the rest beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cosim.report.report import Row
from gridmodel.counted import counted
from gridmodel.errors import InputError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
#: Columns from which a table has room for explanations.
WIDE = 110


def complain(error: Exception) -> None:
    """Print an error: all faults of an input, each on a line of its own."""
    if isinstance(error, InputError):
        title = f"[bold red]{escape(error.title)}[/]: {counted(len(error.faults), 'fault')}"
        err.print(title, soft_wrap=True)
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
        err.print(f"[bold yellow]warning[/] {escape(warning)}", soft_wrap=True)


def kpi_table(rows: Sequence[Row], judged: bool = True) -> Table:
    """Return key figures as a table; on a wide terminal also what they are."""
    wide = out.width >= WIDE
    table = Table(box=None, pad_edge=False)
    for title, justify in (
        ("key figure", "left"),
        ("", "right"),
        ("unit", "left"),
        ("expected", "left"),
    ):
        table.add_column(title, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    if wide:
        table.add_column("", style="dim", overflow="ellipsis", no_wrap=True)
    for row in rows:
        mark = "[red]fell short[/]" if row.short else "[green]met[/]"
        mark = mark if judged else "[yellow]not judged[/]"
        expected = f"{row.expected} {mark}" if row.expected else ""
        value = f"[red]{row.value}[/]" if row.short else row.value
        cells = [row.name, value, row.unit, expected]
        table.add_row(*cells, *([escape(row.about)] if wide else []))
    return table


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a plain table; the first column is never broken."""
    table = Table(title=title or None, box=None, pad_edge=False, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(escape(column), overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    out.print(table)
