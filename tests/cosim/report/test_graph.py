"""The graph: levels, periods, delayed links, partitions."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from cosim.report.graph import homes_of, svg, tree
from tests.cosim.parts import counter, watcher, wire

S = 1_000_000


def built():
    parts = {"a": counter(S), "b": watcher(2 * S), "c": watcher(None, (), ("in",))}
    return wire(parts, "~a.n_kw -> b.x_kw")


def test_partitions_are_told_and_coloured_and_what_is_not_named_is_in_the_first():
    federation = built()
    homes = homes_of(federation, {"west": ("c",), "east": ("b",)})
    assert homes == {"a": "west", "b": "east", "c": "west"}
    titles = [title for title, _ in tree(federation, homes)]
    assert "level 0  b  (every 2 s)  in east" in titles
    assert "level 0  c  (on events)  in west" in titles
    root = ET.fromstring(svg(federation, homes))
    fills = {}
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        title = group.find("{http://www.w3.org/2000/svg}title")
        box = group.find("{http://www.w3.org/2000/svg}rect")
        if title is not None and box is not None:
            fills.setdefault((title.text or "").split(", ")[-1], set()).add(box.get("fill"))
    assert set(fills) == {"partition west", "partition east"}
    assert fills["partition west"] != fills["partition east"]


def test_without_partitions_none_is_told():
    federation = built()
    assert all(" in " not in title for title, _ in tree(federation))
    assert "partition" not in svg(federation)
    assert ("level 0  b  (every 2 s)", ["from a (delayed): x_kw"]) in tree(federation)


def test_the_picture_says_what_its_lines_and_colours_mean_within_its_borders():
    federation = built()
    root = ET.fromstring(svg(federation, homes_of(federation, {"west": ("c",), "east": ("b",)})))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    texts = {text.text: text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"signals", "messages", "delayed", "west", "east"} <= set(texts)
    for text in texts.values():
        assert 0 < float(text.attrib["x"]) < width
        assert 0 < float(text.attrib["y"]) < height
