"""``feedertwin lora draw``: who hears whom, packets in time, delivery by distance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cosim import run_folder
from cosim.cli.arguments import duration_us
from cosim.cli.console import out
from cosim.cli.lora_trace import ChannelOption, NetworkOption, trace_of
from cosim.cli.run import OutOption, RunArgument
from gridmodel.errors import Fault, InputError
from gridmodel.settings import near

if TYPE_CHECKING:
    from cosim.radio_view.trace import Trace

_BY = ("delivery", "snr")
_ENDINGS = ("png", "svg")


def draw_command(  # noqa: PLR0913  one option each
    run_name: RunArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the pictures; RUN/radio "
                     "if left out."),
    ] = None,
    by: Annotated[
        str, typer.Option("--by", help=f"What colours the map's lines: {' or '.join(_BY)}.")
    ] = "delivery",
    begin: Annotated[
        str, typer.Option("--from", metavar="18h", help="Begin of the packets in time.")
    ] = "",
    end: Annotated[
        str, typer.Option("--to", metavar="19h", help="End of the packets in time.")
    ] = "",
    ending: Annotated[
        str, typer.Option("--format", help=f"Form of the pictures: {' or '.join(_ENDINGS)}.")
    ] = "png",
    channel: ChannelOption = "",
    network: NetworkOption = None,
    out_folder: OutOption = Path("runs"),
) -> None:  # fmt: skip
    """Draw the radio traffic of a run.

    Without --from and --to the packets in time are the whole run, and below it the ten
    seconds in which most was lost.
    """
    folder = run_folder.find(out_folder, run_name)
    until_us = int(run_folder.read_run(folder)["t_us"])
    window, faults = _window(begin, end, until_us)
    for option, given, known in (("--by", by, _BY), ("--format", ending, _ENDINGS)):
        if given not in known:
            problem = f"'{given}' was given."
            faults.append(Fault(option, "", problem, near(given, known)))
    if faults:
        raise InputError("pictures cannot be drawn", faults)
    trace = trace_of(folder, channel, network)
    target = output or folder / "radio"
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path in _draw(trace, target, by, window, ending):
            out.print(str(path), soft_wrap=True, markup=False)
    except OSError as error:
        fault = Fault(str(target), "", f"cannot be written: {error.strerror}.")
        raise InputError("pictures cannot be kept", [fault]) from error


def _window(begin: str, end: str, until_us: int) -> tuple[tuple[int, int] | None, list[Fault]]:
    """Return the stretch of time that was asked for, and what is wrong with it."""
    if not begin and not end:
        return None, []
    low = duration_us(begin) if begin else 0
    high = min(duration_us(end), until_us) if end else until_us
    if low < high:
        return (low, high), []
    problem = f"nothing lies between {low / 3.6e9:g} h and {high / 3.6e9:g} h."
    advice = f"The run went on until {until_us / 3.6e9:g} h; --to must be later than --from."
    return None, [Fault("--from", "", problem, advice)]


def _draw(
    trace: Trace, folder: Path, by: str, window: tuple[int, int] | None, ending: str
) -> list[Path]:
    """Draw all pictures; return where they are."""
    from cosim.radio_view.delivery import delivery
    from cosim.radio_view.hearing_map import hearing_map
    from cosim.radio_view.lanes import lanes
    from cosim.radio_view.picture import save

    pictures = {
        "who_hears_whom": hearing_map(trace, by),
        "packets_in_time": lanes(trace, window),
        "delivery_by_distance": delivery(trace),
    }
    paths = []
    for name, figure in pictures.items():
        paths.append(folder / f"{name}.{ending}")
        save(figure, paths[-1])
    return paths
