"""Regions: the limits of each place, and that nothing is sent against them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmodel.wire.duty_cycle import AirtimeAccount
from gridmodel.wire.lora import Modem
from gridmodel.wire.regions import HOUR_US, REGIONS

S = 1_000_000


@pytest.mark.parametrize(
    ("region", "frequency_mhz", "bandwidth_khz", "duty_pu", "power_dbm", "dwell_us"),
    [
        ("EU868", 868.1, 125.0, 0.01, 14.0, 0),
        ("EU868", 869.525, 125.0, 0.10, 27.0, 0),
        ("US915", 902.3, 125.0, 1.0, 30.0, 400_000),  # the first of 64 channels
        ("US915", 914.9, 125.0, 1.0, 30.0, 400_000),  # the last
        ("US915", 915.0, 250.0, 1.0, 24.0, 400_000),
        ("US915", 903.0, 500.0, 1.0, 30.0, 0),  # the first of 8 wide ones
        ("US915", 927.5, 500.0, 1.0, 30.0, 0),  # the last one downwards
        ("AS923", 923.2, 125.0, 1.0, 16.0, 400_000),
        ("AS923", 923.4, 250.0, 1.0, 16.0, 400_000),
    ],
)
def test_a_channel_has_the_limits_of_its_region(
    region, frequency_mhz, bandwidth_khz, duty_pu, power_dbm, dwell_us
):
    band = REGIONS[region].rule(frequency_mhz, bandwidth_khz)
    assert (band.duty_pu, band.power_dbm, band.dwell_us) == (duty_pu, power_dbm, dwell_us)


@pytest.mark.parametrize(
    ("modem", "match"),
    [
        ({"region": "EU868", "frequency_mhz": 915.0}, "fits no EU868 sub-band"),
        ({"region": "US915", "frequency_mhz": 868.1}, "fits no US915 sub-band"),
        ({"region": "US915", "frequency_mhz": 927.9, "bandwidth_khz": 250.0}, "fits no US915"),
        (
            {
                "region": "US915",
                "frequency_mhz": 915.0,
                "bandwidth_khz": 250.0,
                "tx_power_dbm": 25.0,
            },
            r"above the 24 dBm \(conducted\)",
        ),
        ({"region": "AS923", "frequency_mhz": 928.0}, "fits no AS923 sub-band"),
        (
            {"tx_power_dbm": 14.5},
            r"14.5 dBm at 868.1 MHz is above the 14 dBm \(ERP\) of EU868 868.0-868.6 MHz; lower",
        ),
        ({"frequency_mhz": 869.525, "tx_power_dbm": 28.0}, "above the 27 dBm"),
        (
            {"region": "AS923", "frequency_mhz": 923.2, "tx_power_dbm": 20.0},
            r"above the 16 dBm \(EIRP\)",
        ),
    ],
)
def test_a_modem_that_its_region_does_not_allow_is_refused_with_the_limit(modem, match):
    with pytest.raises(ValueError, match=match):
        Modem(**modem).rule()


def test_an_unknown_region_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"'EU686' is no region\. Did you mean 'EU868'"):
        Modem(region="EU686")


@pytest.mark.parametrize("region", REGIONS)
def test_the_longest_packet_allowed_is_allowed_and_a_longer_one_is_not(region):
    for band in REGIONS[region].sub_bands:
        width = band.widths_khz[-1] if band.widths_khz else 125.0
        modem = Modem(
            region=region, bandwidth_khz=width, frequency_mhz=(band.low_mhz + band.high_mhz) / 2,
            tx_power_dbm=band.power_dbm,
        )  # fmt: skip
        account = AirtimeAccount()
        assert account.earliest_us(5, modem, band.packet_us) == 5
        if band.packet_us < HOUR_US:
            with pytest.raises(ValueError, match=r"dwell time|never fits"):
                account.earliest_us(5, modem, band.packet_us + 1)


# US915: SF7 242, SF8 125, SF9 53, SF10 11 bytes of payload by LoRaWAN, whose header has 13
@pytest.mark.parametrize(("sf", "size"), [(7, 242), (8, 125), (9, 53), (10, 11)])
def test_the_payload_caps_of_lorawan_fit_the_dwell_time(sf, size):
    modem = Modem(region="US915", frequency_mhz=902.3, spreading_factor=sf)
    assert AirtimeAccount().earliest_us(0, modem, modem.airtime_us(size + 13)) == 0


@pytest.mark.parametrize("sf", [11, 12])
def test_sf11_and_sf12_have_no_place_on_narrow_channels_under_a_dwell_time(sf):
    for region, frequency_mhz in (("US915", 902.3), ("AS923", 923.2)):
        modem = Modem(region=region, frequency_mhz=frequency_mhz, spreading_factor=sf)
        with pytest.raises(ValueError, match="longer than the dwell time of 400 ms"):
            AirtimeAccount().earliest_us(0, modem, modem.airtime_us(12))


def most_us(sent: list[tuple[int, int]], window_us: int) -> int:
    """Return the most airtime in any window: it begins or ends where a packet does."""
    edges = [edge for start, airtime in sent for edge in (start, start + airtime)]
    begins = {edge for e in edges for edge in (e, e - window_us)}
    return max(
        (
            sum(max(min(s + a, begin + window_us) - max(s, begin), 0) for s, a in sent)
            for begin in begins
        ),
        default=0,
    )


wishes = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0.0, 30.0), st.floats(0.0, 2000.0)),
        st.integers(0, 50),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60)
@given(wanted=wishes, patient=st.booleans(), region=st.sampled_from(["EU868", "US915"]))
def test_no_limit_is_exceeded_in_any_sliding_window(wanted, patient, region):
    sf, channels = (12, (868.1, 868.3, 864.0)) if region == "EU868" else (9, (902.3, 902.5, 914.9))
    account, now = AirtimeAccount(), 0
    sent: list[tuple[int, int, float]] = []
    for pause_s, size, channel in wanted:
        modem = Modem(region=region, spreading_factor=sf, frequency_mhz=channels[channel])
        airtime = modem.airtime_us(size)
        now += round(pause_s * S)
        earliest = account.earliest_us(now, modem, airtime)
        if earliest > now and not patient:
            continue
        now = earliest
        account.book(now, modem, airtime)
        sent.append((now, airtime, channels[channel]))
        now += airtime
    by_channel = [[(s, a) for s, a, f in sent if f == channel] for channel in channels]
    if region == "US915":
        assert all(most_us(packets, 20 * S) <= 400_000 for packets in by_channel)
    else:
        assert most_us(by_channel[0] + by_channel[1], HOUR_US) <= 0.01 * HOUR_US  # one sub-band
        assert most_us(by_channel[2], HOUR_US) <= 0.001 * HOUR_US


def test_dwell_time_is_counted_by_channel_and_leaves_with_its_window():
    modem = Modem(region="US915", frequency_mhz=902.3)
    other = Modem(region="US915", frequency_mhz=902.5)
    account = AirtimeAccount()
    account.book(0, modem, 300_000)
    assert account.earliest_us(S, modem, 100_000) == S
    assert account.earliest_us(S, modem, 100_001) == 20 * S + 1 - 100_001
    assert account.earliest_us(S, other, 400_000) == S
    assert account.used_pu(S, modem) == 0.75
    assert account.used_pu(20 * S + 200_000, modem) == 0.25
    assert account.used_pu(S, other) == 0.0


def test_a_token_bucket_that_starts_full_would_break_the_law_and_the_ledger_does_not():
    # The bucket holds an hour's budget and refills at the duty cycle, as MeshCore's does.
    modem = Modem(spreading_factor=12)
    airtime, budget = modem.airtime_us(20), 0.01 * HOUR_US
    account, by_ledger, by_bucket, tokens, last = AirtimeAccount(), [], [], budget, 0
    for now in range(0, HOUR_US, 2 * S):
        tokens, last = min(tokens + 0.01 * (now - last), budget), now
        if tokens >= airtime:
            tokens -= airtime
            by_bucket.append((now, airtime))
        if account.earliest_us(now, modem, airtime) == now:
            account.book(now, modem, airtime)
            by_ledger.append((now, airtime))
    assert most_us(by_bucket, HOUR_US) > 1.9 * budget
    assert budget - airtime < most_us(by_ledger, HOUR_US) <= budget


def test_channels_that_overlap_share_their_dwell_time():
    account = AirtimeAccount()
    modems = [
        Modem(region="US915", frequency_mhz=f_mhz) for f_mhz in (915.2, 915.2005, 915.26, 915.4)
    ]
    account.book(0, modems[0], 400_000)
    waits = [account.earliest_us(1_000_000, modem, 100_000) > 1_000_000 for modem in modems]
    assert waits == [True, True, True, False]


def test_a_packet_counts_on_every_channel_it_overlaps():
    # In the middle of two that were used before: each of them holds it.
    low, middle, high = (
        Modem(region="US915", frequency_mhz=f_mhz) for f_mhz in (902.3, 902.4, 902.5)
    )
    account = AirtimeAccount()
    account.book(0, low, 100_000)
    account.book(200_000, high, 100_000)
    assert account.earliest_us(S, middle, 300_001) > S
    account.book(S, middle, 300_000)
    assert account.earliest_us(2 * S, high, 1) > 2 * S
    assert account.earliest_us(2 * S, low, 1) > 2 * S


def test_channels_side_by_side_have_a_dwell_time_each():
    account = AirtimeAccount()
    for k in range(8):
        modem = Modem(region="US915", frequency_mhz=902.3 + 0.125 * k)
        assert account.earliest_us(S, modem, 400_000) == S
        account.book(S, modem, 400_000)
