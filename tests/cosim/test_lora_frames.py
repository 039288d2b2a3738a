"""``feedertwin lora frames``: a journal read by who has the keys, and by who has not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cosim.cli import application
from cosim.node.journal import FrameJournal, older
from cosim.node.provision import link_in, provision_cell
from gridmodel.errors import InputError
from gridmodel.ports import ReceivedFrame
from gridmodel.wire.frames import COORDINATOR, EVERYONE, FrameKind
from gridmodel.wire.record import from_journal
from gridmodel.wire.seal import Opened, Sealer, node_key

TELEMETRY = {
    "state": 1, "closed_mask": 7, "v_v": 231.4, "f_hz": 49.987, "p_kw": -0.98, "order_count": 5,
}  # fmt: skip
BEACON = {"grid_tied": 0, "scarce": 1, "soc_pu": 0.5, "period_s": 60}


def frames(*words: object) -> str:
    answer = CliRunner().invoke(
        application(), ["lora", "frames", *map(str, words)], catch_exceptions=False,
        terminal_width=200, env={"COLUMNS": "200"},
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def told(*words: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(frames(*words, "--json"))
    return found


@pytest.fixture
def cell(tmp_path) -> dict[int, Path]:
    return dict(provision_cell(tmp_path / "cell", 2))


@pytest.fixture
def file(tmp_path, cell) -> Path:
    """The journal of node 1: a join, a beacon, what it said, what its neighbour said, rubbish."""
    path = tmp_path / "frames.pb"
    node, other = link_in(cell[1], 1, 0), link_in(cell[2], 2, 0)
    lead = link_in(cell[0], COORDINATOR, 0)
    journal = FrameJournal(path, 1 << 20, lambda: 0)
    journal.sent(1_000_000, node.join(COORDINATOR))
    beacon = lead.seal(FrameKind.BEACON, EVERYONE, BEACON)
    journal.heard(ReceivedFrame(2_000_000, beacon, -101.3, 7.25))
    journal.sent(2_500_000, node.seal(FrameKind.TELEMETRY, COORDINATOR, TELEMETRY))
    strange = other.seal(FrameKind.TELEMETRY, COORDINATOR, TELEMETRY)
    journal.heard(ReceivedFrame(3_000_000, strange, -120.0, -9.5))
    journal.heard(ReceivedFrame(4_000_000, b"\xff" * 20, -120.0, -9.5))
    journal.close()
    return path


def test_with_its_keys_a_node_s_frames_are_told_with_values_and_units(file, cell):
    lines = [" ".join(line.split()) for line in frames(file, "--keys", cell[1]).splitlines()]
    assert lines[1].startswith("0.000 started the program, 20")
    assert lines[2].startswith("1.000 sent join 1 0 1 counter_high 0, echo_count 0")
    assert lines[3] == (
        "2.000 heard beacon 0 all 1 -101.3 7.2 grid_tied 0, scarce 1, soc 0.5 pu, period 60 s"
    )
    assert lines[4] == (
        "2.500 sent telemetry 1 0 2 state 1, closed_mask 7, v 231.4 V, f 49.987 Hz, "
        "p -0.98 kW, order_count 5"
    )
    assert lines[5] == (
        "3.000 heard telemetry 2 0 ? -120.0 -9.5 there is no key for node 2 to node 0"
    )
    assert lines[6] == "4.000 heard -120.0 -9.5 frame version 15 is unknown; this node speaks 1"
    assert lines[-1] == "5 frames, 3 opened"


def test_as_json_every_entry_has_its_numbers(file, cell):
    found = told(file, "--keys", cell[1])
    assert (found["broken_count"], found["cut_bytes"]) == (0, 0)
    start, join, beacon, own, strange, rubbish = found["records"]
    assert start["event"] == "started"
    assert start["wall_ms"] > 1.7e12
    assert join["kind"] == "join"
    assert beacon["values"] == pytest.approx(BEACON, abs=1e-9)
    assert beacon["rssi_dbm"] == pytest.approx(-101.3, abs=1e-4)
    assert (own["t_us"], own["source"], own["destination"], own["counter"]) == (2_500_000, 1, 0, 2)
    assert own["values"]["p_kw"] == pytest.approx(-0.98)
    assert (strange["counter_low"], strange["unproven"]) == (1, {})
    assert "values" not in strange
    assert "kind" not in rubbish


def test_without_keys_it_is_told_who_spoke_and_not_what(file):
    text = frames(file)
    assert "telemetry" in text
    assert "sealed" in text
    assert "231.4" not in text
    assert text.splitlines()[-1] == "5 frames, 0 opened"
    for record in told(file)["records"][2:]:
        assert not record.get("values")


def test_a_node_without_provisioned_keys_is_read_by_its_seed(tmp_path):
    path = tmp_path / "frames.pb"
    journal = FrameJournal(path, 1 << 20, lambda: 0)
    journal.sent(1, Sealer(3, node_key(7, 2, 3)).seal(FrameKind.TELEMETRY, 0, TELEMETRY))
    journal.close()
    assert told(path, "--seed", 7, "--cell", 2)["records"][1]["values"]["state"] == 1
    assert "forged" in told(path, "--seed", 8, "--cell", 2)["records"][1]["problem"]


def test_what_was_opened_can_be_kept_in_clear_and_read_again_without_keys(file, cell, tmp_path):
    clear = tmp_path / "clear.pb"
    frames(file, "--keys", cell[1], "--output", clear)
    records = from_journal(clear.read_bytes()).records
    assert [record.t_us for record in records] == [0, 1_000_000, 2_000_000, 2_500_000]
    assert all(isinstance(record.frame, Opened) for record in records[1:])
    found = told(clear)["records"]
    assert found == told(file, "--keys", cell[1])["records"][:4]


def test_both_halves_are_told_and_a_cut_tail_is_passed_over(file, cell):
    newest = file.read_bytes()
    file.rename(older(file))
    file.write_bytes(newest[:-3])
    found = told(file, "--keys", cell[1])
    assert len(found["records"]) == 6 + 5
    assert found["cut_bytes"] > 0
    assert "passed over: 0 entries that cannot be read" in frames(file, "--keys", cell[1])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nowhere.pb"], "cannot be read"),
        (["text"], "is no journal"),
        (["frames.pb", "--keys", "cell", "--seed", "1"], "one or the other"),
        (["frames.pb", "--keys", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(words, text, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("hello, this is no journal at all\n")
    with pytest.raises(InputError, match=text):
        frames(*words)
