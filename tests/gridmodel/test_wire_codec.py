"""A frame in protobuf says what it says on the air, and rubbish says nothing."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from math import nan

import pytest
from google.protobuf import json_format
from google.protobuf.proto import serialize_length_prefixed
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import FrameError
from gridmodel.wire import frames_pb2 as wire
from gridmodel.wire.codec import MOST_MESSAGE_BYTES, from_file, from_message, to_file, to_message
from gridmodel.wire.frames import LAYOUTS, FrameKind, pack, unpack
from gridmodel.wire.seal import Opened

opened = st.builds(
    lambda kind, source, destination, counter, codes: Opened(
        kind,
        source,
        destination,
        counter,
        {f.name: f.decode(code % 2**f.bits) for f, code in zip(LAYOUTS[kind], codes, strict=False)},
    ),
    st.sampled_from(FrameKind),
    st.integers(0, 254),
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 2**32 - 1), min_size=8, max_size=8),
)
BEACON = Opened(
    FrameKind.BEACON, 0, 255, 9, {"grid_tied": 0, "scarce": 1, "soc_pu": 0.5, "period_s": 60}
)


@given(frame=opened)
def test_a_message_gives_back_the_frame_bit_for_bit(frame):
    assert from_message(to_message(frame)) == frame


@given(frame=opened, data=st.data())
def test_a_value_between_two_steps_is_the_same_over_lora_and_in_protobuf(frame, data):
    values = {
        field.name: data.draw(st.floats(field.least - 9, field.most + 9))
        for field in LAYOUTS[frame.kind]
    }
    told = Opened(frame.kind, 1, 2, 3, values)
    assert from_message(to_message(told)).values == unpack(frame.kind, pack(frame.kind, values))


def test_any_protobuf_reader_finds_plain_values_in_it():
    message = wire.Frame.FromString(to_message(BEACON))
    told = json_format.MessageToDict(message, preserving_proto_field_name=True)
    assert told == {
        "version": 1,
        "source": 0,
        "destination": 255,
        "counter": 9,
        "beacon": {"grid_tied": 0, "scarce": 1, "soc_pu": 0.5, "period_s": 60.0},
    }


def test_a_field_that_a_newer_program_added_is_passed_over():
    assert from_message(to_message(BEACON) + b"\xf8\x07\x01") == BEACON


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda m: m.ClearField("version"), "version 0 is unknown"),
        (lambda m: setattr(m, "version", 2), "version 2 is unknown"),
        (lambda m: m.ClearField("beacon"), "unknown kind, or of none"),
        (lambda m: m.ClearField("counter"), "counter 0"),
        (lambda m: setattr(m, "source", 255), "source 255"),
        (lambda m: setattr(m, "destination", 256), "destination 256"),
        (lambda m: m.beacon.ClearField("scarce"), "BEACON message lacks scarce"),
        (lambda m: setattr(m.beacon, "soc_pu", nan), "soc_pu is not a number"),
    ],
)
def test_a_message_that_is_not_whole_is_refused_and_says_why(change, text):
    message = wire.Frame.FromString(to_message(BEACON))
    change(message)
    with pytest.raises(FrameError, match=text):
        from_message(message.SerializeToString())


def test_a_message_longer_than_any_frame_is_refused():
    with pytest.raises(FrameError, match="too many for a message"):
        from_message(bytes(MOST_MESSAGE_BYTES + 1))


@given(frames=st.lists(opened, max_size=6))
def test_a_file_gives_back_its_frames_and_is_cut_as_protobuf_cuts(frames):
    data = to_file(frames)
    assert list(from_file(data)) == frames
    again = [serialize_length_prefixed_bytes(to_message(frame)) for frame in frames]
    assert data == b"".join(again)


def serialize_length_prefixed_bytes(message: bytes) -> bytes:
    """Return a message as protobuf itself writes it into a file."""
    file = BytesIO()
    serialize_length_prefixed(wire.Frame.FromString(message), file)
    return file.getvalue()


@given(frames=st.lists(opened, min_size=1, max_size=3), lost=st.integers(1, 30))
def test_a_file_that_is_cut_off_gives_what_is_whole_and_then_an_error(frames, lost):
    data = to_file(frames)
    lost = min(lost, len(to_message(frames[-1])))
    found = from_file(data[:-lost])
    for frame in frames[:-1]:
        assert next(found) == frame
    with pytest.raises(FrameError):
        next(found)


@given(data=st.binary(max_size=1100))
def test_no_bytes_do_more_than_be_refused(data):
    for read in (from_message, lambda d: list(from_file(d))):
        with suppress(FrameError):
            read(data)


@given(frame=opened, flips=st.lists(st.integers(0, 2**16), min_size=1, max_size=6))
def test_a_spoiled_message_is_refused_or_a_frame_within_its_bounds(frame, flips):
    data = bytearray(to_message(frame))
    for flip in flips:
        data[flip // 8 % len(data)] ^= 1 << flip % 8
    try:
        found = from_message(bytes(data))
    except FrameError:
        return
    for field in LAYOUTS[found.kind]:
        assert field.least <= found.values[field.name] <= field.most + 1e-9
