"""A provisioned cell: keys from files, members that meet, and what a thief cannot do."""

from __future__ import annotations

import json
import pickle
import random
import stat
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import FrameError, InputError, RecordError
from gridmodel.wire.counter_store import CounterStore
from gridmodel.wire.frames import COORDINATOR, EVERYONE, FrameKind
from gridmodel.wire.keys import KeyRing, provision, read_keys, write_keys
from gridmodel.wire.link import Link
from gridmodel.wire.seal import Sealer
from gridmodel.wire.signature import Signer, new_private_key

ORDER = {"allowed_mask": 3, "valid_s": 600, "reason": 1}
BEACON = {"grid_tied": 0, "scarce": 1, "soc_pu": 0.5, "period_s": 60}
SHED_ALL = {"valid_s": 600, "delay_s": 2, "reason": 1}


class Numbers:
    """Counters that survive a boot, as a store on disk gives them."""

    def __init__(self, start: int = 0) -> None:
        self._count = count(start + 1)

    def take(self) -> int:
        return next(self._count)


class Cell:
    """A coordinator and houses 1 and 2, with everything that was ever on the air."""

    def __init__(self, starts=(0, 0, 0)) -> None:
        self.rings = provision([1, 2], neighbours=[(1, 2)])
        self.numbers = {a: Numbers(start) for a, start in zip(self.rings, starts, strict=True)}
        self.links = {a: Link(self.rings[a], self.numbers[a]) for a in self.rings}
        self.air: list[bytes] = []

    def boot(self, address: int) -> Link:
        self.links[address] = Link(self.rings[address], self.numbers[address])
        return self.links[address]

    def meet(self, one: int = 1, other: int = COORDINATOR) -> Cell:
        """Let a member call another; both answer until nothing is left to say."""
        frame, ends = self.links[one].join(other), [other, one]
        before = len(self.air)
        while frame is not None:
            self.air.append(frame)
            assert len(self.air) <= before + 4, "they never fall silent"
            _, frame = self.links[ends[0]].open(0, frame)
            ends.reverse()
        return self

    def say(self, source: int, kind: FrameKind, destination: int, values) -> bytes:
        frame = self.links[source].seal(kind, destination, values)
        self.air.append(frame)
        return frame


def assert_refused(link: Link, frame: bytes, match: str) -> None:
    with pytest.raises(FrameError, match=match):
        link.open(0, frame)


# keys


def test_every_key_is_random_and_shared_by_two_or_by_the_cell():
    rings, others = provision([1, 2, 254], neighbours=[(1, 2)]), provision([1, 2, 254])
    assert set(rings) == {0, 1, 2, 254}
    shared = {ring.keys[EVERYONE] for ring in rings.values()}
    assert len(shared) == 1
    pairs = {
        frozenset((a, b)): key
        for a, ring in rings.items()
        for b, key in ring.keys.items()
        if b != EVERYONE
    }
    assert set(pairs) == {frozenset(p) for p in [(0, 1), (0, 2), (0, 254), (1, 2)]}
    for a, ring in rings.items():
        assert ring.keys.keys() - {EVERYONE} == {b for p in pairs if a in p for b in p - {a}}
        assert all(ring.keys[b] == pairs[frozenset((a, b))] for b in ring.keys if b != EVERYONE)
    every = [*shared, *pairs.values(), *(k for r in others.values() for k in r.keys.values())]
    assert len(set(every)) == 1 + 4 + 1 + 3
    assert {len(key) for key in every} == {16}


def test_only_the_coordinator_can_sign_and_no_ring_prints_its_keys():
    rings = provision([1])
    assert rings[1].private_key is None
    assert rings[0].private_key is not None
    assert rings[0].public_key == rings[1].public_key
    told = repr(rings) + repr(Link(rings[0], Numbers()))
    for key in (*rings[0].keys.values(), rings[0].private_key):
        assert key.hex() not in told
        assert repr(key) not in told


@pytest.mark.parametrize("address", [0, 255, -1])
def test_a_node_cannot_have_the_address_of_the_coordinator_or_of_everyone(address):
    with pytest.raises(ValueError, match="address is 1 to 254"):
        provision([address])


def test_a_key_file_is_its_owners_and_gives_back_the_ring(tmp_path: Path):
    for ring in provision([1, 2], cell=3, epoch=4).values():
        path = tmp_path / f"node_{ring.address}.json"
        write_keys(path, ring)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert read_keys(path) == ring
        with pytest.raises(RecordError, match="cannot be written"):
            write_keys(path, ring)  # never over another


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path):
    path = tmp_path / "keys.json"
    write_keys(path, provision([1])[1])
    path.chmod(0o640)
    with pytest.raises(InputError, match=r"others may read these keys\. Say: chmod 600"):
        read_keys(path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda told: told.pop("keys"), "is no key ring"),
        (lambda told: told.update(epoch=65_536), "epoch: is 65536"),
        (lambda told: told.update(address="1"), "address: is '1'"),
        (lambda told: told.update(public_key="00"), "a key is damaged"),
        (lambda told: told["keys"].update({"0": "zz"}), "a key is damaged"),
        (lambda told: told["keys"].update({"x": "00" * 16}), "is no key ring"),
        (lambda told: told["keys"].update({"256": "00" * 16}), "peer 256"),
        (lambda told: told["keys"].pop("255"), "is no key ring"),
        (lambda told: told.update(keys=[]), "is no key ring"),
    ],
)
def test_a_damaged_key_file_is_refused_and_tells_no_key(tmp_path: Path, change, text):
    path = tmp_path / "keys.json"
    write_keys(path, provision([1])[1])
    told = json.loads(path.read_text())
    secret = told["keys"]["255"]
    change(told)
    path.write_text(json.dumps(told))
    with pytest.raises(InputError, match=text) as refused:
        read_keys(path)
    assert secret not in str(refused.value)


@given(text=st.text(max_size=40))
def test_a_key_file_of_rubbish_is_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    path.touch(0o600)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError):
        read_keys(path)


# meeting


@pytest.mark.parametrize("starts", [(0, 0, 0), (70_000, 5, 0), (5, 2**31, 0), (2**32 - 99, 1, 0)])
def test_two_members_meet_by_three_frames_wherever_their_counters_stand(starts):
    cell = Cell(starts).meet()
    assert [len(frame) for frame in cell.air] == [17, 17, 17]
    assert cell.links[0].met(1)
    assert cell.links[1].met(0)
    order = cell.say(0, FrameKind.ORDER, 1, ORDER)
    opened, answer = cell.links[1].open(0, order)
    assert (opened.values, answer) == (pytest.approx(ORDER), None)
    acknowledge = cell.say(1, FrameKind.ACKNOWLEDGE, 0, {"order_count": 1, "state": 0, "closed_mask": 3})  # fmt: skip
    assert cell.links[0].open(0, acknowledge)[0].source == 1


def test_a_frame_of_a_peer_that_was_not_met_is_refused():
    cell = Cell()
    assert_refused(cell.links[1], cell.say(0, FrameKind.ORDER, 1, ORDER), "has not joined")
    assert_refused(cell.links[1], cell.say(0, FrameKind.BEACON, EVERYONE, BEACON), "not joined")
    assert not cell.links[1].met(0)


def test_two_that_call_each_other_at_once_meet_and_fall_silent():
    cell = Cell((500, 70_000, 0))
    air = [(0, cell.links[1].join(0)), (1, cell.links[0].join(1))]
    for _ in range(12):
        if not air:
            break
        to, frame = air.pop(0)
        _, answer = cell.links[to].open(0, frame)
        if answer is not None:
            air.append((1 - to, answer))
    assert not air
    assert cell.links[0].met(1)
    assert cell.links[1].met(0)


@given(luck=st.randoms(use_true_random=False))
def test_two_meet_over_a_channel_that_loses_half_as_soon_as_they_get_through(luck):
    cell = Cell((123, 456, 0))
    for _ in range(400):
        frame, ends = cell.links[1].join(0), [0, 1]
        while frame is not None and luck.random() < 0.5:
            _, frame = cell.links[ends[0]].open(0, frame)
            ends.reverse()
        if cell.links[0].met(1) and cell.links[1].met(0):
            break
    assert cell.links[0].met(1)
    assert cell.links[1].met(0)


def test_nothing_that_was_ever_on_the_air_makes_a_member_that_booted_obey():
    cell = Cell().meet().meet(2)
    for _ in range(3):
        cell.say(0, FrameKind.ORDER, 1, ORDER)
        cell.say(0, FrameKind.BEACON, EVERYONE, BEACON)
        cell.say(0, FrameKind.SHED_ALL, EVERYONE, SHED_ALL)
    house = cell.boot(1)
    for frame in cell.air * 2:
        try:
            opened, _ = house.open(0, frame)
            assert opened.kind == FrameKind.JOIN
        except FrameError:
            pass
    assert not house.met(0)


def test_after_it_met_again_a_member_obeys_what_is_new_and_nothing_old():
    cell = Cell().meet()
    for kind, to, values in (
        (FrameKind.ORDER, 1, ORDER), (FrameKind.BEACON, EVERYONE, BEACON),
        (FrameKind.SHED_ALL, EVERYONE, SHED_ALL),
    ):  # fmt: skip
        cell.say(0, kind, to, values)
    old = list(cell.air)
    house = cell.boot(1)
    cell.meet()
    assert house.met(0)
    for frame in old:
        with pytest.raises(FrameError):
            house.open(0, frame)
    for kind, to, values in (
        (FrameKind.ORDER, 1, ORDER), (FrameKind.BEACON, EVERYONE, BEACON),
        (FrameKind.SHED_ALL, EVERYONE, SHED_ALL),
    ):  # fmt: skip
        assert house.open(0, cell.say(0, kind, to, values))[0].kind == kind


def test_a_replayed_join_moves_nobody_back_and_brings_no_answer():
    cell = Cell().meet()
    cell.say(0, FrameKind.ORDER, 1, ORDER)
    cell.links[1].open(0, cell.air[-1])
    for link, frames in ((cell.links[1], cell.air[1::2]), (cell.links[0], cell.air[0::2])):
        for frame in frames:
            assert_refused(link, frame, "replayed|of node|unknown|is for")


def test_a_join_that_was_held_back_sets_no_counter_back():
    cell = Cell().meet()
    house, coordinator = cell.links[1], cell.links[0]
    _, held = coordinator.open(0, house.join(0))
    later = [
        cell.say(0, FrameKind.ORDER, 1, ORDER),
        cell.say(0, FrameKind.BEACON, EVERYONE, BEACON),
    ]
    for frame in later:
        house.open(0, frame)
    assert house.open(0, held)[0].kind == FrameKind.JOIN
    for frame in later:
        assert_refused(house, frame, "replayed")


def test_an_old_join_is_answered_once_and_does_not_keep_the_true_one_out():
    cell = Cell().meet()
    house = cell.boot(1)
    old = cell.air[1]  # an answer of the coordinator to the house's last life
    assert house.open(0, old)[1] is not None
    assert_refused(house, old, "replayed")
    assert not house.met(0)
    cell.meet()
    assert house.met(0)


def test_joins_that_prove_nothing_are_not_answered_for_ever():
    cell = Cell()
    house = cell.links[1]
    calls = [cell.links[0].join(1) for _ in range(200)]
    answers = 0
    for frame in calls:
        with suppress(FrameError):
            answers += house.open(0, frame)[1] is not None
    assert 1 <= answers <= 33


def test_neighbours_that_share_a_key_meet_and_exchange_without_the_coordinator():
    cell = Cell().meet(1, 2)
    values = {"soc_pu": 0.4, "p_kw": -2.5, "headroom_kw": 3.0, "age_s": 0, "flags_mask": 0}
    for destination in (2, EVERYONE):
        opened, _ = cell.links[2].open(
            0, cell.say(1, FrameKind.STATE_OF_CHARGE, destination, values)
        )
        assert opened.values == pytest.approx(values)


# an end that lost count


def test_an_order_is_obeyed_after_any_number_of_beacons_without_one():
    cell = Cell((100_000, 0, 0)).meet()
    for _ in range(33_000):
        cell.links[1].open(0, cell.links[0].seal(FrameKind.BEACON, EVERYONE, BEACON))
    order = cell.say(0, FrameKind.ORDER, 1, ORDER)
    assert cell.links[1].open(0, order)[0].kind == FrameKind.ORDER
    assert_refused(cell.links[1], order, "replayed")
    assert cell.links[1].refused_count == 1


def test_one_that_slept_through_half_a_count_doubts_and_is_healed_by_a_join():
    cell = Cell((100_000, 0, 0)).meet()
    house = cell.links[1]
    early = cell.say(0, FrameKind.ORDER, 1, ORDER)
    house.open(0, early)
    for _ in range(40_000):  # out of reach of the coordinator
        cell.numbers[0].take()
    for _ in range(3):
        assert not house.doubts(0)
        assert_refused(house, cell.say(0, FrameKind.ORDER, 1, ORDER), "forged|replayed")
    assert house.doubts(0)
    cell.meet()
    assert not house.doubts(0)
    assert house.open(0, cell.say(0, FrameKind.ORDER, 1, ORDER))
    assert house.open(0, cell.say(0, FrameKind.BEACON, EVERYONE, BEACON))
    assert_refused(house, early, "forged|replayed")


def test_a_frame_that_comes_twice_raises_no_doubt():
    cell = Cell().meet()
    beacon = cell.say(0, FrameKind.BEACON, EVERYONE, BEACON)
    cell.links[1].open(0, beacon)
    for _ in range(9):
        assert_refused(cell.links[1], beacon, "replayed")
    assert not cell.links[1].doubts(0)


# what a thief of house 2 cannot do to house 1


@pytest.fixture
def robbed():
    """A cell whose house 2 was opened: its ring is known."""
    cell = Cell().meet().meet(2)
    return cell, cell.rings[2]


def thief(ring: KeyRing, key: bytes, counter: int, signer: Signer | None = None) -> Sealer:
    return Sealer(COORDINATOR, key, counter, ring.epoch, signer=signer)


def test_a_stolen_house_forges_no_order_to_another(robbed):
    cell, ring = robbed
    for key in ring.keys.values():
        forged = thief(ring, key, 100).seal(FrameKind.ORDER, 1, ORDER)
        assert_refused(cell.links[1], forged, "forged or broken")


@pytest.mark.parametrize("kind", [FrameKind.SHED_ALL, FrameKind.BLACK_START])
def test_a_stolen_house_commands_no_street(robbed, kind):
    cell, ring = robbed
    values = SHED_ALL | {"anchor": 2, "stagger_s": 1}
    for key in ring.keys.values():
        forged = thief(ring, key, 100, Signer(new_private_key())).seal(kind, EVERYONE, values)
        assert_refused(cell.links[1], forged, "forged or broken")


def test_a_stolen_house_cannot_keep_a_signed_command_from_being_obeyed(robbed):
    """It can count the cell's key ahead, and so mutes beacons: this is what remains of them."""
    cell, ring = robbed
    forged = thief(ring, ring.keys[EVERYONE], 30_000).seal(FrameKind.BEACON, EVERYONE, BEACON)
    cell.links[1].open(0, forged)
    assert_refused(cell.links[1], cell.say(0, FrameKind.BEACON, EVERYONE, BEACON), "replayed")
    command = cell.say(0, FrameKind.SHED_ALL, EVERYONE, SHED_ALL)
    assert cell.links[1].open(0, command)[0].kind == FrameKind.SHED_ALL
    assert_refused(cell.links[1], command, "replayed")


@pytest.mark.parametrize("ahead", [100, 30_000, 2**31])
def test_a_join_ends_what_a_stolen_house_muted(robbed, ahead):
    cell, ring = robbed
    house, old = cell.links[1], cell.say(0, FrameKind.BEACON, EVERYONE, BEACON)
    house.open(0, old)
    forger = thief(ring, ring.keys[EVERYONE], cell.links[0].counter)
    while forger.counter < ahead:  # a frame may be 32,767 ahead of the one before
        forger.counter += min(32_000, ahead - forger.counter)
        house.open(0, forged := forger.seal(FrameKind.BEACON, EVERYONE, BEACON))
        if ahead == 2**31:
            house._peers[0].cell.highest = forger.counter = ahead
    for _ in range(3):
        assert_refused(house, cell.say(0, FrameKind.BEACON, EVERYONE, BEACON), "replayed|forged")
    assert house.doubts(0)
    heard_not = cell.air[-3:]
    cell.meet()
    assert house.open(0, cell.say(0, FrameKind.BEACON, EVERYONE, BEACON))
    for frame in (old, *heard_not):
        assert_refused(house, frame, "replayed")
    command = cell.say(0, FrameKind.SHED_ALL, EVERYONE, SHED_ALL)
    assert house.open(0, command)
    assert len(forged) == 12


def test_a_thief_who_forges_during_a_join_mutes_no_signed_command(robbed):
    cell, ring = robbed
    house = cell.links[1]
    _, answer = cell.links[0].open(0, house.join(0))
    forged = thief(ring, ring.keys[EVERYONE], 30_000).seal(FrameKind.BEACON, EVERYONE, BEACON)
    house.open(0, forged)
    house.open(0, answer)
    assert_refused(house, forged, "replayed")  # what was taken during the join stays taken
    assert house.open(0, cell.say(0, FrameKind.SHED_ALL, EVERYONE, SHED_ALL))
    cell.meet()
    assert house.open(0, cell.say(0, FrameKind.BEACON, EVERYONE, BEACON))


@pytest.mark.parametrize("seed", range(60))
def test_no_order_of_delays_replays_and_forgeries_makes_a_true_frame_taken_twice(seed):
    """The adversary chooses what arrives, when and how often, and has the cell's key.

    What it forged may come twice, after a join as well: it could forge it anew.
    """
    luck = random.Random(seed)
    cell = Cell((luck.choice([5, 65_500, 2**20]), 5, 5)).meet().meet(2)
    house, taken, forged, air = cell.links[1], set(), set(), []
    for _ in range(300):
        deed = luck.randrange(9)
        if deed < 2:
            kind = luck.choice([FrameKind.ORDER, FrameKind.BEACON, FrameKind.SHED_ALL])
            to = 1 if kind == FrameKind.ORDER else EVERYONE
            values = {FrameKind.ORDER: ORDER, FrameKind.BEACON: BEACON}.get(kind, SHED_ALL)
            air.append((1, cell.links[0].seal(kind, to, values)))
        elif deed == 2:
            air.append(luck.choice([(0, house.join(0)), (1, cell.links[0].join(1))]))
        elif deed == 3:
            key = cell.rings[2].keys[EVERYONE]
            at = house._peers[0].cell.highest + luck.randrange(-40, 32_000)
            frame = thief(cell.rings[2], key, max(at, 0)).seal(FrameKind.BEACON, EVERYONE, BEACON)
            forged.add(frame)
            air.append((1, frame))
        elif air:
            to, frame = luck.choice(air[-6:] if deed < 7 else air)
            with suppress(FrameError):
                opened, answer = cell.links[to].open(0, frame)
                if answer is not None:
                    air.append((1 - to, answer))
                if to == 1 and opened.kind != FrameKind.JOIN:
                    assert frame not in taken - forged
                    taken.add(frame)


def test_a_join_by_the_cells_key_proves_nobody(robbed):
    cell, ring = robbed
    values = {"echo_count": 0, "program": 0, "parts_mask": 0}
    forged = thief(ring, ring.keys[EVERYONE], 2**32 - 9).seal(FrameKind.JOIN, EVERYONE, values)
    assert_refused(cell.links[1], forged, "proves nobody")
    forged = thief(ring, ring.keys[EVERYONE], 2**32 - 9).seal(FrameKind.JOIN, 1, values)
    assert_refused(cell.links[1], forged, "forged or broken")


def test_a_signed_command_that_was_held_back_is_too_late_once_the_coordinator_spoke(robbed):
    cell, _ = robbed
    held = cell.say(0, FrameKind.BLACK_START, EVERYONE, SHED_ALL | {"anchor": 1, "stagger_s": 1})
    cell.links[1].open(0, cell.say(0, FrameKind.ORDER, 1, ORDER))
    assert_refused(cell.links[1], held, "replayed")


# life of a link


def test_a_link_that_takes_over_a_snapshot_goes_on_as_the_first_would():
    cell = Cell().meet()
    house = cell.links[1]
    old = cell.say(0, FrameKind.ORDER, 1, ORDER)
    house.open(0, old)
    state = pickle.loads(pickle.dumps(house.snapshot()))
    other = cell.boot(1)
    other.restore(state)
    assert other.met(0)
    assert_refused(other, old, "replayed")
    assert other.open(0, cell.say(0, FrameKind.ORDER, 1, ORDER))
    assert other.snapshot() != state
    assert house.snapshot() == state


def test_a_link_counts_what_it_refuses_and_needs_a_key_to_speak():
    cell = Cell()
    for frame in (b"", b"rubbish!!", cell.links[0].seal(FrameKind.ORDER, 2, ORDER)):
        assert_refused(cell.links[1], frame, "too few|unknown|is for node 2")
    assert cell.links[1].refused_count == 3
    with pytest.raises(FrameError, match="no key is shared with node 9"):
        cell.links[1].join(9)


def test_an_epoch_later_nothing_of_the_one_before_is_taken():
    rings = provision([1], epoch=1)
    later = KeyRing(0, 1, 2, rings[1].keys, rings[1].public_key)
    frame = Link(rings[0], Numbers()).join(1)
    assert_refused(Link(later, Numbers()), frame, "forged or broken")


def test_a_member_with_files_boots_and_meets_and_repeats_no_number(tmp_path: Path):
    rings = provision([1])
    for ring in rings.values():
        write_keys(tmp_path / f"{ring.address}.json", ring)
        CounterStore.create(tmp_path / f"{ring.address}.count")
    luck, seen = random.Random(1), set()
    for _ in range(4):  # boots
        links = [
            Link(read_keys(tmp_path / f"{a}.json"), CounterStore(tmp_path / f"{a}.count"))
            for a in rings
        ]
        frame, ends = links[1].join(0), [0, 1]
        for _ in range(3):
            assert (frame[1], frame[3:7]) not in seen  # a plain frame shows its whole counter
            seen.add((frame[1], frame[3:7]))
            _, frame = links[ends[0]].open(0, frame)
            ends.reverse()
        assert frame is None
        assert links[0].met(1)
        for _ in range(luck.randint(1, 400)):
            links[0].seal(FrameKind.ORDER, 1, ORDER)
        links.clear()  # the power goes, and with it the hold on the counters
