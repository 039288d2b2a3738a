"""A run folder with radio traffic made by hand, where every outcome is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cosim.radio_view.radios import read_air
from cosim.radio_view.trace import Trace, read_trace
from cosim.recorder.compact import compact
from cosim.recorder.message_table import MessageTable
from gridmodel.federate import Message
from gridmodel.wire.lora import Modem
from tests.conftest import STREET

UP, DOWN = Modem(frequency_mhz=868.1), Modem(frequency_mhz=869.525)
DEAF_TO_ALL = Modem(spreading_factor=9, bandwidth_khz=250.0)
#: Three nodes and a coordinator; the first node's customer is a hundred metres from house_02.
NODES, SEAT = ("house_01", "house_03", "house_04"), "house_02"
S = 1_000_000
UNTIL_US = 60 * S


def run_json(**federates: Any) -> dict[str, Any]:
    """What ``run.json`` has that a trace reads."""
    air = {
        "model": "lora",
        "path_loss": "oulu",
        "fleets": {
            "nodes": {"at": list(NODES), "listen": DOWN.model_dump()},
            "coordinator": {"at": [SEAT], "listen": UP.model_dump()},
        },
    }
    links = ["nodes.transmit -> air.transmit", "coordinator.transmit -> air.transmit"]
    return {
        "scenario_file": str(STREET / "scenario.yaml"),
        "overrides": [],
        "t_us": UNTIL_US,
        "resolved": {
            "start": "2016-05-24T00:00:00+02:00",
            "network": "network.json",
            "federates": {"air": air} | federates,
            "links": [{"link": link} for link in [*links, "nodes.word -> coordinator.word"]],
        },
    }


def sent(t_us: int, fleet: str, node: int, frame: bytes, modem: Modem) -> tuple[Any, ...]:
    data = {
        "fleet": fleet,
        "node": node,
        "frame": frame,
        "modem": tuple(modem.model_dump().values()),
    }
    return t_us, fleet, "transmit", data


def heard(t_us: int, fleet: str, frame: bytes, *nodes: tuple[int, float, float]) -> tuple[Any, ...]:
    rows, rssi, snr = zip(*nodes, strict=True)
    return (
        t_us,
        "air",
        f"to_{fleet}",
        {"frame": frame, "nodes": rows, "rssi_dbm": rssi, "snr_db": snr},
    )


def lost(t_us: int, fleet: str, node: int, **at: str) -> tuple[Any, ...]:
    names = tuple(name.replace("_", ".") for name in at)
    return (
        t_us,
        "air",
        "lost",
        {"fleet": fleet, "node": node, "at": names, "why": tuple(at.values())},
    )


def refused(t_us: int, fleet: str, node: int, frame: bytes, why: str) -> tuple[Any, ...]:
    data = {"fleet": fleet, "node": node, "why": why, "from_us": None, "frame": frame}
    return t_us, "air", "refused", data


def story() -> list[tuple[Any, ...]]:
    """A report; two that collide; a beacon one node misses; one refused, unheard, unfinished."""
    long, short = UP.airtime_us(16), UP.airtime_us(12)
    return [
        sent(0, "nodes", 0, b"report of node 0", UP),
        heard(long, "coordinator", b"report of node 0", (0, -92.75, 24.25)),
        sent(S, "nodes", 0, b"collides with 1.", UP),
        sent(S + 7, "nodes", 1, b"collides with 0.", UP),
        lost(S + long, "nodes", 0, coordinator_0="collided"),
        lost(S + 7 + long, "nodes", 1, coordinator_0="collided"),
        sent(2 * S, "coordinator", 0, b"beacon 00001", DOWN),
        heard(2 * S + short, "nodes", b"beacon 00001", (0, -92.75, 24.25), (2, -120.0, -3.0)),
        lost(2 * S + short, "coordinator", 0, nodes_1="deaf"),
        sent(3 * S, "nodes", 2, b"refused by duty.", UP),
        refused(3 * S, "nodes", 2, b"refused by duty.", "limit"),
        sent(4 * S, "nodes", 1, b"nobody listens..", DEAF_TO_ALL),
        (5 * S, "nodes", "word", {"text": "not a frame"}),
        sent(UNTIL_US - 1000, "nodes", 1, b"cut by the end..", UP),
    ]


def write_run(
    folder: Path, messages: list[tuple[Any, ...]] | None = None, **federates: Any
) -> Path:
    """Write a run folder as a run leaves it."""
    live = folder / "live"
    live.mkdir(parents=True)
    table = MessageTable(live / "_messages")
    for number, (t_us, sender, port, data) in enumerate(messages or story()):
        table.write(sender, port, t_us, number, Message(t_us, "frame", data))
    table.close()
    compact(folder)
    (folder / "run.json").write_text(json.dumps(run_json(**federates)))
    return folder


def trace_in(folder: Path, messages: list[tuple[Any, ...]] | None = None) -> Trace:
    """The trace of such a run."""
    run = write_run(folder, messages)
    return read_trace(run, read_air(run))
