"""Lines for tests: the other end is a function."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from cosim.lines.messages import Answer, Ask, Hello, Start, Word, encode, unpack
from gridmodel.errors import BorderError

HELLO = Hello("nodes.house_03", "edge_node", ("supply",), ("normal",), False)
#: What the other end says to a word; None: it is gone.
Speak = Callable[[Word], Iterable[Word] | None]


class FakeLine:
    """A line whose other end answers at once, or not at all."""

    def __init__(self, speak: Speak) -> None:
        self._speak = speak
        self._waiting: deque[Word | bytes] = deque()
        self.session = ""
        self.sent: list[Word] = []
        self.waits: list[float | None] = []
        self.closed = False
        self._gone = False

    def put(self, *words: Word | bytes) -> None:
        """Let words arrive, in the session of the simulation, or bytes as they are."""
        self._waiting.extend(words)

    def send(self, data: bytes) -> None:
        word, self.session = unpack(data)
        self.sent.append(word)
        said = [HELLO] if isinstance(word, Start) else self._speak(word)
        if said is None:
            self._gone = True
        else:
            self.put(*said)

    def receive(self, wait_s: float | None) -> bytes | None:
        self.waits.append(wait_s)
        if self._waiting:
            word = self._waiting.popleft()
            return word if isinstance(word, bytes) else encode(word, self.session)
        if self._gone:
            raise BorderError("the other end is gone")
        return None

    def close(self) -> None:
        self.closed = True


def prompt(word: Word) -> list[Word]:
    """Answer every question at once."""
    return [answer_to(word)] if isinstance(word, Ask) else []


def answer_to(ask: Ask, **changed: object) -> Answer:
    """The answer to a question."""
    return Answer(**{"number": ask.number, "t_us": ask.t_us, "wake_us": ask.t_us + 1, **changed})  # type: ignore[arg-type]


def ask(number: int, t_us: int = 0) -> Ask:
    """A question."""
    return Ask(number, "step", t_us)
