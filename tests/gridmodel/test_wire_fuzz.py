"""No bytes from the air crash a node: they are opened, or refused with a FrameError."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.edge.states import ALL
from gridmodel.codes import CIRCUITS
from gridmodel.errors import FrameError
from gridmodel.ports import ReceivedFrame
from gridmodel.wire.failure_limit import FailureLimit
from gridmodel.wire.frames import (
    COORDINATOR,
    EVERYONE,
    LAYOUTS,
    SIGNED,
    FrameKind,
    body_bytes,
    unpack,
)
from gridmodel.wire.keys import provision
from gridmodel.wire.link import Link
from gridmodel.wire.seal import Opener, Sealer, node_key, peek, peek_kind
from gridmodel.wire.signature import SIGNATURE_BYTES, Signer, Verifier, public_key_of
from tests.controllers.house import DARK, GOOD, SEED, House, volts

SIGNER = Signer(bytes(range(32)))
VERIFIER = Verifier(public_key_of(SIGNER.private_key))
KEY = bytes(16)


class Numbers:
    """Counters without a disk."""

    def __init__(self) -> None:
        self.number = 0

    def take(self) -> int:
        self.number += 1
        return self.number


def true_frame(kind: FrameKind, sealer: Sealer, destination: int = EVERYONE, code: int = 1):
    values = {f.name: f.decode(code % 2**f.bits) for f in LAYOUTS[kind]}
    return sealer.seal(kind, destination, values)


#: Ways to spoil a frame: bits, length, and a piece of another in its middle.
def spoiled(frame: bytes, luck: random.Random) -> bytes:
    data = bytearray(frame)
    for _ in range(luck.randint(1, 4)):
        way = luck.randrange(5)
        at = luck.randrange(len(data) or 1)
        if way == 0 and data:
            data[at] ^= 1 << luck.randrange(8)
        elif way == 1:
            del data[at:]
        elif way == 2:
            data += luck.randbytes(luck.randint(1, 80))
        elif way == 3:
            data[at:at] = luck.randbytes(luck.randint(1, 8))
        else:
            data[:1] = bytes([0x10 | luck.randrange(16)])
    return bytes(data)


@pytest.mark.parametrize("kind", FrameKind)
@given(body=st.binary(max_size=90))
def test_a_body_is_read_or_refused(kind, body):
    with suppress(FrameError):
        values = unpack(kind, body)
        assert all(f.least <= values[f.name] <= f.most + 1e-9 for f in LAYOUTS[kind])


@given(frame=st.binary(max_size=300), now_us=st.integers(-(2**40), 2**62))
def test_any_bytes_are_refused_by_every_reader(frame, now_us):
    opener = Opener(frame[1] if len(frame) > 1 else 0, KEY, verifier=VERIFIER, limit=FailureLimit())
    link = Link(provision([1])[1], Numbers())
    for read in (lambda: opener.open(frame, now_us), lambda: link.open(now_us, frame)):
        with pytest.raises(FrameError):
            read()
    for look in (peek, peek_kind):
        with suppress(FrameError):
            look(frame)


@given(said=st.binary(max_size=80), signature=st.binary(max_size=80), epoch=st.integers(0, 65_535))
def test_any_signature_is_refused(said, signature, epoch):
    with pytest.raises(FrameError):
        VERIFIER.verify(epoch, said, signature)
    true = SIGNER.sign(epoch, said)
    VERIFIER.verify(epoch, said, true)
    assert len(true) == SIGNATURE_BYTES
    with pytest.raises(FrameError):
        VERIFIER.verify(epoch ^ 1, said, true)


@pytest.mark.parametrize("seed", range(4))
def test_ten_thousand_spoiled_frames_are_refused_and_the_true_ones_taken(seed):
    luck = random.Random(seed)
    sealer = Sealer(0, KEY, luck.randrange(2**20), signer=SIGNER)
    opener = Opener(0, KEY, sealer.counter, 1, verifier=VERIFIER)
    taken = 0
    for n in range(2500):
        kind = luck.choice(list(FrameKind))
        frame = true_frame(kind, sealer, code=luck.randrange(2**32))
        bad = spoiled(frame, luck)
        if bad != frame:
            with pytest.raises(FrameError):
                opener.open(bad)
        if n % 3:
            assert opener.open(frame).kind == kind
            taken += 1
    assert taken == 1666


@given(
    kinds=st.lists(st.sampled_from(FrameKind), min_size=1, max_size=8),
    seed=st.integers(0, 2**32),
)
def test_a_link_bears_every_kind_at_every_time(kinds, seed):
    luck = random.Random(seed)
    rings = provision([1, 2], neighbours=[(1, 2)])
    links = {a: Link(ring, Numbers()) for a, ring in rings.items()}
    for kind in kinds:
        source = luck.choice([0, 2])
        destination = luck.choice([1, EVERYONE, 2 - source])
        values = {f.name: luck.uniform(f.least, f.most) for f in LAYOUTS[kind]}
        with suppress(FrameError):
            frame = links[source].seal(kind, destination, values)
            for data in (spoiled(frame, luck), frame):
                with suppress(FrameError):
                    _, answer = links[1].open(luck.randrange(2**40), data)
                    if answer is not None and luck.random() < 0.7:
                        links[source].open(0, answer)


def assert_sane(house: House) -> None:
    decisions = house.turns[-1].decisions
    assert decisions.wake_us > house.now_us
    assert set(decisions.relays) <= set(CIRCUITS) | {"grid", "island"}
    assert 0 <= house.mask <= ALL


heard = st.builds(
    ReceivedFrame,
    st.integers(-(2**40), 2**62),
    st.one_of(
        st.binary(max_size=255),
        st.builds(
            lambda first, rest: bytes([first, COORDINATOR, EVERYONE]) + rest,
            st.integers(0, 255),
            st.binary(min_size=6, max_size=80),
        ),
    ),
    st.floats(allow_nan=True),
    st.floats(allow_nan=True),
)


@given(frames=st.lists(st.lists(heard, max_size=5), min_size=1, max_size=8))
@settings(max_examples=100)
def test_a_house_that_hears_any_bytes_decides_as_if_it_had_heard_nothing(frames):
    house, quiet = House().until(100), House().until(100)
    for some in frames:
        house._step(some)
        quiet._step([])
        assert house.turns[-1].decisions == quiet.turns[-1].decisions
        assert_sane(house)
    assert house.kpi("refused_frame_count") == sum(map(len, frames))


@given(
    seed=st.integers(0, 2**32),
    switched=st.booleans(),
    supplies=st.lists(
        st.sampled_from([GOOD, DARK, volts(0.7), volts(1.0, 48.7), volts(1.0, 53.5)]),
        min_size=4,
        max_size=12,
    ),
)
def test_a_house_bears_every_kind_and_value_that_a_holder_of_the_key_can_send(
    seed, switched, supplies
):
    """A coordinator gone mad, or its key stolen: bodies at random, and some frames spoiled."""
    luck = random.Random(seed)
    house = House(3, **({"transfer": {}} if switched else {})).until(100)
    sealer = Sealer(COORDINATOR, node_key(SEED, 0, COORDINATOR), signer=SIGNER)
    for n, supply in enumerate(supplies):
        house.see(supply, grid=supply, island=luck.choice(supplies))
        house.until(100 + 20 * n)
        kind = luck.choice(list(FrameKind))
        body = unpack(kind, luck.randbytes(body_bytes(kind)))
        frame = sealer.seal(kind, luck.choice([3, EVERYONE, 4]), body)
        house.hear(spoiled(frame, luck), frame, frame)
        assert_sane(house)
    house.until(house.now_us / 1e6 + 300)
    assert_sane(house)


@pytest.mark.parametrize("kind", sorted(SIGNED))
def test_a_house_without_the_public_key_refuses_signed_commands_and_lives(kind):
    house = House().until(100)
    sealer = Sealer(COORDINATOR, node_key(SEED, 0, COORDINATOR), signer=SIGNER)
    house.hear(true_frame(kind, sealer))
    assert house.kpi("refused_frame_count") == 1
    assert_sane(house)
