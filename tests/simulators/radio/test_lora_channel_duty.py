"""LoRa channel: duty cycle of each radio, and the share of time the air is used."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmodel.wire.duty_cycle import HOUR_US, sub_band
from gridmodel.wire.lora import Modem
from simulators.radio.channel import RadiosConfig
from tests.simulators.bench import S, kpi
from tests.simulators.radio.air import Air
from tests.simulators.radio.packets import SF7_20_BYTES_US, TRIANGLE, A, B
from tests.worst_hour import worst_hour_us

# duty cycle


@settings(max_examples=30)
@given(
    gaps=st.lists(
        st.tuples(st.one_of(st.floats(0.0, 60.0), st.floats(0.0, 2000.0)), st.integers(1, 255)),
        min_size=5, max_size=40,
    ),
    frequency_mhz=st.sampled_from([868.1, 864.0]),
)  # fmt: skip
def test_no_radio_exceeds_its_duty_cycle_in_any_hour(gaps, frequency_mhz):
    modem = Modem(spreading_factor=12, frequency_mhz=frequency_mhz)
    duty_pu = sub_band(frequency_mhz, 125.0).duty_pu
    air = Air({"a": 0.0, "b": 50.0}, {"nodes": RadiosConfig(listen=modem)}, report_s=3600.0)
    now, wanted = 0, []
    for index, (gap_s, size) in enumerate(gaps):
        now += round(gap_s * S)
        frame = index.to_bytes(2, "big") + bytes(size)[2:]
        wanted.append((now, frame))
        air.send(now, 0, frame, modem)
        now += modem.airtime_us(len(frame))
    air.until(now + HOUR_US)
    heard = {h.frame: h.t_us for h in air.heard}
    sent = [(t, modem.airtime_us(len(f))) for t, f in wanted if f in heard]
    assert kpi(air.lora, "sent_count") == len(sent)
    assert kpi(air.lora, "refused_count") == len(wanted) - len(sent)
    if sent:
        worst = worst_hour_us(sent)
        assert worst <= duty_pu * HOUR_US
        assert kpi(air.lora, "duty_max_pu") == pytest.approx(worst / (duty_pu * HOUR_US))
    # what was refused would have broken the law
    for k, (t, frame) in enumerate(wanted):
        if frame not in heard:
            before = [(s, a) for s, a in sent if s < t]
            more = [*before, (t, modem.airtime_us(len(wanted[k][1])))]
            assert worst_hour_us(more) > duty_pu * HOUR_US


def test_each_radio_and_each_sub_band_has_a_budget_of_its_own():
    slow = Modem(spreading_factor=12)
    loud = slow.model_copy(update={"frequency_mhz": 869.525})
    air = Air({"a": 0.0, "b": 50.0}, {"nodes": RadiosConfig(listen=slow)})
    airtime = slow.airtime_us(255)
    count = 36 * S // airtime + 1  # one more than fits 1 % of an hour
    for k in range(count):
        air.send(2 * k * airtime, 0, bytes(255), slow)
    end = 2 * count * airtime
    air.send(end, 1, bytes(255), slow).send(end + 2 * airtime, 0, bytes(255), loud).until(2 * end)
    assert kpi(air.lora, "refused_count") == 1
    assert kpi(air.lora, "sent_count") == count + 1


# figures


def test_the_share_of_time_on_air_is_told_each_window():
    air = Air(TRIANGLE, report_s=10.0)
    air.send(12 * S, 0, A).send(14 * S, 1, B).until(40 * S)
    told = {t: round(share * 10 * S) for t, share, _, _ in air.figures}
    assert told == {0: 0, 10 * S: 0, 20 * S: 2 * SF7_20_BYTES_US, 30 * S: 0, 40 * S: 0}


def test_packets_at_one_time_use_the_air_once():
    # "part of the last window some packet was in the air"
    air = Air(TRIANGLE, report_s=10.0)
    air.send(2 * S, 0, A).send(2 * S, 1, B).until(10 * S)
    (share,) = (share for t, share, _, _ in air.figures if t == 10 * S)
    assert share * 10 * S == pytest.approx(SF7_20_BYTES_US)


def test_a_packet_counts_in_each_window_as_long_as_it_is_in_the_air_there():
    slow = Modem(spreading_factor=12)
    airtime = slow.airtime_us(255)
    air = Air(TRIANGLE, report_s=10.0).send(5 * S, 0, bytes(255), slow).until(30 * S)
    told = {t: round(share * 10 * S) for t, share, _, _ in air.figures}
    assert told == {0: 0, 10 * S: 5 * S, 20 * S: airtime - 5 * S, 30 * S: 0}
