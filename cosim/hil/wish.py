"""Wish: which node of a scenario is to be outside, and how it is reached."""

from __future__ import annotations

from dataclasses import dataclass

from cosim.lines.address import Address, address
from gridmodel.errors import Fault, ScenarioError

#: A process that the command starts, over a socket of its own, or over loopback datagrams.
EMULATED, EMULATED_UDP = "emulated", "emulated-udp"


@dataclass(frozen=True)
class Wish:
    """One ``--node NAME=HOW``.

    Parameters
    ----------
    name : str
        The node: its customer, or fleet and customer, ``coordinator.house_02``.
    how : str
        ``emulated``, ``emulated-udp``, or the address of a node that is started elsewhere.
    """

    name: str
    how: str

    @property
    def ours(self) -> bool:
        """Whether we start its process."""
        return self.how in (EMULATED, EMULATED_UDP)

    @property
    def at(self) -> Address:
        """Where it is, if we do not start it."""
        return address(self.how)


def wishes(texts: list[str]) -> list[Wish]:
    """Return what the command line asks for.

    Raises
    ------
    ScenarioError
        If a text is no wish, or a node is wished twice.
    """
    found: dict[str, Wish] = {}
    faults = []
    for text in texts:
        name, equals, how = text.partition("=")
        wish = Wish(name.strip(), how.strip())
        problem = "" if equals and wish.name else "is no NAME=HOW."
        if not problem and not wish.ours:
            try:
                address(wish.how)
            except ValueError as error:
                problem = f"{error}"
        if not problem and wish.name in found:
            problem = "names a node twice."
        if problem:
            advice = "Write house_03=emulated, or house_03=udp:127.0.0.1:7000."
            faults.append(Fault("--node", text, problem, advice))
        found[wish.name] = wish
    if not texts:
        faults.append(Fault("--node", "", "is missing.", "Write --node house_03=emulated."))
    if faults:
        raise ScenarioError("nodes outside cannot be told", faults)
    return list(found.values())
