"""LoRa channel: isolation, fading, drops, sensitivity tables, and who is looked at."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from gridmodel.errors import ScenarioError
from gridmodel.wire.lora import Modem
from simulators.radio.channel import RadiosConfig
from simulators.radio.draws import DROP, FADE, unit
from simulators.radio.isolation import MATRICES
from simulators.radio.path_loss import PATH_LOSS, LogDistance, Masts, range_m
from simulators.radio.sensitivity import SENSITIVITIES, sensitivity_dbm
from tests.simulators.bench import S, kpi, parcel, same_bytes
from tests.simulators.radio.air import Air

A, B = b"A" * 20, b"B" * 20
ELSEWHERE = Modem(frequency_mhz=866.5)

# isolation and capture


def meet(wanted_sf: int, other_sf: int, ahead_db: float, **settings: object) -> bool:
    """Return whether a packet survives one that covers it, by its lead in power."""
    channel = Modem(spreading_factor=wanted_sf, frequency_mhz=866.5)
    fleets = {
        "nodes": RadiosConfig(at=("a", "b")),
        "receiver": RadiosConfig(at=("receiver",), listen=channel),
    }
    air = Air({"a": 0.0, "b": 200.0, "receiver": 100.0}, fleets, report_s=3600.0, **settings)
    size = 20 if other_sf > wanted_sf else 250
    wanted = channel.model_copy(update={"tx_power_dbm": 2.5 + ahead_db / 2})
    other = Modem(spreading_factor=other_sf, frequency_mhz=866.5, tx_power_dbm=2.5 - ahead_db / 2)
    # the interferer sends all the time: packets in a row where its own are shorter
    start, end = 10 * S, 10 * S + wanted.airtime_us(20)
    now = start - other.airtime_us(size) // 2
    while now < end:
        air.send(now, 1, bytes(size), other)
        now += other.airtime_us(size)
    air.send(start, 0, A, wanted).until(60 * S)
    return A in [heard.frame for heard in air.heard]


@pytest.mark.parametrize(
    ("matrix", "wanted", "other", "threshold_db"),
    [
        # by hand from facts, 1.4: rows wanted, columns interfering
        ("croce", 7, 7, 1.0),
        ("croce", 7, 8, -8.0),
        ("croce", 7, 12, -9.0),
        ("croce", 9, 7, -15.0),
        ("croce", 10, 9, -17.0),
        ("croce", 11, 7, -22.0),
        ("goursaud", 7, 7, 6.0),
        ("goursaud", 7, 8, -16.0),
        ("goursaud", 8, 12, -22.0),
        ("goursaud", 12, 12, 6.0),
        ("none", 9, 9, 6.0),
    ],
)
def test_a_packet_survives_another_spreading_factor_by_the_matrix(
    matrix, wanted, other, threshold_db
):
    assert meet(wanted, other, threshold_db + 0.05, isolation=matrix)
    assert not meet(wanted, other, threshold_db - 0.05, isolation=matrix)


def test_without_isolation_spreading_factors_do_no_harm():
    assert meet(7, 8, -22.9)
    assert meet(7, 8, -22.9, isolation="none")
    assert not meet(7, 8, -22.9, isolation="goursaud")


@pytest.mark.parametrize(("matrix", "own_db"), [("croce", 1.0), ("goursaud", 6.0), ("none", 6.0)])
def test_a_capture_threshold_of_ones_own_goes_before_the_matrixs(matrix, own_db):
    assert meet(9, 9, own_db + 0.1, isolation=matrix)
    assert not meet(9, 9, own_db + 0.1, isolation=matrix, capture_db=own_db + 0.2)
    assert meet(9, 9, 0.1, isolation=matrix, capture_db=0.0)


def test_the_short_spreading_factors_of_no_matrix_are_isolated():
    assert set(MATRICES) == {"none", "croce", "goursaud"}
    assert meet(6, 7, -22.9, isolation="croce")
    assert meet(7, 5, -22.9, isolation="croce")
    assert not meet(6, 6, 0.0, isolation="croce")


@pytest.mark.parametrize("needed", [0, 5, 6, 8])
def test_a_receiver_needs_as_many_preamble_symbols_as_set(needed):
    fleets = {
        "nodes": RadiosConfig(at=("a", "b"), listen=ELSEWHERE),
        "ear": RadiosConfig(at=("e",)),
    }
    spare_us = (8 - needed) * 1024  # of the second packet's preamble
    heard = []
    for late_us in (spare_us, spare_us + 1):
        air = Air({"a": 0.0, "b": 20.0, "e": 10.0}, fleets, sync_symbols_count=needed)
        air.send(0, 0, A).send(Modem().airtime_us(20) - late_us, 1, B).until(S)
        heard.append(B in [one.frame for one in air.heard])
    assert heard == [True, False]


# pure ALOHA


@pytest.mark.parametrize("load", [0.1, 0.5, 1.0])
def test_pure_aloha_delivers_exp_of_minus_twice_the_load(load):
    # any overlap kills: no capture, and no preamble symbol to spare
    count, senders = 12_000, 200
    places = {f"n{k:03}": 2.0 * k for k in range(senders)} | {"receiver": 200.0}
    fleets = {
        "nodes": RadiosConfig(at=tuple(list(places)[:-1]), listen=ELSEWHERE),
        "receiver": RadiosConfig(at=("receiver",)),
    }
    air = Air(places, fleets, capture_db=1000.0, sync_symbols_count=8, report_s=3600.0)
    airtime = Modem().airtime_us(20)
    gaps = np.random.default_rng(7).exponential(airtime / load, count)
    for k, start in enumerate(np.cumsum(gaps).astype(np.int64).tolist()):
        air.send(start, k % senders, A)
    air.until(int(gaps.sum()) + S)
    assert kpi(air.lora, "sent_count") == count
    assert len(air.heard) / count == pytest.approx(exp(-2 * load), abs=0.01)


# fading and drops

CROWD = {"sender": 0.0} | {f"r{k:03}": 1000.0 for k in range(200)}
LISTENERS = {
    "sender": RadiosConfig(at=("sender",), listen=ELSEWHERE),
    "nodes": RadiosConfig(at=tuple(list(CROWD)[1:])),
}


def crowd(packets: int = 50, seed: int = 1, power_dbm: float = 14.0, **settings: object) -> Air:
    """Return the air after a sender sent packets to 200 radios at one distance."""
    air = Air(CROWD, LISTENERS, seed, report_s=3600.0, **settings)
    for k in range(packets):
        air.send(k * S, 0, bytes([k]), fleet="sender", tx_power_dbm=power_dbm)
    return air.until(packets * S)


def test_rayleigh_power_is_exponential_around_its_mean():
    air = crowd(fading="rayleigh")
    mean_dbm = 14.0 - PATH_LOSS["oulu"](1000.0, 868.1)
    power = np.sort([10 ** ((heard.rssi_dbm - mean_dbm) / 10) for heard in air.heard])
    assert len(power) > 8800  # 9.5 dB over the floor: a tenth is lost in the deepest fades
    # shares of 10,000 packets below a power, within 4 x 0.5 / sqrt(10,000)
    total = len(air.heard) + len(air.lost)
    for level in (0.2, 0.5, 1.0, 2.0, 3.0):
        share = (len(air.lost) + np.searchsorted(power, level)) / total
        assert share == pytest.approx(1 - exp(-level), abs=0.02)


@pytest.mark.parametrize("margin_db", [0.0, 3.0, 6.0])
def test_a_faded_link_delivers_the_share_of_packets_above_the_floor(margin_db):
    floor_dbm = Modem().sensitivity_dbm(6.0)
    power_dbm = floor_dbm + margin_db + PATH_LOSS["oulu"](1000.0, 868.1)
    air = crowd(power_dbm=power_dbm, fading="rayleigh")
    share = len(air.heard) / 10_000
    assert share == pytest.approx(exp(-(10 ** (-margin_db / 10))), abs=0.02)
    assert {why for _, why in air.reasons} == {"weak"}


def test_a_packet_has_one_gain_at_a_radio_whether_wanted_or_in_the_way():
    # with a capture threshold of 0 dB exactly one of two survives, at every receiver; a
    # third one, far too weak, has been forgotten when the second of them is judged
    fleets = {
        "nodes": RadiosConfig(at=("a", "b", "c"), listen=ELSEWHERE),
        "ears": RadiosConfig(at=tuple(f"e{k}" for k in range(100))),
    }
    places = {"a": 0.0, "b": 0.0, "c": 9000.0} | {f"e{k}": 100.0 for k in range(100)}
    air = Air(places, fleets, fading="rayleigh", capture_db=0.0)
    air.send(0, 2, b"C" * 20, tx_power_dbm=-9.0).send(50_000, 0, A).send(80_000, 1, B).until(S)
    assert sorted(heard.node for heard in air.heard) == list(range(100))
    by_a = sum(heard.frame == A for heard in air.heard)
    assert 30 < by_a < 70


def test_the_same_seed_fades_alike_and_another_one_otherwise():
    settings = {"fading": "rayleigh", "drop_pu": 0.3}
    first, again, other = (crowd(5, seed, **settings) for seed in (1, 1, 2))
    assert same_bytes(first.heard, again.heard)
    assert not same_bytes(first.heard, other.heard)


def test_fading_goes_on_after_a_snapshot_as_without_one():
    settings = {"fading": "rayleigh", "drop_pu": 0.3, "listen_before_talk": {"miss_pu": 0.5}}

    def busy() -> Air:
        air = Air(CROWD, LISTENERS, report_s=3600.0, energy={"battery_kwh": 0.01}, **settings)
        for k in range(20):
            air.send(k * 70_000, 0, bytes([k]), fleet="sender").send(k * 70_000 + 9, k, b"x" * 9)
        return air

    one, fresh = busy().until(700_300), busy()
    fresh.lora.restore(parcel(one.lora))
    fresh._waiting, fresh._next_us = one._waiting.copy(), one._next_us
    known = len(one.heard), len(one.lost)
    one.until(10 * S)
    fresh.until(10 * S)
    assert same_bytes(fresh.heard, one.heard[known[0] :])
    assert same_bytes(fresh.lost, one.lost[known[1] :])
    assert fresh.lora.kpis() == one.lora.kpis()


def test_a_share_of_receptions_is_dropped():
    air = crowd(drop_pu=0.1)
    assert len(air.heard) / 10_000 == pytest.approx(0.9, abs=0.012)
    assert {why for _, why in air.reasons} == {"dropped"}
    assert kpi(air.lora, "dropped_pu") == pytest.approx(len(air.lost) / 10_000)


def test_draws_are_uniform_and_of_each_other_independent():
    key = np.uint64(12345)
    drawn = np.array([[unit(key, FADE, a, b) for b in range(100)] for a in range(100)])
    other = np.array([[unit(key, DROP, a, b) for b in range(100)] for a in range(100)])
    assert 0.0 < drawn.min() < 0.001
    assert 0.999 < drawn.max() < 1.0
    assert drawn.mean() == pytest.approx(0.5, abs=0.012)
    assert drawn.var() == pytest.approx(1 / 12, rel=0.05)
    for a, b in ((drawn, other), (drawn[1:], drawn[:-1]), (drawn[:, 1:], drawn[:, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.04


# sensitivity


@pytest.mark.parametrize(
    ("table", "sf", "khz", "dbm"),
    [
        # facts, 1.3, and LoRaSim's own table
        ("snr_floor", 7, 125.0, -124.5),
        ("snr_floor", 12, 500.0, -131.0),
        ("sx1272", 7, 125.0, -124.0),
        ("sx1272", 12, 125.0, -137.0),
        ("sx1272", 9, 500.0, -122.0),
        ("lorasim", 7, 125.0, -126.5),
        ("lorasim", 12, 125.0, -133.25),
        ("sx1301", 10, 125.0, -137.5),
    ],
)
def test_a_sensitivity_table_decides_what_is_weak(table, sf, khz, dbm):
    modem = Modem(spreading_factor=sf, bandwidth_khz=khz, frequency_mhz=866.5)
    assert sensitivity_dbm(table, modem) == pytest.approx(dbm, abs=0.1)
    reach = range_m(PATH_LOSS["oulu"], 14.0 - sensitivity_dbm(table, modem), 866.5)
    places = {"sender": 0.0, "within": 0.999 * reach, "beyond": -1.001 * reach}
    air = Air(places, {"nodes": RadiosConfig(listen=modem)}, sensitivity=table, report_s=3600.0)
    air.send(0, 0, A, modem).until(10 * S)
    assert air.frames == [(1, A)]
    assert kpi(air.lora, "range_m") == pytest.approx(reach)


def test_snr_floor_and_the_data_sheet_agree_to_a_decibel_and_lorasim_does_not():
    def worst(table: str) -> float:
        modems = [Modem(spreading_factor=sf) for sf in range(7, 13)]
        return max(abs(sensitivity_dbm(table, m) - sensitivity_dbm("snr_floor", m)) for m in modems)

    assert worst("sx1272") <= 1.1
    assert worst("lorasim") > 3.0


# path loss of one's own


def test_a_log_distance_of_ones_own_gives_its_range():
    own = LogDistance(loss_db=120.0, at_m=500.0, exponent=3.0)
    air = Air({"a": 0.0, "b": 10.0}, path_loss="log_distance", log_distance=own)
    budget_db = 14.0 - Modem().sensitivity_dbm()
    assert kpi(air.lora, "range_m") == pytest.approx(500.0 * 10 ** ((budget_db - 120.0) / 30.0))
    air.send(0, 0, A).until(S)
    assert air.heard[0].rssi_dbm == pytest.approx(14.0 - 120.0 - 30.0 * np.log10(10.0 / 500.0))


def test_higher_masts_reach_further():
    low = Air({"a": 0.0, "b": 10.0}, path_loss="suburban_3gpp")
    high = Air({"a": 0.0, "b": 10.0}, path_loss="suburban_3gpp", masts=Masts(base_m=30.0))
    assert kpi(high.lora, "range_m") > 3 * kpi(low.lora, "range_m")
    same = Air({"a": 0.0, "b": 10.0}, path_loss="suburban_3gpp", masts=Masts())
    assert kpi(same.lora, "range_m") == kpi(low.lora, "range_m")


def test_the_range_of_each_fleet_is_in_the_record():
    fleets = {
        "near": RadiosConfig(),
        "far": RadiosConfig(listen=Modem(spreading_factor=12)),
    }
    reach = Air({"a": 0.0, "b": 10.0}, fleets).lora.config()["range_m"]
    ratio = 10 ** (12.5 / 23.2)  # SF12's floor is 12.5 dB lower, at 23.2 dB a decade
    assert reach["far"] / reach["near"] == pytest.approx(ratio, rel=1e-3)


# neighbours


def test_radios_far_below_the_floor_are_counted_but_not_looked_at():
    reach = range_m(PATH_LOSS["oulu"], 14.0 - Modem().sensitivity_dbm(), 868.1)
    per_db = 10 ** (1 / 23.2)
    places = {"sender": 0.0, "near": reach * per_db**9.9, "far": reach * per_db**10.1}
    air = Air(places, neighbour_margin_db=10.0).send(0, 0, A).until(S)
    assert air.reasons == [(0, "weak")]  # the near one
    assert kpi(air.lora, "weak_pu") == 1.0
    assert air.figures[-1][3] + sum(f[3] for f in air.figures[:-1]) == 0  # not told yet
    air.until(120 * S)
    assert sum(lost for _, _, _, lost in air.figures) == 2


# faults


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"isolation": "crose"}, "'crose' is no isolation table. Did you mean 'croce'"),
        ({"sensitivity": "sx1276"}, "'sx1276' is no sensitivity table. Did you mean 'sx1272'"),
        ({"path_loss": "log_distance"}, "log_distance needs log_distance: {loss_db"),
        ({"log_distance": LogDistance(loss_db=100.0, exponent=3.0)}, "oulu takes no log_distance"),
        ({"masts": Masts()}, "oulu takes no masts"),
        (
            {
                "sensitivity": "sx1301",
                "fleets": {
                    "n": RadiosConfig(listen=Modem(bandwidth_khz=250.0, frequency_mhz=866.5))
                },
            },
            "sx1301 has SF7 to SF12 at 125 kHz, not SF7 at 250 kHz; snr_floor has all",
        ),
        (
            {"fleets": {"n": RadiosConfig(listen=Modem(tx_power_dbm=20.0))}},
            r"n.listen: cell 0: 20 dBm at 868.1 MHz is above the 14 dBm \(ERP\)",
        ),
        (
            {
                "energy": {"chip": "sx1261"},
                "fleets": {
                    "n": RadiosConfig(listen=Modem(frequency_mhz=869.525, tx_power_dbm=20.0))
                },
            },
            "an SX1261 sends with -17 to 15 dBm, not 20 dBm",
        ),
    ],
)
def test_an_air_that_cannot_be_is_refused_with_the_key(settings, match):
    with pytest.raises(ScenarioError, match=match):
        Air({"a": 0.0, "b": 10.0}, **settings)


def test_every_sensitivity_table_has_a_name():
    assert SENSITIVITIES == ("snr_floor", "sx1272", "lorasim", "sx1301")


def test_a_table_need_not_have_what_no_radio_is_tuned_to():
    # SF6 is in no table; it only disturbs, and disturbs nobody.
    air = Air({"a": 0.0, "b": 10.0}, sensitivity="sx1272")
    air.send(S, 0, spreading_factor=6).send(2 * S, 0).until(4 * S)
    assert [node for node, _ in air.frames] == [1]
