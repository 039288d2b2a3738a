"""``feedertwin lora capacity``: how many nodes a cell bears."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosim.cli.compile_notice import tell_of_compiling
from cosim.cli.console import out, print_table
from cosim.cli.lora_modem import (
    PayloadOption,
    PowerOption,
    WidthOption,
    least_faults,
    modem_of,
    payload_faults,
)
from cosim.cli.run import JsonOption
from gridmodel.errors import Fault, InputError
from gridmodel.settings import near

if TYPE_CHECKING:
    from cosim.radio_view.cell_mixes import Mix
    from simulators.radio.uplink import Capacity

#: Mixes of spreading factors: all nodes the same, or each the lowest that reaches.
_MIXES = (*(f"sf{sf}" for sf in range(7, 13)), "lowest")
_ENDINGS = (".png", ".svg")
#: What `UplinkConfig` has if nothing is said. [pu]
_DUTY_PU = 0.01


def capacity_command(  # noqa: PLR0913  one option each
    path_loss: Annotated[
        str, typer.Option("--path-loss", help="Preset; 'feedertwin lora link' shows their ranges.")
    ],
    payload_bytes: PayloadOption = 20,
    period_s: Annotated[
        float, typer.Option("--period-s", help="Mean from a node's packet to its next. [s]")
    ] = 600.0,
    radius_m: Annotated[
        float, typer.Option("--radius-m", help="Of the disc with the nodes round a gateway. [m]")
    ] = 1000.0,
    channels: Annotated[int, typer.Option("--channels", help="Drawn for each packet.")] = 3,
    mix: Annotated[
        str, typer.Option("--mix", help=f"Spreading factors to compare: {', '.join(_MIXES)}; "
                          "the last gives each node the lowest that reaches."),
    ] = "sf7,sf9,sf12,lowest",
    target_pu: Annotated[
        float, typer.Option("--target-pu", help="Least part of packets delivered. [pu]")
    ] = 0.9,
    most_nodes: Annotated[
        int, typer.Option("--most-nodes", help="Where the search ends.")
    ] = 20_000,
    bw_khz: WidthOption = 125.0,
    power_dbm: PowerOption = 14.0,
    seed: Annotated[int, typer.Option("--seed", help="Of all that is drawn.")] = 1,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw it, PNG or SVG.")
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Tell how many nodes a cell bears before too many of their packets are lost."""
    modem, faults = modem_of(bandwidth_khz=bw_khz, tx_power_dbm=power_dbm)
    mixes = list(dict.fromkeys(part.strip().lower() for part in mix.split(",")))
    faults += _faults(mixes, target_pu, most_nodes, channels, plot)
    faults += payload_faults(payload_bytes)
    faults += least_faults("--period-s", period_s, 0.0, above=True)
    faults += least_faults("--radius-m", radius_m, 0.0, above=True)
    faults += least_faults("--seed", seed, 0)
    faults += _preset_faults(path_loss)
    if faults or modem is None:
        raise InputError("capacity cannot be told", faults)
    cell = {
        "path_loss": path_loss, "payload_bytes": payload_bytes, "period_s": period_s,
        "radius_m": radius_m, "channels": channels,
    }  # fmt: skip
    from cosim.radio_view.cell_mixes import study_mixes  # loads numba

    tell_of_compiling()
    found = study_mixes(mixes, modem, cell, target_pu, most_nodes, seed)
    if plot is not None:
        _draw(found, target_pu, cell, plot)
    if as_json:
        content = {"target_pu": target_pu, "mixes": {one.name: one.as_json() for one in found}}
        print(json.dumps(content))  # noqa: T201  exactly one JSON object
    else:
        _show(found, target_pu, period_s, radius_m)
        if plot is not None:
            out.print(str(plot), soft_wrap=True, markup=False)


def _show(found: list[Mix], target_pu: float, period_s: float, radius_m: float) -> None:
    rows = [(one.name, f"{one.range_m:,.0f}", *_cells(one.capacity)) for one in found]
    print_table("", ("mix", "range [m]", "nodes", "delivered [pu]", "packets an hour"), rows)
    for one in found:
        if not one.capacity.nodes:
            out.print(
                f"{one.name}: not even one node has {target_pu:g} of its packets delivered; alone in "
                f"the cell it has {one.alone_pu:.3f}, in the mean of all places.",
                soft_wrap=True,
            )
    short = [one.name for one in found if one.range_m < radius_m]
    if short:
        out.print(
            f"{', '.join(short)}: nodes beyond the range are never heard; the cell has a radius of "
            f"{radius_m:g} m.",
            soft_wrap=True,
        )
    held = [
        one.name
        for one in found
        if one.capacity.per_hour < 0.999 * 3600 * one.capacity.nodes / period_s
    ]
    if held:
        out.print(
            f"{', '.join(held)}: {_DUTY_PU:.0%} duty allows less than a packet each {period_s:g} s; "
            "nodes send as it allows.",
            soft_wrap=True,
        )


def _cells(found: Capacity) -> tuple[str, str, str]:
    """Return nodes, delivery and packets an hour; none where not even one node will do."""
    if found.delivery_pu is None:
        return "none", "-", "-"
    nodes = f"{'' if found.limited else '>= '}{found.nodes:,}"
    return nodes, f"{found.delivery_pu:.3f}", _rate(found.per_hour)


def _rate(per_hour: float) -> str:
    """Return packets an hour; where they are few, not as 0."""
    return f"{per_hour:,.0f}" if per_hour >= 10.0 else f"{per_hour:.3g}"


def _faults(
    mixes: list[str], target_pu: float, most_nodes: int, channels: int, plot: Path | None
) -> list[Fault]:
    faults = [
        Fault("--mix", "", f"'{one}' is no mix.", near(one, _MIXES))
        for one in mixes
        if one not in _MIXES
    ]
    if not 0.0 < target_pu <= 1.0:
        advice = "Allowed is above 0 and up to 1."
        faults.append(Fault("--target-pu", "", f"{target_pu:g} was given.", advice))
    faults += least_faults("--most-nodes", most_nodes, 1)
    if not 1 <= channels <= 64:
        faults.append(Fault("--channels", "", f"{channels} was given.", "Allowed is 1 to 64."))
    if plot is not None and plot.suffix.lower() not in _ENDINGS:
        advice = f"Give a name that ends in {' or '.join(_ENDINGS)}."
        faults.append(Fault("--plot", "", f"'{plot}' is no picture's name.", advice))
    return faults


def _preset_faults(path_loss: str) -> list[Fault]:
    from simulators.radio.path_loss import PATH_LOSS

    if path_loss in PATH_LOSS:
        return []
    problem = f"'{path_loss}' is no path-loss preset."
    return [Fault("--path-loss", "", problem, near(path_loss, PATH_LOSS))]


def _draw(
    found: list[Mix],
    target_pu: float,
    cell: dict[str, Any],
    path: Path,
) -> None:
    from cosim.radio_view.capacity_plot import capacity_plot
    from cosim.radio_view.picture import save

    title = (
        f"one gateway, {cell['payload_bytes']} bytes each {cell['period_s']:g} s, "
        f"{cell['radius_m']:g} m around, {cell['channels']} channels, path loss {cell['path_loss']}"
    )
    try:
        save(capacity_plot(found, target_pu, title), path)
    except OSError as error:
        fault = Fault(str(path), "", f"cannot be written: {error.strerror}.")
        raise InputError("the picture cannot be kept", [fault]) from error
