"""Links: do both ends exist, and do they speak of the same thing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from cosim.federation import Link
from gridmodel.errors import Fault
from gridmodel.federate import Federate, Messages, Port, Signal
from gridmodel.settings import near

#: A federate and one of its ports.
End = tuple[str, str]


@dataclass
class CheckedLinks:
    """What came of a look at the links.

    Parameters
    ----------
    faults : list of Fault
        What is wrong with them.
    good : list of Link
        Those nothing is wrong with.
    ends : set of (str, str)
        Inputs they go to, federate and port; of links at fault, those they were meant for.
    """

    faults: list[Fault] = field(default_factory=list)
    good: list[Link] = field(default_factory=list)
    ends: set[End] = field(default_factory=set)


def check_links(
    federates: Mapping[str, Federate],
    declared: Collection[str],
    links: Sequence[Link],
    places: Mapping[str, str],
) -> CheckedLinks:
    """Return what is wrong with the links.

    Parameters
    ----------
    federates : mapping
        Federates that could be built.
    declared : collection of str
        Names of all federates of the scenario; what could not be built is not judged.
    links : sequence of Link
        The links.
    places : mapping
        ``file:line`` by the link's text.
    """
    checked = CheckedLinks()
    fed: dict[End, Link] = {}
    for link in links:
        place = places.get(str(link), "events")
        found = list(_check_link(link, federates, declared, place))
        end = (link.target, link.target_port)
        if not found and end in fed and _is_signal(federates, end):
            problem = f"'{link.target}.{link.target_port}' has two sources."
            found = [Fault(place, str(link), problem, f"The other is {fed[end]}.")]
        fed.setdefault(end, link)
        checked.faults += found
        checked.ends.add(meant(end, federates, declared))
        if not found:
            checked.good.append(link)
    return checked


def meant(end: End, federates: Mapping[str, Federate], declared: Collection[str]) -> End:
    """Return the input that a link was probably meant for."""
    owner = _nearest(end[0], declared)
    ports = [port.name for port in federates[owner].inputs] if owner in federates else ()
    return owner, _nearest(end[1], ports)


def _nearest(name: str, known: Collection[str]) -> str:
    close = [name] if name in known else get_close_matches(name, sorted(known), n=1)
    return close[0] if close else name


def _is_signal(federates: Mapping[str, Federate], end: End) -> bool:
    name, port = end
    return name in federates and any(
        isinstance(p, Signal) and p.name == port for p in federates[name].inputs
    )


def _check_link(
    link: Link, federates: Mapping[str, Federate], declared: Collection[str], place: str
) -> Iterable[Fault]:
    source = target = None
    for owner, port, side in (
        (link.source, link.source_port, "outputs"),
        (link.target, link.target_port, "inputs"),
    ):
        if owner not in federates:
            if owner not in declared:
                problem = f"there is no federate '{owner}'."
                yield Fault(place, str(link), problem, near(owner, declared))
            continue
        ports = {p.name: p for p in getattr(federates[owner], side)}
        if port not in ports:
            problem = f"'{owner}' has no {side[:-1]} '{port}'."
            yield Fault(place, str(link), problem, near(port, ports))
        elif side == "outputs":
            source = ports[port]
        else:
            target = ports[port]
    if source is not None and target is not None:
        yield from _match(link, source, target, place)


def _match(link: Link, source: Port, target: Port, place: str) -> Iterable[Fault]:
    if isinstance(source, Messages) or isinstance(target, Messages):
        if type(source) is not type(target):
            kinds = [type(port).__name__.lower() for port in (source, target)]
            yield Fault(place, str(link), f"it joins {kinds[0]} to {kinds[1]}.")
        return
    if source.unit != target.unit:
        yield Fault(
            place,
            str(link),
            f"the source is in {source.unit or 'no unit'}, the target in {target.unit or 'no unit'}.",
            "Both ends must have the same unit.",
        )
    if source.dtype is not target.dtype:
        given, wanted = source.dtype.__name__, target.dtype.__name__
        yield Fault(place, str(link), f"the source is {given}, the target {wanted}.")
    if not _fits(source.shape, target.shape):
        yield Fault(
            place,
            str(link),
            f"the source has shape {_shape(source.shape)}, the target {_shape(target.shape)}.",
            "Both ends must have the same shape.",
        )
    if link.delayed and link.initial is None and target.initial is None:
        yield Fault(
            place,
            str(link),
            "a delayed link needs a value for the first instant.",
            f"Write {{link: {link}, delayed: true, initial: 0}}.",
        )


def _fits(given: tuple[int | None, ...] | None, wanted: tuple[int | None, ...] | None) -> bool:
    if wanted is None or given is None:
        return True
    return len(given) == len(wanted) and all(
        w is None or g == w for g, w in zip(given, wanted, strict=True)
    )


def _shape(shape: tuple[int | None, ...] | None) -> str:
    return "any" if shape is None else str(shape) if shape else "scalar"
