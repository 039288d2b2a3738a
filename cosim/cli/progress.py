"""Progress: a bar with simulated time and speed, or a line now and then without a terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cosim.cli.console import err


class RunProgress:
    """Shows how far a run is."""

    def __init__(self, name: str, quiet: bool) -> None:
        self._name = name
        self._shown = not quiet
        self._began_s = 0.0
        self._lines = 0
        self._from_us: int | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[clock]}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=err,
            disable=quiet or not err.is_terminal,
        )
        self._task = self._bar.add_task(name, total=1.0, clock="", speed="")

    def begin(self, name: str) -> None:
        """Begin to show another run, in the place of the one before."""
        self._name, self._lines, self._from_us = name, 0, None
        self._began_s = time.perf_counter()
        self._bar.reset(self._task, description=name)

    def __enter__(self) -> Self:
        self._began_s = time.perf_counter()
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, t_us: int, until_us: int) -> None:
        """Take how far the run is."""
        if self._from_us is None:
            self._from_us = t_us
        elapsed_s = time.perf_counter() - self._began_s
        rate = (t_us - self._from_us) / 1e6 / elapsed_s if elapsed_s > 0 else 0.0
        hours, minutes = divmod(t_us // 60_000_000, 60)
        clock = f"{hours:3d}:{minutes:02d} of {until_us / 3.6e9:g} h"
        speed = f"{rate:,.0f} x real time"
        if not self._bar.disable:
            self._bar.update(self._task, completed=t_us / until_us, clock=clock, speed=speed)
        elif self._shown and t_us >= until_us * self._lines / 10:
            self._lines = 10 * t_us // until_us + 1
            err.print(f"{self._name} {clock} {speed}")
