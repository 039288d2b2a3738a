"""Uplink study: theory, a SimPy oracle, and each cause of loss by itself."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import cell_in_simpy
from gridmodel.errors import ScenarioError
from gridmodel.wire.duty_cycle import HOUR_US
from gridmodel.wire.lora import Modem
from simulators.radio.arrivals import periodic_us, poisson_us, spacing_us
from simulators.radio.collisions import (
    COLLIDED,
    DEAF,
    DELIVERED,
    NO_DEMODULATOR,
    WEAK,
    Busy,
    Packets,
    judge,
)
from simulators.radio.energy import EnergyConfig
from simulators.radio.isolation import MATRICES, SF_MIN, thresholds_db
from simulators.radio.path_loss import PATH_LOSS
from simulators.radio.uplink import UplinkConfig, capacity, study, study_at

SF7_20_BYTES_US = 56_576
#: Nothing but overlap decides: no capture, no preamble to spare, demodulators for all.
ALOHA = {
    "path_loss": "oulu", "radius_m": 100.0, "channels": 1, "demodulators": 1000,
    "capture_db": 500.0, "sync_symbols": 8, "duty_pu": 1.0, "isolation": "none",
}  # fmt: skip


def places(config: UplinkConfig, nodes: int) -> np.ndarray:
    """Return places spread over the cell's disc, shape (nodes, 2). [m]"""
    rng = np.random.default_rng(99)
    radius, angle = config.radius_m * np.sqrt(rng.uniform(size=nodes)), rng.uniform(0, 7, nodes)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def oracle(config: UplinkConfig, at_m: np.ndarray, window_s: float) -> float:
    """Return delivery of the same cell in SimPy, with instants of its own."""
    loss = PATH_LOSS[config.path_loss]
    modem = config.modem
    distance = np.maximum(np.hypot(*at_m.T), 3.0)
    level = [modem.tx_power_dbm - loss(d, modem.frequency_mhz) for d in distance.tolist()]
    modems = [modem.model_copy(update={"spreading_factor": sf}) for sf in range(5, 13)]
    floor = [m.sensitivity_dbm(config.noise_figure_db) for m in modems]
    sf = [modem.spreading_factor - SF_MIN] * len(level)
    if config.spreading_factor == "lowest":
        sf = [next((k for k in range(2, 7) if dbm >= floor[k]), 7) for dbm in level]
    free = max(modem.preamble_symbols - config.sync_symbols, 0)
    cell = cell_in_simpy.Cell(
        level, sf, [modems[k].airtime_us(config.payload_bytes) for k in sf],
        [round(free * modems[k].symbol_us) for k in sf],
        thresholds_db(config.isolation, config.capture_db).tolist(), floor, config.channels,
        config.demodulators, config.period_s * 1e6,
    )  # fmt: skip
    gateway = cell_in_simpy.run(cell, window_s * 1e6)
    return gateway.received / gateway.sent


# theory and oracle


@pytest.mark.parametrize("load", [0.05, 0.25, 0.5, 1.0, 1.5])
def test_pure_aloha_delivers_the_exponential_of_minus_twice_the_load(load):
    nodes = 500
    period_s = nodes * SF7_20_BYTES_US / load / 1e6
    found = study(UplinkConfig(period_s=period_s, **ALOHA), nodes, 400.0 * period_s)
    assert found.sent.sum() > 190_000
    assert found.delivery_pu == pytest.approx(exp(-2.0 * load), abs=0.01)


@pytest.mark.parametrize(
    ("changed", "nodes"),
    [
        # LoRaSim's cell: one channel, one spreading factor, 6 dB; at three loads
        ({"isolation": "none", "capture_db": 6.0, "channels": 1}, 100),
        ({"isolation": "none", "capture_db": 6.0, "channels": 1}, 400),
        ({"isolation": "none", "capture_db": 6.0, "channels": 1}, 1200),
        # all spreading factors, both matrices
        ({"isolation": "croce", "spreading_factor": "lowest", "radius_m": 5000.0}, 600),
        ({"isolation": "goursaud", "spreading_factor": "lowest", "radius_m": 5000.0}, 600),
        # demodulators run out
        ({"isolation": "croce", "channels": 8, "demodulators": 2}, 1200),
        # beyond the range of many
        ({"isolation": "croce", "radius_m": 6000.0}, 300),
    ],
)
def test_delivery_is_that_of_a_simpy_cell_with_the_same_rules(changed, nodes):
    config = UplinkConfig(
        **{"path_loss": "oulu", "period_s": 60.0, "duty_pu": 1.0, "payload_bytes": 20} | changed
    )
    at_m = places(config, nodes)
    packets_s = 60.0 / nodes
    ours = study_at(config, at_m, 40_000 * packets_s, np.random.default_rng(3)).delivery_pu
    theirs = oracle(config, at_m, 10_000 * packets_s)
    assert ours == pytest.approx(theirs, abs=0.03)
    assert 0.02 < theirs < 0.995, "a case where nothing happens proves nothing"


# causes, each by packets set by hand


def judged(
    packets, floor=-200.0, gateways=1, demodulators=8, busy=(), matrix="croce", spare=0
):  # fmt: skip
    """Judge packets of (start, end, sf, channel, level); levels may be one a gateway.

    The first ``spare`` of a packet may be hit.
    """
    start, end, sf, channel, level = zip(*packets, strict=True)
    levels = np.array(level, dtype=float).reshape(len(packets), gateways)
    busy = np.array(busy, dtype=np.int64).reshape(-1, 2)
    begins = np.full(gateways + 1, len(busy), dtype=np.int64)
    begins[0] = 0
    start, end = np.array(start), np.array(end)
    flights = Packets(start, end, start + spare, np.array(sf) - SF_MIN, np.array(channel))
    codes = judge(
        flights, levels, np.full(8, floor), thresholds_db(matrix), demodulators, Busy(busy, begins)
    )
    return codes[:, 0].tolist() if gateways == 1 else codes.tolist()


def test_two_packets_of_one_level_destroy_each_other():
    assert judged([(0, 10, 7, 0, -100), (5, 15, 7, 0, -100)]) == [COLLIDED, COLLIDED]


def test_a_packet_that_starts_when_another_ends_is_not_harmed():
    assert judged([(0, 10, 7, 0, -100), (10, 20, 7, 0, -100)]) == [DELIVERED, DELIVERED]


def test_the_stronger_survives_from_the_threshold_on():
    assert judged([(0, 10, 7, 0, -99), (5, 15, 7, 0, -100)]) == [DELIVERED, COLLIDED]
    assert judged([(0, 10, 7, 0, -99.1), (5, 15, 7, 0, -100)]) == [COLLIDED, COLLIDED]


@pytest.mark.parametrize(("spare", "second"), [(5, DELIVERED), (4, COLLIDED)])
def test_an_overlap_does_no_harm_that_ends_before_the_receiver_must_synchronise(spare, second):
    packets = [(0, 10, 7, 0, -100), (5, 15, 7, 0, -100)]
    assert judged(packets, spare=spare) == [COLLIDED, second]


def test_channels_do_not_meet():
    assert judged([(0, 10, 7, 0, -100), (5, 15, 7, 1, -100)]) == [DELIVERED, DELIVERED]


@pytest.mark.parametrize("matrix", ["croce", "goursaud"])
@pytest.mark.parametrize("wanted", range(7, 13))
@pytest.mark.parametrize("other", range(7, 13))
def test_each_entry_of_a_matrix_divides_survival_from_loss(matrix, wanted, other):
    entry = MATRICES[matrix][wanted - 7][other - 7]
    for level, code in ((entry, DELIVERED), (entry - 0.5, COLLIDED)):
        pair = [(0, 100, wanted, 0, -100 + level), (50, 150, other, 0, -100)]
        assert judged(pair, matrix=matrix)[0] == code


def test_without_a_matrix_spreading_factors_do_not_hurt_each_other():
    assert judged([(0, 10, 7, 0, -140), (5, 15, 8, 0, -20)], matrix="none")[0] == DELIVERED


def test_the_ninth_packet_at_once_finds_no_demodulator():
    packets = [(k, 100 + k, 7, k, -100) for k in range(9)] + [(100, 200, 7, 9, -100)]
    codes = judged(packets)
    assert codes == [DELIVERED] * 8 + [NO_DEMODULATOR, DELIVERED]


def test_a_weak_packet_takes_no_demodulator_and_is_called_weak():
    packets = [(0, 100, 7, 0, -130), (1, 90, 7, 1, -100)]
    assert judged(packets, floor=-120.0, demodulators=1) == [WEAK, DELIVERED]


@pytest.mark.parametrize(
    ("busy", "code"),
    [((20, 30), DELIVERED), ((19, 30), DEAF), ((0, 10), DELIVERED), ((0, 11), DEAF)],
)
def test_a_gateway_is_deaf_to_packets_that_overlap_its_own(busy, code):
    assert judged([(10, 20, 7, 0, -100)], busy=[busy]) == [code]


def test_each_gateway_judges_by_its_own_levels():
    packets = [(0, 10, 7, 0, (-80, -110)), (5, 15, 7, 0, (-110, -80))]
    assert judged(packets, gateways=2) == [[DELIVERED, COLLIDED], [COLLIDED, DELIVERED]]


# results add up


def test_every_packet_has_one_cause_and_one_node():
    config = UplinkConfig(
        path_loss="oulu", radius_m=8000.0, spreading_factor="lowest", period_s=20.0, duty_pu=1.0,
        demodulators=2, downlink_s=5.0, gateways_m=((-3000.0, 0.0), (3000.0, 0.0)), rayleigh=True,
    )  # fmt: skip
    found = study(config, 800, 2000.0)
    totals = found.causes.sum(axis=0)
    assert found.causes.sum() == found.sent.sum()
    assert totals[DELIVERED] == found.delivered.sum()
    assert (totals > 0).all(), "every cause occurs"
    assert sum(found.cause_pu.values()) == pytest.approx(1.0)
    assert (found.delivered <= found.sent).all()
    by_sf = np.bincount(found.spreading_factor - SF_MIN, found.sent, 8)
    assert found.causes.sum(axis=1) == pytest.approx(by_sf)


def test_a_second_gateway_helps():
    near_one = UplinkConfig(path_loss="oulu", radius_m=5000.0, period_s=30.0, duty_pu=1.0)
    both = near_one.model_copy(update={"gateways_m": ((-2500.0, 0.0), (2500.0, 0.0))})
    assert study(both, 500, 3600.0).delivery_pu > study(near_one, 500, 3600.0).delivery_pu + 0.05


def test_the_lowest_spreading_factor_that_reaches_is_taken():
    config = UplinkConfig(path_loss="oulu", radius_m=7000.0, spreading_factor="lowest")
    found = study(config, 2000, 60.0)
    order = np.argsort(found.distance_m)
    assert (np.diff(found.spreading_factor[order]) >= 0).all()
    assert set(found.spreading_factor.tolist()) == {7, 8, 9, 10, 11, 12}


def test_the_same_seed_gives_the_same_figures_and_another_seed_others():
    config = UplinkConfig(path_loss="oulu", period_s=30.0)
    one, again, other = (study(config, 200, 600.0, seed) for seed in (4, 4, 5))
    assert np.array_equal(one.delivered, again.delivered)
    assert not np.array_equal(one.delivered, other.delivered)


def test_energy_is_that_of_sending_and_of_idling():
    # facts: 20 bytes at SF7 and 22 dBm take 22.0 mJ on an SX1262; listening takes 55 J an hour
    config = UplinkConfig(path_loss="oulu", period_s=60.0)
    found = study(config, 50, 3600.0)
    joule = 3.6e6
    asleep = found.energy_kwh(EnergyConfig(idle="sleep"), 22.0) * joule
    assert asleep == pytest.approx(0.0220 * found.sent + 0.0071, rel=0.02)
    listening = found.energy_kwh(EnergyConfig(), 22.0) * joule - asleep
    assert listening == pytest.approx(54.6, rel=0.01)


# arrivals


@settings(max_examples=60, deadline=None)
@given(
    airtime=st.integers(10_000, 3_000_000), duty=st.sampled_from([0.001, 0.01, 0.1]),
    period_s=st.floats(0.1, 400.0), seed=st.integers(0, 9), periodic=st.booleans(),
)  # fmt: skip
def test_no_sliding_hour_holds_more_than_its_duty(airtime, duty, period_s, seed, periodic):
    rng = np.random.default_rng(seed)
    gap = np.array([spacing_us(airtime, duty)])
    window = 3 * HOUR_US
    start, _ = (
        periodic_us(rng, 1, period_s * 1e6, window, gap, 1.0)
        if periodic
        else poisson_us(rng, 1, period_s * 1e6, window, gap)
    )
    for end in (start + airtime).tolist():
        within = np.clip(
            np.minimum(start + airtime, end) - np.maximum(start, end - HOUR_US), 0, None
        )
        assert within.sum() <= duty * HOUR_US


def test_poisson_arrivals_have_the_mean_and_spread_of_their_process():
    rng = np.random.default_rng(1)
    _, node = poisson_us(rng, 4000, 10e6, 1_000_000_000, np.zeros(4000, dtype=np.int64))
    counts = np.bincount(node, minlength=4000)
    assert counts.mean() == pytest.approx(100.0, rel=0.01)
    assert counts.var() == pytest.approx(100.0, rel=0.07)


def test_periodic_arrivals_without_jitter_keep_their_period():
    rng = np.random.default_rng(1)
    start, node = periodic_us(rng, 5, 7e6, 700_000_000, np.ones(5, dtype=np.int64), 0.0)
    for k in range(5):
        assert set(np.diff(start[node == k]).tolist()) == {7_000_000}
    assert (np.diff(start) >= 0).all()
    assert len(start) == 500


def test_a_packet_longer_than_an_hour_s_duty_is_refused():
    modem = Modem(spreading_factor=12)
    with pytest.raises(ScenarioError, match="of an hour"):
        study(
            UplinkConfig(path_loss="oulu", modem=modem, payload_bytes=255, duty_pu=0.001), 5, 60.0
        )


def test_unknown_names_are_refused_with_what_is_known():
    with pytest.raises(ScenarioError, match="Did you mean 'oulu'"):
        study(UplinkConfig(path_loss="olu"), 5, 60.0)
    with pytest.raises(ScenarioError, match="Did you mean 'croce'"):
        study(UplinkConfig(path_loss="oulu", isolation="croche"), 5, 60.0)


# capacity


def test_capacity_of_an_aloha_channel_is_what_theory_says():
    config = UplinkConfig(period_s=100.0, **ALOHA)
    found = capacity(config, target_pu=0.8, window_s=4000.0)
    load = -np.log(0.8) / 2.0
    assert found.nodes == pytest.approx(load * 100e6 / SF7_20_BYTES_US, rel=0.05)
    assert found.limited
    assert found.delivery_pu >= 0.8
    assert [n for n, _ in found.tried] == sorted(n for n, _ in found.tried)


def test_capacity_says_when_even_one_node_fails_and_when_no_limit_was_found():
    far = UplinkConfig(path_loss="lorasim", radius_m=50_000.0)
    assert capacity(far, 0.99).nodes == 0
    # a quarter of the disc is out of SF7's range: no count of nodes delivers 0.9
    wide = UplinkConfig(path_loss="oulu", radius_m=3000.0)
    assert [capacity(wide, 0.9, seed=seed).nodes for seed in range(3)] == [0, 0, 0]
    easy = UplinkConfig(path_loss="oulu", period_s=600.0)
    found = capacity(easy, 0.5, most_nodes=50)
    assert (found.nodes, found.limited) == (50, False)


def test_a_study_of_nothing_is_refused_with_all_faults():
    with pytest.raises(ScenarioError) as error:
        study(UplinkConfig(path_loss="olu"), 0, float("nan"))
    assert len(error.value.faults) == 3


def test_where_the_lowest_spreading_factor_is_taken_the_slowest_must_be_lawful():
    config = UplinkConfig(path_loss="lorasim", spreading_factor="lowest", duty_pu=1e-4)
    with pytest.raises(ScenarioError, match="of an hour"):
        study(config, 5, 3600.0)


def test_nodes_send_no_more_an_hour_than_the_duty_cycle_allows():
    slow = Modem(spreading_factor=12)
    eager = study(UplinkConfig(path_loss="oulu", modem=slow, period_s=10.0), 20, 36_000.0)
    # facts, 1.2: 20 bytes at SF12, 1 %
    assert eager.per_hour == pytest.approx(np.full(20, 27.0))
    assert eager.sent.sum() / 10.0 == pytest.approx(eager.per_hour.sum(), rel=0.02)
    calm = study(UplinkConfig(path_loss="oulu", modem=slow, period_s=600.0), 20, 3600.0)
    assert calm.per_hour == pytest.approx(np.full(20, 6.0))
    found = capacity(UplinkConfig(path_loss="oulu", modem=slow, period_s=10.0), most_nodes=40)
    assert found.per_hour == pytest.approx(27.0 * found.nodes, rel=1e-6)
