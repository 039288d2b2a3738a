"""Device of a star: what its MAC does, and what the server keeps of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gridmodel.wire.duty_cycle import AirtimeAccount
from simulators.radio.adr import ASK_AFTER, HISTORY, Rate


@dataclass
class Device:
    """One device.

    Parameters
    ----------
    row : int
        Of its radio.
    rate : Rate
        What it sends with.
    confirmed, adr, listens : bool
        Its uplinks are acknowledged; the server sets its rate; it is of class C.
    waiting : deque of bytes
        Frames for uplinks; the first is in hand while ``busy``.
    tries : int
        How often the frame in hand was sent.
    heard : bool
        The server has the frame in hand; another copy is not handed on.
    answered : bool
        The device has its acknowledgement.
    unanswered : int
        Uplinks since the last downlink.
    close_us : int
        When its windows close; -1 if none is to open. [us]
    """

    row: int
    rate: Rate
    confirmed: bool
    adr: bool
    listens: bool
    account: AirtimeAccount = field(default_factory=AirtimeAccount)
    waiting: deque[bytes] = field(default_factory=deque)
    busy: bool = False
    tries: int = 0
    heard: bool = False
    answered: bool = False
    unanswered: int = 0
    close_us: int = -1
    # the server's side
    owed: bool = False  # an answer in the windows that come
    best: int = -1  # gateway that heard the last uplink best
    snr_db: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    command: Rate | None = None
    down: deque[bytes] = field(default_factory=deque)

    @property
    def asks(self) -> bool:
        """Whether its uplink asks for any downlink at all."""
        return self.adr and self.unanswered >= ASK_AFTER

    @property
    def has_downlink(self) -> bool:
        """Whether the server has something for it."""
        return self.owed or self.command is not None or bool(self.down)

    def next_frame(self) -> None:
        """Put the frame in hand aside."""
        self.waiting.popleft()
        self.busy = self.heard = self.answered = False
        self.tries = 0
