"""The seal: what is forged, changed, cut or replayed is refused, and nothing else is."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import FrameError
from gridmodel.wire.failure_limit import FailureLimit
from gridmodel.wire.frames import LAYOUTS, PLAIN, SIGNED, FrameKind, body_bytes, pack, unpack
from gridmodel.wire.seal import (
    OVERHEAD_BYTES,
    Opener,
    Sealer,
    frame_bytes,
    node_key,
    peek,
    peek_kind,
)
from gridmodel.wire.signature import Signer, Verifier, public_key_of

KEY, OTHER_KEY = bytes(range(16)), bytes(range(1, 17))
SIGNER, OTHER_SIGNER = Signer(bytes(range(32))), Signer(bytes(range(1, 33)))
VERIFIER = Verifier(public_key_of(SIGNER.private_key))
SHED_ALL = {"valid_s": 3600, "delay_s": 2, "reason": 1}
SOURCE, DESTINATION = 7, 0
ORDER = {"allowed_mask": 3, "valid_s": 7200, "reason": 1}


def pair(counter=0):
    """Return a sender and its receiver that has heard everything up to a counter."""
    opener = Opener(SOURCE, KEY, counter, 1 if counter else 0, verifier=VERIFIER)
    return Sealer(SOURCE, KEY, counter, signer=SIGNER), opener


def orders(sealer, count):
    return [sealer.seal(FrameKind.ORDER, DESTINATION, ORDER) for _ in range(count)]


def state(opener):
    return opener.highest, opener.seen, opener.signed_count


def assert_refused(opener, frame, match=None):
    before = state(opener)
    with pytest.raises(FrameError, match=match):
        opener.open(frame)
    assert state(opener) == before, "a refused frame must not move the window"


@pytest.mark.parametrize("kind", FrameKind)
@given(data=st.data(), destination=st.integers(0, 255), counter=st.integers(0, 2**32 - 3))
def test_what_is_sealed_is_opened_as_it_was_sent(kind, data, destination, counter):
    values = {f.name: data.draw(st.integers(0, 2**f.bits - 1)) for f in LAYOUTS[kind]}
    if kind in PLAIN:
        values["counter_high"] = counter + 1 >> 16
    sealer, opener = pair(counter)
    frame = sealer.seal(kind, destination, values)
    opened = opener.open(frame)
    assert (opened.kind, opened.source, opened.destination) == (kind, SOURCE, destination)
    assert opened.counter == sealer.counter == counter + 1
    assert opened.values == unpack(kind, pack(kind, values))
    assert peek(frame) == (SOURCE, destination)


@pytest.mark.parametrize("kind", FrameKind)
def test_a_frame_is_nine_bytes_longer_than_its_body_and_a_signature(kind):
    frame = pair()[0].seal(kind, DESTINATION, {field.name: 1.0 for field in LAYOUTS[kind]})
    assert len(frame) == body_bytes(kind) + 9 + (64 if kind in SIGNED else 0)
    assert (len(frame), OVERHEAD_BYTES) == (frame_bytes(kind), 9)
    assert peek_kind(frame) == kind


@pytest.mark.parametrize("kind", sorted(set(FrameKind) - PLAIN))
def test_a_frame_hides_its_body(kind):
    values = {field.name: 1.0 for field in LAYOUTS[kind]}
    assert pack(kind, values) not in Sealer(SOURCE, KEY).seal(kind, DESTINATION, values)


def test_the_same_words_are_never_the_same_bytes():
    sealer, _ = pair()
    frames = orders(sealer, 300)
    assert len({frame[5:] for frame in frames}) == 300


def test_a_frame_under_another_key_is_refused():
    _, opener = pair()
    forged = Sealer(SOURCE, OTHER_KEY).seal(FrameKind.ORDER, DESTINATION, ORDER)
    assert_refused(opener, forged, "forged or broken")


def test_a_frame_of_another_sender_is_refused_even_under_this_key():
    _, opener = pair()
    assert_refused(opener, Sealer(SOURCE + 1, KEY).seal(FrameKind.ORDER, DESTINATION, ORDER))


@pytest.mark.parametrize("kind", FrameKind)
def test_a_flipped_bit_at_any_place_is_noticed(kind):
    sealer, opener = pair()
    frame = sealer.seal(kind, DESTINATION, {field.name: 1.0 for field in LAYOUTS[kind]})
    assert frame[0] >> 4 == 1
    for bit in range(8 * len(frame)):
        broken = bytearray(frame)
        broken[bit // 8] ^= 1 << bit % 8
        assert_refused(opener, bytes(broken))
    opener.open(frame)  # the true one still passes


def test_a_frame_cut_or_lengthened_anywhere_is_refused():
    sealer, opener = pair()
    (frame,) = orders(sealer, 1)
    for length in range(len(frame)):
        assert_refused(opener, frame[:length])
    assert_refused(opener, frame + b"\0")
    opener.open(frame)


def test_a_frame_is_accepted_once():
    sealer, opener = pair()
    frames = orders(sealer, 3)
    for frame in frames:
        opener.open(frame)
    for frame in frames:
        assert_refused(opener, frame, "replayed")


def test_frames_out_of_order_are_accepted_within_a_window_of_32_and_once():
    sealer, opener = pair()
    frames = orders(sealer, 33)
    opener.open(frames[32])
    assert_refused(opener, frames[0], "replayed")  # 32 older than the newest: too old
    for frame in reversed(frames[1:32]):  # 31 older and less
        opener.open(frame)
    for frame in frames:
        assert_refused(opener, frame, "replayed")


@given(
    steps=st.lists(st.integers(1, 60), min_size=1, max_size=40),
    order=st.randoms(use_true_random=False),
)
def test_every_frame_is_accepted_at_most_once_in_any_order_and_the_newest_always(steps, order):
    """Compare with a receiver that remembers every counter it ever took."""
    counters = [sum(steps[: k + 1]) for k in range(len(steps))]
    air = counters * 2
    order.shuffle(air)
    opener, taken, highest = Opener(SOURCE, KEY), set(), 0
    for counter in air:
        frame = Sealer(SOURCE, KEY, counter - 1).seal(FrameKind.ORDER, DESTINATION, ORDER)
        if counter in taken or counter <= highest - 32:
            assert_refused(opener, frame, "replayed")
        else:
            assert opener.open(frame).counter == counter
            taken.add(counter)
            highest = max(highest, counter)


@pytest.mark.parametrize(
    ("before", "lost"),
    [
        (65_530, 0),  # the low 16 bits wrap while every frame arrives
        (65_530, 20),  # they wrap while some are lost
        (65_535, 0),  # the last before the wrap
        (131_070, 3),  # a second wrap
        (40_000, 30_000),  # a long silence across a wrap
        (200, 32_700),  # a long silence without one
        (2**32 - 20, 0),  # the last counters a key has
    ],
)
def test_the_whole_counter_is_rebuilt_from_its_low_16_bits(before, lost):
    sealer, opener = pair(before)
    orders(sealer, lost)
    for frame in orders(sealer, 10):
        opened = opener.open(frame)
    assert opened.counter == sealer.counter == before + lost + 10


def test_a_late_frame_from_before_a_wrap_is_still_known_by_its_whole_counter():
    sealer, opener = pair(65_530)
    frames = orders(sealer, 12)  # 65,531 to 65,542
    opener.open(frames[-1])
    assert opener.open(frames[0]).counter == 65_531
    assert_refused(opener, frames[0], "replayed")


def test_a_frame_from_one_round_of_the_low_bits_ago_is_not_taken_for_a_new_one():
    (old,) = orders(Sealer(SOURCE, KEY, 100), 1)
    _, opener = pair(65_536 + 90)  # 101 and 65,637 end in the same 16 bits
    assert_refused(opener, old, "forged or broken")


def frame_of(first, counter, body, epoch=0):
    """Return a frame that a key holder could make, with any first byte and body."""
    header = bytes([first, SOURCE, DESTINATION]) + (counter & 0xFFFF).to_bytes(2, "big")
    nonce = bytes([SOURCE]) + counter.to_bytes(4, "big") + epoch.to_bytes(2, "big") + bytes(6)
    return header + AESCCM(KEY, tag_length=4).encrypt(nonce, body, header)


def test_a_frame_is_laid_out_as_the_documents_say():
    sealer, _ = pair(66_000)
    (frame,) = orders(sealer, 1)
    assert frame == frame_of(0x13, 66_001, pack(FrameKind.ORDER, ORDER))


def test_an_epoch_is_part_of_every_nonce():
    sealer = Sealer(SOURCE, KEY, 7, epoch=513)
    (frame,) = orders(sealer, 1)
    assert frame == frame_of(0x13, 8, pack(FrameKind.ORDER, ORDER), epoch=513)
    assert_refused(Opener(SOURCE, KEY), frame, "forged or broken")
    assert Opener(SOURCE, KEY, epoch=513).open(frame).counter == 8


@pytest.mark.parametrize(
    ("first", "text"),
    [
        (0x03, "version 0 is unknown"),
        (0x23, "version 2 is unknown"),  # of the future
        (0xF3, "version 15 is unknown"),
        (0x10, "kind 0 is unknown"),
        (0x1C, "kind 12 is unknown"),
        (0x1F, "kind 15 is unknown"),
    ],
)
def test_an_unknown_version_or_kind_is_refused_even_from_a_key_holder(first, text):
    _, opener = pair()
    assert_refused(opener, frame_of(first, 1, pack(FrameKind.ORDER, ORDER)), text)


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0\0", bytes(40)])
def test_a_body_of_a_wrong_length_is_refused_even_from_a_key_holder(body):
    _, opener = pair()
    assert_refused(opener, frame_of(0x13, 1, body), "ORDER body has 2 bytes")


#: Receivers in every condition: fresh, in the middle, before a wrap, at the end of a key.
openers = st.builds(
    Opener,
    st.just(SOURCE),
    st.just(KEY),
    st.one_of(st.just(0), st.integers(0, 2**32 - 1), st.integers(2**32 - 70_000, 2**32 - 1)),
    st.integers(0, 2**32 - 1),
)
headers = st.builds(
    lambda kind, low: bytes([0x10 | kind, SOURCE, DESTINATION]) + low.to_bytes(2, "big"),
    st.sampled_from(FrameKind),
    st.integers(0, 0xFFFF),
)


noise = st.one_of(
    st.binary(max_size=255), st.builds(bytes.__add__, headers, st.binary(min_size=4, max_size=64))
)


@given(opener=openers, frame=noise)
def test_no_bytes_do_more_than_be_refused(opener, frame):
    assert_refused(opener, frame)


def test_a_receiver_at_the_end_of_all_counters_refuses_what_would_lie_beyond():
    _, opener = pair(2**32 - 1)
    assert_refused(opener, bytes([0x13, SOURCE, DESTINATION, 0, 5]) + bytes(6))


def test_bytes_longer_than_any_packet_are_refused():
    _, opener = pair()
    (frame,) = orders(Sealer(SOURCE, KEY), 1)
    assert_refused(opener, frame + bytes(70_000))


@pytest.mark.parametrize("kind", sorted(SIGNED))
def test_a_signed_kind_needs_the_private_key_to_send_and_the_public_one_to_be_taken(kind):
    values = {field.name: 1.0 for field in LAYOUTS[kind]}
    with pytest.raises(FrameError, match="must be signed"):
        Sealer(SOURCE, KEY).seal(kind, DESTINATION, values)
    frame = pair()[0].seal(kind, DESTINATION, values)
    assert_refused(Opener(SOURCE, KEY), frame, "no public key")
    forged = Sealer(SOURCE, KEY, signer=OTHER_SIGNER).seal(kind, DESTINATION, values)
    assert_refused(pair()[1], forged, "signature is not the coordinator's")


def test_a_signature_is_of_one_epoch_kind_destination_counter_and_body():
    """Whoever holds the cell's key may change the rest and seal it anew, but not sign it."""
    sealer, opener = pair(66_000)
    frame = sealer.seal(FrameKind.SHED_ALL, DESTINATION, SHED_ALL)
    said, signature = frame[:10], frame[-64:]
    for changed in (
        bytes([0x1A]) + said[1:],  # a black start of it
        said[:2] + b"\xff" + said[3:],  # to everyone
        said[:3] + (66_002 & 0xFFFF).to_bytes(2, "big") + said[5:],  # once more
        said[:-1] + b"\0",  # for another reason
    ):
        counter = int.from_bytes(changed[5:7] + changed[3:5], "big")
        nonce = bytes([SOURCE]) + counter.to_bytes(4, "big") + bytes(8)
        tag = AESCCM(KEY, tag_length=4).encrypt(nonce, b"", changed)
        assert_refused(opener, changed + tag + signature, "signature is not")
    later = Opener(SOURCE, KEY, 66_000, 1, epoch=1, verifier=VERIFIER)
    tag = AESCCM(KEY, tag_length=4).encrypt(
        bytes([SOURCE]) + (66_001).to_bytes(4, "big") + b"\0\1" + bytes(6), b"", said
    )
    assert_refused(later, said + tag + signature, "signature is not")
    assert opener.open(frame).counter == 66_001


def test_a_signed_frame_is_taken_once_in_order_and_whatever_a_stolen_key_did_to_the_window():
    sealer, opener = pair()
    first, second = (sealer.seal(FrameKind.SHED_ALL, DESTINATION, SHED_ALL) for _ in range(2))
    thief = Sealer(SOURCE, KEY, 30_000)
    opener.open(*orders(thief, 1))
    assert opener.open(second).counter == 2
    assert_refused(opener, second, "replayed")
    assert_refused(opener, first, "replayed")  # older than one that was obeyed


def test_a_join_is_read_however_far_its_counter_lies_ahead():
    sealer, opener = pair(2**32 - 3)
    opener.highest = opener.seen = 0
    values = {"echo_count": 0, "program": 1, "parts_mask": 7}
    frame = sealer.seal(FrameKind.JOIN, DESTINATION, values)
    assert opener.open(frame).counter == opener.highest == 2**32 - 2
    assert_refused(opener, frame, "replayed")


def test_a_key_is_used_for_no_more_than_its_counters():
    sealer, _ = pair(2**32 - 2)
    orders(sealer, 1)
    with pytest.raises(FrameError, match="used up its counter"):
        orders(sealer, 1)


def test_a_forger_has_a_burst_of_tries_and_then_one_a_second():
    sealer, opener = pair()
    opener.limit = FailureLimit(burst=32, refill_us=1_000_000)
    (true,) = orders(sealer, 1)
    (forged,) = orders(Sealer(SOURCE, OTHER_KEY), 1)
    tried = 0
    for now_us in range(0, 100_000_000, 50_000):  # 20 a second for 100 s
        with pytest.raises(FrameError) as refused:
            opener.open(forged, now_us)
        tried += "forged or broken" in str(refused.value)
    assert tried == 32 + 99
    with pytest.raises(FrameError, match="32 frames failed of late"):
        opener.open(true, now_us)
    assert opener.open(true, 100_000_000).counter == 1


def test_a_forger_with_a_little_of_the_air_keeps_no_true_frame_out():
    sealer, opener = pair()
    opener.limit = FailureLimit()
    (forged,) = orders(Sealer(SOURCE, OTHER_KEY), 1)
    for _ in range(64):  # a burst first, as noise makes one
        with pytest.raises(FrameError):
            opener.open(forged, 0)
    for second in range(1, 200):
        for part in range(5):  # five frames a second: a fifth of the channel
            with pytest.raises(FrameError):
                opener.open(forged, second * 1_000_000 + part * 200_000)
        (true,) = orders(sealer, 1)
        assert opener.open(true, second * 1_000_000 + 900_000).counter == second


def test_replays_and_strangers_use_up_no_tries():
    sealer, opener = pair()
    opener.limit = FailureLimit(burst=3)
    frames = orders(sealer, 2)
    opener.open(frames[0])
    stranger = Sealer(SOURCE + 1, KEY).seal(FrameKind.ORDER, DESTINATION, ORDER)
    for bad in [frames[0], stranger, b"", b"\x23" + frames[1][1:]] * 5:
        assert_refused(opener, bad)
    assert opener.open(frames[1]).counter == 2


@given(frame=st.binary(max_size=20))
def test_a_look_at_an_address_needs_a_whole_frame(frame):
    if len(frame) < OVERHEAD_BYTES:
        with pytest.raises(FrameError, match=f"{len(frame)} bytes are too few"):
            peek(frame)
    else:
        assert peek(frame) == (frame[1], frame[2])


def test_every_node_of_every_cell_and_seed_has_a_key_of_its_own():
    keys = {
        node_key(seed, cell, address)
        for seed in (1, 2, 11)
        for cell in ("cell", "cell 1")
        for address in range(255)
    }
    assert len(keys) == 3 * 2 * 255
    assert {len(key) for key in keys} == {16}
    assert node_key(1, "cell", 3) == node_key(1, "cell", 3)
