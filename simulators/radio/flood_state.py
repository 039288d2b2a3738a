"""State of a flooding mesh: everything its compiled kernel reads and changes, as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridmodel.wire.duty_cycle import HOUR_US
from gridmodel.wire.lora import SNR_FLOOR_DB, Modem
from simulators.radio.event_heap import EventHeap, event_heap

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Packets a node holds for sending, as the firmware's MAX_TX_QUEUE.
QUEUE = 16
#: Own packets a node waits for an acknowledgement of, at once.
PENDING = 4
#: Messages the mesh remembers, over all nodes; the oldest is forgotten.
REMEMBERED = 1024
#: Channel utilisation is taken over the last 6 periods of 10 s (firmware, airtime.h).
PERIODS, PERIOD_US = 6, 10_000_000
#: Airtime is booked by the minute; 62 of them hold every sliding hour whole.
MINUTES, MINUTE_US = 62, 60_000_000
#: What is counted, by name.
COUNTS = (
    "originated", "sent", "relayed", "repeated", "first", "duplicate", "collided", "deaf",
    "cancelled", "upgraded", "refused", "dropped", "acknowledged", "failed", "busy",
)  # fmt: skip
(
    ORIGINATED, SENT, RELAYED, REPEATED, FIRST, DUPLICATE, COLLIDED, DEAF, CANCELLED, UPGRADED,
    REFUSED, DROPPED, ACKNOWLEDGED, FAILED, BUSY,
) = range(len(COUNTS))  # fmt: skip


Records = NDArray[np.void]


def _record(*names: str) -> np.dtype[np.void]:
    return np.dtype([(name, np.int64) for name in names])


#: A message: its number (-1 for none), origin, length with header, hop limit, when it began.
MESSAGE = _record("number", "origin", "length", "hops", "born_us")
#: A node: places used in its queue, message in the air (-1 for none), hops it has left, from
#: when to when; buckets last written of what it heard and sent; acknowledgements it expects.
NODE = _record(
    "waiting", "sending", "hops", "since_us", "until_us", "heard_at", "sent_at", "expecting"
)
#: A packet in a queue; SNR in whole dB, as the firmware takes it.
PLACE = _record("number", "hops", "snr_db")
#: A transmission that may still overlap one in the air.
FLIGHT = _record("node", "start_us", "end_us")
#: An own packet that is not acknowledged: number (-1 for none), tries left, next look.
WAITING = _record("number", "left", "next_us")


class Ether(NamedTuple):
    """What does not change: who hears whom, and the times of the modem.

    ``level_dbm[sender, receiver]``; rows ``first[s]`` to ``first[s + 1]`` of ``near`` are
    those who can demodulate ``s``. ``airtime_us`` has an entry a payload length, header
    included.
    """

    level_dbm: Floats
    noise_dbm: float
    floor_dbm: float
    capture_db: float
    first: Ints
    near: Ints
    router: NDArray[np.bool_]
    airtime_us: Ints
    free_us: int
    slot_us: int
    sense_us: int
    miss_pu: float
    false_alarm_pu: float
    budget_us: int


class Mesh(NamedTuple):
    """What changes, in tables of records: few arrays, as each is handed to each function.

    A message has a number that is never used again; its row is the number modulo
    `REMEMBERED`. ``seen[row, node]`` is 0 where a node does not know a message, else the most
    hops it saw left plus 1.
    """

    heap: EventHeap
    message: Records  # (messages,) of MESSAGE
    seen: NDArray[np.int8]  # (messages, n)
    node: Records  # (n,) of NODE
    queue: Records  # (n, places) of PLACE
    log: Records  # (flights,) of FLIGHT
    log_len: Ints  # (1,)
    heard_us: Ints  # (n, periods) airtime heard or sent
    sent_us: Ints  # (n, minutes)
    pending: Records  # (n, pending) of WAITING
    counts: Ints
    #: Of first receptions latency [us] and hops; airtime [us]; worst hour's part of its duty.
    totals: Floats


class Heard(NamedTuple):
    """First receptions of a call of the kernel; ``size`` has one entry, how many there are."""

    t_us: Ints
    number: Ints
    sender: Ints
    receiver: Ints
    size: Ints


def ether(
    level_dbm: Floats,
    modem: Modem,
    noise_figure_db: float,
    capture_db: float,
    routers: NDArray[np.bool_],
    errors_pu: tuple[float, float],
    duty_pu: float,
) -> Ether:
    """Return the ether of nodes that hear each other with ``level_dbm``, shape (n, n). [dBm]

    ``errors_pu`` are the chances that a detection misses a packet, and finds one that is not
    there.
    """
    noise_dbm = modem.noise_dbm(noise_figure_db)
    floor_dbm = noise_dbm + SNR_FLOOR_DB[modem.spreading_factor]
    hears = level_dbm >= floor_dbm
    np.fill_diagonal(hears, False)
    near = np.nonzero(hears)[1].astype(np.int64)
    first = np.concatenate([[0], hears.sum(axis=1).cumsum()]).astype(np.int64)
    # The firmware keeps whole milliseconds: 2.5 symbols, then 0.2 + 0.4 + 7 ms.
    slot_us = int(2.5 * modem.symbol_us / 1e3 + 7.6) * 1000
    airtimes = np.array([modem.airtime_us(size) for size in range(256)], dtype=np.int64)
    return Ether(
        level_dbm, noise_dbm, floor_dbm, capture_db, first, near, routers, airtimes, modem.spare_us(),
        slot_us, round(2.5 * modem.symbol_us), *errors_pu, int(duty_pu * HOUR_US),
    )  # fmt: skip


def silent(nodes: int) -> Mesh:
    """Return the state of a mesh in which nothing was sent yet."""
    room = 16 * nodes + 16  # in the air, or ended while one of those was
    mesh = Mesh(
        heap=event_heap(3 * nodes),
        message=np.zeros(REMEMBERED, dtype=MESSAGE),
        seen=np.zeros((REMEMBERED, nodes), dtype=np.int8),
        node=np.zeros(nodes, dtype=NODE),
        queue=np.zeros((nodes, QUEUE), dtype=PLACE),
        log=np.zeros(room, dtype=FLIGHT),
        log_len=np.zeros(1, dtype=np.int64),
        heard_us=np.zeros((nodes, PERIODS), dtype=np.int64),
        sent_us=np.zeros((nodes, MINUTES), dtype=np.int64),
        pending=np.zeros((nodes, PENDING), dtype=WAITING),
        counts=np.zeros(len(COUNTS), dtype=np.int64),
        totals=np.zeros(4),
    )
    for table, field in (
        (mesh.message, "number"),
        (mesh.node, "sending"),
        (mesh.pending, "number"),
    ):
        table[field] = -1
    return mesh


def heard(size: int) -> Heard:
    """Return room for the first receptions of one call; 0 records none."""
    t_us, number, sender, receiver = np.zeros((4, size), dtype=np.int64)
    return Heard(t_us, number, sender, receiver, np.zeros(1, dtype=np.int64))
