"""The packets of a run: joined to what became of them, as a table and for Wireshark."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from cosim.radio_view.loratap import header
from cosim.radio_view.packet_table import SCHEMA, table, write_parquet
from cosim.radio_view.pcapng import write_pcapng
from cosim.radio_view.radios import read_air
from cosim.radio_view.trace import read_trace
from cosim.run import RunOptions, run
from cosim.scenario.build import load
from gridmodel.errors import InputError
from gridmodel.wire.lora import Modem
from tests.conftest import STREET
from tests.cosim.recorded_air import DOWN, UP, S, heard, lost, refused, sent, trace_in, write_run

#: Midnight in the scenario's zone, two hours ahead of UTC. [us]
START_US = 1_464_040_800 * S


def test_every_packet_has_its_fate_and_its_outcome_at_every_radio(tmp_path):
    rows = table(trace_in(tmp_path)).to_pylist()
    told = [(r["packet"], r["sender"], r["receiver"], r["outcome"]) for r in rows]
    node_1, node_3, node_4 = "nodes.house_01", "nodes.house_03", "nodes.house_04"
    centre = "coordinator.house_02"
    assert told == [
        (0, node_1, None, "sent"),
        (0, node_1, centre, "delivered"),
        (1, node_1, None, "sent"),
        (1, node_1, centre, "collided"),
        (2, node_3, None, "sent"),
        (2, node_3, centre, "collided"),
        (3, centre, None, "sent"),
        (3, centre, node_1, "delivered"),
        (3, centre, node_4, "delivered"),
        (3, centre, node_3, "deaf"),
        (4, node_4, None, "refused"),
        (5, node_3, None, "unheard"),
        (6, node_3, None, "unfinished"),
    ]


def test_a_row_has_the_packet_s_times_settings_strength_distance_and_bytes(tmp_path, street):
    row = table(trace_in(tmp_path)).to_pylist()[8]
    assert row["t_us"] == 2 * S
    assert row["end_us"] == 2 * S + DOWN.airtime_us(12)
    assert (row["spreading_factor"], row["bandwidth_khz"], row["coding_rate"]) == (7, 125.0, 5)
    assert (row["frequency_mhz"], row["tx_power_dbm"]) == (869.525, 14.0)
    assert (row["rssi_dbm"], row["snr_db"]) == (-120.0, -3.0)
    assert row["distance_m"] == pytest.approx(street.distance_m("house_02", "house_04"))
    assert row["frame"] == b"beacon 00001"


def test_a_packet_that_waited_is_traced_when_it_was_on_the_air(tmp_path):
    """A channel may hold a packet back; its end then tells when it began."""
    end = 9 * S + UP.airtime_us(3)
    messages = [sent(0, "nodes", 0, b"abc", UP), heard(end, "coordinator", b"abc", (0, -90.0, 9.0))]
    (packet,) = trace_in(tmp_path / "heard", messages).packets
    assert (packet.start_us, packet.end_us) == (9 * S, end)
    messages[1] = lost(end, "nodes", 0, coordinator_0="collided")
    (packet,) = trace_in(tmp_path / "lost", messages).packets
    assert (packet.start_us, packet.end_us) == (9 * S, end)


def test_packets_that_wait_for_each_other_are_told_apart(tmp_path):
    """Two are asked for at one instant; the radio sends them in turn."""
    air = UP.airtime_us(3)
    messages = [sent(0, "nodes", 0, name, UP) for name in (b"one", b"two")]
    messages += [
        lost(k * air, "nodes", 0, coordinator_0=why) for k, why in ((1, "deaf"), (2, "weak"))
    ]
    first, second = trace_in(tmp_path, messages).packets
    assert [(p.start_us, p.receptions[0].outcome) for p in (first, second)] == [
        (0, "deaf"),
        (air, "weak"),
    ]


def test_a_refused_packet_has_its_reason_and_takes_no_other_s_place(tmp_path):
    air = UP.airtime_us(3)
    messages = [
        sent(0, "nodes", 0, b"abc", UP),
        refused(0, "nodes", 0, b"abc", "limit"),
        sent(S, "nodes", 0, b"abc", UP),
        heard(S + air, "coordinator", b"abc", (0, -90.0, 9.0)),
        sent(2 * S, "nodes", 0, b"def", UP),
        sent(2 * S + 5, "nodes", 0, b"ghi", UP),
        refused(2 * S + 5, "nodes", 0, b"ghi", "busy"),
        lost(2 * S + air, "nodes", 0, coordinator_0="weak"),
    ]
    packets = trace_in(tmp_path, messages).packets
    assert [(p.fate, p.reason, len(p.receptions)) for p in packets] == [
        ("refused", "limit", 0),
        ("sent", "", 1),
        ("sent", "", 1),
        ("refused", "busy", 0),
    ]
    assert table(trace_in(tmp_path / "again", messages))["reason"].to_pylist() == [
        "limit", None, None, None, None, "busy",
    ]  # fmt: skip


def test_the_same_bytes_sent_twice_are_two_packets(tmp_path):
    air = UP.airtime_us(3)
    messages: list[Any] = []
    for k in range(3):
        messages += [
            sent(k * S, "nodes", 0, b"abc", UP),
            heard(k * S + air, "coordinator", b"abc", (0, -90.0 - k, 9.0)),
        ]
    packets = trace_in(tmp_path, messages).packets
    assert [[r.rssi_dbm for r in p.receptions] for p in packets] == [[-90.0], [-91.0], [-92.0]]


def storm(out: Path, *changes: str) -> tuple[Path, dict[str, float]]:
    """A minute of the street with an outage, when all nodes speak at once."""
    overrides = ["events=[{t_h: 0.01, target: grid, kind: outage}]", *changes]
    scenario = load(STREET / "scenario.yaml", overrides)
    result = run(scenario, RunOptions(out, until_us=60 * S), overrides=overrides)
    return result.folder, {name: kpi.value for name, kpi in result.kpis.items()}


@pytest.fixture(scope="module")
def stormy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    return storm(tmp_path_factory.mktemp("runs"))


def adds_up(folder: Path, kpis: dict[str, float]) -> Counter[str]:
    """Hold a trace against what the channel counted; return its receptions by outcome."""
    trace = read_trace(folder, read_air(folder))
    outcomes = Counter(one.outcome for packet in trace.packets for one in packet.receptions)
    fates = Counter(packet.fate for packet in trace.packets)
    assert fates["sent"] + fates["unfinished"] == kpis["lora.sent_count"]
    assert fates["refused"] == kpis["lora.refused_count"]
    for name in ("delivery", "collided", "deaf", "weak"):
        count = outcomes["delivered" if name == "delivery" else name]
        assert count / outcomes.total() == pytest.approx(kpis[f"lora.{name}_pu"])
    for packet in trace.packets:
        assert packet.end_us - packet.start_us == packet.modem.airtime_us(len(packet.frame))
    return outcomes


def test_the_trace_of_a_run_adds_up_to_the_channel_s_own_figures(stormy):
    outcomes = adds_up(*stormy)
    assert outcomes["collided"] > 0
    assert outcomes["deaf"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        ("federates.lora.listen_before_talk={}", "federates.lora.fading=rayleigh"),
        ("federates.lora.over_limit=queue", "federates.lora.path_loss=flora_suburban"),
    ],
)
def test_the_trace_adds_up_where_packets_wait(tmp_path, changes):
    adds_up(*storm(tmp_path, *changes))


def test_the_parquet_table_has_units_and_reads_back(tmp_path):
    trace = trace_in(tmp_path / "run")
    path = tmp_path / "packets.parquet"
    assert write_parquet(trace, path) == 13
    again = pq.read_table(path)
    assert again.equals(table(trace))
    assert again.schema.field("rssi_dbm").metadata[b"unit"] == b"dBm"
    assert again.schema.names == SCHEMA.names


def test_a_run_without_packets_is_an_empty_table_and_an_empty_capture(tmp_path):
    trace = trace_in(tmp_path / "run", [(0, "nodes", "word", {})])
    assert write_parquet(trace, tmp_path / "none.parquet") == 0
    assert pq.read_table(tmp_path / "none.parquet").schema.names == SCHEMA.names
    assert write_pcapng(trace, tmp_path / "none.pcapng") == 0
    assert len(blocks(tmp_path / "none.pcapng")) == 2


@pytest.mark.parametrize(
    ("changes", "channel", "told"),
    [
        ({"air": {"model": "scripted"}}, "", "no federate of this run is a 'lora' channel"),
        ({"other": {"model": "lora"}}, "", "Name one of air, other"),
        ({}, "aire", "Did you mean 'air'"),
        ({"air": {"model": "lora"}}, "", "made by another version"),
    ],
)
def test_a_run_that_cannot_be_traced_says_why(tmp_path, changes, channel, told):
    folder = write_run(tmp_path / "run", **changes)
    with pytest.raises(InputError, match=told):
        read_air(folder, channel)


def test_a_run_whose_scenario_is_gone_is_traced_with_its_network_s_file(tmp_path):
    folder = write_run(tmp_path / "run")
    data = json.loads((folder / "run.json").read_text())
    data["scenario_file"] = str(tmp_path / "gone.yaml")
    (folder / "run.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="Name the file by --network"):
        read_air(folder)
    assert len(read_air(folder, network=STREET / "network.json").radios) == 4


# --- the capture, read by a parser that shares nothing with the writer


class Block(NamedTuple):
    kind: int
    body: bytes
    options: dict[int, bytes]


def blocks(path: Path) -> list[Block]:
    """Blocks of a little-endian pcapng file; every length is checked."""
    data, at, found = path.read_bytes(), 0, []
    fixed = {0x0A0D0D0A: 16, 1: 8}
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length % 4 == 0
        assert struct.unpack_from("<I", data, at + length - 4) == (length,)
        body = data[at + 8 : at + length - 4]
        if kind == 6:
            captured = int.from_bytes(body[12:16], "little")
            start = 20 + captured + -captured % 4
        else:
            start = fixed[kind]
        found.append(Block(kind, body, options(body[start:])))
        at += length
    assert at == len(data)
    return found


def options(data: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while True:
        code, length = struct.unpack_from("<HH", data, at)
        if code == 0:
            assert (length, at + 4) == (0, len(data))
            return found
        found[code] = data[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4


def packets(path: Path) -> list[tuple[int, bytes, int, str]]:
    """Instant in us, bytes, flags and comment of each packet."""
    found = []
    for block in blocks(path)[2:]:
        interface, high, low, captured, original = struct.unpack_from("<IIIII", block.body)
        assert (block.kind, interface) == (6, 0)
        assert captured == original
        flags = int.from_bytes(block.options[2], "little")
        data = block.body[20 : 20 + captured]
        found.append(((high << 32) + low, data, flags, block.options[1].decode()))
    return found


def test_a_capture_begins_with_a_section_and_one_loratap_interface_in_microseconds(tmp_path):
    path = tmp_path / "air.pcapng"
    write_pcapng(trace_in(tmp_path / "run"), path)
    section, interface, *rest = blocks(path)
    assert section.kind == 0x0A0D0D0A
    assert struct.unpack_from("<IHHq", section.body) == (0x1A2B3C4D, 1, 0, -1)
    assert interface.kind == 1
    assert struct.unpack_from("<HHI", interface.body) == (270, 0, 0)
    assert interface.options == {2: b"air", 9: b"\x06"}
    assert {block.kind for block in rest} == {6}


def test_a_capture_has_what_was_on_the_air_and_what_a_radio_noticed_in_order(tmp_path):
    path = tmp_path / "air.pcapng"
    count = write_pcapng(trace_in(tmp_path / "run"), path)
    found = packets(path)
    outbound, inbound, broken = 2, 1, 1 << 24 | 1
    long, short = UP.airtime_us(16), DOWN.airtime_us(12)
    assert count == len(found)
    assert [(t - START_US, flags, data[15:]) for t, data, flags, _ in found] == [
        (0, outbound, b"report of node 0"),
        (long, inbound, b"report of node 0"),
        (S, outbound, b"collides with 1."),
        (S + 7, outbound, b"collides with 0."),
        (S + long, broken, b"collides with 1."),
        (S + 7 + long, broken, b"collides with 0."),
        (2 * S, outbound, b"beacon 00001"),
        (2 * S + short, inbound, b"beacon 00001"),
        (2 * S + short, inbound, b"beacon 00001"),
        (4 * S, outbound, b"nobody listens.."),
        (60 * S - 1000, outbound, b"cut by the end.."),
    ]
    assert found[8][3] == (
        "coordinator.house_02 -> nodes.house_04: delivered, RSSI -120.0 dBm, SNR -3.0 dB"
    )
    assert "heard by 2 of 3" in found[6][3]


def test_loratap_headers_tell_channel_and_strength_by_the_published_format(tmp_path):
    path = tmp_path / "air.pcapng"
    write_pcapng(trace_in(tmp_path / "run"), path)
    found = packets(path)
    #       version, padding, length, Hz, steps of 125 kHz, SF, RSSI, max, current, SNR, sync word
    assert struct.unpack(">BBHIBBBBBbB", found[1][1][:15]) == (
        0, 0, 15, 868_100_000, 1, 7, 46, 255, 255, 97, 0x12,
    )  # fmt: skip
    rssi, snr = found[8][1][10], int.from_bytes(found[8][1][13:14], signed=True)
    assert (-139 + rssi * 0.25, snr / 4) == (-120.0, -3.0)  # below the noise in quarters
    assert found[9][1][8:10] == bytes([2, 9])  # 250 kHz, SF9
    assert found[0][1][10:14] == bytes([255, 255, 255, 0])  # a sender measures nothing


@pytest.mark.parametrize(
    ("rssi_dbm", "snr_db", "code", "snr_code"),
    [
        (-139.0, 1.0, 0, 4),
        (-100.4, 0.0, 39, 0),
        (200.0, 60.0, 254, 127),  # never 255, which means not known
        (-150.0, -40.0, 0, -128),
        (-137.0, -20.0, 8, -80),
    ],
)
def test_a_strength_that_does_not_fit_is_the_nearest_that_does(rssi_dbm, snr_db, code, snr_code):
    data = header(Modem(), rssi_dbm, snr_db)
    assert data[10] == code
    assert int.from_bytes(data[13:14], signed=True) == snr_code


@pytest.mark.parametrize(
    ("modem", "broken", "flags"),
    [
        (Modem(), False, 0x08),
        (Modem(), True, 0x10),
        (Modem(crc=False), False, 0x20),
        (Modem(explicit_header=False), False, 0x0C),
    ],
)
def test_version_1_also_tells_the_receiver_coding_rate_and_checksum(modem, broken, flags):
    modem = modem.model_copy(update={"coding_rate": 7})
    data = header(modem, -90.0, 5.0, 1, radio=3, t_us=2**32 + 5, packet=65_537, broken=broken)
    assert struct.unpack_from(">BBH", data) == (1, 0, len(data)) == (1, 0, 35)
    assert struct.unpack(">8sIBBHBBH", data[15:]) == (bytes([0] * 7 + [3]), 5, flags, 7, 0, 0, 0, 1)


@pytest.mark.slow
def test_wireshark_reads_the_capture(stormy, tmp_path):
    """By hand on tshark 4.0; it is no requirement of ours, so this may be left out."""
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("tshark is not installed; on Debian: apt install tshark")
    folder, _ = stormy
    trace = read_trace(folder, read_air(folder))
    path = tmp_path / "air.pcapng"
    count = write_pcapng(trace, path)
    fields = ["frame.time_epoch", "loratap.channel.frequency", "loratap.channel.sf", "data.data"]
    command = [tshark, "-r", str(path), "-T", "fields", *(p for f in fields for p in ("-e", f))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(rows) == count
    first = trace.packets[0]
    assert rows[0][0] == "1464040800.000000000"
    assert rows[0][1:] == ["869525000", "7", first.frame.hex()]
    assert {row[3] for row in rows} == {packet.frame.hex() for packet in trace.packets}
    command = [tshark, "-r", str(path), "-Y", 'frame.comment contains "collided"']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lost_count = sum(one.outcome == "collided" for p in trace.packets for one in p.receptions)
    assert len(done.stdout.splitlines()) == lost_count
