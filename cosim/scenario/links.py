"""Links: do both ends exist, and do they speak of the same thing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from cosim.federation import Link
from gridmodel.errors import Fault
from gridmodel.federate import Federate, Messages, Port, Signal
from gridmodel.settings import near

Where = Callable[..., str]


def check_links(
    federates: Mapping[str, Federate],
    declared: set[str],
    links: Sequence[Link],
    places: Mapping[str, str],
    where: Where,
) -> list[Fault]:
    """Return what is wrong with the links, and inputs that need one and have none.

    Parameters
    ----------
    federates : mapping
        Federates that could be built.
    declared : set of str
        Names of all federates of the scenario; what could not be built is not judged.
    links : sequence of Link
        The links.
    places : mapping
        ``file:line`` by the link's text.
    where : callable
        Gives the place of a path in the document.
    """
    faults: list[Fault] = []
    fed: dict[tuple[str, str], Link] = {}
    for link in links:
        place = places.get(str(link), "events")
        found = list(_check_link(link, federates, declared, place))
        faults += found
        end = (link.target, link.target_port)
        if not found and end in fed and _is_signal(federates, end):
            problem = f"'{link.target}.{link.target_port}' has two sources."
            faults.append(Fault(place, str(link), problem, f"The other is {fed[end]}."))
        fed.setdefault(end, link)
    for name, federate in federates.items():
        for port in federate.inputs:
            if (name, port.name) not in fed and isinstance(port, Signal) and port.initial is None:
                faults.append(
                    Fault(
                        where("federates", name),
                        f"federates.{name}",
                        f"its input '{port.name}' ({port.about}) is not linked.",
                        f"Add a link 'source.port -> {name}.{port.name}'.",
                    )
                )
    return faults


def _is_signal(federates: Mapping[str, Federate], end: tuple[str, str]) -> bool:
    name, port = end
    return name in federates and any(
        isinstance(p, Signal) and p.name == port for p in federates[name].inputs
    )


def _check_link(
    link: Link, federates: Mapping[str, Federate], declared: set[str], place: str
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
