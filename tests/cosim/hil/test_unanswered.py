"""Questions in real time that are lost: what they carried comes again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cosim.hil.unanswered import KEPT, Unanswered
from cosim.lines.messages import Ask
from gridmodel.ports import ReceivedFrame


def frame(k: int) -> ReceivedFrame:
    return ReceivedFrame(k, bytes([k % 256]), -90.0, 5.0)


def heard(k: int) -> Ask:
    """A question that brings the frame of its own number."""
    return Ask(k, "step", 10 * k, frames=(frame(k),))


def test_frames_of_a_lost_question_come_again_with_the_next_one():
    unanswered = Unanswered()
    sent = [unanswered.with_earlier(heard(k)) for k in (1, 2, 3)]
    assert unanswered.answered(3)
    sent.append(unanswered.with_earlier(heard(4)))
    assert [(ask.frame_count, ask.frames) for ask in sent] == [
        (0, (frame(1),)),
        (0, (frame(1), frame(2))),
        (0, (frame(1), frame(2), frame(3))),
        (3, (frame(4),)),
    ]


def test_a_node_that_is_deaf_for_long_is_not_sent_more_than_a_receiver_holds():
    unanswered = Unanswered()
    for k in range(1, 101):
        last = unanswered.with_earlier(heard(k))
    assert (last.frame_count, last.frames[0], last.frames[-1]) == (36, frame(37), frame(100))
    assert len(last.frames) == KEPT


def test_a_boot_of_which_the_node_was_not_told_is_told_again_and_what_was_before_is_lost():
    unanswered = Unanswered()
    unanswered.with_earlier(heard(1))
    unanswered.with_earlier(Ask(2, "boot", 20))
    last = unanswered.with_earlier(heard(3))
    assert (last.kind, last.boot_count, last.frame_count, last.frames) == (
        "step",
        1,
        1,
        (frame(3),),
    )


def test_answers_are_taken_once_and_only_to_what_was_asked():
    unanswered = Unanswered()
    unanswered.with_earlier(heard(1))
    assert [unanswered.answered(number) for number in (1, 1, 2)] == [True, False, False]


#: What becomes of a question: lost, or its answer is lost, or late by some questions, or in time.
FATES = st.lists(st.sampled_from(["lost", "answer lost", 0, 1, 2]), max_size=40)


@given(FATES)
def test_a_node_has_every_frame_once_and_in_order_whatever_is_lost(fates):
    unanswered, had, got = Unanswered(), 0, []
    under_way: list[tuple[int, int]] = []
    for k, fate in enumerate([*fates, 0], 1):
        ask = unanswered.with_earlier(heard(k))
        if fate != "lost":  # as a node does
            got += ask.frames[max(had - ask.frame_count, 0) :]
            had = max(had, ask.frame_count + len(ask.frames))
        if isinstance(fate, int):
            under_way.append((k + fate, k))
        for due, number in list(under_way):
            if due <= k:
                under_way.remove((due, number))
                assert unanswered.answered(number)
    assert got == [frame(k) for k in range(1, len(fates) + 2)]
