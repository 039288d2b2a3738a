"""Firmware fleet: a restored snapshot goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from cosim.node.programs import make_program
from gridmodel.federate import Message
from gridmodel.wire.frames import EVERYONE
from simulators.firmware.fleet import Firmware, FirmwareConfig
from tests.simulators.bench import S, context, inputs, parcel, same_bytes
from tests.simulators.firmware.street_fleet import HOUSES, each, frame_to


def real_fleet(street: Any, transfer: bool) -> Firmware:
    """Return a fleet that runs the edge node's own controller."""
    settings: Mapping[str, Any] = {"transfer": {"gap_s": 1.0}} if transfer else {}
    config = FirmwareConfig(controller="edge_node", transfer_switch=transfer, settings=settings)
    return Firmware.build(config, context(street, "nodes", program=make_program))


def eventful(t: int) -> dict[str, Any]:
    """Return what a fleet sees at a second: an outage, a crash, a fault, noise on the air."""
    dark = 60 <= t < 130
    seen: dict[str, Any] = {
        "v_v": each(0.0 if dark else 230.0),
        "p_kw": np.linspace(-1.0, -3.0, HOUSES) * (1 + 0.1 * np.sin(t)),
        "island_f_hz": 0.0 if dark else 50.0 - 0.002 * t,
        "grid_f_hz": 50.0,
        "grid_v_pu": 0.0 if t >= 60 else 1.0,
        "island_v_pu": 0.0 if dark else 1.0,
    }
    events = {
        70: ("crash", {"node": "house_05", "for_min": 1.5}),
        140: (
            "sensor_fault",
            {"node": "house_07", "quantity": "f_hz", "scale_pu": 0.9, "offset": 0.0,
             "for_min": 1.0},
        ),
    }  # fmt: skip
    if t in events:
        kind, data = events[t]
        seen["events"] = [Message(t * S, kind, data)]
    if t % 50 == 7:
        data = {
            "frame": frame_to(EVERYONE), "nodes": tuple(range(HOUSES)),
            "rssi_dbm": (-90.0,) * HOUSES, "snr_db": (5.0,) * HOUSES,
        }  # fmt: skip
        seen["frames"] = [Message(t * S, "frame", data)]
    return seen


def go(part: Firmware, first_us: int, last_us: int) -> list[Any]:
    """Step as an engine would, at each second and whenever the fleet asks for it."""
    sent, now = [], first_us
    while now < last_us:
        seen = eventful(now // S)
        if now % S:  # what comes at whole seconds comes once
            seen = {k: v for k, v in seen.items() if k not in ("events", "frames")}
        outputs, after = part.step(now, inputs(part, **seen))
        sent.append((now, dict(outputs)))
        now = min(after, now - now % S + S)
    return sent


@pytest.mark.parametrize("transfer", [False, True])
@pytest.mark.parametrize("at_s", [1, 61, 100, 150, 190])  # start, outage, crash, fault, after
def test_a_restored_snapshot_continues_with_the_same_bytes(street, transfer, at_s):
    part, fresh = real_fleet(street, transfer), real_fleet(street, transfer)
    go(part, 0, at_s * S)
    saved = parcel(part)
    onward = go(part, at_s * S, 300 * S)
    fresh.restore(saved)
    assert same_bytes(go(fresh, at_s * S, 300 * S), onward)
    assert fresh.kpis() == part.kpis()


def test_taking_a_snapshot_disturbs_nothing(street):
    watched, alone = real_fleet(street, False), real_fleet(street, False)
    sent = []
    for t in range(0, 300, 20):
        sent += go(watched, t * S, (t + 20) * S)
        watched.snapshot()
    assert same_bytes(sent, go(alone, 0, 300 * S))
