"""Options that describe a LoRa radio, and the settings they make."""

from __future__ import annotations

from math import inf
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from gridmodel.errors import Fault
from gridmodel.settings import faults_of, parse
from gridmodel.wire.lora import BANDWIDTHS_KHZ, Modem

_WIDTHS = ", ".join(f"{width:g}" for width in BANDWIDTHS_KHZ)
#: Option by key of the settings.
_OPTIONS = {
    "spreading_factor": "--sf",
    "bandwidth_khz": "--bw-khz",
    "coding_rate": "--cr",
    "preamble_symbols": "--preamble",
    "explicit_header": "--implicit",
    "frequency_mhz": "--frequency-mhz",
    "tx_power_dbm": "--power-dbm",
}
_RATES = {f"4/{second}": second for second in (5, 6, 7, 8)}

SfOption = Annotated[int, typer.Option("--sf", help="Spreading factor, 5 to 12.")]
WidthOption = Annotated[
    float, typer.Option("--bw-khz", help=f"Width of the channel: {_WIDTHS}. [kHz]")
]
RateOption = Annotated[str, typer.Option("--cr", help=f"Coding rate: {', '.join(_RATES)}.")]
PreambleOption = Annotated[
    int, typer.Option("--preamble", help="Symbols of the preamble, without the sync word.")
]
ImplicitOption = Annotated[bool, typer.Option("--implicit", help="No physical header is sent.")]
NoCrcOption = Annotated[bool, typer.Option("--no-crc", help="No checksum is sent.")]
PayloadOption = Annotated[
    int, typer.Option("--payload-bytes", help="Payload with all headers above LoRa's own. [B]")
]
FrequencyOption = Annotated[
    float, typer.Option("--frequency-mhz", help="Centre of the channel. [MHz]")
]
PowerOption = Annotated[float, typer.Option("--power-dbm", help="At the antenna (ERP). [dBm]")]
NoiseOption = Annotated[
    float, typer.Option("--noise-figure-db", help="Noise of the receiver's own. [dB]")
]


def modem_of(cr: str = "4/5", **values: Any) -> tuple[Modem | None, list[Fault]]:
    """Return the radio that options describe, and what is wrong with them.

    Parameters
    ----------
    cr : str
        Coding rate as it is typed.
    **values
        Other settings, by key.
    """
    faults = []
    if cr in _RATES:
        values["coding_rate"] = _RATES[cr]
    else:
        problem = f"'{cr}' is no coding rate."
        faults.append(Fault("--cr", "", problem, f"Known are {', '.join(_RATES)}."))
    try:
        modem = parse(Modem, values)
    except ValidationError as error:
        found = faults_of(error, Modem, lambda path: _OPTIONS.get(str(path[0]) if path else "", ""))
        faults += [Fault(one.where or "LoRa", "", one.problem, one.advice) for one in found]
        return None, faults
    return modem, faults


def payload_faults(payload_bytes: int) -> list[Fault]:
    """Return what is wrong with a payload's length."""
    if 0 <= payload_bytes <= 255:
        return []
    return [Fault("--payload-bytes", "", f"{payload_bytes} was given.", "Allowed is 0 to 255.")]


def least_faults(option: str, value: float, least: float, *, above: bool = False) -> list[Fault]:
    """Return what is wrong with a finite value that has a least one, or must be above it."""
    if least < value < inf or (value == least and not above):
        return []
    if value == inf:
        return [Fault(option, "", "inf was given.", "Allowed is a finite number.")]
    word = "greater than" if above else "at least"
    return [Fault(option, "", f"{value:g} was given.", f"Allowed is {word} {least:g}.")]
