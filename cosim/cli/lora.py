"""``feedertwin lora``: airtime, links and cells of LoRa radios, packets and frames."""

from __future__ import annotations

import json
from math import inf
from typing import Annotated, Any

import typer

from cosim.cli.console import out, print_table
from cosim.cli.lora_capacity import capacity_command
from cosim.cli.lora_draw import draw_command
from cosim.cli.lora_frames import frames_command
from cosim.cli.lora_modem import (
    FrequencyOption,
    ImplicitOption,
    NoCrcOption,
    NoiseOption,
    PayloadOption,
    PowerOption,
    PreambleOption,
    RateOption,
    SfOption,
    WidthOption,
    least_faults,
    modem_of,
    payload_faults,
)
from cosim.cli.lora_trace import trace_command
from cosim.cli.run import JsonOption
from gridmodel.counted import counted
from gridmodel.errors import Fault, InputError
from gridmodel.settings import near
from gridmodel.wire.lora import SNR_FLOOR_DB, Modem
from gridmodel.wire.regions import HOUR_US, REGIONS

app = typer.Typer(
    help="LoRa radios: airtime, range and capacity; packets of a run, frames of a node.",
    no_args_is_help=True,
)
app.command("capacity")(capacity_command)
app.command("trace")(trace_command)
app.command("draw")(draw_command)
app.command("frames")(frames_command)

#: No obstacle and no ground: its range says nothing about a street.
_NO_GROUND = "free_space"


@app.command("airtime")
def airtime_command(  # noqa: PLR0913  one option each
    payload_bytes: PayloadOption,
    sf: SfOption = 7,
    bw_khz: WidthOption = 125.0,
    cr: RateOption = "4/5",
    preamble: PreambleOption = 8,
    implicit: ImplicitOption = False,
    no_crc: NoCrcOption = False,
    duty_pu: Annotated[
        float, typer.Option("--duty-pu", help="Greatest share of an hour on air. [pu]")
    ] = 0.01,
    as_json: JsonOption = False,
) -> None:
    """Tell how long a packet is on air, and how often it may be sent."""
    modem, faults = modem_of(
        cr, spreading_factor=sf, bandwidth_khz=bw_khz, preamble_symbols=preamble,
        explicit_header=not implicit, crc=not no_crc,
    )  # fmt: skip
    faults += payload_faults(payload_bytes)
    if not 0.0 < duty_pu <= 1.0:
        problem = f"{duty_pu:g} was given."
        faults.append(Fault("--duty-pu", "", problem, "Allowed is above 0 and up to 1."))
    if faults or modem is None:
        raise InputError("airtime cannot be told", faults)
    airtime_us = modem.airtime_us(payload_bytes)
    if as_json:
        print(json.dumps({"airtime_us": airtime_us}))  # noqa: T201  exactly one JSON object
        return
    out.print(
        f"[bold]{airtime_us / 1e3:,.3f} ms[/] on air: {counted(payload_bytes, 'byte')} at SF{sf}/{bw_khz:g} "
        f"kHz, {cr}, {'implicit' if implicit else 'explicit'} header, "
        f"{'no ' if no_crc else ''}checksum; symbol {modem.symbol_us / 1e3:g} ms, "
        f"low data rate optimisation {'on' if modem.optimised else 'off'}",
        soft_wrap=True,
    )
    out.print(f"at {100 * duty_pu:g} % duty: {_how_often(airtime_us, duty_pu)}", soft_wrap=True)


def _how_often(airtime_us: int, duty_pu: float) -> str:
    budget_us = int(duty_pu * HOUR_US)
    if airtime_us > budget_us:
        return f"never; an hour allows {budget_us / 1e6:g} s, and less than this one packet"
    return (
        f"at most one each {airtime_us / duty_pu / 1e6:,.2f} s, {budget_us // airtime_us:,} an hour"
    )


@app.command("link")
def link_command(  # noqa: PLR0913  one option each
    sf: SfOption = 7,
    bw_khz: WidthOption = 125.0,
    power_dbm: PowerOption = 14.0,
    frequency_mhz: FrequencyOption = 868.1,
    path_loss: Annotated[
        str, typer.Option("--path-loss", help="Only this preset; all of them if left out.")
    ] = "",
    distance_m: Annotated[
        float | None,
        typer.Option("--distance-m", help="Also tell how strong a packet is there; 3 or more. [m]"),
    ] = None,
    margin_db: Annotated[
        float, typer.Option("--margin-db", help="Kept for shadowing: 1.3 times its spread "
                            "holds in 90 % of places. [dB]"),
    ] = 0.0,
    noise_figure_db: NoiseOption = 6.0,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Tell how far a packet reaches, by every published path loss: they differ widely."""
    # A second to load, with what it stands on.
    from simulators.radio.path_loss import NEAREST_M, PATH_LOSS

    modem, faults = modem_of(
        spreading_factor=sf, bandwidth_khz=bw_khz, tx_power_dbm=power_dbm,
        frequency_mhz=frequency_mhz,
    )  # fmt: skip
    faults += least_faults("--margin-db", margin_db, 0.0)
    faults += least_faults("--noise-figure-db", noise_figure_db, 0.0)
    if distance_m is not None:
        # As in every model: nearer, a path loss would give more power than was sent.
        faults += least_faults("--distance-m", distance_m, NEAREST_M)
    if path_loss and path_loss not in PATH_LOSS:
        problem = f"'{path_loss}' is no path-loss preset."
        faults.append(Fault("--path-loss", "", problem, near(path_loss, PATH_LOSS)))
    if modem is not None:
        faults += _margin_faults(modem, noise_figure_db, margin_db)
    if faults or modem is None:
        raise InputError("link cannot be told", faults)
    found = _link(modem, noise_figure_db, margin_db, distance_m, path_loss)
    if as_json:
        print(json.dumps(found))  # noqa: T201  exactly one JSON object
    else:
        _show_link(found, modem)


def _margin_faults(modem: Modem, noise_figure_db: float, margin_db: float) -> list[Fault]:
    """Return that nothing is left of the budget, if so; NaN and the like are told elsewhere."""
    budget_db = modem.tx_power_dbm - modem.sensitivity_dbm(noise_figure_db)
    if not -inf < budget_db <= margin_db < inf:
        return []
    problem = f"{margin_db:g} was given, and the budget is {budget_db:.1f} dB."
    return [Fault("--margin-db", "", problem, "Keep less of it.")]


def _allowed(modem: Modem) -> dict[str, str]:
    """Return the sub-band by region, of the regions that allow channel and power."""
    found = {}
    for name in REGIONS:
        try:
            found[name] = modem.model_copy(update={"region": name}).rule().name
        except ValueError:
            continue
    return found


def _link(
    modem: Modem, noise_figure_db: float, margin_db: float, distance_m: float | None, only: str
) -> dict[str, Any]:
    """Return what is known of a link, by stable names."""
    from simulators.radio.path_loss import PATH_LOSS, range_m

    sensitivity = modem.sensitivity_dbm(noise_figure_db)
    noise = modem.noise_dbm(noise_figure_db)
    budget = modem.tx_power_dbm - sensitivity
    f_mhz = modem.frequency_mhz
    ranges = {name: range_m(loss, budget - margin_db, f_mhz) for name, loss in PATH_LOSS.items()}
    on_ground = [reach for name, reach in ranges.items() if name != _NO_GROUND]
    there = {}
    for name, loss in PATH_LOSS.items():
        if distance_m is not None and only in ("", name):
            loss_db = loss(distance_m, f_mhz)
            rssi = modem.tx_power_dbm - loss_db
            there[name] = {
                "path_loss_db": loss_db,
                "rssi_dbm": rssi,
                "snr_db": rssi - noise,
                "margin_db": budget - margin_db - loss_db,
            }
    return {
        "budget_db": budget,
        "sensitivity_dbm": sensitivity,
        "noise_dbm": noise,
        "snr_floor_db": SNR_FLOOR_DB[modem.spreading_factor],
        "margin_kept_db": margin_db,
        "allowed": _allowed(modem),
        "range_m": {name: reach for name, reach in ranges.items() if only in ("", name)},
        "range_spread": max(on_ground) / min(on_ground),
        "distance_m": distance_m,
        "at_distance": there,
    }


def _law(allowed: dict[str, str]) -> str:
    if not allowed:
        return f"allowed by none of {', '.join(REGIONS)}"
    return "allowed by " + ", ".join(f"{name} in {band} MHz" for name, band in allowed.items())


def _show_link(found: dict[str, Any], modem: Modem) -> None:
    kept = f", of which {found['margin_kept_db']:g} dB are kept" if found["margin_kept_db"] else ""
    out.print(
        f"[bold]budget {found['budget_db']:.1f} dB[/]{kept}: {modem.tx_power_dbm:g} dBm to a "
        f"sensitivity of {found['sensitivity_dbm']:.1f} dBm (SF{modem.spreading_factor}/"
        f"{modem.bandwidth_khz:g} kHz, noise {found['noise_dbm']:.1f} dBm, "
        f"least SNR {found['snr_floor_db']:g} dB)",
        soft_wrap=True,
    )
    out.print(
        f"{modem.tx_power_dbm:g} dBm at {modem.frequency_mhz:g} MHz: {_law(found['allowed'])}",
        soft_wrap=True,
    )
    head = ["path loss", "range [m]"]
    if found["at_distance"]:
        out.print(f"the last four columns: at {found['distance_m']:g} m")
        head += ["loss [dB]", "RSSI [dBm]", "SNR [dB]", "margin [dB]"]
    rows = []
    for name, reach in sorted(found["range_m"].items(), key=lambda item: float(item[1])):
        one = found["at_distance"].get(name, {})
        rows.append((name, f"{reach:,.0f}", *(f"{value:.1f}" for value in one.values())))
    print_table("", head, rows)
    out.print(
        f"The presets differ by a factor of {found['range_spread']:.0f} in range, {_NO_GROUND} "
        "left aside: choose by where you are, and measure.",
        soft_wrap=True,
    )
