"""Compiling: whether numba is compiling in this process.

On a machine that has not run it yet, a step may take half a minute for that, or more while
others keep the processor busy. It is no stall, and a person should be told why they wait.
What numba finds in its cache is not compiled.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any


def may_compile() -> bool:
    """Return whether anybody has loaded numba."""
    return "numba" in sys.modules


def compiling() -> bool:
    """Return whether numba is at it, from the first such question on."""
    return may_compile() and _listener().depth > 0


def on_compiling(tell: Callable[[bool], None]) -> None:
    """Have it told when compiling begins (``True``) and has ended (``False``); load numba.

    Parameters
    ----------
    tell : callable
        Is called in the thread that compiles. A function that is compiled for another one
        is not told by itself.
    """
    _listener().tells.append(tell)


@cache
def _listener() -> Any:
    from numba.core import event

    class Listener(event.Listener):
        """Counts how many functions deep it is."""

        depth = 0

        def __init__(self) -> None:
            self.tells: list[Callable[[bool], None]] = []

        def on_start(self, _: Any) -> None:
            """One more begins."""
            self.depth += 1
            if self.depth == 1:
                self._tell(True)

        def on_end(self, _: Any) -> None:
            """One less; of one that had begun before we listened, nothing is known."""
            self.depth = max(self.depth - 1, 0)
            if self.depth == 0:
                self._tell(False)

        def _tell(self, begins: bool) -> None:
            for tell in self.tells:
                tell(begins)

    listener = Listener()
    event.register("numba:compile", listener)  # type: ignore[no-untyped-call]
    return listener
