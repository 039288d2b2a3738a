"""LoRa channel: at which level a packet arrives, and who hears it."""

from __future__ import annotations

import numpy as np
import pytest

from gridmodel.wire.cells import CellPlan
from gridmodel.wire.lora import BANDWIDTHS_KHZ, SNR_FLOOR_DB, Modem
from simulators.radio.channel import RadiosConfig
from simulators.radio.path_loss import PATH_LOSS, range_m
from tests.simulators.bench import S, kpi
from tests.simulators.radio.air import Air
from tests.simulators.radio.packets import ROW, A, B

# levels


def test_a_reception_tells_its_level_and_its_distance_from_the_noise():
    air = Air({"a": 0.0, "b": 1000.0}, noise_figure_db=6.0)
    air.send(0, 0, A, tx_power_dbm=14.0).until(S)
    (heard,) = air.heard
    assert heard.rssi_dbm == pytest.approx(14.0 - 128.95, abs=1e-6)
    assert heard.snr_db == pytest.approx(14.0 - 128.95 - (-174.0 + 50.97 + 6.0), abs=0.01)


def test_two_radios_in_one_house_are_three_metres_apart():
    fleets = {"nodes": RadiosConfig(), "coordinator": RadiosConfig(at=("a",))}
    air = Air({"a": 0.0, "b": 500.0}, fleets).send(0, 0, A).until(S)
    (same,) = (h.rssi_dbm for h in air.heard if h.fleet == "coordinator")
    assert same == pytest.approx(14.0 - PATH_LOSS["oulu"](3.0, 868.1))


@pytest.mark.parametrize("sf", SNR_FLOOR_DB)
@pytest.mark.parametrize("bandwidth", BANDWIDTHS_KHZ)
def test_a_packet_is_demodulated_down_to_the_floor_of_its_spreading_factor(sf, bandwidth):
    modem = Modem(
        spreading_factor=sf, bandwidth_khz=bandwidth, frequency_mhz=866.5, preamble_symbols=12
    )
    reach = range_m(PATH_LOSS["flora_suburban"], 14.0 - modem.sensitivity_dbm(6.0), 866.5)
    air = Air(
        {"sender": 0.0, "within": 0.999 * reach, "beyond": -1.001 * reach},
        {"nodes": RadiosConfig(listen=modem)}, path_loss="flora_suburban", report_s=3600.0,
    )  # fmt: skip
    air.send(0, 0, A, modem).until(10 * S)
    assert air.frames == [(1, A)]
    assert air.reasons == [(0, "weak")]
    assert air.heard[0].snr_db == pytest.approx(SNR_FLOOR_DB[sf], abs=0.02)


@pytest.mark.parametrize(
    ("listen", "hears"),
    [
        # what the receiver is tuned to, for a packet of SF7/125 kHz at 868.1 MHz
        (Modem(), True),
        (Modem(tx_power_dbm=2.0, coding_rate=8), True),  # how it sends itself does not matter
        (Modem(spreading_factor=8), False),
        (Modem(bandwidth_khz=250.0, frequency_mhz=868.3), False),
        (Modem(frequency_mhz=868.3), False),  # the next channel
    ],
)
def test_only_a_radio_tuned_to_a_packet_hears_it(listen, hears):
    fleets = {
        "sender": RadiosConfig(at=("a",), listen=Modem(frequency_mhz=869.525)),
        "nodes": RadiosConfig(at=("b",), listen=listen),
    }
    air = Air({"a": 0.0, "b": 10.0}, fleets).send(0, 0, A, fleet="sender").until(S)
    assert bool(air.heard) == hears
    assert not air.lost  # who does not listen loses nothing


def test_the_range_is_a_key_figure():
    air = Air({"a": 0.0, "b": 10.0}, path_loss="flora_suburban")
    expected = range_m(PATH_LOSS["flora_suburban"], 14.0 - Modem().sensitivity_dbm(), 868.1)
    assert kpi(air.lora, "range_m") == pytest.approx(expected)


def test_cells_on_channels_of_their_own_do_not_hear_each_other():
    fleets = {
        "nodes": RadiosConfig(listen=Modem(frequency_mhz=866.5)),
        "coordinator": RadiosConfig(at=("a",), every_cell=True),
    }
    air = Air(
        {"a": 0.0, "b": 10.0, "c": 20.0, "d": 30.0}, fleets,
        cells=CellPlan(size=2, step_mhz=0.2),
    )  # fmt: skip
    air.send(S, 1, A).send(S, 3, B, frequency_mhz=868.3).until(2 * S)
    assert sorted((h.fleet, h.node, h.frame) for h in air.heard) == [
        ("coordinator", 0, A), ("coordinator", 1, B)
    ]  # fmt: skip
    assert not air.lost


# shadowing and randomness


def levels(air: Air) -> np.ndarray:
    """Return each link's level over what the preset says, shape (n, n). [dB]"""
    for node in range(30):
        air.send(node * S, node, bytes([node]))
    air.until(60 * S)
    extra = np.full((30, 30), np.nan)
    for h in air.heard:
        d_m = 30.0 * abs(h.node - h.frame[0])
        extra[h.frame[0], h.node] = h.rssi_dbm - 14.0 + PATH_LOSS["oulu"](d_m, 868.1)
    return extra


def test_without_shadowing_a_link_has_the_presets_loss():
    assert np.nanmax(np.abs(levels(Air(ROW)))) < 1e-6


def test_shadowing_is_drawn_once_a_link_the_same_both_ways():
    extra = levels(Air(ROW, shadowing_db=4.0))
    assert np.allclose(extra, extra.T, equal_nan=True)
    drawn = extra[np.triu_indices(30, 1)]
    # 435 links: mean within 4 x 4 / sqrt(435), spread within 4 / sqrt(2 x 435)
    assert np.mean(drawn) == pytest.approx(0.0, abs=0.8)
    assert np.std(drawn) == pytest.approx(4.0, rel=0.14)


def test_the_same_seed_draws_the_same_links_and_another_seed_others():
    first, again, other = (levels(Air(ROW, seed=seed, shadowing_db=4.0)) for seed in (1, 1, 2))
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)
