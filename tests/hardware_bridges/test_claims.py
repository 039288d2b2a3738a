"""Claims: one owner for each pin, chip, address and port; errors name both."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import BridgeError, FeedertwinError
from hardware_bridges.claims import ClaimError, Claims, board_claims, claims_of

THINGS = ["GPIO17", "SPI 0.1", "I2C 1 0x48", "serial /dev/ttyS0", "radio 0"]


@pytest.mark.parametrize("thing", THINGS)
def test_what_is_taken_twice_names_both_owners(thing):
    claims = Claims()
    claims.take(thing, "relay grid")
    with pytest.raises(ClaimError) as caught:
        claims.take(thing, "relay island")
    error = caught.value
    assert (error.resource, error.owner, error.other) == (thing, "relay island", "relay grid")
    assert str(error).startswith(f"{thing}: 'relay island' wants it, but 'relay grid' has it.")
    assert isinstance(error, FeedertwinError | RuntimeError)


def test_even_by_one_owner():
    claims = Claims()
    claims.take("GPIO17", "relay")
    with pytest.raises(ClaimError):
        claims.take("GPIO17", "relay")


@given(
    order=st.permutations(["GPIO4", "GPIO5", "SPI 0.0"]),
    again=st.sampled_from(["GPIO4", "GPIO5", "SPI 0.0"]),
)
def test_what_is_given_back_can_be_taken(order, again):
    claims = Claims()
    for thing in order:
        claims.take(thing, f"owner of {thing}")
    claims.release(f"owner of {again}")
    claims.take(again, "another")
    assert claims.owners() == {
        thing: "another" if thing == again else f"owner of {thing}" for thing in order
    }


def test_a_release_takes_nothing_from_others():
    claims = Claims()
    claims.take("GPIO4", "one")
    claims.release("other")
    with pytest.raises(ClaimError):
        claims.take("GPIO4", "other")


def test_giving_back_is_by_the_claim_and_not_by_the_name():
    claims = Claims()
    first, second = claims.take("GPIO4", "relay"), claims.take("GPIO5", "relay")
    claims.give_back([first])
    claims.give_back([first])
    assert claims.owners() == {"GPIO5": "relay"}
    claims.give_back([second])
    assert not claims.owners()


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        (("channel 0", "mcp3208", False), ("channel 1", "mcp3208", False), True),
        (("channel 0", "mcp3208", False), ("channel 0", "mcp3208", False), False),
        (("channel 0", "mcp3208", True), ("channel 0", "mcp3208", True), True),
        (("channel 0", "mcp3208", True), ("channel 0", "mcp3208", False), False),
        # another kind of chip at the same place cannot be
        (("channel 0", "mcp3208", False), ("channel 1", "mcp3008", False), False),
        # the whole of a thing excludes its parts
        (("", "", False), ("channel 1", "mcp3208", False), False),
        (("channel 1", "mcp3208", False), ("", "", False), False),
    ],
)
def test_parts_of_one_thing_can_be_shared_when_they_differ(first, second, together):
    claims = Claims()
    claims.take("SPI 0.0", "one", first[0], first[1], shared=first[2])
    if together:
        claims.take("SPI 0.0", "two", second[0], second[1], shared=second[2])
    else:
        with pytest.raises(ClaimError, match="'two' wants it, but 'one' has it"):
            claims.take("SPI 0.0", "two", second[0], second[1], shared=second[2])


def test_claims_hold_between_processes_by_lock_files(tmp_path):
    mine = Claims(tmp_path)
    claim = mine.take("serial /dev/ttyS0", "radio of house_1")
    code = (
        "import sys; from pathlib import Path; from hardware_bridges.claims import Claims;"
        "Claims(Path(sys.argv[1])).take('serial /dev/ttyS0', 'radio of house_2')"
    )
    line = [sys.executable, "-c", code, str(tmp_path)]
    other = subprocess.run(line, capture_output=True, text=True, check=False)
    assert "'radio of house_2' wants it, but 'radio of house_1' has it" in other.stderr
    mine.give_back([claim])
    assert subprocess.run(line, check=False).returncode == 0


def test_a_lock_is_kept_until_the_last_part_is_given_back(tmp_path):
    mine, other = Claims(tmp_path), Claims(tmp_path)
    parts = [mine.take("SPI 0.0", "supply", f"channel {k}", "mcp3208") for k in range(2)]
    mine.give_back(parts[:1])
    with pytest.raises(ClaimError, match="'pv' wants it, but 'supply' has it"):
        other.take("SPI 0.0", "pv", "channel 3", "mcp3208")
    mine.give_back(parts[1:])
    other.take("SPI 0.0", "pv", "channel 3", "mcp3208")
    other.release("pv")


def test_a_bench_has_one_board_and_two_benches_have_two():
    class Bench:
        pass

    one, other = Bench(), Bench()
    claims_of(one).take("GPIO4", "relay")
    claims_of(other).take("GPIO4", "relay")
    with pytest.raises(ClaimError):
        claims_of(one).take("GPIO4", "meter")


def test_a_machine_has_one_board():
    assert board_claims() is board_claims()


@pytest.mark.parametrize(
    ("bus", "pin"),
    [
        ("SPI 0.1", "GPIO10"),  # data to the chip
        ("SPI 0.1", "GPIO7"),  # its chip select
        ("I2C 1 0x48", "GPIO2"),
        ("serial /dev/ttyS0", "GPIO14"),
    ],
)
def test_a_pin_of_a_bus_in_use_is_taken(bus, pin):
    for first, second in ((bus, pin), (pin, bus)):
        claims = Claims()
        claims.take(first, "one")
        with pytest.raises(ClaimError, match=rf"\(beside {first}\): 'two' wants it, but 'one'"):
            claims.take(second, "two")


def test_pins_beside_a_bus_and_its_owner_s_own_select_are_free():
    claims = Claims()
    claims.take("SPI 0.0", "radio")
    claims.take("GPIO8", "radio")  # a board that selects its chip by a pin
    claims.take("GPIO7", "relay")
    claims.take("SPI 1.0", "meter")


def test_locks_are_every_user_s(tmp_path):
    before = os.umask(0o077)
    try:
        claims = Claims(tmp_path / "locks")
        claims.take("GPIO5", "self-test")
        claims.release("self-test")
    finally:
        os.umask(before)
    modes = [oct(path.stat().st_mode)[-3:] for path in (tmp_path / "locks", *(tmp_path / "locks").iterdir())]  # fmt: skip
    assert modes == ["777", "666"]


def test_a_lock_that_cannot_be_had_is_said(tmp_path):
    (tmp_path / "GPIO5.lock").mkdir()
    with pytest.raises(BridgeError, match="cannot be locked"):
        Claims(tmp_path).take("GPIO5", "relay")
