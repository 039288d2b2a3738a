"""Airtime and sensitivity of LoRa against Semtech's formula and published figures."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import ceil

import numpy as np
import pytest
from pydantic import ValidationError

from gridmodel.wire.lora import BANDWIDTHS_KHZ, Modem, airtime_us


def _semtech_us(payload, sf, bandwidth_khz, cr, preamble, header, crc):
    """Return the airtime by the formula of Semtech's driver, in exact fractions.

    SWL2001 ``sx126x.c``: ``cr`` counts 1..4 here, and low data rate optimisation is that
    of ``ral_defs.h``, written out by bandwidth.
    """
    symbol_us = Fraction(2**sf) / Fraction(bandwidth_khz) * 1000
    slow = {62.5: (10, 11, 12), 125.0: (11, 12), 250.0: (12,), 500.0: ()}[bandwidth_khz]
    if sf >= 7:
        bits = max(8 * payload + 16 * crc - 4 * sf + 8 + 20 * header, 0)
        blocks = ceil(Fraction(bits, 4 * (sf - 2 * (sf in slow))))
        symbols = preamble + Fraction(17, 4) + 8 + blocks * (cr + 4)
    else:
        bits = max(8 * payload + 16 * crc - 4 * sf + 20 * header, 0)
        blocks = ceil(Fraction(bits, 4 * sf))
        symbols = preamble + Fraction(25, 4) + 8 + blocks * (cr + 4)
    return symbols * symbol_us


@pytest.mark.parametrize("bandwidth_khz", BANDWIDTHS_KHZ)
@pytest.mark.parametrize("sf", range(5, 13))
def test_airtime_is_that_of_semtechs_formula_to_the_microsecond(sf, bandwidth_khz):
    calculate = airtime_us.__wrapped__  # past the cache, which would grow by this grid
    worst = max(
        abs(
            calculate(payload, sf, bandwidth_khz, 4 + cr, preamble, header, crc)
            - _semtech_us(payload, sf, bandwidth_khz, cr, preamble, header, crc)
        )
        for payload, cr, preamble, header, crc in product(
            (*range(64), 127, 128, 254, 255), range(1, 5), (6, 12, 65535), (0, 1), (0, 1)
        )
    )
    assert worst == 0  # better than 1 us: every airtime is a whole number of microseconds


COLUMNS = [(5, 500), (7, 500), (7, 250), (7, 125), (8, 125), (9, 125), (10, 125), (11, 125),
           (12, 125)]  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "row_ms"),
    [
        # facts, 1.2: coding rate 4/5, preamble 8, and 12 at SF5
        (16, [4.2, 12.9, 25.7, 51.5, 92.7, 164.9, 329.7, 659.5, 1318.9]),
        (20, [4.6, 14.1, 28.3, 56.6, 102.9, 185.3, 370.7, 741.4, 1318.9]),
        (24, [5.2, 15.4, 30.8, 61.7, 113.2, 205.8, 370.7, 823.3, 1482.8]),
        (32, [6.2, 18.0, 36.0, 71.9, 133.6, 246.8, 452.6, 987.1, 1810.4]),
    ],
)
def test_airtime_is_that_of_the_published_table(payload, row_ms):
    modems = [
        Modem(spreading_factor=sf, bandwidth_khz=khz, preamble_symbols=12 if sf < 7 else 8)
        for sf, khz in COLUMNS
    ]
    found_ms = [modem.airtime_us(payload) / 1e3 for modem in modems]
    assert found_ms == pytest.approx(row_ms, abs=0.0501)


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ({"coding_rate": 8}, True),  # more check bits
        ({"explicit_header": False}, True),  # fewer header bits
        ({"crc": False}, True),
        ({"preamble_symbols": 16}, True),
        ({"frequency_mhz": 869.525}, False),  # where it sends does not matter
        ({"tx_power_dbm": 2.0}, False),  # nor how loud
    ],
)
def test_a_modem_gives_its_own_settings_to_the_formula(setting, changed):
    assert (Modem(**setting).airtime_us(20) != Modem().airtime_us(20)) == changed


@pytest.mark.parametrize(
    ("sf", "bandwidth_khz", "optimised"),
    [
        (10, 62.5, True),  # 16.384 ms a symbol: just long enough
        (9, 62.5, False),
        (11, 125.0, True),
        (10, 125.0, False),
        (12, 250.0, True),  # often forgotten by airtime calculators
        (11, 250.0, False),
        (12, 500.0, False),  # never at 500 kHz
    ],
)
def test_low_data_rate_form_begins_at_symbols_of_16_38_ms(sf, bandwidth_khz, optimised):
    # 100 bytes without header and check: the two forms need different numbers of blocks
    bits, symbol_us = 800 - 4 * sf + 8, 2**sf / bandwidth_khz * 1e3
    blocks = {form: -(-bits // (4 * (sf - 2 * form))) for form in (False, True)}
    assert blocks[False] != blocks[True]
    expected = (8 + 4.25 + 8 + 5 * blocks[optimised]) * symbol_us
    assert airtime_us(100, sf, bandwidth_khz, 5, 8, False, False) == expected


@pytest.mark.parametrize("sf", [5, 6])
def test_the_short_spreading_factors_have_a_sync_of_6_25_symbols_and_no_low_data_rate_form(sf):
    # a payload whose bits fit the header's block: preamble, sync, header symbols only
    symbol_us = 2**sf / 62.5 * 1e3
    assert airtime_us(0, sf, 62.5, 5, 12, False, False) == (12 + 6.25 + 8) * symbol_us
    blocks = -(-(800 - 4 * sf) // (4 * sf))
    assert airtime_us(100, sf, 62.5, 5, 12, False, False) == (
        (12 + 6.25 + 8 + 5 * blocks) * symbol_us
    )


@pytest.mark.parametrize("payload", [-1, 256, 1000])
def test_a_payload_that_fits_no_packet_is_refused(payload):
    with pytest.raises(ValueError, match=rf"0 to 255 bytes, not {payload}"):
        airtime_us(payload)


@pytest.mark.parametrize(
    ("sf", "bandwidth_khz", "symbol_us"),
    [
        (7, 125.0, 1024),  # the clock's whole microseconds lose nothing
        (5, 500.0, 64),  # the shortest
        (12, 62.5, 65_536),  # the longest
    ],
)
def test_a_symbol_lasts_two_to_the_spreading_factor_chips(sf, bandwidth_khz, symbol_us):
    assert Modem(spreading_factor=sf, bandwidth_khz=bandwidth_khz).symbol_us == symbol_us


@pytest.mark.parametrize(
    ("bandwidth_khz", "sf", "sensitivity_dbm"),
    [
        # facts, 1.3: noise figure 6 dB
        (125.0, 7, -124.5),
        (125.0, 8, -127.0),
        (125.0, 9, -129.5),
        (125.0, 10, -132.0),
        (125.0, 11, -134.5),
        (125.0, 12, -137.0),
        (250.0, 7, -121.5),
        (250.0, 12, -134.0),
        (500.0, 7, -118.5),
        (500.0, 12, -131.0),
        # the SX126x's own short spreading factors: 2.5 dB a step
        (125.0, 6, -122.0),
        (125.0, 5, -119.5),
    ],
)
def test_sensitivity_is_that_of_the_data_sheets(bandwidth_khz, sf, sensitivity_dbm):
    modem = Modem(spreading_factor=sf, bandwidth_khz=bandwidth_khz)
    assert modem.sensitivity_dbm() == pytest.approx(sensitivity_dbm, abs=0.1)


def test_a_noisier_receiver_hears_as_much_less():
    modem = Modem()
    assert modem.sensitivity_dbm(10.0) == pytest.approx(modem.sensitivity_dbm(6.0) + 4.0)
    assert modem.noise_dbm(0.0) == pytest.approx(-123.03, abs=0.01)  # kTB at 125 kHz


@pytest.mark.parametrize(
    "setting",
    [
        {"spreading_factor": 4},
        {"spreading_factor": 13},
        {"bandwidth_khz": 100.0},  # no such filter
        {"coding_rate": 4},
        {"coding_rate": 9},
        {"preamble_symbols": 5},
        {"frequency_mhz": 2400.0},  # a different chip
        {"tx_power_dbm": 31.0},
    ],
)
def test_settings_no_modem_has_are_refused(setting):
    with pytest.raises(ValidationError):
        Modem(**setting)


def _driver_us(payload, sf, khz, cr, preamble, header, crc, *, slow):
    """Return the airtime as Semtech's drivers count it: whole quarter symbols.

    SWL2001 ``sx126x_get_lora_time_on_air_numerator`` and its twin for the SX127x, whose
    low data rate bit the caller sets. ``cr`` counts 1..4.
    """
    numerator = 8 * payload + (16 if crc else 0) - 4 * sf + (20 if header else 0)
    if sf <= 6:
        denominator = 4 * sf
    else:
        numerator += 8
        denominator = 4 * (sf - 2) if slow else 4 * sf
    blocks = (max(numerator, 0) + denominator - 1) // denominator
    symbols = blocks * (cr + 4) + preamble + 12 + (2 if sf <= 6 else 0)
    chips = (4 * symbols + 1) * 2 ** (sf - 2)
    return Fraction(chips * 1000) / Fraction(khz)


@pytest.mark.parametrize("chip", ["sx126x", "sx127x"])
def test_airtime_of_1000_random_settings_is_that_of_semtechs_drivers_to_the_microsecond(chip):
    rng = np.random.default_rng(126)
    for _ in range(1000):
        sf = int(rng.integers(5 if chip == "sx126x" else 6, 13))
        khz = float(rng.choice(BANDWIDTHS_KHZ))
        payload, cr, preamble = (int(rng.integers(*span)) for span in ((256,), (1, 5), (6, 1000)))
        header, crc = bool(rng.integers(2)), bool(rng.integers(2))
        header = header and not (chip == "sx127x" and sf == 6)
        modem = Modem(
            chip=chip, spreading_factor=sf, bandwidth_khz=khz, coding_rate=cr + 4,
            preamble_symbols=preamble, explicit_header=header, crc=crc,
        )  # fmt: skip
        slow = 2**sf / khz >= 16.38  # ms
        expected = _driver_us(payload, sf, khz, cr, preamble, header, crc, slow=slow)
        assert abs(modem.airtime_us(payload) - expected) <= 1


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ({"spreading_factor": 5}, "an SX127x has no SF5"),
        ({"spreading_factor": 6}, "SF6 with explicit_header: false only"),
    ],
)
def test_an_sx127x_refuses_what_it_cannot_send(setting, match):
    Modem(**setting)  # an SX126x can
    with pytest.raises(ValidationError, match=match):
        Modem(chip="sx127x", **setting)


def test_an_sx127x_takes_sf6_with_an_implicit_header():
    short = {"spreading_factor": 6, "explicit_header": False, "preamble_symbols": 12}
    assert Modem(chip="sx127x", **short).airtime_us(20) == Modem(**short).airtime_us(20)


@pytest.mark.parametrize(
    ("setting", "count"),
    [
        ({}, 8),  # as records had it before there were chips and regions
        ({"chip": "sx127x"}, 9),
        ({"region": "US915", "frequency_mhz": 915.0}, 10),
        ({"region": "AS923", "frequency_mhz": 923.2, "chip": "sx127x"}, 10),
    ],
)
def test_a_packet_carries_its_modem_in_as_few_values_as_tell_it(setting, count):
    modem = Modem(**setting)
    values = list(modem.model_dump().values())
    assert len(values) == count
    assert Modem.of(values) == modem


@pytest.mark.parametrize(
    ("bandwidth_khz", "optimised"),
    [(62.5, {10, 11, 12}), (125.0, {11, 12}), (250.0, {12}), (500.0, set())],
)
def test_low_data_rate_optimisation_is_told_where_a_symbol_is_that_long(bandwidth_khz, optimised):
    modems = [Modem(spreading_factor=sf, bandwidth_khz=bandwidth_khz) for sf in range(5, 13)]
    assert {modem.spreading_factor for modem in modems if modem.optimised} == optimised
