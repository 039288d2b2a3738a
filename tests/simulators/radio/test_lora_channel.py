"""LoRa channel: when packets arrive, what it refuses and warns of, and how it continues."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gridmodel.errors import ScenarioError
from gridmodel.wire.cells import CellPlan
from gridmodel.wire.lora import BANDWIDTHS_KHZ, Modem
from simulators.radio.channel import Lora, LoraConfig, RadiosConfig
from simulators.radio.path_loss import PATH_LOSS, range_m
from tests.simulators.bench import S, context, parcel, same_bytes
from tests.simulators.radio.air import Air, in_a_row
from tests.simulators.radio.packets import ROW, A, B

# instants


@given(
    sf=st.integers(5, 12), bandwidth=st.sampled_from(BANDWIDTHS_KHZ), coding=st.integers(5, 8),
    preamble=st.integers(6, 16), size=st.integers(0, 255), start=st.integers(0, 10**9),
)  # fmt: skip
def test_a_packet_is_delivered_at_its_start_plus_its_airtime_to_the_microsecond(
    sf, bandwidth, coding, preamble, size, start
):
    modem = Modem(
        spreading_factor=sf, bandwidth_khz=bandwidth, coding_rate=coding,
        preamble_symbols=preamble, frequency_mhz=866.5,
    )  # fmt: skip
    air = Air({"a": 0.0, "b": 10.0}, {"nodes": RadiosConfig(listen=modem)}, report_s=3600.0)
    airtime = modem.airtime_us(size)
    air.send(start, 0, bytes(size), modem).until(start + airtime - 1)
    assert not air.heard
    air.until(start + airtime)
    assert [(h.t_us, h.node, h.frame) for h in air.heard] == [(start + airtime, 1, bytes(size))]


def test_packets_that_end_at_one_instant_are_all_delivered_then():
    modem = Modem(spreading_factor=8, frequency_mhz=868.3)
    fleets = {"sevens": RadiosConfig(), "eights": RadiosConfig(listen=modem)}
    air = Air({"a": 0.0, "b": 50.0}, fleets, report_s=3600.0)
    end = 10 * S
    air.send(end - Modem().airtime_us(20), 0, A, fleet="sevens")
    air.send(end - modem.airtime_us(20), 0, B, modem, fleet="eights").until(end)
    assert {(h.t_us, h.fleet, h.frame) for h in air.heard} == {
        (end, "sevens", A), (end, "eights", B)
    }  # fmt: skip


# faults and warnings


def test_a_street_out_of_range_is_warned_of_with_the_range():
    fleets = {
        "nodes": RadiosConfig(listen=Modem(frequency_mhz=866.5)),
        "coordinator": RadiosConfig(at=("a",)),
    }
    air = Air({"a": 0.0, "b": 20.0, "c": 90.0, "d": 120.0}, fleets, path_loss="lorasim")
    text = next(text for text in air.lora.warnings() if "reach coordinator" in text)
    reach = range_m(PATH_LOSS["lorasim"], 14.0 - Modem().sensitivity_dbm(), 868.1)
    assert 20.0 < reach < 90.0
    assert text.startswith("2 of 4 radios cannot reach coordinator")
    assert f"range of {reach:.0f} m at SF7/125 kHz and 14 dBm" in text
    assert Air({"a": 0.0, "b": 20.0, "c": 90.0}, fleets).lora.warnings() == ()


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"path_loss": "olu"}, "'olu' is no path-loss preset. Did you mean 'oulu'"),
        (
            {"fleets": {"nodes": RadiosConfig(at=("e",))}},
            r"fleets\.nodes\.at: there is no customer 'e'",
        ),
        (
            {"fleets": {"nodes": RadiosConfig(listen=Modem(frequency_mhz=868.65))}},
            r"fleets\.nodes\.listen: .*fits no EU868 sub-band",
        ),
        (
            {"cells": CellPlan(size=1, step_mhz=0.5)},  # the second channel leaves its sub-band
            r"cell 1: .*868\.6 MHz fits no EU868 sub-band",
        ),
    ],
)
def test_a_channel_that_cannot_be_is_refused_with_its_place(settings, match):
    with pytest.raises(ScenarioError, match=match):
        Air({"a": 0.0, "b": 10.0}, **settings)


@pytest.mark.parametrize("fleets", [{}, {"nodes": RadiosConfig(at=())}])
def test_an_air_without_any_radio_is_refused(fleets):
    config = LoraConfig(path_loss="oulu", fleets=fleets)
    with pytest.raises(ScenarioError, match=r"fleets: no fleet has a radio"):
        Lora.build(config, context(in_a_row({"a": 0.0})))


def test_a_fleet_without_a_radio_is_no_fault():
    fleets = {"nodes": RadiosConfig(), "later": RadiosConfig(at=())}
    air = Air({"a": 0.0, "b": 9.0}, fleets).send(S, 0).until(2 * S)
    assert air.lora.warnings() == ()
    assert len(air.frames) == 1


def test_all_faults_of_an_air_are_told_at_once():
    fleets = {
        "nodes": RadiosConfig(at=("e",)),
        "boss": RadiosConfig(at=("f",), listen=Modem(frequency_mhz=868.65)),
    }
    with pytest.raises(ScenarioError) as error:
        Air({"a": 0.0}, fleets, path_loss="olu", isolation="croche")
    assert len(error.value.faults) == 5


def test_figures_come_in_steps_of_a_millisecond_or_more():
    with pytest.raises(ValidationError, match="report_s"):
        Air({"a": 0.0}, report_s=1e-7)


# continuation


@pytest.mark.parametrize("at_us", [30_000, S + 10_000, 2 * S, 61 * S])  # mid-packet and between
def test_a_restored_snapshot_continues_with_the_same_bytes(at_us):
    def busy() -> Air:
        air = Air(ROW, shadowing_db=4.0)
        for k in range(100):
            air.send(k * 700_000, k % 7, bytes([k]) * 30).send(k * 700_000 + 9000, 8, bytes([k]))
        return air

    one, fresh = busy().until(at_us), Air(ROW, shadowing_db=4.0)
    fresh.lora.restore(parcel(one.lora))
    fresh._waiting, fresh._next_us = one._waiting.copy(), one._next_us
    known = len(one.heard), len(one.lost), len(one.figures)
    one.until(80 * S)
    fresh.until(80 * S)
    assert same_bytes(fresh.heard, one.heard[known[0] :])
    assert same_bytes(fresh.lost, one.lost[known[1] :])
    assert same_bytes(fresh.figures, one.figures[known[2] :])
    assert fresh.lora.kpis() == one.lora.kpis()
