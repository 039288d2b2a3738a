"""Frames: fixed length, bit for bit, and no value further off than half a step."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import FrameError
from gridmodel.wire.frames import LAYOUTS, FrameKind, body_bytes, pack, unpack


def _top(field):
    return field.offset + field.scale * (2**field.bits - 1)


def _values(kind, margin=0.0):
    """Return a strategy for the values of a kind; ``margin`` goes beyond the range."""
    return st.fixed_dictionaries(
        {
            field.name: st.floats(
                field.offset - margin * (_top(field) - field.offset),
                _top(field) + margin * (_top(field) - field.offset),
            )
            for field in LAYOUTS[kind]
        }
    )


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
    codes = {f.name: data.draw(st.integers(0, 2**f.bits - 1), f.name) for f in LAYOUTS[kind]}
    values = {f.name: f.offset + f.scale * codes[f.name] for f in LAYOUTS[kind]}
    assert unpack(kind, pack(kind, values)) == values


@each_kind
@given(data=st.data())
def test_a_value_out_of_range_is_sent_as_the_nearest_in_range(kind, data):
    values = data.draw(_values(kind, margin=2.0))
    found = unpack(kind, pack(kind, values))
    for field in LAYOUTS[kind]:
        nearest = min(max(values[field.name], field.offset), _top(field))
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


@pytest.mark.parametrize("missing", ["valid_s", "reason", "allowed_mask"])
def test_a_field_cannot_be_forgotten(missing):
    values = {"allowed_mask": 7, "valid_s": 600, "reason": 0}
    del values[missing]
    with pytest.raises(KeyError, match=missing):
        pack(FrameKind.ORDER, values)


def test_kinds_fit_the_four_bits_the_header_has_for_them():
    assert all(0 < kind < 16 for kind in FrameKind)
    assert set(LAYOUTS) == set(FrameKind)
