"""Duty cycle: in no hour, wherever it begins, is a radio on air for longer than the law allows."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.wire.duty_cycle import EU868, HOUR_US, DutyLedger, sub_band
from tests.worst_hour import worst_hour_us

duties = st.sampled_from([band.duty_pu for band in EU868] + [1e-5, 0.0123])
#: Packets as parts of the budget, and pauses as parts of an hour.
packets = st.lists(
    st.tuples(
        st.floats(1e-3, 1.0), st.one_of(st.just(0.0), st.floats(0.0, 0.3), st.floats(0.9, 1.1))
    ),
    min_size=1,
    max_size=25,
)


def _obedient(duty_pu, wanted, patient):
    """Return what a sender puts on air that asks the ledger first."""
    ledger, sent, now = DutyLedger(duty_pu), [], 0
    for part, pause in wanted:
        airtime = max(int(part * ledger.budget_us), 1)
        now += int(pause * HOUR_US)
        if not ledger.allows(now, airtime):
            if not patient:
                continue
            now = ledger.earliest_us(now, airtime)
        ledger.book(now, airtime)
        sent.append((now, airtime))
        now += airtime
    return ledger, sent, now


@given(duty_pu=duties, wanted=packets, patient=st.booleans())
def test_a_sender_that_obeys_never_exceeds_its_budget_in_any_hour(duty_pu, wanted, patient):
    ledger, sent, _ = _obedient(duty_pu, wanted, patient)
    assert worst_hour_us(sent) <= ledger.budget_us


@given(duty_pu=duties, wanted=packets, part=st.floats(1e-3, 1.0), pause=st.floats(0.0, 1.1))
def test_the_earliest_instant_is_allowed_and_the_one_before_it_is_not(duty_pu, wanted, part, pause):
    ledger, _, now = _obedient(duty_pu, wanted, patient=True)
    now += int(pause * HOUR_US)
    airtime = max(int(part * ledger.budget_us), 1)
    earliest = ledger.earliest_us(now, airtime)
    assert earliest >= now
    assert deepcopy(ledger).allows(earliest, airtime)
    if earliest > now:
        assert not deepcopy(ledger).allows(earliest - 1, airtime)


@given(duty_pu=duties, wanted=packets, part=st.floats(1e-3, 1.0))
def test_a_refused_packet_would_have_broken_the_law(duty_pu, wanted, part):
    ledger, sent, now = _obedient(duty_pu, wanted, patient=True)
    airtime = max(int(part * ledger.budget_us), 1)
    would_break = worst_hour_us([*sent, (now, airtime)]) > ledger.budget_us
    assert ledger.allows(now, airtime) != would_break


@given(duty_pu=duties, wanted=packets, ago=st.floats(0.0, 1.5))
def test_used_airtime_is_what_lies_within_the_hour(duty_pu, wanted, ago):
    ledger, sent, now = _obedient(duty_pu, wanted, patient=True)
    end = now + int(ago * HOUR_US)
    within = sum(
        max(start + airtime - max(start, end - HOUR_US), 0)
        for start, airtime in sent
    )  # fmt: skip
    assert ledger.used_us(end) == within


def test_a_packet_leaves_the_window_bit_by_bit():
    ledger = DutyLedger(0.01)  # 36 s
    ledger.book(0, 36_000_000)
    # A packet of 1 s needs the first second of the old one to lie outside the hour that
    # ends with the new one, so it may start when that hour began with the old packet.
    assert ledger.earliest_us(36_000_000, 1_000_000) == HOUR_US
    assert ledger.earliest_us(36_000_000, 36_000_000) == HOUR_US
    assert ledger.earliest_us(2 * HOUR_US, 36_000_000) == 2 * HOUR_US


@pytest.mark.parametrize(
    ("duty_pu", "budget_us"),
    [
        (0.001, 3_600_000),  # 3.6 s an hour
        (0.01, 36_000_000),
        (0.10, 360_000_000),
    ],
)
def test_a_budget_is_a_share_of_an_hour_and_may_be_used_up(duty_pu, budget_us):
    ledger = DutyLedger(duty_pu)
    assert ledger.budget_us == budget_us
    assert ledger.allows(0, budget_us)
    assert not ledger.allows(0, budget_us + 1)


def test_a_packet_longer_than_the_whole_budget_is_refused_for_ever():
    ledger = DutyLedger(0.001)
    with pytest.raises(ValueError, match=r"never fits a budget of 3600 ms"):
        ledger.earliest_us(0, 3_600_001)


@pytest.mark.parametrize(
    ("frequency_mhz", "bandwidth_khz", "name"),
    [
        (868.1, 125.0, "868.0-868.6"),  # LoRaWAN's first channel
        (868.3, 250.0, "868.0-868.6"),
        (869.525, 125.0, "869.4-869.65"),  # its second receive window
        (869.525, 250.0, "869.4-869.65"),  # Meshtastic: fills the sub-band to both borders
        (868.0625, 125.0, "868.0-868.6"),  # touches the lower border
        (868.5375, 125.0, "868.0-868.6"),  # touches the upper border
        (867.5, 125.0, "865.0-868.0"),
        (864.0, 500.0, "863.0-865.0"),
        (868.95, 500.0, "868.7-869.2"),
        (869.85, 125.0, "869.7-870.0"),
    ],
)
def test_a_channel_lies_in_its_sub_band(frequency_mhz, bandwidth_khz, name):
    assert sub_band(frequency_mhz, bandwidth_khz).name == name


@pytest.mark.parametrize(
    ("frequency_mhz", "bandwidth_khz"),
    [
        (868.0, 125.0),  # crosses the border between two sub-bands
        (868.05, 125.0),  # its lower edge is outside
        (868.55, 125.0),  # its upper edge is outside
        (868.65, 62.5),  # between two sub-bands: alarms
        (869.525, 500.0),  # wider than its sub-band
        (862.9, 125.0),  # below all
        (870.5, 125.0),  # above all
        (915.0, 125.0),  # another continent
    ],
)
def test_a_channel_that_fits_no_sub_band_is_refused_with_those_there_are(
    frequency_mhz, bandwidth_khz
):
    with pytest.raises(ValueError, match=r"fits no EU868 sub-band; .*869\.4-869\.65") as error:
        sub_band(frequency_mhz, bandwidth_khz)
    assert f"{bandwidth_khz:g} kHz channel at {frequency_mhz:g} MHz" in str(error.value)


@pytest.mark.parametrize(
    ("frequency_mhz", "duty_pu", "power_dbm"),
    [
        # facts, 1.6: Semtech's region_eu_868_defs.h
        (864.0, 0.001, 14.0),
        (866.5, 0.01, 14.0),
        (868.3, 0.01, 14.0),
        (869.0, 0.001, 14.0),
        (869.525, 0.10, 27.0),
        (869.85, 0.01, 14.0),
    ],
)
def test_each_sub_band_has_its_duty_cycle_and_power(frequency_mhz, duty_pu, power_dbm):
    band = sub_band(frequency_mhz, 125.0)
    assert (band.duty_pu, band.power_dbm) == (duty_pu, power_dbm)
