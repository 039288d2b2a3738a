"""Graph: the federation as a picture (SVG) and as a tree for a terminal.

Columns are levels; boxes are federates with their step; lines are links, several between
the same two as one, dashed where they are delayed, orange where they carry messages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from itertools import cycle

from cosim.federation import Federation, Link, Member
from gridmodel.federate import Messages

#: Colours of partitions.
_FILLS = ("#f5f8fb", "#fdf0d5", "#e3f4e8", "#f6e3ef", "#e6e4f7", "#f0ede6")
_SIGNAL, _MESSAGE = "#0072B2", "#D55E00"
#: Width of a word of the legend, and of those that stand in every one.
_WORD_W, _LEGEND_W = 110, 330
_BOX_W, _BOX_H, _GAP_X, _GAP_Y, _EDGE = 132, 40, 70, 22, 16


def svg(federation: Federation, homes: Mapping[str, str] | None = None) -> str:
    """Return the federation as an SVG picture.

    Parameters
    ----------
    federation : Federation
        What to draw.
    homes : mapping, optional
        Partition of each federate, if it is cut into processes; each has its colour.
    """
    columns = _columns(federation)
    places: dict[str, tuple[int, int]] = {}
    for column, members in columns.items():
        for row, member in enumerate(members):
            x = _EDGE + column * (_BOX_W + _GAP_X)
            # Every other column lies lower: a line that skips one passes between its boxes.
            y = (row + 0.5 * (column % 2)) * (_BOX_H + _GAP_Y)
            places[member.name] = x, _EDGE + 18 + int(y)
    homes = homes or {}
    fills = dict(zip(dict.fromkeys(homes.values()), cycle(_FILLS), strict=False))
    columns_w = len(columns) * (_BOX_W + _GAP_X) - _GAP_X
    width = 2 * _EDGE + max(columns_w, _LEGEND_W + sum(map(_home_width, fills)))
    bottom = max(y for _, y in places.values()) + _BOX_H + _GAP_Y
    height = bottom + _EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for column in columns:
        x = _EDGE + column * (_BOX_W + _GAP_X) + _BOX_W // 2
        parts.append(
            f'<text x="{x}" y="{_EDGE}" text-anchor="middle" fill="#777">level {column}</text>'
        )
    for (source, target, delayed, kind), links in _bundles(federation).items():
        parts.append(_curve(places[source], places[target], delayed, kind, links))
    for member in federation.members:
        home = homes.get(member.name, "")
        parts.append(_box(member, *places[member.name], home, fills.get(home, "#f5f8fb")))
    parts.append(_legend(bottom, fills))
    return "\n".join([*parts, "</svg>"])


def _legend(y: int, fills: Mapping[str, str]) -> str:
    """Return what the lines mean, and which colour is which partition."""
    words, x = [], _EDGE
    for text, colour, dash in (
        ("signals", _SIGNAL, ""),
        ("messages", _MESSAGE, ""),
        ("delayed", "#444", ' stroke-dasharray="5 4"'),
    ):
        words.append(
            f'<path d="M{x} {y - 4} h26" stroke="{colour}" stroke-width="1.5"{dash}/>'
            f'<text x="{x + 32}" y="{y}">{text}</text>'
        )
        x += _WORD_W
    for home, fill in fills.items():
        words.append(
            f'<rect x="{x}" y="{y - 11}" width="18" height="14" rx="2" fill="{fill}" '
            f'stroke="#444"/><text x="{x + 24}" y="{y}">{escape(home)}</text>'
        )
        x += _home_width(home)
    return f'<g font-size="11" fill="#444">{"".join(words)}</g>'


def _home_width(home: str) -> int:
    return 50 + 8 * len(home)


def _columns(federation: Federation) -> dict[int, list[Member]]:
    """Return members by level; within a level ordered by where their inputs are."""
    columns: dict[int, list[Member]] = defaultdict(list)
    for member in federation.members:
        columns[member.level].append(member)
    row: dict[str, float] = {}
    for level in sorted(columns):
        sources = defaultdict(list)
        for link in federation.links:
            if link.source in row and not link.delayed:
                sources[link.target].append(row[link.source])

        def middle(member: Member, sources: dict[str, list[float]] = sources) -> tuple[float, str]:
            rows = sources.get(member.name, [])
            return (sum(rows) / len(rows) if rows else 99.0), member.name

        columns[level].sort(key=middle)
        row |= {member.name: float(k) for k, member in enumerate(columns[level])}
    return dict(sorted(columns.items()))


def _bundles(federation: Federation) -> dict[tuple[str, str, bool, str], list[Link]]:
    bundles: dict[tuple[str, str, bool, str], list[Link]] = defaultdict(list)
    ports = {member.name: member.outputs for member in federation.members}
    for link in federation.links:
        message = isinstance(ports[link.source][link.source_port], Messages)
        kind = "messages" if message else "signals"
        bundles[link.source, link.target, link.delayed, kind].append(link)
    return bundles


def _curve(
    source: tuple[float, float],
    target: tuple[float, float],
    delayed: bool,
    kind: str,
    links: list[Link],
) -> str:
    (x0, y0), (x1, y1) = source, target
    y0, y1 = y0 + _BOX_H / 2, y1 + _BOX_H / 2
    backward = x1 <= x0
    x0, x1 = (x0, x1 + _BOX_W) if backward else (x0 + _BOX_W, x1)
    bend = max(abs(x1 - x0) * 0.45, 30) * (-1 if backward else 1)
    colour = _MESSAGE if kind == "messages" else _SIGNAL
    dash = ' stroke-dasharray="5 4"' if delayed else ""
    tip = escape("\n".join(f"{link}{' (delayed)' if delayed else ''}" for link in links))
    head = 5 if not backward else -5
    return (
        f'<g fill="none" stroke="{colour}" opacity="0.75"><title>{tip}</title>'
        f'<path d="M{x0} {y0} C{x0 + bend} {y0} {x1 - bend} {y1} {x1 - head} {y1}" '
        f'stroke-width="{min(0.8 + 0.35 * len(links), 3):.2g}"{dash}/>'
        f'<path d="M{x1 - head} {y1 - 3.5} L{x1} {y1} L{x1 - head} {y1 + 3.5}" fill="{colour}"/></g>'
    )


def _box(member: Member, x: float, y: float, home: str, fill: str) -> str:
    tip = type(member.federate).__name__ + (f", partition {home}" if home else "")
    return (
        f"<g><title>{escape(tip)}</title>"
        f'<rect x="{x}" y="{y}" width="{_BOX_W}" height="{_BOX_H}" rx="5" fill="{fill}" '
        f'stroke="#444"/><text x="{x + _BOX_W / 2}" y="{y + 17}" text-anchor="middle" '
        f'font-weight="bold">{escape(member.name)}</text><text x="{x + _BOX_W / 2}" y="{y + 32}" '
        f'text-anchor="middle" fill="#666" font-size="10">{escape(step_text(member))}</text></g>'
    )


def step_text(member: Member) -> str:
    """Return how a federate is stepped: ``every 1 s``, ``on events``."""
    period = member.federate.period_us
    return f"every {period / 1e6:g} s" if period else "on events"


def homes_of(federation: Federation, partitions: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the partition of each federate; those not named are in the first one."""
    named = {name: part for part, names in partitions.items() for name in names}
    first = next(iter(partitions), "")
    return {member.name: named.get(member.name, first) for member in federation.members}


def tree(
    federation: Federation, homes: Mapping[str, str] | None = None
) -> list[tuple[str, list[str]]]:
    """Return, by level, a line for each federate and lines for what it receives."""
    lines = []
    homes = homes or {}
    for level, members in _columns(federation).items():
        for member in members:
            home = f"  in {homes[member.name]}" if member.name in homes else ""
            title = f"level {level}  {member.name}  ({step_text(member)}){home}"
            received: dict[tuple[str, bool], list[str]] = defaultdict(list)
            for link in federation.links:
                if link.target == member.name:
                    received[link.source, link.delayed].append(link.target_port)
            lines.append(
                (
                    title,
                    [
                        f"from {source}{' (delayed)' if delayed else ''}: {', '.join(ports)}"
                        for (source, delayed), ports in received.items()
                    ],
                )
            )
    return lines
