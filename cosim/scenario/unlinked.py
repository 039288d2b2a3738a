"""Unlinked: inputs that need a link and have none."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from cosim.scenario.document import Dropped
from cosim.scenario.links import End, meant
from cosim.scenario.references import Where
from gridmodel.errors import Fault
from gridmodel.federate import Federate, Signal

#: Inputs named in one fault before the rest is counted.
_MOST_INPUTS = 5


def check_unlinked(
    federates: Mapping[str, Federate],
    ends: Collection[End],
    dropped: Sequence[Dropped],
    where: Where,
) -> Iterator[Fault]:
    """Yield the inputs without a link; those whose link a file has replaced as one fault.

    Parameters
    ----------
    federates : mapping
        Federates that could be built.
    ends : collection of (str, str)
        Inputs that have one, or were meant to have one.
    dropped : sequence of Dropped
        Links of base files that are no more.
    where : callable
        Gives the place of a path in the document.
    """
    had = {tuple(link.split(" -> ")[-1].split(".")) for files in dropped for link in files.links}
    lost = []
    for name, federate in federates.items():
        for port in federate.inputs:
            if not isinstance(port, Signal) or port.initial is not None:
                continue
            if (name, port.name) in ends:
                continue
            if (name, port.name) in had:
                lost.append(f"{name}.{port.name}")
                continue
            yield Fault(
                where("federates", name),
                f"federates.{name}",
                f"its input '{port.name}' ({port.about}) is not linked.",
                f"Add a link 'source.port -> {name}.{port.name}'.",
            )
    if lost:
        yield _lost(dropped[-1], lost)


def _lost(dropped: Dropped, inputs: Sequence[str]) -> Fault:
    more = len(inputs) - _MOST_INPUTS
    names = ", ".join(inputs[:_MOST_INPUTS]) + (f" and {more} more" if more > 0 else "")
    return Fault(
        dropped.place,
        "links",
        f"replaces the {dropped.count} links of {dropped.base}, as lists are replaced and not "
        f"merged; so no link goes to {names}.",
        "Write all links here, or leave 'links' out.",
    )


def ends_in(
    texts: Sequence[str], federates: Mapping[str, Federate], declared: Collection[str]
) -> set[End] | None:
    """Return the ports named in texts of links that cannot be read; None if one names no two."""
    found: set[End] = set()
    for text in texts:
        named = re.findall(r"([A-Za-z_]\w*)\.([A-Za-z_]\w*)", text)
        if len(named) < 2:
            return None
        found |= {meant(end, federates, declared) for end in named}
    return found
