"""Tables: results as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.claims import judged
from benchmarks.mosaik_parts import SETUPS
from benchmarks.power_flow import METHODS
from benchmarks.results import Results

#: Columns of each section: key of a row, heading, how the number is written.
Column = tuple[str, str, str]
COLUMNS: Mapping[str, Sequence[Column]] = {
    "street": (
        ("hours", "simulated [h]", "{:g}"),
        ("loop_s", "loop [s]", "{:.1f}"),
        ("speed", "x real time", "{:,.0f}"),
        ("cpu_speed", "x by processor time", "{:,.0f}"),
        ("command_s", "whole command [s]", "{:.1f}"),
        ("command_speed", "x real time", "{:,.0f}"),
        ("running_mb", "memory while running [MB]", "{:.0f}"),
        ("peak_mb", "peak [MB]", "{:.0f}"),
        ("record_mb_per_h", "record [MB per simulated h]", "{:.2f}"),
    ),
    "commands": (
        ("command", "command", "{}"),
        ("command_s", "time [s]", "{:.2f}"),
        ("command_cpu_s", "processor time [s]", "{:.2f}"),
        ("peak_mb", "peak memory [MB]", "{:.0f}"),
    ),
    "engine": (
        ("federates", "federates", "{:,}"),
        ("instants_per_s", "instants/s", "{:,.0f}"),
        ("steps_per_s", "steps/s", "{:,.0f}"),
        ("narrow_steps_per_s", "steps/s with 1 value", "{:,.0f}"),
        ("bare_steps_per_s", "bare copies/s of 1,000 values", "{:,.0f}"),
    ),
    "mosaik": (
        ("parts", "parts", "{:,}"),
        ("feedertwin", "feedertwin [instants/s]", "{:,.0f}"),
        *((name, name, "{:,.3g}") for name in SETUPS),
        ("ratio", "times the fastest", "{:,.0f}"),
        ("ratio_defaults", "times the defaults", "{:,.0f}"),
    ),
    "partitions": (
        ("way", "1,000 numbers each way", "{}"),
        ("instants_per_s", "instants/s", "{:,.0f}"),
        ("of_ours", "feedertwin is times that", "{:.2f}"),
    ),
    "neighbourhood": (
        ("houses", "houses", "{:,}"),
        ("loop_cpu_s", "loop [s]", "{:.1f}"),
        ("loop_of_linear", "of linear growth", "{:.2f}"),
        ("speed", "x real time", "{:,.0f}"),
        ("ms_per_house_hour", "ms per house and h", "{:.1f}"),
        ("command_cpu_s", "whole command [s]", "{:.1f}"),
        ("command_of_linear", "of linear growth", "{:.2f}"),
        ("running_mb", "memory while running [MB]", "{:,.0f}"),
        ("peak_mb", "peak [MB]", "{:,.0f}"),
    ),
    "inverters": (
        ("situation", "a step, volt-var and volt-watt on", "{}"),
        ("fleet_ms", "10,000 inverters [ms]", "{:.2f}"),
        ("ours_us", "one of 200 [us]", "{:.3f}"),
        ("theirs_us", "OpenDER, one of 200 [us]", "{:,.0f}"),
        ("ratio", "feedertwin is times that", "{:,.0f}"),
    ),
    "uplink": (
        ("cell", "uplinks", "{}"),
        ("ours_per_s", "study [packets/s]", "{:,.0f}"),
        ("theirs_per_s", "SimPy [packets/s]", "{:,.0f}"),
        ("ratio", "study is times that", "{:,.0f}"),
        ("ours_pu", "delivered [pu]", "{:.3f}"),
        ("theirs_pu", "by SimPy [pu]", "{:.3f}"),
    ),
    "mesh": (
        ("mesh", "mesh", "{}"),
        ("ours_per_s", "flood [packets/s]", "{:,.0f}"),
        ("theirs_per_s", "SimPy [packets/s]", "{:,.0f}"),
        ("ratio", "flood is times that", "{:,.0f}"),
        ("ours_pu", "delivered [pu]", "{:.3f}"),
        ("theirs_pu", "by SimPy [pu]", "{:.3f}"),
    ),
    "node": (
        ("what", "a house's edge node", "{}"),
        ("us", "processor time [us]", "{:,.1f}"),
    ),
    "pace": (
        ("what", "real time", "{}"),
        ("median_ms", "late, median [ms]", "{:.2f}"),
        ("p99_ms", "late, p99 [ms]", "{:.2f}"),
        ("max_ms", "late, most [ms]", "{:.2f}"),
    ),
    "batch": (
        ("network", "network", "{}"),
        ("batches", "batches", "{}"),
        ("ours_us", "sweep [us]", "{:,.2f}"),
        *((f"{name}_us", f"power-grid-model, {name} [us]", "{:,.1f}") for name in METHODS),
        ("ratio", "sweep is times the better", "{:.1f}"),
        ("apart_pu", "voltages apart [pu]", "{:.0e}"),
    ),
    "year": (
        ("way", "8,760 h of the IEEE 123-node feeder", "{}"),
        ("year_s", "year [s]", "{:.2f}"),
        ("hour_us", "an hour [us]", "{:.0f}"),
        ("ratio", "sweep is times that", "{:.1f}"),
        ("same_taps", "hours with our taps [%]", "{:.2f}"),
    ),
    "opendss": (
        ("way", "a step of the street", "{}"),
        ("step_us", "time [us]", "{:.0f}"),
        ("of_plain", "of by hand", "{:.2f}"),
    ),
    "large": (
        ("nodes", "nodes", "{:,}"),
        ("read_s", "read and check [s]", "{:.1f}"),
        ("order_s", "order [s]", "{:.2f}"),
        ("compile_s", "compile [s]", "{:.1f}"),
        ("solve_s", "solve [s]", "{:.2f}"),
        ("whole_s", "all, imports too [s]", "{:.1f}"),
        ("wall_s", "by the clock [s]", "{:.1f}"),
        ("peak_mb", "peak memory [MB]", "{:,.0f}"),
    ),
}


def section(name: str, result: Mapping[str, Any]) -> str:
    """Return a section's table and, below it, the circumstances."""
    columns = COLUMNS[name]
    head = [heading for _, heading, _ in columns]
    body = [
        [form.format(row[key]) if key in row else "" for key, _, form in columns]
        for row in result["rows"]
    ]
    rounds = f"{result['rounds']} rounds; load average before it {result['load']:g}"
    return f"{markdown(head, body)}\n\n*{result['machine']}; {rounds}.*"


def claims(results: Results) -> str:
    """Return the table of claims."""
    body = [
        [claim.text, claim.form.format(figure), claim.asked, "met" if met else "**not met**"]
        for claim, figure, met in judged(results)
    ]
    return markdown(["what", "measured", "asked", ""], body)


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a table; numbers stand to the right."""
    align = [
        "---:" if all(row[k][:1].isdigit() or not row[k] for row in body) else "---"
        for k in range(len(head))
    ]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, align, *body))
