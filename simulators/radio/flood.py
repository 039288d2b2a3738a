"""Flood: the managed flood of Meshtastic's firmware, compiled.

After the firmware's RadioInterface, RadioLibInterface, FloodingRouter, NextHopRouter and
ReliableRouter (read in its state of 2026): a node waits a random number of slots before it
sends, fewer the weaker it heard the packet; it drops its relay when it hears another's;
the origin takes any relay as an acknowledgement and else repeats, three times in all.

Left out: learned next hops and explicit acknowledgements of direct messages (they are
flooded like the rest), favourites, ROUTER_LATE, the queue's priorities beyond "relays
before own", adaptive coding rates. An SNR above 10 dB counts as 10 dB in the contention
window, where a radio's own reading ends.
"""

from __future__ import annotations

from simulators.radio.compiled import inlaid, inner, outer
from simulators.radio.contention import clear, enqueue, find, note_heard, patience_us, take, wait
from simulators.radio.event_heap import NEVER, plan
from simulators.radio.flood_state import (
    ACKNOWLEDGED,
    BUSY,
    CANCELLED,
    COLLIDED,
    DEAF,
    DROPPED,
    DUPLICATE,
    FAILED,
    FIRST,
    MINUTE_US,
    MINUTES,
    ORIGINATED,
    PENDING,
    PERIOD_US,
    REFUSED,
    RELAYED,
    REMEMBERED,
    REPEATED,
    SENT,
    UPGRADED,
)

#: Times a packet that wants an acknowledgement is sent at most.
_TRIES = 3


@outer
def run(ether, mesh, rng, starts, until_us, out):  # type: ignore[no-untyped-def]
    """Let the mesh live up to and with an instant; return its next own one. [us]

    ``starts`` has rows (t_us, node, number, bytes, hop limit, wants acknowledgement), sorted
    by time. Events of an instant come before packets that are handed over at it. It stops
    sooner when ``out`` has room left for less than one packet; then call it again.
    """
    heap = mesh.heap
    n = len(mesh.node)
    k = 0
    while True:
        event = heap.order[0]
        t_us = heap.when_us[event]
        if k < len(starts) and starts[k, 0] < t_us:
            if starts[k, 0] > until_us:
                break
            _originate(ether, mesh, rng, starts[k])
            k += 1
            continue
        if t_us > until_us or t_us == NEVER:
            break
        if 0 < len(out.t_us) < out.size[0] + n:
            break
        node = event % n
        plan(heap, event, NEVER)
        if event < n:
            _end(ether, mesh, rng, node, t_us, out)
        elif event < 2 * n:
            _try(ether, mesh, rng, node, t_us)
        else:
            _repeat(ether, mesh, rng, node, t_us)
    return heap.when_us[heap.order[0]]


@inlaid
def _originate(ether, mesh, rng, start):  # type: ignore[no-untyped-def]
    """Take over a packet of a node's own."""
    t_us, node, number, length, hops, reliable = start
    row = number % REMEMBERED
    message = mesh.message[row]
    message.number = number
    message.origin = node
    message.length = length
    message.hops = hops
    message.born_us = t_us
    mesh.seen[row, :] = 0
    mesh.seen[row, node] = hops + 1
    mesh.counts[ORIGINATED] += 1
    if reliable:
        _put_off(mesh, node, ether.airtime_us[length])
        for k in range(PENDING):
            if mesh.pending[node, k].number < 0:
                mesh.node[node].expecting += 1
                mesh.pending[node, k].number = number
                mesh.pending[node, k].left = _TRIES - 1
                mesh.pending[node, k].next_us = t_us + patience_us(ether, mesh, node, t_us, length)
                _plan_repeat(mesh, node)
                break
    enqueue(mesh, node, number, hops, 0)
    wait(ether, mesh, rng, node, t_us)


@inner
def _put_off(mesh, node, airtime_us):  # type: ignore[no-untyped-def]
    """Give all that wait for an acknowledgement the time in which none could be heard."""
    for k in range(PENDING):
        if mesh.pending[node, k].number >= 0:
            mesh.pending[node, k].next_us += airtime_us
    _plan_repeat(mesh, node)


@inner
def _give_up(mesh, node, k):  # type: ignore[no-untyped-def]
    """Wait no longer for an acknowledgement."""
    mesh.pending[node, k].number = -1
    mesh.node[node].expecting -= 1


@inner
def _plan_repeat(mesh, node):  # type: ignore[no-untyped-def]
    """Plan a node's next look at what was not acknowledged."""
    next_us = NEVER
    for k in range(PENDING):
        if mesh.pending[node, k].number >= 0:
            next_us = min(next_us, mesh.pending[node, k].next_us)
    event = 2 * len(mesh.node) + node
    if mesh.heap.when_us[event] != next_us:
        plan(mesh.heap, event, next_us)


@inlaid
def _repeat(ether, mesh, rng, node, t_us):  # type: ignore[no-untyped-def]
    """Send again what nobody was heard to relay."""
    for k in range(PENDING):
        number = mesh.pending[node, k].number
        if number < 0 or mesh.pending[node, k].next_us > t_us:
            continue
        row = number % REMEMBERED
        if mesh.pending[node, k].left == 0 or mesh.message[row].number != number:
            _give_up(mesh, node, k)
            mesh.counts[FAILED] += 1
            continue
        mesh.pending[node, k].left -= 1
        allowed_us = patience_us(ether, mesh, node, t_us, mesh.message[row].length)
        mesh.pending[node, k].next_us = t_us + allowed_us
        if find(mesh.queue, node, mesh.node[node].waiting, number) < 0:
            mesh.counts[REPEATED] += 1
            enqueue(mesh, node, number, mesh.message[row].hops, 0)
            wait(ether, mesh, rng, node, t_us)
    _plan_repeat(mesh, node)


@inlaid
def _try(ether, mesh, rng, node, t_us):  # type: ignore[no-untyped-def]
    """Send as the timer is over, unless the channel is busy or the law forbids it."""
    while mesh.node[node].waiting > 0:
        number = mesh.queue[node, 0].number
        row = number % REMEMBERED
        if mesh.message[row].number != number:  # waited so long that the mesh forgot it
            take(mesh, node, 0)
            mesh.counts[DROPPED] += 1
            continue
        if mesh.node[node].sending >= 0 or _busy(ether, mesh, rng, node, t_us):
            mesh.counts[BUSY] += 1
            wait(ether, mesh, rng, node, t_us)
            return
        airtime_us = ether.airtime_us[mesh.message[row].length]
        hops = mesh.queue[node, 0].hops
        take(mesh, node, 0)
        if _may(ether, mesh, node, t_us, airtime_us):
            _begin(mesh, node, number, hops, t_us, airtime_us)
            return
        mesh.counts[REFUSED] += 1


@inlaid
def _busy(ether, mesh, rng, node, t_us):  # type: ignore[no-untyped-def]
    """Return whether a node detects a packet on the air, rightly or not."""
    for k in range(mesh.log_len[0]):
        if (
            mesh.log[k].end_us > t_us
            and mesh.log[k].start_us + ether.sense_us <= t_us
            and ether.level_dbm[mesh.log[k].node, node] >= ether.floor_dbm
        ):
            return ether.miss_pu == 0.0 or rng.random() >= ether.miss_pu
    return ether.false_alarm_pu > 0.0 and rng.random() < ether.false_alarm_pu


@inlaid
def _may(ether, mesh, node, t_us, airtime_us):  # type: ignore[no-untyped-def]
    """Book airtime against a node's duty; return whether there was enough left."""
    now = t_us // MINUTE_US
    clear(mesh.sent_us, node, mesh.node[node].sent_at, now)
    mesh.node[node].sent_at = now
    used_us = airtime_us
    for k in range(MINUTES):
        used_us += mesh.sent_us[node, k]
    if used_us > ether.budget_us:
        return False
    mesh.sent_us[node, now % MINUTES] += airtime_us
    mesh.totals[3] = max(mesh.totals[3], used_us / ether.budget_us)
    return True


@inlaid
def _begin(mesh, node, number, hops, t_us, airtime_us):  # type: ignore[no-untyped-def]
    """Put a packet on the air."""
    mesh.node[node].sending = number
    mesh.node[node].hops = hops
    mesh.node[node].since_us = t_us
    mesh.node[node].until_us = t_us + airtime_us
    k = mesh.log_len[0]
    if k == len(mesh.log):  # never seen; the oldest harms the least
        k -= 1
        for j in range(k):
            mesh.log[j] = mesh.log[j + 1]
    mesh.log[k].node = node
    mesh.log[k].start_us = t_us
    mesh.log[k].end_us = t_us + airtime_us
    mesh.log_len[0] = k + 1
    mesh.counts[SENT] += 1
    mesh.counts[RELAYED] += mesh.message[number % REMEMBERED].origin != node
    mesh.totals[2] += airtime_us
    plan(mesh.heap, node, t_us + airtime_us)


@inlaid
def _end(ether, mesh, rng, node, t_us, out):  # type: ignore[no-untyped-def]
    """End a packet: judge it at everyone who can hear its sender."""
    start_us = mesh.node[node].since_us
    airtime_us = t_us - start_us
    period = t_us // PERIOD_US
    number, hops = mesh.node[node].sending, mesh.node[node].hops
    known = mesh.message[number % REMEMBERED].number == number
    mesh.node[node].sending = -1
    alone = True
    for k in range(mesh.log_len[0]):
        other = mesh.log[k]
        alone &= other.node == node or other.end_us <= start_us or other.start_us >= t_us
    for k in range(ether.first[node], ether.first[node + 1]):
        receiver = ether.near[k]
        if not alone:
            fate = _fate(
                ether.level_dbm, mesh.log, mesh.log_len[0], node, receiver, start_us,
                start_us + ether.free_us, t_us, ether.capture_db,
            )  # fmt: skip
            if fate >= 0:
                mesh.counts[fate] += 1
                if fate == COLLIDED:
                    note_heard(mesh.node, mesh.heard_us, receiver, period, airtime_us)
                continue
        note_heard(mesh.node, mesh.heard_us, receiver, period, airtime_us)
        if known:
            _receive(ether, mesh, rng, node, receiver, number, hops, t_us, out)
    note_heard(mesh.node, mesh.heard_us, node, period, airtime_us)
    _forget(mesh.node, mesh.log, mesh.log_len, t_us)
    wait(ether, mesh, rng, node, t_us)


@inlaid
def _fate(  # type: ignore[no-untyped-def]  # noqa: PLR0913  tables cost more than numbers
    level_dbm, log, flights, node, receiver, start_us, guarded_us, end_us, capture_db
):
    """Return `DEAF`, `COLLIDED`, or -1 for a packet that a receiver gets."""
    fate = -1
    own_dbm = level_dbm[node, receiver]
    for k in range(flights):
        other = log[k]
        if other.end_us <= start_us or other.start_us >= end_us or other.node == node:
            continue
        if other.node == receiver:
            return DEAF
        ahead_db = own_dbm - level_dbm[other.node, receiver]
        if other.end_us > guarded_us and ahead_db < capture_db:
            fate = COLLIDED
    return fate


@inlaid
def _forget(nodes, log, log_len, t_us):  # type: ignore[no-untyped-def]
    """Drop transmissions that can overlap nothing that is still in the air."""
    oldest_us = t_us
    for k in range(log_len[0]):  # one that has not ended yet is in the air
        if log[k].end_us > t_us or nodes[log[k].node].sending >= 0:
            oldest_us = min(oldest_us, log[k].start_us)
    kept = 0
    for k in range(log_len[0]):
        if log[k].end_us > oldest_us:
            log[kept] = log[k]
            kept += 1
    log_len[0] = kept


@inlaid
def _receive(  # type: ignore[no-untyped-def]  # noqa: PLR0913  the pieces of one reception
    ether, mesh, rng, sender, receiver, number, hops, t_us, out
):
    """Let a node take a packet it received: new, its own, or known."""
    row = number % REMEMBERED
    message = mesh.message[row]
    if mesh.node[receiver].expecting:
        _acknowledge(mesh, receiver, number, ether.airtime_us[message.length])
    if message.origin == receiver:
        return
    known = mesh.seen[row, receiver]
    if hops + 1 > known:
        mesh.seen[row, receiver] = hops + 1
    # What a radio reads as SNR, cut towards zero as in the firmware.
    snr_db = int(ether.level_dbm[sender, receiver] - ether.noise_dbm)
    if known == 0:
        mesh.counts[FIRST] += 1
        mesh.totals[0] += t_us - message.born_us
        mesh.totals[1] += message.hops - hops + 1
        _tell(out, t_us, number, sender, receiver)
        if hops > 0:
            enqueue(mesh, receiver, number, hops - 1, snr_db)
    else:
        mesh.counts[DUPLICATE] += 1
        if mesh.node[receiver].waiting or hops == message.hops:
            _again(ether, mesh, receiver, number, hops, snr_db, hops + 1 > known)
    if mesh.node[receiver].waiting:
        wait(ether, mesh, rng, receiver, t_us)


@inlaid
def _again(  # type: ignore[no-untyped-def]
    ether, mesh, receiver, number, hops, snr_db, better
):
    """Let a node take a packet it knows: relay the better copy, or drop its own relay."""
    at = find(mesh.queue, receiver, mesh.node[receiver].waiting, number)
    if better and at >= 0 and mesh.queue[receiver, at].hops < hops:
        mesh.counts[UPGRADED] += 1
        take(mesh, receiver, at)
        enqueue(mesh, receiver, number, hops - 1, snr_db)
    elif hops == mesh.message[number % REMEMBERED].hops:  # its origin has heard no relay
        if at < 0 and hops > 0:
            enqueue(mesh, receiver, number, hops - 1, snr_db)
    elif at >= 0 and not ether.router[receiver]:
        take(mesh, receiver, at)
        mesh.counts[CANCELLED] += 1


@inlaid
def _acknowledge(mesh, node, number, airtime_us):  # type: ignore[no-untyped-def]
    """Take a relay of one's own packet for an acknowledgement."""
    for k in range(PENDING):
        if mesh.pending[node, k].number == number:
            _give_up(mesh, node, k)
            mesh.counts[ACKNOWLEDGED] += 1
            at = find(mesh.queue, node, mesh.node[node].waiting, number)
            if at >= 0:
                take(mesh, node, at)
    _put_off(mesh, node, airtime_us)


@inlaid
def _tell(out, t_us, number, sender, receiver):  # type: ignore[no-untyped-def]
    """Record a first reception, if there is room for any."""
    k = out.size[0]
    if k < len(out.t_us):
        out.t_us[k] = t_us
        out.number[k] = number
        out.sender[k] = sender
        out.receiver[k] = receiver
        out.size[0] = k + 1
