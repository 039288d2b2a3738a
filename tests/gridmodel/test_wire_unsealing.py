"""Frames of a record are opened afterwards, wherever it begins."""

from __future__ import annotations

import pytest

from gridmodel.errors import FrameError
from gridmodel.wire.frames import COORDINATOR, EVERYONE, LAYOUTS, FrameKind
from gridmodel.wire.keys import provision
from gridmodel.wire.seal import Sealer, node_key, signing_key
from gridmodel.wire.signature import Signer
from gridmodel.wire.unsealing import Unsealer, peek_all

RINGS = provision([1, 2], neighbours=[(1, 2)])
OTHER = provision([1, 2])
HEART = {"state": 1, "uptime_h": 7, "flags_mask": 0}
ORDER = {"allowed_mask": 7, "valid_s": 60, "reason": 0}
SHED_ALL = {"counter_high": 0, "valid_s": 60, "delay_s": 0, "reason": 1}


def said(source: int, destination: int, counter: int, kind=FrameKind.HEARTBEAT, values=None):
    """Return a frame of one member to another with a counter of ours."""
    ring = RINGS[source]
    signer = Signer(ring.private_key) if ring.private_key else None
    sealer = Sealer(source, ring.keys[destination], counter - 1, signer=signer)
    return sealer.seal(kind, destination, values or HEART)


def of(address: int) -> Unsealer:
    return Unsealer.of_ring(RINGS[address])


@pytest.mark.parametrize(
    ("source", "destination"),
    [(1, COORDINATOR), (COORDINATOR, 1), (2, 1), (1, 2), (COORDINATOR, EVERYONE), (1, EVERYONE)],
)
@pytest.mark.parametrize("counter", [1, 0xFFFF, 0x10000, 200_000, 0x1F_0000 + 5])
def test_a_member_reads_what_it_said_and_was_told_at_any_counter(source, destination, counter):
    opened = of(1).open(said(source, destination, counter))
    assert (opened.source, opened.destination, opened.counter) == (source, destination, counter)
    assert opened.values == HEART


def test_a_row_that_wraps_its_low_half_and_comes_twice_and_late_is_read():
    unsealer = of(1)
    for counter in (0x2FFFE, 0x30003, 0x30003, 0x2FFFF, 0x30001, 0x2F000, 0x38000):
        assert unsealer.open(said(2, 1, counter)).counter == counter


def test_a_sender_that_began_anew_is_read():
    unsealer = of(1)
    assert unsealer.open(said(2, 1, 500_000)).counter == 500_000
    assert unsealer.open(said(2, 1, 3)).counter == 3


def test_what_is_signed_is_read_and_a_forged_signature_is_not():
    frame = said(COORDINATOR, EVERYONE, 70_000, FrameKind.SHED_ALL, SHED_ALL)
    assert of(1).open(frame).counter == 70_000
    with pytest.raises(FrameError, match="not the coordinator's"):
        of(1).open(frame[:-1] + bytes([frame[-1] ^ 1]))


def test_what_others_said_to_each_other_has_no_key_here():
    with pytest.raises(FrameError, match="no key for node 2 to node 0"):
        of(1).open(said(2, COORDINATOR, 5))


def test_a_frame_of_other_keys_is_refused_and_is_not_searched_for_for_ever():
    unsealer = Unsealer.of_ring(OTHER[1])
    frame = said(2, EVERYONE, 5)
    trials = []
    for _ in range(5):
        with pytest.raises(FrameError, match="forged, broken or of other keys"):
            unsealer.open(frame)
        trials.append(unsealer._failures[2])
    assert trials == [1, 2, 3, 3, 3]


def test_simulated_keys_come_from_the_seed():
    sealer = Sealer(3, node_key(7, 1, 3), 99)
    frame = sealer.seal(FrameKind.HEARTBEAT, COORDINATOR, HEART)
    assert Unsealer.of_seed(7, 1).open(frame).counter == 100
    lead = Sealer(COORDINATOR, node_key(7, 1, COORDINATOR), signer=Signer(signing_key(7, 1)))
    frame = lead.seal(FrameKind.SHED_ALL, EVERYONE, SHED_ALL)
    assert Unsealer.of_seed(7, 1).open(frame).values == SHED_ALL


def test_without_keys_a_frame_tells_who_speaks_and_a_plain_one_what():
    told = peek_all(said(1, COORDINATOR, 70_000))
    assert told == (FrameKind.HEARTBEAT, 1, COORDINATOR, 70_000 & 0xFFFF, {})
    values = {field.name: field.least for field in LAYOUTS[FrameKind.JOIN]}
    told = peek_all(said(1, COORDINATOR, 70_000, FrameKind.JOIN, values))
    assert told.values["counter_high"] == 1
    for rubbish in (b"", b"\x15\x01\x00", bytes(300), b"\xff" * 20):
        with pytest.raises(FrameError):
            peek_all(rubbish)
