"""A node's clock."""

from __future__ import annotations

from cosim.node.clock import NodeClock


class Wall:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def test_alone_it_follows_the_wall_at_its_factor():
    wall = Wall()
    clock = NodeClock(0.5, wall)
    wall.s += 1.0
    assert clock.now_us() == 2_000_000


def test_a_question_sets_it_and_it_shows_that_instant_until_the_next_one():
    wall = Wall()
    clock = NodeClock(1.0, wall)
    clock.set(7_000_000)
    wall.s += 3.0
    assert clock.now_us() == 7_000_000
    assert clock.running_us() == 10_000_000


def test_it_never_goes_back():
    clock = NodeClock(1.0, Wall())
    clock.set(7)
    clock.set(5)
    assert clock.now_us() == 7


def test_stepped_it_stands_and_nothing_is_ever_overdue():
    wall = Wall()
    clock = NodeClock(None, wall)
    clock.set(3)
    wall.s += 9.0
    assert clock.running_us() == 3
    assert clock.until_s(4) == float("inf")


def test_it_tells_the_wall_clock_time_until_an_instant():
    clock = NodeClock(0.1, Wall())
    clock.set(0)
    assert clock.until_s(5_000_000) == 0.5
    assert clock.until_s(-1) == 0.0
