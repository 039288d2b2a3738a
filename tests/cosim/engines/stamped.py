"""Parts that write down when they commit a fault, for what is measured from there."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from cosim.scripted import Drill, Scripted, ScriptedConfig
from gridmodel.federate import Inputs, Step
from gridmodel.settings import Settings
from gridmodel.units import microseconds

#: Environment variable with the path of the stamp.
STAMP = "FEEDERTWIN_DRILL_STAMP"


def stamp() -> None:
    """Write the monotonic clock down, the first time only; it is the same in all processes."""
    with contextlib.suppress(FileExistsError), Path(os.environ[STAMP]).open("x") as file:
        file.write(repr(time.monotonic()))


def fill(path: Path) -> None:
    """Take all the room that is left on a disk, once."""
    with contextlib.suppress(OSError), path.open("xb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass


def spin() -> None:
    """Loop for ever in plain Python."""
    while True:
        pass


def grip() -> None:
    """Stay in compiled code, for ever as far as anyone can wait, with the interpreter's lock."""
    re.fullmatch("(a+)+b", "a" * 200)


def compiles(seconds: float) -> None:
    """Let numba say that it compiles, for so long."""
    from numba.core import event

    with event.trigger_event("numba:compile"):
        time.sleep(seconds)


class Deed(Settings):
    """What the part `scripted` does not know, most of it faults."""

    t_s: float = Field(description="at its first step from here on")
    how: Literal["fill", "grip", "spin"] = Field(description="see the functions of that name")
    path: str = Field("", description="file to fill the disk with")
    compile_s: float | None = Field(None, description="it compiles so long instead")


class StampedConfig(ScriptedConfig):
    """A scripted part that commits faults."""

    deed: Deed | None = Field(None, description="a fault of its own")


class Stamped(Scripted):
    """A scripted part that writes down when it commits its fault."""

    Config = StampedConfig

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        config: Any = self._config
        if config.deed is not None and config.deed.compile_s is not None:
            import numba  # noqa: F401 (loaded as a solver loads it, before the run)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        config: Any = self._config
        fault: Drill | Deed | None = config.drill or config.deed
        if fault is not None and t_us >= microseconds(fault.t_s):
            if isinstance(fault, Deed):
                self._do(fault)
            stamp()
        return super().step(t_us, inputs)

    def _do(self, deed: Deed) -> None:
        if deed.compile_s is not None:
            compiles(deed.compile_s)
            return
        if deed.how == "fill":
            fill(Path(deed.path))
            return
        stamp()
        deeds: dict[str, Callable[[], None]] = {"grip": grip, "spin": spin}
        deeds[deed.how]()
