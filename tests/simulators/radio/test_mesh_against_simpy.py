"""Mesh: the same rules in SimPy deliver as much, with as many packets."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import mesh_in_simpy
from simulators.radio.mesh import MeshConfig, study
from tests.simulators.bench import S
from tests.simulators.radio.hand_mesh import AIRTIME, FAST, SLOT_US


@pytest.mark.parametrize(
    ("side_m", "period_s"),
    [(8000.0, 300.0), (14_000.0, 120.0), (3000.0, 240.0)],  # some hops, sparse, all hear all
)
def test_delivery_and_packets_are_those_of_the_same_rules_in_simpy(side_m, period_s):
    places = np.random.default_rng(1).uniform(0.0, side_m, (30, 2))
    config = MeshConfig(path_loss="oulu", modem=FAST)
    ours = study(config, places, period_s, 24 * 3600.0)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    level = FAST.tx_power_dbm - config.losses_db(distance, FAST.frequency_mhz)
    rules = mesh_in_simpy.Rules(
        level.tolist(), FAST.noise_dbm(), FAST.sensitivity_dbm(), 6.0, AIRTIME,
        round(11 * FAST.symbol_us), SLOT_US, round(2.5 * FAST.symbol_us), 3,
    )  # fmt: skip
    theirs = mesh_in_simpy.Flood(rules, seed=1)
    theirs.run(period_s * 1e6, 6 * 3600 * S)
    assert ours.delivery_pu == pytest.approx(theirs.first / theirs.originated / 29, abs=0.03)
    packets = ours.counts["sent"] / ours.counts["originated"]
    assert packets == pytest.approx(theirs.sent / theirs.originated, rel=0.05)
    assert ours.duty_max_pu < 1.0, "the oracle knows no duty"
