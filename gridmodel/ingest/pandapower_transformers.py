"""Transformers of pandapower: two and three windings, with vector groups and taps.

pandapower keeps the short-circuit voltage with its ohmic part; half of the resistance goes
to each winding here. Its phase shift is that of the positive sequence, in degrees.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

from gridmodel.ingest.assembly import Assembly
from gridmodel.ingest.pandapower_rows import Row
from gridmodel.ingest.vector_group import Windings, windings
from gridmodel.network.transformer import RatioTapChanger


class Reader(Protocol):
    """What of a reader of a net is needed here."""

    into: Assembly

    def say(self, text: str, name: str) -> None:
        """Tell something about an element."""

    def origin(self, row: Row) -> str:
        """Return where a row is."""

    def end(self, row: Row, kind: str, key: str, name: str) -> str:
        """Return the bus an end of a branch is at."""


def read_transformer(reader: Reader, row: Row) -> None:
    """Make a transformer of two windings; parallel ones are one of the summed rating."""
    name = reader.into.free_name("transformers", row.name)
    parallel = row.number("parallel", 1.0)
    s_kva = row.number("sn_mva") * 1e3 * parallel
    vkr, vk = row.number("vkr_percent"), row.number("vk_percent")
    group = _group(reader, row, row.text("vector_group"), row.number("shift_degree"))
    taps = _taps(reader, row)
    ends = []
    for k, side in enumerate(("hv", "lv")):
        tap_pu, changer = taps.get(side, (1.0, None))
        ends.append(
            {
                "bus": reader.end(row, "t", f"{side}_bus", name),
                "nodes": group.nodes[k],
                "connection": group.connections[k],
                "v_rated_v": row.number(f"vn_{side}_kv") * 1e3,
                "s_kva": s_kva,
                "r_percent": vkr / 2.0,
                "tap_pu": tap_pu,
                "tap_changer": changer,
            }
        )
    if row.has("vk0_percent") and not math.isclose(row.number("vk0_percent"), vk, rel_tol=1e-6):
        reader.say("its zero-sequence impedance is left out: that of the leakage is taken", name)
    elif 0.0 < row.number("mag0_percent") < 1e6:
        reader.say("the zero sequence's way through its core (mag0) is left out", name)
    reader.into.add(
        "transformers",
        name,
        reader.origin(row),
        ends=tuple(ends),
        x_percent=(math.sqrt(max(vk**2 - vkr**2, 0.0)),),
        lead=group.lead,
        **_core(row.number("pfe_kw") * parallel, row.number("i0_percent"), s_kva),
    )


def _core(pfe_kw: float, i0_percent: float, s_kva: float) -> dict[str, float]:
    """Return the losses in the core and the magnetising part of the no-load current."""
    loss = 100.0 * pfe_kw / s_kva if s_kva else 0.0
    return {
        "no_load_loss_percent": loss,
        "magnetizing_percent": math.sqrt(max(i0_percent**2 - loss**2, 0.0)),
    }


def _group(reader: Reader, row: Row, letters: str, shift_degree: float) -> Windings:
    """Return how the windings are connected; without letters as the shift allows."""
    letters = letters.rstrip("0123456789")
    hours = shift_degree / 30.0
    if abs(hours - round(hours)) > 1e-9:
        text = f"its shift of {shift_degree:g} deg is left out: no vector group has it"
        reader.say(text, row.name)
    clock = round(hours) % 12
    if not letters:
        letters = "Dyn" if clock % 2 else "YNyn"
        reader.say(f"no vector group given: {letters} is taken", row.name)
    group = windings(letters, clock)
    if group.lost:
        reader.say(group.lost, row.name)
    return group


def _taps(reader: Reader, row: Row) -> dict[str, tuple[float, RatioTapChanger | None]]:
    """Return the ratio and the changer of each side that has one."""
    taps: dict[str, tuple[float, RatioTapChanger | None]] = {}
    for suffix in ("", "2"):
        side, kind = row.text(f"tap{suffix}_side"), row.text(f"tap{suffix}_changer_type")
        position, neutral = row.number(f"tap{suffix}_pos"), row.number(f"tap{suffix}_neutral")
        step = row.number(f"tap{suffix}_step_percent") / 100.0
        if not side or not step:
            continue
        if kind != "Ratio" or row.number(f"tap{suffix}_step_degree"):
            if position != neutral:
                reader.say(f"its tap changer of type '{kind}' stays at neutral", row.name)
            continue
        if suffix == "" and row.flag("tap_dependency_table", False):
            reader.say("its impedance by tap position is left out", row.name)
        low, high = row.number(f"tap{suffix}_min"), row.number(f"tap{suffix}_max")
        ratio = 1.0 + (position - neutral) * step
        taps[side] = (taps.get(side, (1.0, None))[0] * ratio, _changer(low, high, neutral, step))
    return taps


def _changer(low: float, high: float, neutral: float, step: float) -> RatioTapChanger | None:
    ratios = sorted((1.0 + (low - neutral) * step, 1.0 + (high - neutral) * step))
    count = round(high - low)
    if count < 1 or ratios[0] <= 0.0:
        return None
    return RatioTapChanger(tap_min_pu=ratios[0], tap_max_pu=ratios[1], step_count=count)


def read_transformer3w(reader: Reader, row: Row) -> None:
    """Make a transformer of three windings.

    pandapower's short-circuit voltages hold on the smaller rating of each pair; ours on the
    first one. The resistances of the windings follow from those of the pairs.
    """
    name = reader.into.free_name("transformers", row.name)
    sides = ("hv", "mv", "lv")
    s_kva = [row.number(f"sn_{side}_mva") * 1e3 for side in sides]
    pairs = {"hv": (0, 1), "mv": (1, 2), "lv": (0, 2)}
    r, x = {}, {}
    for side, (a, b) in pairs.items():
        on_first = s_kva[0] / min(s_kva[a], s_kva[b])
        vk, vkr = row.number(f"vk_{side}_percent"), row.number(f"vkr_{side}_percent")
        r[a, b] = vkr * on_first
        x[a, b] = math.sqrt(max(vk**2 - vkr**2, 0.0)) * on_first
    star = (
        (r[0, 1] + r[0, 2] - r[1, 2]) / 2.0,
        (r[0, 1] + r[1, 2] - r[0, 2]) / 2.0,
        (r[0, 2] + r[1, 2] - r[0, 1]) / 2.0,
    )
    if min(star) < -1e-12:
        reader.say("a winding's resistance would be negative: 0 is taken", name)
    fields = _shifted(reader, row, name)
    taps = _taps(reader, row)
    ends: list[dict[str, Any]] = []
    for k, side in enumerate(sides):
        tap_pu, changer = taps.get(side, (1.0, None))
        ends.append(
            {
                "bus": reader.end(row, "t3", f"{side}_bus", name),
                **fields[k],
                "v_rated_v": row.number(f"vn_{side}_kv") * 1e3,
                "s_kva": s_kva[k],
                "r_percent": max(star[k], 0.0),
                "tap_pu": tap_pu,
                "tap_changer": changer,
            }
        )
    reader.into.add(
        "transformers",
        name,
        reader.origin(row),
        ends=tuple(ends),
        x_percent=(x[0, 1], x[0, 2], x[1, 2]),
        **_core(row.number("pfe_kw"), row.number("i0_percent"), s_kva[0]),
    )


def _shifted(reader: Reader, row: Row, name: str) -> list[dict[str, Any]]:
    """Return nodes and connections of three windings; the first is a wye in the earth."""
    found: list[dict[str, Any]] = [{"nodes": "ABC0", "connection": "wye"}]
    reader.say("three windings: earthed wyes, and deltas where the shift asks for one", name)
    for side in ("mv", "lv"):
        hours = row.number(f"shift_{side}_degree") / 30.0
        clock = round(hours) % 12
        group = windings("YNd" if clock % 2 else "YNyn", clock)
        if group.lead or group.clock != clock or abs(hours - round(hours)) > 1e-9:
            reader.say("a shift of its windings cannot be kept: clock 1 or 0 is taken", name)
            group = windings("YNd" if clock % 2 else "YNyn", clock % 2)
        found.append({"nodes": group.nodes[1], "connection": group.connections[1]})
    return found
