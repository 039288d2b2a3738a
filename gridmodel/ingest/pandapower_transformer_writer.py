"""Transformers as rows of pandapower's tables."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Protocol

from gridmodel.ingest.vector_group import clock_of, letters_of
from gridmodel.network.element import Element
from gridmodel.network.transformer import PowerTransformer, PowerTransformerEnd

#: Magnetising impedance of the zero sequence, of that of the leakage: as good as none flows
#: in the core, so the zero sequence sees the leakage alone, as in our transformers.
_NO_CORE_PERCENT = 1e10


class Writer(Protocol):
    """What of a writer of a net is needed here."""

    net: Any
    library: Any
    at: dict[str, int]
    core_at_end: bool
    cores: list[int]

    def lose(self, elements: Iterable[Element], text: str) -> None:
        """Tell of elements that the net does not hold."""

    def note(self, elements: Iterable[Element], text: str) -> None:
        """Tell of elements that it holds in another way."""


def write_transformer(writer: Writer, unit: PowerTransformer) -> None:
    """Add a transformer to a net; one that it cannot hold is told."""
    if unit.ends[0].coil_count != 3:
        writer.lose([unit], "a transformer of fewer than three phases")
    elif min(unit.x_percent) < 0.0:
        writer.lose([unit], "a negative leakage reactance")
    elif len(unit.ends) == 2:
        _two(writer, unit)
    else:
        _three(writer, unit)


def _two(writer: Writer, unit: PowerTransformer) -> None:
    high, low = unit.ends
    if high.v_rated_v < low.v_rated_v:
        high, low = low, high
    connections = (high.connection, low.connection)
    clock = clock_of(connections, low.nodes, unit.lead)
    if clock is None or high.nodes.rstrip("0N") != "ABC":
        writer.lose([unit], f"its terminals {high.nodes} and {low.nodes} fit no vector group")
        return
    first = unit.ends[0].s_kva
    r = sum(end.r_percent for end in unit.ends)
    tap, ratios = _tap(writer, unit, {"hv": high, "lv": low})
    writer.library.create_transformer_from_parameters(
        writer.net,
        writer.at[high.bus],
        writer.at[low.bus],
        sn_mva=first / 1e3,
        vn_hv_kv=high.v_rated_v * ratios["hv"] / 1e3,
        vn_lv_kv=low.v_rated_v * ratios["lv"] / 1e3,
        vkr_percent=r,
        vk_percent=math.hypot(r, unit.x_percent[0]),
        shift_degree=30.0 * clock,
        name=unit.name,
        vector_group=letters_of(connections, (high.nodes[-1], low.nodes[-1])),
        vk0_percent=math.hypot(r, unit.x_percent[0]),
        vkr0_percent=r,
        mag0_percent=_NO_CORE_PERCENT,
        mag0_rx=0.0,
        si0_hv_partial=0.9,
        **_core(writer, unit),
        **tap,
    )


def _core(writer: Writer, unit: PowerTransformer) -> dict[str, float]:
    s_kva = unit.ends[0].s_kva
    if writer.core_at_end:
        end = unit.ends[1]
        shunt = writer.library.create_shunt(
            writer.net,
            writer.at[end.bus],
            p_mw=unit.no_load_loss_percent * s_kva / 1e5,
            q_mvar=unit.magnetizing_percent * s_kva / 1e5,
            vn_kv=end.v_rated_v * end.tap_pu / 1e3,
            name=f"{unit.name} core",
        )
        writer.cores.append(int(shunt))
        return {"pfe_kw": 0.0, "i0_percent": 0.0}
    return {
        "pfe_kw": unit.no_load_loss_percent * s_kva / 100.0,
        "i0_percent": math.hypot(unit.no_load_loss_percent, unit.magnetizing_percent),
    }


def _tap(
    writer: Writer, unit: PowerTransformer, sides: dict[str, PowerTransformerEnd]
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the columns of a tap changer, and by how much rated voltages are changed.

    A ratio that is no whole step of the one tap changer becomes a rated voltage, which
    gives the same power flow.
    """
    columns: dict[str, Any] = {}
    ratios = {side: end.tap_pu for side, end in sides.items()}
    for side, end in sides.items():
        changer = end.tap_changer
        if changer is None:
            continue
        neutral = (1.0 - changer.tap_min_pu) / changer.step_pu
        position = (end.tap_pu - 1.0) / changer.step_pu
        if columns or any(abs(k - round(k)) > 1e-6 for k in (neutral, position)):
            text = "a tap changer between steps, or a second one: written as a rated voltage"
            writer.note([unit], text)
            continue
        ratios[side] = 1.0
        columns = {
            "tap_side": side,
            "tap_changer_type": "Ratio",
            "tap_neutral": 0,
            "tap_min": -round(neutral),
            "tap_max": changer.step_count - round(neutral),
            "tap_step_percent": 100.0 * changer.step_pu,
            "tap_step_degree": 0.0,
            "tap_pos": round(position),
        }
    return columns, ratios


def _three(writer: Writer, unit: PowerTransformer) -> None:
    order = sorted(range(3), key=lambda k: (-unit.ends[k].v_rated_v, k))
    if order[0] != 0:
        writer.lose([unit], "its first end has not the highest voltage")
        return
    sides = ("hv", "mv", "lv")
    ends = [unit.ends[k] for k in order]
    columns: dict[str, Any] = {}
    for side, end in zip(sides, ends, strict=True):
        connections = (ends[0].connection, end.connection)
        clock = 0 if side == "hv" else clock_of(connections, end.nodes, unit.lead)
        if clock is None or not _held(unit, ends[0], end):
            writer.lose([unit], f"its terminals {end.nodes} fit no vector group")
            return
        columns |= {f"sn_{side}_mva": end.s_kva / 1e3}
        if side != "hv":
            columns[f"shift_{side}_degree"] = 30.0 * clock
    first = unit.ends[0].s_kva
    x = dict(zip(((0, 1), (0, 2), (1, 2)), unit.x_percent, strict=True))
    for side, (a, b) in {"hv": (0, 1), "mv": (1, 2), "lv": (0, 2)}.items():
        on_least = min(ends[a].s_kva, ends[b].s_kva) / first
        r = ends[a].r_percent + ends[b].r_percent
        pair = (min(order[a], order[b]), max(order[a], order[b]))
        columns[f"vkr_{side}_percent"] = r * on_least
        columns[f"vk_{side}_percent"] = math.hypot(r, x[pair]) * on_least
    tap, ratios = _tap(writer, unit, dict(zip(sides, ends, strict=True)))
    for side, end in zip(sides, ends, strict=True):
        columns[f"vn_{side}_kv"] = end.v_rated_v * ratios[side] / 1e3
    buses = {f"{side}_bus": writer.at[end.bus] for side, end in zip(sides, ends, strict=True)}
    writer.library.create_transformer3w_from_parameters(
        writer.net, name=unit.name, **buses, **columns, **_core(writer, unit), **tap
    )


def _held(unit: PowerTransformer, first: PowerTransformerEnd, end: PowerTransformerEnd) -> bool:
    """Return whether a winding is as one of three that are read: wye first, phases in order."""
    in_order = end.nodes.rstrip("0N") == "ABC"
    return first.connection == "wye" and in_order and not unit.lead
