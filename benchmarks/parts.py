"""Parts: federates that do nothing but exchange an array, and the bare copy beside them.

Rates are per second of this process's processor time: other work on the machine does not
count, and on a quiet one it is the same second.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.engines.in_process import InProcess
from cosim.federation import Link, federation
from gridmodel.federate import BuildContext, Federate, Inputs, Signal, Step
from gridmodel.units import US_PER_S

#: Parts stand in chains of this length, each sending to the next.
CHAIN = 10


def chains(count: int, length: int = CHAIN) -> list[tuple[int, int]]:
    """Return who sends to whom among so many parts.

    Examples
    --------
    >>> chains(5, 3)
    [(0, 1), (1, 2), (3, 4)]
    """
    return [(k, k + 1) for k in range(count - 1) if (k + 1) % length]


class Empty(Federate):
    """A federate that sends one array each second and keeps what it was given last.

    A silent one sends nothing.
    """

    def __init__(self, value: NDArray[np.float64], silent: bool = False) -> None:
        self.period_us = US_PER_S
        self.inputs = (Signal("x_kw", value.shape, initial=0.0),)
        self.outputs = (Signal("y_kw", value.shape),)
        self._sent = {} if silent else {"y_kw": value}
        self.seen: Any = None

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Empty:
        raise LookupError("an empty part is made by its constructor")

    def step(self, t_us: int, inputs: Inputs) -> Step:
        self.seen = inputs["x_kw"]
        return self._sent, t_us + US_PER_S


def in_process(count: int, width: int, instants: int, silent_ends: bool = False) -> float:
    """Return the instants a second of so many empty parts on the in-process engine.

    With ``silent_ends`` a part that nobody listens to sends nothing; mosaik does not ask it.
    """
    value = np.arange(width, dtype=float)
    heard = {a for a, _ in chains(count)} if silent_ends else range(count)
    parts = {f"part_{k:03}": Empty(value, k not in heard) for k in range(count)}
    links = [Link(f"part_{a:03}", "y_kw", f"part_{b:03}", "x_kw") for a, b in chains(count)]
    engine = InProcess(federation(parts, links))
    begin = time.process_time()
    engine.run(instants * US_PER_S)
    taken_s = time.process_time() - begin
    check(engine.steps == count * instants, parts["part_001"].seen, value)
    return instants / taken_s


def bare_copies(count: int, width: int, instants: int) -> float:
    """Return the instants a second if each part's array is only copied, and two are kept."""
    sources = [np.arange(width, dtype=float) for _ in range(count)]
    new: list[Any] = [None] * count
    old: list[Any] = [None] * count
    begin = time.process_time()
    for _ in range(instants):
        for k, source in enumerate(sources):
            old[k], new[k] = new[k], np.array(source)
    return instants / (time.process_time() - begin)


def check(stepped: bool, seen: Any, value: NDArray[np.float64]) -> None:
    """Refuse to count a run in which something did not step or did not arrive.

    Raises
    ------
    RuntimeError
        If so.
    """
    if not stepped or not np.array_equal(seen, value):
        raise RuntimeError("the parts did not do what is measured")
