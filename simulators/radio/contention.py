"""Contention: what waits at a node of a mesh, and for how many slots.

After the firmware of Meshtastic, `RadioInterface`: a node's own packet waits the longer
the busier the channel was, a relay the longer the better the packet was heard, and behind
all routers. See `simulators.radio.flood`.
"""

from __future__ import annotations

from simulators.radio.compiled import inner
from simulators.radio.event_heap import NEVER, plan
from simulators.radio.flood_state import DROPPED, PERIOD_US, PERIODS, QUEUE, REMEMBERED

#: Bounds of the contention window, as powers of two slots.
_CW_MIN, _CW_MAX = 3, 8
_SNR_MIN_DB, _SNR_MAX_DB = -20, 10
#: Time the firmware allows for building and taking apart a packet. [us]
_PROCESSING_US = 4_500_000
#: No timer is shorter than the firmware's clock. [us]
_TICK_US = 1000


@inner
def wait(ether, mesh, rng, node, t_us):  # type: ignore[no-untyped-def]
    """Start the timer for the head of the queue, unless it runs or there is none."""
    event = len(mesh.node) + node
    if mesh.node[node].waiting == 0 or mesh.heap.when_us[event] != NEVER:
        return
    if mesh.message[mesh.queue[node, 0].number % REMEMBERED].origin == node:
        slots = int(rng.random() * (1 << _window(mesh, node, t_us)))
    else:
        snr_db = min(mesh.queue[node, 0].snr_db, _SNR_MAX_DB)
        size = _mapped(snr_db, _SNR_MIN_DB, _SNR_MAX_DB)
        if ether.router[node]:
            slots = int(rng.random() * 2 * size)
        else:  # clients let all routers go first
            slots = 2 * _CW_MAX + int(rng.random() * (1 << size))
    plan(mesh.heap, event, t_us + max(slots * ether.slot_us, _TICK_US))


@inner
def _mapped(value, low, high):  # type: ignore[no-untyped-def]
    """Return a window's exponent: whole numbers, cut towards zero, as Arduino's map()."""
    scaled = (value - low) * (_CW_MAX - _CW_MIN)
    cut = abs(scaled) // (high - low)
    return max(_CW_MIN + (cut if scaled >= 0 else -cut), 0)


@inner
def _window(mesh, node, t_us):  # type: ignore[no-untyped-def]
    """Return the exponent of the window for a node's own packets, by channel utilisation."""
    note_heard(mesh.node, mesh.heard_us, node, t_us // PERIOD_US, 0)
    used_us = 0
    for k in range(PERIODS):
        used_us += mesh.heard_us[node, k]
    return _mapped(min(100 * used_us // (PERIODS * PERIOD_US), 100), 0, 100)


@inner
def clear(table, node, last, now):  # type: ignore[no-untyped-def]
    """Clear the buckets of a node that have passed since the last one written."""
    count = table.shape[1]
    for k in range(max(last, now - count) + 1, now + 1):
        table[node, k % count] = 0


@inner
def note_heard(nodes, heard_us, node, period, airtime_us):  # type: ignore[no-untyped-def]
    """Book airtime that a node sent or heard."""
    if nodes[node].heard_at != period:
        clear(heard_us, node, nodes[node].heard_at, period)
        nodes[node].heard_at = period
    heard_us[node, period % PERIODS] += airtime_us


@inner
def patience_us(ether, mesh, node, t_us, length):  # type: ignore[no-untyped-def]
    """Return how long a node waits for an acknowledgement. [us]"""
    slots = (1 << _window(mesh, node, t_us)) + 2 * _CW_MAX + (1 << ((_CW_MAX + _CW_MIN) // 2))
    return 2 * ether.airtime_us[length] + slots * ether.slot_us + _PROCESSING_US


@inner
def enqueue(mesh, node, number, hops, snr_db):  # type: ignore[no-untyped-def]
    """Put a packet into a node's queue: relays first, then own, each in their order."""
    size = mesh.node[node].waiting
    if size == QUEUE:
        mesh.counts[DROPPED] += 1
        return
    at = size
    if mesh.message[number % REMEMBERED].origin != node:
        while at > 0 and mesh.message[mesh.queue[node, at - 1].number % REMEMBERED].origin == node:
            at -= 1
    for k in range(size, at, -1):
        mesh.queue[node, k] = mesh.queue[node, k - 1]
    mesh.queue[node, at].number = number
    mesh.queue[node, at].hops = hops
    mesh.queue[node, at].snr_db = snr_db
    mesh.node[node].waiting = size + 1


@inner
def take(mesh, node, at):  # type: ignore[no-untyped-def]
    """Remove a place of a node's queue."""
    size = mesh.node[node].waiting - 1
    for k in range(at, size):
        mesh.queue[node, k] = mesh.queue[node, k + 1]
    mesh.node[node].waiting = size


@inner
def find(queue, node, size, number):  # type: ignore[no-untyped-def]
    """Return the place of a message in a node's queue, or -1."""
    for k in range(size):
        if queue[node, k].number == number:
            return k
    return -1
