"""Path loss: each preset gives the range its source gives, which differ by a factor of 70."""

from __future__ import annotations

from math import log10, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.wire.lora import Modem
from simulators.radio.path_loss import PATH_LOSS, range_m

#: The budget that facts, 1.5 compares by: 14 dBm and LoRaSim's SF12 sensitivity. [dB]
BUDGET_DB = 147.25
F_MHZ = 868.1

presets = st.sampled_from(sorted(PATH_LOSS))


@pytest.mark.parametrize(
    ("name", "budget_db", "published_m"),
    [
        # facts, 1.5
        ("lorasim", BUDGET_DB, 104.0),  # natural logarithm in its code
        ("flora_suburban", BUDGET_DB, 360.0),  # the same constants, common logarithm
        ("suburban_3gpp", BUDGET_DB, 1.0e3),  # Meshtasticator, masts of 1 m
        ("ns3_lorawan", BUDGET_DB, 5.1e3),
        ("oulu", BUDGET_DB + 2.0, 7.5e3),  # FLoRa's figure has its receiver's gain of 2 dBi in it
        ("oulu", BUDGET_DB, 6.15e3),  # without
    ],
)
def test_the_range_of_a_preset_is_the_published_one(name, budget_db, published_m):
    assert range_m(PATH_LOSS[name], budget_db, F_MHZ) == pytest.approx(published_m, rel=0.02)


@pytest.mark.parametrize(
    ("name", "d_m", "loss_db"),
    [
        # the sources' own constants
        ("lorasim", 40.0, 127.41),
        ("flora_suburban", 40.0, 127.41),
        ("flora_suburban", 400.0, 127.41 + 20.8),  # exponent 2.08
        ("oulu", 1e3, 128.95),
        ("oulu", 1e4, 128.95 + 23.2),  # exponent 2.32
        ("ns3_lorawan", 1.0, 7.7),
        ("ns3_lorawan", 1e3, 7.7 + 3 * 37.6),  # exponent 3.76
        ("free_space", 1e3, 91.22),  # 32.45 + 20 lg(km) + 20 lg(MHz)
        ("suburban_3gpp", 1e3, 45.5 + 34.36 * log10(F_MHZ) + 0.7),
        ("suburban_3gpp", 1e4, 45.5 + 34.36 * log10(F_MHZ) + 0.7 + 44.9),
    ],
)
def test_a_preset_has_the_constants_of_its_source(name, d_m, loss_db):
    assert PATH_LOSS[name](d_m, F_MHZ) == pytest.approx(loss_db, abs=0.01)


def test_published_models_differ_by_a_factor_of_70():
    models = [loss for name, loss in PATH_LOSS.items() if name != "free_space"]
    ranges = [
        range_m(loss, BUDGET_DB + 2.0 * (loss is PATH_LOSS["oulu"]), F_MHZ) for loss in models
    ]
    assert max(ranges) / min(ranges) == pytest.approx(70, rel=0.05)


@given(name=presets, near=st.floats(0.01, 1e5), further=st.floats(1.01, 10.0))
def test_loss_rises_with_distance(name, near, further):
    loss = PATH_LOSS[name]
    assert loss(near * further, F_MHZ) > loss(near, F_MHZ)


@given(name=presets, budget=st.floats(60.0, 160.0))
def test_the_range_is_where_the_budget_is_used_up(name, budget):
    loss = PATH_LOSS[name]
    reach = range_m(loss, budget, F_MHZ)
    assert loss(reach, F_MHZ) == pytest.approx(budget, abs=1e-6)


@given(name=presets, budget=st.floats(100.0, 150.0), more=st.floats(0.1, 10.0))
def test_more_budget_reaches_further(name, budget, more):
    loss = PATH_LOSS[name]
    assert range_m(loss, budget + more, F_MHZ) > range_m(loss, budget, F_MHZ)


@given(d_m=st.floats(1.0, 1e5), f_mhz=st.floats(137.0, 1020.0))
def test_free_space_is_friis(d_m, f_mhz):
    wavelength_m = 299.792458 / f_mhz
    assert 10 ** (PATH_LOSS["free_space"](d_m, f_mhz) / 20) == pytest.approx(
        4 * pi * d_m / wavelength_m, rel=1e-9
    )


@pytest.mark.parametrize("name", sorted(set(PATH_LOSS) - {"free_space"}))
def test_nothing_on_the_ground_reaches_as_far_as_free_space(name):
    budget = Modem(spreading_factor=12).tx_power_dbm - Modem(spreading_factor=12).sensitivity_dbm()
    free = range_m(PATH_LOSS["free_space"], budget, F_MHZ)
    assert range_m(PATH_LOSS[name], budget, F_MHZ) < free
