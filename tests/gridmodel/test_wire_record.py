"""A journal's entries are read back as they were written, and rubbish is counted."""

from __future__ import annotations

from contextlib import suppress
from math import nan

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import FrameError
from gridmodel.wire import frames_pb2 as wire
from gridmodel.wire.frames import FrameKind
from gridmodel.wire.record import (
    Event,
    FrameRecord,
    from_journal,
    from_record,
    to_journal,
    to_record,
    whole_bytes,
)
from gridmodel.wire.seal import Opened

BEACON = Opened(
    FrameKind.BEACON, 0, 255, 9, {"grid_tied": 0, "scarce": 1, "soc_pu": 0.5, "period_s": 60}
)
instants = st.integers(-(2**63), 2**63 - 1)
reports = st.floats(-200.0, 50.0, width=32)
records = st.one_of(
    st.builds(FrameRecord, instants, st.just(Event.STARTED), wall_ms=instants),
    st.builds(
        FrameRecord,
        instants,
        st.sampled_from([Event.SENT, Event.HEARD]),
        st.one_of(st.binary(min_size=1, max_size=255), st.just(BEACON)),
        st.one_of(st.none(), reports),
        st.one_of(st.none(), reports),
    ),
)
HEARD = FrameRecord(5_000_000, Event.HEARD, b"\x11frame", -101.5, 7.25)


@given(record=records)
def test_an_entry_is_given_back_as_it_was(record):
    assert from_record(to_record(record)) == record


def test_any_protobuf_reader_finds_plain_values_in_an_entry():
    told = json_format.MessageToDict(
        wire.FrameRecord.FromString(to_record(HEARD)), preserving_proto_field_name=True
    )
    assert told == {
        "t_us": "5000000", "event": "HEARD", "rssi_dbm": -101.5, "snr_db": 7.25,
        "sealed": "EWZyYW1l",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda m: m.ClearField("t_us"), "without an instant"),
        (lambda m: m.ClearField("event"), "unknown event"),
        (lambda m: setattr(m, "event", 9), "unknown event"),
        (lambda m: m.ClearField("sealed"), "without a frame"),
        (lambda m: setattr(m, "event", wire.FrameRecord.STARTED), "frame"),
        (lambda m: setattr(m, "sealed", b""), "0 bytes are no sealed frame"),
        (lambda m: setattr(m, "sealed", bytes(256)), "256 bytes are no sealed frame"),
        (lambda m: setattr(m, "snr_db", nan), "not finite"),
        (lambda m: setattr(m.frame, "version", 2), "version 2 is unknown"),
    ],
)
def test_an_entry_that_is_not_whole_is_refused_and_says_why(change, text):
    message = wire.FrameRecord.FromString(to_record(HEARD))
    change(message)
    with pytest.raises(FrameError, match=text):
        from_record(message.SerializeToString())


@given(found=st.lists(records, min_size=1, max_size=5), data=st.data())
def test_a_journal_cut_anywhere_gives_its_whole_entries(found, data):
    whole = to_journal(found)
    ends = [len(to_journal(found[:count])) for count in range(len(found) + 1)]
    cut = data.draw(st.integers(0, len(whole)))
    count = sum(end <= cut for end in ends) - 1
    journal = from_journal(whole[:cut])
    assert journal == (found[:count], 0, cut - ends[count])
    assert whole_bytes(whole[:cut]) == ends[count]


def test_zeros_that_a_power_cut_left_are_a_cut_tail():
    good = to_journal([HEARD])
    assert from_journal(good + bytes(500)) == ([HEARD], 0, 500)


def test_a_spoiled_entry_costs_itself_only():
    spoiled = bytearray(to_journal([HEARD, HEARD, HEARD]))
    at = len(to_journal([HEARD])) + 1
    spoiled[at] ^= 0xFF  # the second's first field
    journal = from_journal(bytes(spoiled))
    assert journal.records == [HEARD, HEARD]
    assert (journal.broken_count, journal.cut_bytes) == (1, 0)


@given(data=st.binary(max_size=1500))
def test_no_bytes_do_more_than_be_passed_over(data):
    journal = from_journal(data)
    assert 0 <= journal.cut_bytes <= len(data)
    with suppress(FrameError):
        from_record(data)
