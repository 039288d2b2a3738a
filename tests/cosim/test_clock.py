"""The clock's law by itself: which value a link delivers, and who runs when."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.clock import BEFORE, CycleError, Slot, arrival_us, levels, newest
from gridmodel.federate import Message

instants = st.lists(st.integers(0, 50), unique=True, max_size=12).map(sorted)


@given(sent=instants, reader=st.integers(0, 60), delayed=st.booleans())
def test_a_link_delivers_the_newest_value_at_or_strictly_before_the_instant(sent, reader, delayed):
    slot = Slot("initial")
    history = [(BEFORE, "initial")]
    for t in sent:
        if t > reader:
            break  # an engine never runs a source ahead of a reader that can still read
        slot.put(t, f"sent at {t}")
        history.append((t, f"sent at {t}"))
    allowed = [value for t, value in history if (t < reader if delayed else t <= reader)]
    assert newest(slot, reader, delayed) == allowed[-1]


def test_a_second_value_of_one_instant_replaces_the_first_and_keeps_the_one_before():
    slot = Slot(None)
    slot.put(1, "old")
    slot.put(2, "draft")
    slot.put(2, "final")
    assert (newest(slot, 2, False), newest(slot, 2, True)) == ("final", "old")


@pytest.mark.parametrize(
    ("asked", "delayed", "passed", "arrives"),
    [
        (10, False, False, 10),  # a higher level in the same instant
        (10, False, True, 11),  # its level has passed
        (10, True, False, 11),  # a delayed link
        (25, True, True, 25),  # a message on its way arrives when it arrives
    ],
)
def test_a_message_arrives_when_asked_but_never_in_a_past_level(asked, delayed, passed, arrives):
    assert arrival_us(Message(asked, "x"), 10, delayed, passed) == arrives


def test_a_level_is_the_longest_undelayed_path():
    edges = [("a", "b"), ("b", "d"), ("a", "d"), ("c", "d")]
    assert levels("abcd", edges) == {"a": 0, "b": 1, "c": 0, "d": 2}


def test_a_loop_names_its_members_in_the_direction_of_the_links():
    with pytest.raises(CycleError) as caught:
        levels(["x", "p", "q", "r"], [("p", "q"), ("q", "r"), ("r", "p"), ("x", "p")])
    assert caught.value.names == ("p", "q", "r")


@given(
    edges=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20),
)
def test_levels_rise_along_every_link_or_there_is_a_loop(edges):
    names = [str(k) for k in range(8)]
    pairs = [(str(a), str(b)) for a, b in edges]
    try:
        found = levels(names, pairs)
    except CycleError as loop:
        closed = [*loop.names, loop.names[0]]
        assert all(pair in pairs for pair in pairwise(closed))
    else:
        assert all(found[a] < found[b] for a, b in pairs)
