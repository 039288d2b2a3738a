"""Random federations of scripted parts, as scenarios that any engine can run.

Everything the clock's law speaks of may be in one: 2 to 12 parts, mixed periods, several
levels, arrays of three kinds, messages with and without delay, answers to answers, parts
that only wake for messages, forty messages at once, instants a microsecond apart.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from cosim.scenario.build import Scenario, load

#: Length of a random run, in ticks.
TICKS = 40
KINDS = {"float": "kw", "int": "count", "bool": "on"}


@st.composite
def scenarios(draw: st.DrawFn, most: int = 12) -> dict[str, Any]:
    """A scenario as plain data."""
    tick_s = draw(st.sampled_from([1e-6, 1e-3]))  # 1 us: every delayed message meets others
    count = draw(st.integers(2, most))
    names = draw(st.permutations([f"f{k:02d}" for k in range(count)]))
    parts = {name: _part(draw, tick_s) for name in names}
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    links = [_signal_link(draw, parts, names, ends) for _ in range(draw(st.integers(0, 2 * count)))]
    links += [_message_link(draw, parts, names, ends) for _ in range(draw(st.integers(0, count)))]
    unique = {link["link"]: link for link in links}
    return {
        "feedertwin": 1,
        "name": "random",
        "seed": draw(st.integers(0, 3)),
        "duration_h": TICKS * tick_s / 3600.0,
        "federates": parts,
        "links": list(unique.values()),
    }


def _part(draw: st.DrawFn, tick_s: float) -> dict[str, Any]:
    outputs = {}
    for number in range(draw(st.integers(1, 2))):
        dtype = draw(st.sampled_from(list(KINDS)))
        shape = draw(st.sampled_from([[], [3], [2, 2]]))
        outputs[f"o{number}_{KINDS[dtype]}"] = {"shape": shape, "dtype": dtype}
    rhythm = draw(st.sampled_from(["period", "period", "once", "messages only"]))
    part: dict[str, Any] = {
        "model": "scripted",
        "outputs": outputs,
        "inputs": {},
        "hears": ["inbox"],
        "says": [_line(draw, tick_s) for _ in range(draw(st.integers(0, 2)))],
        "answers": {},
        "first_s": None if rhythm == "messages only" else draw(st.integers(0, 4)) * tick_s,
    }
    if rhythm == "period":
        part["period_s"] = draw(st.integers(1, 7)) * tick_s
    if draw(st.booleans()):
        port = draw(st.sampled_from(["out", "reply"]))
        part["answers"] = {"inbox": {"port": port, "after_s": draw(st.integers(0, 3)) * tick_s}}
    return part


def _line(draw: st.DrawFn, tick_s: float) -> dict[str, Any]:
    return {
        "port": "out",
        "t_s": draw(st.integers(0, TICKS - 1)) * tick_s,
        "after_s": draw(st.integers(0, 4)) * tick_s,
        "count": draw(st.sampled_from([1, 1, 2, 40])),
        "hops": draw(st.integers(0, 2)),
    }


def _ends(draw: st.DrawFn, names: list[str], ends: Any) -> tuple[str, str, bool]:
    """Two ends; undelayed links go up in number only, so there is no loop."""
    a, b = draw(ends)
    return names[a], names[b], True if a >= b else draw(st.booleans())


def _signal_link(
    draw: st.DrawFn, parts: dict[str, Any], names: list[str], ends: Any
) -> dict[str, Any]:
    source, target, delayed = _ends(draw, names, ends)
    port = draw(st.sampled_from(sorted(parts[source]["outputs"])))
    given = parts[source]["outputs"][port]
    inputs = parts[target]["inputs"]
    own = f"i{len(inputs)}_{KINDS[given['dtype']]}"
    inputs[own] = {**given, "initial": float(draw(st.integers(0, 1)))}
    return {"link": f"{source}.{port} -> {target}.{own}", "delayed": delayed}


def _message_link(
    draw: st.DrawFn, parts: dict[str, Any], names: list[str], ends: Any
) -> dict[str, Any]:
    source, target, delayed = _ends(draw, names, ends)
    ports = {line["port"] for line in parts[source]["says"]}
    ports |= {answer["port"] for answer in parts[source]["answers"].values()}
    if not ports:  # give it something to say
        parts[source]["says"].append({"port": "out", "t_s": 0.0, "hops": 2})
        ports = {"out"}
    port = draw(st.sampled_from(sorted(ports)))
    return {"link": f"{source}.{port} -> {target}.inbox", "delayed": delayed}


def write(folder: Path, data: dict[str, Any]) -> Path:
    """The scenario as a file: JSON is YAML."""
    path = folder / "random.yaml"
    path.write_text(json.dumps(data))
    return path


def built(folder: Path, data: dict[str, Any]) -> Scenario:
    """The scenario ready to run; each run needs one of its own."""
    return load(write(folder, data))
