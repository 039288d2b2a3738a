"""Compile notice: says why the first command on a machine takes its time."""

from __future__ import annotations

from cosim.cli.console import err
from cosim.compiling import on_compiling


def tell_of_compiling() -> None:
    """Say once, beside the results, if something is compiled from now on; load numba."""
    said = False

    def say(begins: bool) -> None:
        nonlocal said
        if begins and not said:
            said = True
            err.print("[dim]compiling, once on this machine: up to half a minute[/]")

    on_compiling(say)
