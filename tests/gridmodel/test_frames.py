"""Frames: fixed length, bit for bit, and no value further off than half a step."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import FrameError
from gridmodel.wire.frames import LAYOUTS, FrameKind, body_bytes, pack, unpack


def _ends(field):
    """Return the least and the greatest value of a field."""
    codes = 2**field.bits
    low = -codes // 2 if field.signed else 0
    return field.offset + field.scale * low, field.offset + field.scale * (low + codes - 1)


def _values(kind, margin=0.0):
    """Return a strategy for the values of a kind; ``margin`` goes beyond the range."""
    ranges = {}
    for field in LAYOUTS[kind]:
        low, high = _ends(field)
        wider = margin * (high - low)
        ranges[field.name] = st.floats(low - wider, high + wider)
    return st.fixed_dictionaries(ranges)


each_kind = pytest.mark.parametrize("kind", FrameKind)


@each_kind
@given(data=st.data())
def test_every_value_in_range_comes_back_within_half_a_step(kind, data):
    values = data.draw(_values(kind))
    found = unpack(kind, pack(kind, values))
    for field in LAYOUTS[kind]:
        assert abs(found[field.name] - values[field.name]) <= field.scale / 2 + 1e-9


@each_kind
@given(data=st.data())
def test_whole_codes_come_back_exactly_and_do_not_touch_each_other(kind, data):
    values = {}
    for f in LAYOUTS[kind]:
        half = 2 ** (f.bits - 1) if f.signed else 0
        code = data.draw(st.integers(-half, 2**f.bits - 1 - half), f.name)
        values[f.name] = f.offset + f.scale * code
    assert unpack(kind, pack(kind, values)) == values


@each_kind
@given(data=st.data())
def test_a_value_out_of_range_is_sent_as_the_nearest_in_range(kind, data):
    values = data.draw(_values(kind, margin=2.0))
    found = unpack(kind, pack(kind, values))
    for field in LAYOUTS[kind]:
        low, high = _ends(field)
        nearest = min(max(values[field.name], low), high)
        assert abs(found[field.name] - nearest) <= field.scale / 2 + 1e-9


@pytest.mark.parametrize(
    ("kind", "field", "given", "sent"),
    [
        (FrameKind.TELEMETRY, "v_v", -5.0, 0.0),  # a sensor that lies
        (FrameKind.TELEMETRY, "v_v", 1000.0, 409.5),
        (FrameKind.TELEMETRY, "f_hz", 0.0, 45.0),  # a dark house
        (FrameKind.TELEMETRY, "p_kw", -200.0, -81.92),  # more than a house can draw
        (FrameKind.TELEMETRY, "p_kw", 200.0, 81.91),
        (FrameKind.TELEMETRY, "p_kw", inf, 81.91),  # beyond all numbers
        (FrameKind.TELEMETRY, "p_kw", -inf, -81.92),
        (FrameKind.BEACON, "soc_pu", 1.2, 1.023),
        (FrameKind.ORDER, "valid_s", 86_400.0, 7650.0),
        (FrameKind.DISPATCH, "p_kw", -100.0, -81.92),  # two's complement
        (FrameKind.DISPATCH, "p_kw", 100.0, 81.91),
        (FrameKind.STATE_OF_CHARGE, "p_kw", -inf, -81.92),
        (FrameKind.JOIN, "echo_count", 1e12, 2.0**32 - 1),
    ],
)
def test_a_field_saturates_at_its_own_bounds(kind, field, given, sent):
    values = {f.name: f.offset for f in LAYOUTS[kind]} | {field: given}
    found = unpack(kind, pack(kind, values))
    assert found[field] == pytest.approx(sent, abs=1e-9)
    assert {name: value for name, value in found.items() if name != field} == {
        name: value for name, value in values.items() if name != field
    }


@pytest.mark.parametrize(
    ("kind", "length"),
    [
        # as long as facts, 5.4 plan the slots for
        (FrameKind.TELEMETRY, 7),
        (FrameKind.BEACON, 3),
        (FrameKind.ORDER, 2),
        (FrameKind.ACKNOWLEDGE, 3),
        (FrameKind.HEARTBEAT, 3),
        (FrameKind.STATE_OF_CHARGE, 6),
        (FrameKind.DISPATCH, 6),
        (FrameKind.SHED, 4),
        (FrameKind.SHED_ALL, 5),
        (FrameKind.BLACK_START, 5),
        (FrameKind.JOIN, 8),
    ],
)
@given(data=st.data())
def test_a_body_has_one_length_whatever_it_says(kind, length, data):
    assert body_bytes(kind) == length
    assert len(pack(kind, data.draw(_values(kind, margin=5.0)))) == length


@pytest.mark.parametrize(
    ("kind", "values", "bits"),
    [
        (
            FrameKind.ORDER,
            {"allowed_mask": 5, "valid_s": 7200, "reason": 1},
            # mask, 240 x 30 s, reason, padding
            "101 11110000 001 00",
        ),
        (
            FrameKind.BEACON,
            {"grid_tied": 0, "scarce": 1, "soc_pu": 0.5, "period_s": 60},
            # tied, scarce, 500 x 0.001, 12 x 5 s, padding
            "0 1 0111110100 00001100 0000",
        ),
        (
            FrameKind.TELEMETRY,
            {"state": 2, "closed_mask": 3, "v_v": 230.9, "f_hz": 49.98, "p_kw": -1.23,
             "order_count": 517},
            # state, mask, 2309 x 0.1 V, 45 Hz + 4980 mHz, -81.92 kW + 8069 x 0.01, count
            "0010 011 100100000101 1001101110100 01111110000101 1000000101",
        ),
        (
            FrameKind.ACKNOWLEDGE,
            {"order_count": 40_000, "state": 1, "closed_mask": 7},
            # count, state, mask, padding
            "1001110001000000 0001 111 0",
        ),
        (
            FrameKind.HEARTBEAT,
            {"state": 5, "uptime_h": 800, "flags_mask": 0x81},
            "0101 001100100000 10000001",
        ),
        (
            FrameKind.STATE_OF_CHARGE,
            {"soc_pu": 0.731, "p_kw": -1.23, "headroom_kw": 4.5, "age_s": 6, "flags_mask": 3},
            # 731 x 0.001, -123 x 10 W in two's complement, 450 x 10 W, age, flags, padding
            "1011011011 11111110000101 0000111000010 110 00011 000",
        ),
        (
            FrameKind.DISPATCH,
            {"device": 0, "p_kw": 3.0, "q_kvar": -0.01, "valid_s": 900, "ramp_s": 15},
            # device, 300 x 10 W, -1 x 10 var, 90 x 10 s, 3 x 5 s, padding
            "0000 00000100101100 11111111111111 01011010 0011 0000",
        ),
        (
            FrameKind.SHED,
            {"level": 1, "group_mask": 0xA00F, "valid_s": 600, "reason": 17},
            "001 1010000000001111 00111100 10001",
        ),
        (
            FrameKind.SHED_ALL,
            {"counter_high": 258, "valid_s": 3600, "delay_s": 2, "reason": 9},
            "0000000100000010 000101101000 0000010 01001",
        ),
        (
            FrameKind.BLACK_START,
            {"counter_high": 1, "anchor": 200, "delay_s": 30, "stagger_s": 2.5},
            "0000000000000001 11001000 00000110 00000101",
        ),
        (
            FrameKind.JOIN,
            {"counter_high": 3, "echo_count": 65_536, "program": 2, "parts_mask": 5},
            "0000000000000011 00000000000000010000000000000000 00000010 00000101",
        ),
    ],
)  # fmt: skip
def test_a_body_on_the_air_is_these_bits(kind, values, bits):
    row = bits.replace(" ", "")
    body = int(row, 2).to_bytes(len(row) // 8, "big")
    assert pack(kind, values) == body
    assert unpack(kind, body) == pytest.approx(values)


@each_kind
@given(body=st.binary(max_size=12))
def test_a_body_of_a_wrong_length_is_refused_and_of_the_right_one_is_read(kind, body):
    if len(body) == body_bytes(kind):
        assert set(unpack(kind, body)) == {field.name for field in LAYOUTS[kind]}
    else:
        with pytest.raises(FrameError, match=rf"{kind.name} body has .* not {len(body)}"):
            unpack(kind, body)


@each_kind
def test_what_is_not_a_number_is_not_sent(kind):
    values = {field.name: 1.0 for field in LAYOUTS[kind]}
    for name in values:
        with pytest.raises(FrameError, match=f"{name} is not a number"):
            pack(kind, values | {name: nan})


@pytest.mark.parametrize("missing", ["valid_s", "reason", "allowed_mask"])
def test_a_field_cannot_be_forgotten(missing):
    values = {"allowed_mask": 7, "valid_s": 600, "reason": 0}
    del values[missing]
    with pytest.raises(KeyError, match=missing):
        pack(FrameKind.ORDER, values)


def test_kinds_fit_the_four_bits_the_header_has_for_them():
    assert all(0 < kind < 16 for kind in FrameKind)
    assert set(LAYOUTS) == set(FrameKind)
