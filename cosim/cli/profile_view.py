"""Profile view: the tables that ``run --profile`` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from cosim.cli.console import out
from cosim.federation import Federation
from cosim.report.profile_table import link_rows, time_rows, trace_note
from cosim.run import TRACE, RunResult

#: Links that are shown.
MOST_LINKS = 12


def show_profile(result: RunResult, federation: Federation) -> None:
    """Print where the time went and what the links carried."""
    if result.profile is None:
        return
    rows = time_rows(result.profile, result.wall_s)
    cells = [
        [r.name, f"{r.steps:,}", f"{r.wall_s:.3f}", f"{100 * r.share_pu:.1f} %", f"{r.mean_us:.1f}",
         f"{r.longest_us:,.0f}" if r.longest_us == r.longest_us else ""]
        for r in rows
    ]  # fmt: skip
    _table(("federate", "steps", "time [s]", "share", "mean [us]", "longest [us]"), cells)
    links = link_rows(result.profile, federation, result.folder)
    shown = [
        [link.link, f"{link.sent:,}", f"{link.values:,}", f"{link.size_bytes:,}"]
        for link in links[:MOST_LINKS]
    ]
    _table(("link", "sent", "values", "bytes"), shown)
    if len(links) > MOST_LINKS:
        out.print(f"[dim]and {len(links) - MOST_LINKS} links with less[/]")
    note = trace_note(result.profile, sum(r.steps for r in rows[:-1]))
    out.print(
        f"{result.folder / TRACE} [dim]opens in ui.perfetto.dev{': ' + note if note else ''}[/]",
        soft_wrap=True,
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(escape(column), justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)
