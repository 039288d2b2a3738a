"""Energy of a radio: currents by state, and how long a battery lasts."""

from __future__ import annotations

import pytest

from gridmodel.wire.lora import Modem
from simulators.radio.channel import RadiosConfig
from simulators.radio.clear_channel import ListenBeforeTalk
from simulators.radio.energy import EnergyConfig, EnergyMeter
from tests.simulators.bench import S, kpi
from tests.simulators.radio.air import Air

J_PER_KWH = 3.6e6
HOUR_US = 3600 * S
LOUD = Modem(frequency_mhz=869.525, tx_power_dbm=22.0)


@pytest.mark.parametrize(
    ("chip", "power_dbm", "ma"),
    [
        # facts, 1.7, with the DC-DC regulator
        ("sx1262", 0.0, 40.6),
        ("sx1262", 10.0, 70.5),
        ("sx1262", 14.0, 89.3),
        ("sx1262", 17.0, 95.4),
        ("sx1262", 20.0, 103.8),
        ("sx1262", 22.0, 117.9),
        ("sx1261", 0.0, 9.8),
        ("sx1261", 10.0, 18.5),
        ("sx1261", 14.0, 25.5),
        ("sx1261", 15.0, 32.5),
        ("sx1262", 21.5, 113.5),  # linear between its neighbours
    ],
)
def test_a_chip_draws_the_current_of_semtechs_table(chip, power_dbm, ma):
    assert EnergyConfig(chip=chip).sending_ma(power_dbm) == pytest.approx(ma)


@pytest.mark.parametrize(
    ("chip", "power_dbm"), [("sx1261", 15.5), ("sx1262", 23.0), ("sx1262", -9.5)]
)
def test_a_power_the_chip_has_not_is_refused(chip, power_dbm):
    with pytest.raises(ValueError, match=f"{chip.upper()} sends with"):
        EnergyConfig(chip=chip).sending_ma(power_dbm)


@pytest.mark.parametrize(
    ("chip", "power_dbm", "mj"),
    [("sx1262", 22.0, 22.0), ("sx1261", 14.0, 4.8)],  # facts, 1.7: 20 bytes at SF7/125
)
def test_a_packet_takes_the_energy_of_the_facts(chip, power_dbm, mj):
    meter = EnergyMeter(EnergyConfig(chip=chip), ("receive",))
    airtime = Modem().airtime_us(20)
    meter.send(0, power_dbm, airtime)
    assert meter.used_kwh(airtime)[0] * J_PER_KWH * 1e3 == pytest.approx(mj, abs=0.05)


@pytest.mark.parametrize(
    ("settings", "joule"),
    [
        ({}, 55.0),  # facts, 1.7: reception dominates
        ({"boosted": True}, 63.0),
        ({"regulator": "ldo"}, 105.5),
        ({"idle": "standby"}, 7.13),
        ({"idle": "sleep"}, 0.00713),
        ({"supply_v": 1.8}, 29.8),
    ],
)
def test_an_hour_of_waiting_takes_the_energy_of_its_state(settings, joule):
    config = EnergyConfig(**settings)
    meter = EnergyMeter(config, (config.idle,))
    assert meter.used_kwh(HOUR_US)[0] * J_PER_KWH == pytest.approx(joule, rel=0.01)


def test_a_battery_lasts_as_long_as_its_energy_at_the_power_so_far():
    # 11 Wh (3000 mAh of lithium) at 4.6 mA and 3.3 V
    air = Air({"a": 0.0, "b": 9.0}, energy=EnergyConfig(battery_kwh=0.011)).until(HOUR_US)
    assert kpi(air.lora, "battery_min_days") == pytest.approx(11 / (4.6e-3 * 3.3) / 24)
    assert kpi(air.lora, "battery_mean_days") == pytest.approx(30.2, abs=0.05)


def test_who_sends_more_lives_shorter():
    fleets = {"nodes": RadiosConfig(listen=LOUD)}
    energy = EnergyConfig(battery_kwh=0.011)
    air = Air({"a": 0.0, "b": 9.0}, fleets, energy=energy, report_s=3600.0)
    for k in range(600):
        air.send(6 * k * S, 0, bytes(20), LOUD)
    air.until(HOUR_US)
    airtime_s = 600 * LOUD.airtime_us(20) / 1e6
    extra_j = airtime_s * (117.9 - 4.6) * 1e-3 * 3.3
    quiet_j = 3600 * 4.6e-3 * 3.3
    assert kpi(air.lora, "radio_max_kwh") * J_PER_KWH == pytest.approx(quiet_j + extra_j)
    assert kpi(air.lora, "radio_mean_kwh") * J_PER_KWH == pytest.approx(quiet_j + extra_j / 2)
    assert kpi(air.lora, "battery_min_days") < kpi(air.lora, "battery_mean_days")


def test_listening_before_talk_costs_reception():
    energy = EnergyConfig(idle="sleep", chip="sx1261")
    settings = {"energy": energy, "report_s": 3600.0}
    plain = Air({"a": 0.0, "b": 9.0}, **settings).send(S, 0, bytes(20)).until(HOUR_US)
    listening = Air({"a": 0.0, "b": 9.0}, listen_before_talk=ListenBeforeTalk(), **settings)
    listening.send(S, 0, bytes(20)).until(HOUR_US)
    more_j = (kpi(listening.lora, "radio_max_kwh") - kpi(plain.lora, "radio_max_kwh")) * J_PER_KWH
    assert more_j == pytest.approx(2560e-6 * (4.6 - 0.0006) * 1e-3 * 3.3, rel=1e-6)


def test_the_energy_of_each_radio_is_a_signal_if_asked_for():
    def port(air: Air) -> list[object]:
        return [out for out in air.lora.outputs if out.name == "energy_kwh"]

    (signal,) = port(Air({"a": 0.0, "b": 9.0}, energy=EnergyConfig()))
    assert signal.labels == ("nodes.0", "nodes.1")
    assert not port(Air({"a": 0.0, "b": 9.0}))


def test_a_radio_that_sleeps_between_packets_hears_nothing():
    energy = EnergyConfig(idle="sleep", battery_kwh=0.011)
    air = Air({"a": 0.0, "b": 9.0}, energy=energy).send(S, 0).until(60 * S)
    assert (air.frames, air.reasons) == ([], [(0, "deaf")])
    assert kpi(air.lora, "battery_min_days") > 1000
    (told,) = air.lora.warnings()
    assert told.startswith("nodes hears nothing: its radios idle in sleep")


def test_a_fleet_may_idle_otherwise_than_the_others_do():
    fleets = {
        "nodes": RadiosConfig(at=("a",)),
        "boss": RadiosConfig(at=("b",), idle="receive"),
    }
    energy = EnergyConfig(idle="sleep", battery_kwh=0.011)
    air = Air({"a": 0.0, "b": 9.0}, fleets, energy=energy)
    air.send(S, 0).send(30 * S, 0, fleet="boss").until(HOUR_US)
    assert [(heard.fleet, heard.t_us // S) for heard in air.heard] == [("boss", 1)]
    assert air.reasons == [(0, "deaf")]
    assert kpi(air.lora, "battery_min_days") == pytest.approx(30.2, abs=0.1)
    assert kpi(air.lora, "battery_mean_days") > 1000


def test_a_radio_that_sleeps_notices_no_packet_before_it_talks():
    # It wakes to look, so it finds what is in the air by looking alone.
    settings = {"listen_before_talk": ListenBeforeTalk(), "energy": EnergyConfig(idle="sleep")}
    air = Air({"a": 0.0, "b": 9.0}, **settings).send(S, 0, bytes(200))
    air.send(S + 100_000, 1).until(10 * S)
    awake = Air({"a": 0.0, "b": 9.0}, listen_before_talk=ListenBeforeTalk())
    awake.send(S, 0, bytes(200)).send(S + 100_000, 1).until(10 * S)
    assert kpi(air.lora, "listen_count") > kpi(awake.lora, "listen_count")
