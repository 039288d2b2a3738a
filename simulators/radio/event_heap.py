"""Event heap: the next of many named events, each of which can be moved.

Every event keeps its place for ever; one that is not planned stands at `NEVER`. So a
timer that is set anew leaves no stale entry, and the heap has a fixed size. Events of one
instant come in the order of their numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.radio.compiled import inner

Ints = NDArray[np.int64]
NEVER = np.iinfo(np.int64).max


class EventHeap(NamedTuple):
    """Instants by event, events in heap order, and each event's place there. [us]"""

    when_us: Ints
    order: Ints
    place: Ints


def event_heap(count: int) -> EventHeap:
    """Return a heap of events none of which is planned."""
    rows = np.arange(count, dtype=np.int64)
    return EventHeap(np.full(count, NEVER, dtype=np.int64), rows, rows.copy())


@inner
def plan(heap, event, t_us):  # type: ignore[no-untyped-def]
    """Plan an event for an instant, or for `NEVER`."""
    earlier = t_us < heap.when_us[event]
    heap.when_us[event] = t_us
    if earlier:
        _rise(heap, heap.place[event])
    else:
        _sink(heap, heap.place[event])


@inner
def _before(heap, a, b):  # type: ignore[no-untyped-def]
    t_a, t_b = heap.when_us[a], heap.when_us[b]
    return t_a < t_b or (t_a == t_b and a < b)


@inner
def _rise(heap, at):  # type: ignore[no-untyped-def]
    event = heap.order[at]
    while at > 0:
        above = (at - 1) >> 1
        if not _before(heap, event, heap.order[above]):
            break
        heap.order[at] = heap.order[above]
        heap.place[heap.order[at]] = at
        at = above
    heap.order[at] = event
    heap.place[event] = at


@inner
def _sink(heap, at):  # type: ignore[no-untyped-def]
    event = heap.order[at]
    count = len(heap.order)
    while True:
        below = 2 * at + 1
        if below >= count:
            break
        if below + 1 < count and _before(heap, heap.order[below + 1], heap.order[below]):
            below += 1
        if not _before(heap, heap.order[below], event):
            break
        heap.order[at] = heap.order[below]
        heap.place[heap.order[at]] = at
        at = below
    heap.order[at] = event
    heap.place[event] = at
