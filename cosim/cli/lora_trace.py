"""``feedertwin lora trace``: the packets of a run as Parquet, or for Wireshark."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cosim import run_folder
from cosim.cli.console import out
from cosim.cli.run import JsonOption, OutOption, RunArgument
from gridmodel.counted import counted
from gridmodel.errors import Fault, InputError
from gridmodel.settings import near

if TYPE_CHECKING:
    from cosim.radio_view.trace import Trace

_ENDINGS = (".parquet", ".pcapng")
_VERSIONS = (0, 1)
ChannelOption = Annotated[
    str, typer.Option("--channel", help="The lora federate, if the scenario has several.")
]
NetworkOption = Annotated[
    Path | None,
    typer.Option("--network", help="The network's file, if the scenario's is not there any more."),
]


def trace_command(
    run_name: RunArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to; the ending says the form: "
                     ".parquet, one row a packet and a reception, or .pcapng with LoRaTap "
                     "headers; RUN/packets.parquet if left out."),
    ] = None,
    loratap: Annotated[
        int, typer.Option("--loratap", help="Version of the headers in .pcapng: 0, or 1 with "
                          "coding rate and checksum, for Wireshark 4.2 and newer."),
    ] = 0,
    channel: ChannelOption = "",
    network: NetworkOption = None,
    out_folder: OutOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write every packet of a run and what became of it at every radio."""
    folder = run_folder.find(out_folder, run_name)
    path = output or folder / "packets.parquet"
    faults = []
    if path.suffix not in _ENDINGS:
        problem = f"'{path}' is no trace's name."
        faults.append(Fault("--output", "", problem, near(path.suffix, _ENDINGS)))
    if loratap not in _VERSIONS:
        faults.append(Fault("--loratap", "", f"{loratap} was given.", "Allowed is 0 or 1."))
    if faults:
        raise InputError("trace cannot be written", faults)
    trace = trace_of(folder, channel, network)
    try:
        rows = _write(trace, path, loratap)
    except OSError as error:
        fault = Fault(str(path), "", f"cannot be written: {error.strerror}.")
        raise InputError("trace cannot be kept", [fault]) from error
    outcomes = Counter(one.outcome for packet in trace.packets for one in packet.receptions)
    fates = Counter(packet.fate for packet in trace.packets)
    if as_json:
        content = {"path": str(path), "rows": rows, "packets": fates, "receptions": outcomes}
        print(json.dumps(content))  # noqa: T201  exactly one JSON object
        return
    out.print(
        f"{_told(fates)} packets; receptions: {_told(outcomes)}", soft_wrap=True, markup=False
    )
    out.print(f"{path}: {counted(rows, 'row')}", soft_wrap=True, markup=False)


def trace_of(folder: Path, channel: str, network: Path | None) -> Trace:
    """Return the packets of a run."""
    # What reads tables takes a second to load.
    from cosim.radio_view.radios import read_air
    from cosim.radio_view.trace import read_trace

    return read_trace(folder, read_air(folder, channel, network))


def _write(trace: Trace, path: Path, version: int) -> int:
    from cosim.radio_view.packet_table import write_parquet
    from cosim.radio_view.pcapng import write_pcapng

    return (
        write_parquet(trace, path)
        if path.suffix == ".parquet"
        else write_pcapng(trace, path, version)
    )


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common()) or "none"
