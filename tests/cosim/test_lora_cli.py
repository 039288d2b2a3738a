"""``feedertwin lora``: what a person types, what comes back, and what the pictures show."""

from __future__ import annotations

import json
import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from cosim.cli import application
from cosim.radio_view.delivery import bins, delivery
from cosim.radio_view.hearing_map import bow, hearing_map, pairs
from cosim.radio_view.lanes import lanes, worst
from gridmodel.errors import InputError
from gridmodel.wire.lora import Modem, airtime_us
from simulators.radio.path_loss import PATH_LOSS
from tests.cosim.recorded_air import UP, S, heard, lost, sent, trace_in, write_run
from tests.cosim.test_cli import cli
from tests.test_how_tos import blocks, typed


def lora(*words: str, code: int = 0) -> Result:
    """The command in this process, which is faster than one of its own."""
    answer = CliRunner().invoke(application(), ["lora", *words], catch_exceptions=False)
    assert answer.exit_code == code, answer.output
    return answer


def flat(text: str) -> str:
    return " ".join(text.split())


# --- airtime


def test_airtime_prints_exactly_one_object_with_one_key():
    words = "airtime --sf 7 --bw-khz 125 --cr 4/5 --preamble 8 --payload-bytes 20 --json"
    answer = cli("lora", *words.split())
    assert answer.stdout == '{"airtime_us": 56576}\n'
    assert answer.stderr == ""


@pytest.mark.parametrize(
    ("words", "modem"),
    [
        ("--sf 12", Modem(spreading_factor=12)),
        ("--sf 5 --preamble 12", Modem(spreading_factor=5, preamble_symbols=12)),
        ("--bw-khz 62.5 --cr 4/8", Modem(bandwidth_khz=62.5, coding_rate=8)),
        ("--implicit --no-crc", Modem(explicit_header=False, crc=False)),
        ("--bw-khz 500 --sf 11", Modem(bandwidth_khz=500.0, spreading_factor=11)),
    ],
)
def test_every_option_of_airtime_reaches_the_formula(words, modem):
    told = json.loads(lora("airtime", "--payload-bytes", "33", *words.split(), "--json").stdout)
    assert told == {"airtime_us": modem.airtime_us(33)}
    assert told["airtime_us"] != airtime_us(33)


def test_airtime_in_words_tells_symbol_optimisation_and_what_the_duty_cycle_allows():
    text = flat(lora("airtime", "--payload-bytes", "20").stdout)
    for part in ("56.576 ms", "symbol 1.024 ms", "optimisation off", "each 5.66 s", "636 an hour"):
        assert part in text
    text = flat(lora("airtime", "--payload-bytes", "20", "--sf", "12", "--duty-pu", "0.1").stdout)
    assert "optimisation on" in text
    assert "at 10 % duty: at most one each 13.19 s, 272 an hour" in text


def test_all_faults_of_airtime_are_told_at_once_with_exit_code_2():
    words = "--sf 13 --bw-khz 100 --cr 4/9 --payload-bytes 256 --preamble 2 --duty-pu 0"
    answer = cli("lora", "airtime", *words.split(), "--json", code=2)
    assert answer.stdout == ""
    told = flat(answer.stderr)
    assert "6 faults" in told
    for option in ("--sf", "--bw-khz", "--cr", "--payload-bytes", "--preamble", "--duty-pu"):
        assert f"{option}:" in told


def test_a_packet_longer_than_an_hour_s_share_may_never_be_sent():
    words = "airtime --payload-bytes 255 --sf 12 --bw-khz 62.5 --duty-pu 0.001"
    assert "never; an hour allows 3.6 s" in flat(lora(*words.split()).stdout)


# --- link


def test_link_tells_budget_and_the_range_of_every_preset():
    told = json.loads(lora("link", "--sf", "12", "--json").stdout)
    assert set(told["range_m"]) == set(PATH_LOSS)
    modem = Modem(spreading_factor=12)
    assert told["sensitivity_dbm"] == modem.sensitivity_dbm()
    assert told["budget_db"] == 14.0 - modem.sensitivity_dbm()
    for name, reach in told["range_m"].items():
        assert PATH_LOSS[name](reach, 868.1) == pytest.approx(told["budget_db"], abs=1e-6)


def test_link_says_by_what_factor_the_published_models_differ():
    words = ["link", "--sf", "12"]
    told = json.loads(lora(*words, "--json").stdout)
    reach = [value for name, value in told["range_m"].items() if name != "free_space"]
    assert told["range_spread"] == pytest.approx(max(reach) / min(reach))
    assert told["range_spread"] > 50
    assert f"differ by a factor of {told['range_spread']:.0f} in range" in flat(lora(*words).stdout)


def test_link_tells_strength_and_margin_at_a_distance():
    words = "link --path-loss oulu --distance-m 1000 --power-dbm 10 --noise-figure-db 5 --json"
    told = json.loads(lora(*words.split()).stdout)
    assert set(told["range_m"]) == set(told["at_distance"]) == {"oulu"}
    there = told["at_distance"]["oulu"]
    assert there["path_loss_db"] == pytest.approx(128.95)
    assert there["rssi_dbm"] == pytest.approx(-118.95)
    assert there["snr_db"] == pytest.approx(-118.95 - Modem().noise_dbm(5.0))
    assert there["margin_db"] == pytest.approx(there["snr_db"] + 7.5)  # the least SNR of SF7


def test_a_margin_kept_for_shadowing_shortens_every_range_and_the_margin_left():
    words = ["link", "--distance-m", "200", "--json"]
    plain, kept = (json.loads(lora(*words, "--margin-db", x).stdout) for x in ("0", "10"))
    for name in PATH_LOSS:
        assert kept["range_m"][name] < plain["range_m"][name]
        lost_db = plain["at_distance"][name]["margin_db"] - kept["at_distance"][name]["margin_db"]
        assert lost_db == pytest.approx(10.0)


def test_all_faults_of_a_link_are_told_at_once():
    words = "link --path-loss oul --distance-m 0 --margin-db -1 --noise-figure-db -1 --power-dbm 99"
    with pytest.raises(InputError, match="Did you mean 'oulu'") as error:
        lora(*words.split())
    assert [fault.where for fault in error.value.faults] == [
        "--power-dbm", "--margin-db", "--noise-figure-db", "--distance-m", "--path-loss",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        "--distance-m inf",
        "--distance-m nan",
        "--distance-m 2.9",  # nearer, a path loss would give more power than was sent
        "--margin-db inf",
        "--noise-figure-db inf",
        "--margin-db 139",  # of a budget of 138.5 dB
    ],
)
def test_a_link_is_told_of_numbers_that_make_sense_only(words):
    with pytest.raises(InputError) as error:
        lora("link", *words.split())
    assert [fault.where for fault in error.value.faults] == [words.split()[0]]


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        ("", {"EU868": "868.0-868.6"}),
        ("--power-dbm 27", {}),
        ("--power-dbm 27 --frequency-mhz 869.525", {"EU868": "869.4-869.65"}),
        ("--frequency-mhz 923.2", {"US915": "902-928", "AS923": "915-928"}),
    ],
)
def test_a_link_says_which_regions_allow_it(words, allowed):
    assert json.loads(lora("link", *words.split(), "--json").stdout)["allowed"] == allowed
    text = flat(lora("link", *words.split()).stdout)
    assert ("allowed by none of EU868, US915, AS923" in text) == (not allowed)
    for name, band in allowed.items():
        assert f"{name} in {band} MHz" in text


# --- capacity


def test_capacity_compares_mixes_and_draws_them(tmp_path):
    picture = tmp_path / "cell.svg"
    words = "capacity --path-loss oulu --mix sf9,sf12 --most-nodes 2000 --period-s 900 --json"
    told = json.loads(lora(*words.split(), "--plot", str(picture)).stdout)
    assert told["target_pu"] == 0.9
    fast, slow = told["mixes"]["sf9"], told["mixes"]["sf12"]
    assert set(fast) == {
        "range_m", "nodes", "delivery_pu", "alone_pu", "packets_per_h", "limited", "curve",
    }  # fmt: skip
    assert slow["limited"]
    assert 0 < slow["nodes"] < fast["nodes"]
    assert slow["delivery_pu"] >= 0.9
    assert slow["range_m"] > fast["range_m"]
    assert [point["nodes"] for point in fast["curve"]] == [10, 20, 50, 100, 200, 500, 1000, 2000]
    assert slow["curve"][-1]["delivery_pu"] < 0.5 < slow["curve"][0]["delivery_pu"]
    assert ET.parse(picture).getroot().tag.endswith("svg")


def test_capacity_says_which_mix_does_not_reach_the_cell_s_edge():
    words = "capacity --path-loss lorasim --radius-m 100 --mix sf7,sf12 --most-nodes 10"
    assert "sf7: nodes beyond the range are never heard" in flat(lora(*words.split()).stdout)


def test_capacity_tells_what_the_duty_cycle_lets_nodes_send():
    words = [
        "capacity",
        "--path-loss",
        "oulu",
        "--mix",
        "sf7,sf12",
        "--period-s",
        "10",
        "--most-nodes",
        "50",
    ]
    told = json.loads(lora(*words, "--json").stdout)["mixes"]
    assert told["sf12"]["packets_per_h"] == pytest.approx(27 * told["sf12"]["nodes"], rel=1e-6)
    assert told["sf7"]["packets_per_h"] == pytest.approx(360 * told["sf7"]["nodes"], rel=1e-6)
    assert "sf12: 1% duty allows less than a packet each 10 s" in flat(lora(*words).stdout)


def test_the_picture_of_a_small_cell_has_a_curve():
    words = "capacity --path-loss oulu --mix sf7 --most-nodes 5 --json"
    curve = json.loads(lora(*words.split()).stdout)["mixes"]["sf7"]["curve"]
    assert [point["nodes"] for point in curve] == [1, 5]


def test_all_faults_of_a_capacity_are_told_at_once():
    words = (
        "capacity --path-loss oul --mix sf5 --target-pu 2 --most-nodes 0 --channels 0 --seed -1 "
        "--plot a.jpg --payload-bytes 256 --period-s 0 --radius-m 0 --bw-khz 100"
    )
    with pytest.raises(InputError, match="inf was given"):
        lora("capacity", "--path-loss", "oulu", "--radius-m", "inf")
    with pytest.raises(InputError) as error:
        lora(*words.split())
    assert sorted(fault.where for fault in error.value.faults) == [
        "--bw-khz", "--channels", "--mix", "--most-nodes", "--path-loss", "--payload-bytes",
        "--period-s", "--plot", "--radius-m", "--seed", "--target-pu",
    ]  # fmt: skip


# --- trace


def test_a_trace_is_written_beside_its_run_and_counted(tmp_path):
    folder = write_run(tmp_path / "run")
    text = flat(lora("trace", str(folder)).stdout)
    assert "4 sent, 1 refused, 1 unheard, 1 unfinished packets" in text
    assert "3 delivered, 2 collided, 1 deaf" in text
    assert "13 rows" in text
    assert pq.read_table(folder / "packets.parquet").num_rows == 13


@pytest.mark.parametrize(("version", "length"), [("0", 15), ("1", 35)])
def test_a_capture_is_written_with_either_version_of_the_headers(tmp_path, version, length):
    folder = write_run(tmp_path / "run")
    path = tmp_path / "air.pcapng"
    words = ["trace", str(folder), "-o", str(path), "--loratap", version, "--json"]
    told = json.loads(lora(*words).stdout)
    assert told["rows"] == 11
    assert told["path"] == str(path)
    assert told["receptions"] == {"delivered": 3, "collided": 2, "deaf": 1}
    assert bytes([int(version), 0, 0, length]) + struct.pack(">I", 868_100_000) in path.read_bytes()


def test_a_trace_of_bad_name_or_version_is_refused_and_nothing_written(tmp_path):
    folder = write_run(tmp_path / "run")
    path = tmp_path / "air.pcap"
    with pytest.raises(InputError, match=r"Did you mean '\.pcapng'") as error:
        lora("trace", str(folder), "-o", str(path), "--loratap", "2")
    assert [fault.where for fault in error.value.faults] == ["--output", "--loratap"]
    assert not path.exists()
    with pytest.raises(InputError, match="cannot be written"):
        lora("trace", str(folder), "-o", str(tmp_path / "nowhere" / "air.pcapng"))


# --- pictures


def test_pictures_are_drawn_and_are_the_same_each_time(tmp_path):
    folder = write_run(tmp_path / "run")
    names = ["delivery_by_distance.svg", "packets_in_time.svg", "who_hears_whom.svg"]
    for target in ("one", "two"):
        told = lora("draw", str(folder), "-o", str(tmp_path / target), "--format", "svg").stdout
        assert sorted(Path(line).name for line in told.split()) == names
    for name in names:
        one, two = ((tmp_path / target / name).read_bytes() for target in ("one", "two"))
        assert one == two


def test_pictures_stand_in_the_run_as_png_if_nothing_is_said(tmp_path):
    folder = write_run(tmp_path / "run")
    lora("draw", str(folder), "--by", "snr", "--from", "1s", "--to", "3s")
    for path in (folder / "radio").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_all_faults_of_a_drawing_are_told_at_once(tmp_path):
    folder = write_run(tmp_path / "run")
    with pytest.raises(InputError) as error:
        lora("draw", str(folder), "--by", "rssi", "--format", "jpg", "--from", "2min")
    assert [fault.where for fault in error.value.faults] == ["--from", "--by", "--format"]
    assert not (folder / "radio").exists()


def test_a_run_in_which_nobody_spoke_is_drawn_all_the_same(tmp_path):
    trace = trace_in(tmp_path, [(0, "nodes", "word", {})])
    assert hearing_map(trace).axes
    assert lanes(trace).axes
    assert "nothing was" in delivery(trace).axes[0].texts[0].get_text()


def test_a_pair_s_colour_is_what_the_one_got_of_what_the_other_sent(tmp_path):
    found = pairs(trace_in(tmp_path))
    report, beacon = found[0, 3], found[3, 1]
    assert (report.heard, report.lost, report.delivery_pu) == (1, 1, 0.5)
    assert report.snr_db == [24.25]
    assert (beacon.heard, beacon.lost) == (0, 1)
    assert (3, 3) not in found


def test_the_two_directions_of_a_link_bend_apart():
    a, b = np.array([0.0, 0.0]), np.array([10.0, 0.0])
    there, back = bow(a, b), bow(b, a)
    assert np.allclose(there[[0, -1]], [a, b])
    assert there[len(there) // 2, 1] > 0.5
    assert back[len(back) // 2, 1] < -0.5


def test_the_map_tells_receptions_and_names_each_place_once(tmp_path):
    axes = hearing_map(trace_in(tmp_path)).axes[0]
    assert "7 packets, 3 of 6 receptions delivered" in axes.get_title("left")
    shown = [text.get_text() for text in axes.texts if text.get_text()]
    assert sorted(shown) == ["house_01", "house_02", "house_03", "house_04"]


def test_the_detail_of_a_run_is_where_most_was_lost(tmp_path):
    messages = []
    for k, at in enumerate((3 * S, 30 * S, 31 * S, 32 * S)):
        messages += [
            sent(at, "nodes", 0, bytes([k]), UP),
            lost(at + UP.airtime_us(1), "nodes", 0, coordinator_0="collided"),
        ]
    low, high = worst(trace_in(tmp_path, messages))
    assert low <= 30 * S
    assert high >= 32 * S + UP.airtime_us(1)
    assert high - low == 10 * S


def test_bins_of_distance_count_every_reception_once(tmp_path, street):
    far = street.distance_m("house_02", "house_01")
    trace = trace_in(
        tmp_path,
        [
            sent(0, "nodes", 0, b"a", UP),
            heard(UP.airtime_us(1), "coordinator", b"a", (0, -90.0, 9.0)),
            sent(S, "nodes", 0, b"b", UP),
            lost(S + UP.airtime_us(1), "nodes", 0, coordinator_0="weak"),
        ],
    )
    (one,) = bins(trace)
    assert one.low_m <= far < one.high_m
    assert one.outcomes == {"delivered": 1, "weak": 1}
    assert one.delivery_pu == 0.5


def test_delivery_shows_the_range_the_run_s_path_loss_predicts(tmp_path):
    upper, lower = delivery(trace_in(tmp_path)).axes
    reach = json.loads(lora("link", "--path-loss", "oulu", "--json").stdout)["range_m"]["oulu"]
    assert f"predicted range {reach:,.0f} m (SF7/125 kHz, 14 dBm)" in upper.get_title("right")
    assert {text.get_text() for text in lower.get_legend().get_texts()} == {"deaf", "collided"}


# --- the how-to


@pytest.mark.slow
def test_the_page_s_commands_run_and_print_what_it_shows(tmp_path):
    (airtime, link, capacity, packets) = blocks("see_the_radio.md", "sh")
    shown = blocks("see_the_radio.md", "text")
    for commands, text in zip((airtime, link, capacity), shown, strict=True):
        said = "".join(typed(line, tmp_path) for line in commands.splitlines())
        assert [line.rstrip() for line in said.splitlines()] == text.splitlines()
    for line in packets.splitlines():
        typed(line, tmp_path)
    assert pq.read_table(tmp_path / "packets.parquet").num_rows > 10_000
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 3
