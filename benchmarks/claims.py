"""Claims: what was asked of feedertwin's speed, and what the results say to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import Any

from benchmarks.results import Results

Rows = list[dict[str, Any]]
#: An exponent up to this counts as linear: a heap's logarithm and larger caches are in it.
LINEAR = 1.1


@dataclass(frozen=True)
class Claim:
    """A figure that was asked for.

    Parameters
    ----------
    section : str
        Where its figure comes from.
    text : str
        What is measured.
    figure : callable
        Returns the figure from the section's rows.
    least, most : float or None
        What was asked for.
    form : str
        How the figure is written.
    """

    section: str
    text: str
    figure: Callable[[Rows], float]
    least: float | None = None
    most: float | None = None
    form: str = "{:,.0f}"

    @property
    def asked(self) -> str:
        """The bound in words."""
        if self.least is not None:
            return "≥ " + self.form.format(self.least)
        return "≤ " + self.form.format(self.most)

    def met(self, figure: float) -> bool:
        """Return whether a figure is what was asked for."""
        return figure >= self.least if self.least is not None else figure <= (self.most or 0.0)


def _row(rows: Rows, key: str, value: float) -> dict[str, Any]:
    return next(row for row in rows if row[key] == value)


def _growth(rows: Rows, rate: str) -> float:
    """Return how much more a step costs among the most federates than among the fewest."""
    return float(rows[0][rate] / rows[-1][rate])


def _over_federates(rows: Rows, rate: str) -> float:
    """Return the exponent of an instant's cost over federates, from the fewest to the most."""
    return 1.0 + log(_growth(rows, rate)) / log(rows[-1]["federates"] / rows[0]["federates"])


def _over_houses(rows: Rows, what: str) -> float:
    """Return the worst exponent of time over houses, from one size to the next."""
    return max(
        log(larger[what] / smaller[what]) / log(larger["houses"] / smaller["houses"])
        for smaller, larger in pairwise(rows)
    )


CLAIMS = (
    Claim("street", "`street_island`, 48 h at 1 s: times real time, by the clock",
          lambda rows: _row(rows, "hours", 48)["speed"], least=5_000),
    Claim("street", "the same by processor time",
          lambda rows: _row(rows, "hours", 48)["cpu_speed"], least=5_000),
    Claim("street", "peak memory, report included [MB]",
          lambda rows: _row(rows, "hours", 48)["peak_mb"], most=500),
    Claim("street", "memory while running, 48 h over 6 h",
          lambda rows: rows[-1]["running_mb"] / rows[0]["running_mb"], most=1.1, form="{:.2f}"),
    Claim("street", "peak memory, 48 h over 6 h",
          lambda rows: rows[-1]["peak_mb"] / rows[0]["peak_mb"], most=1.1, form="{:.2f}"),
    Claim("engine", "10 empty federates of 1,000 values: instants a second",
          lambda rows: _row(rows, "federates", 10)["instants_per_s"], least=20_000),
    Claim("engine", "exponent of cost over federates, 10 to 400, of 1 value",
          lambda rows: _over_federates(rows, "narrow_steps_per_s"), most=LINEAR, form="{:.2f}"),
    Claim("engine", "a step's growth from 10 to 400, 1,000 values, over that of bare copies",
          lambda rows: _growth(rows, "steps_per_s") / _growth(rows, "bare_steps_per_s"),
          most=1.05, form="{:.2f}"),
    Claim("mosaik", "a pair, 1,000 values: times mosaik's fastest set-up",
          lambda rows: _row(rows, "parts", 2)["ratio"], least=20, form="{:,.1f}"),
    Claim("mosaik", "the same: times mosaik's defaults",
          lambda rows: _row(rows, "parts", 2)["ratio_defaults"], least=20, form="{:,.1f}"),
    Claim("mosaik", "400 parts: times mosaik's fastest set-up",
          lambda rows: _row(rows, "parts", 400)["ratio"], least=500),
    Claim("mosaik", "the same: times mosaik's defaults",
          lambda rows: _row(rows, "parts", 400)["ratio_defaults"], least=500),
    Claim("partitions", "two partitions on HELICS: times a hand-written loop that does nothing else",
          lambda rows: rows[1]["of_ours"], least=0.8, form="{:.2f}"),
    Claim("partitions", "the same: times that loop around the scenario's own parts",
          lambda rows: rows[2]["of_ours"], least=0.8, form="{:.2f}"),
    Claim("partitions", "the same: times mosaik's `cmd`",
          lambda rows: rows[3]["of_ours"], least=2.0, form="{:.1f}"),
    Claim("partitions", "engine mosaik, a pair: times hand-written simulators (1 / 1.2 asked)",
          lambda rows: rows[5]["of_ours"], least=0.83, form="{:.2f}"),
    Claim("partitions", "our simulators in a plain mosaik script: times hand-written ones",
          lambda rows: rows[7]["of_ours"], least=0.83, form="{:.2f}"),
    Claim("neighbourhood", "13 to 1,300 houses: worst exponent of the loop's time",
          lambda rows: _over_houses(rows, "loop_cpu_s"), most=1.0, form="{:.2f}"),
    Claim("neighbourhood", "the same of the whole command's",
          lambda rows: _over_houses(rows, "command_cpu_s"), most=1.0, form="{:.2f}"),
    Claim("inverters", "10,000 standard inverters, one step [ms]",
          lambda rows: rows[0]["fleet_ms"], most=1.0, form="{:.2f}"),
    Claim("inverters", "the same, all in frequency-droop [ms]",
          lambda rows: rows[1]["fleet_ms"], most=1.0, form="{:.2f}"),
    Claim("inverters", "times EPRI's OpenDER in a Python loop, the less of both",
          lambda rows: min(row["ratio"] for row in rows), least=100),
    Claim("uplink", "5,000 nodes of a LoRa cell: times SimPy",
          lambda rows: rows[0]["ratio"], least=30),
    Claim("uplink", "1,000 nodes, 24 h, a packet each 10 min [s]",
          lambda rows: rows[0]["day_s"], most=20, form="{:.3f}"),
    Claim("mesh", "mesh of 50 nodes, the less of two [packets/s]",
          lambda rows: min(row["ours_per_s"] for row in rows), least=200_000),
    Claim("node", "step of a node's controller [us]",
          lambda rows: rows[0]["us"], most=20, form="{:.1f}"),
    Claim("batch", "sweep in small batches: times power-grid-model's best method, least of six",
          lambda rows: min(row["ratio"] for row in rows[:6]), least=10, form="{:.1f}"),
    Claim("batch", "the same of 1,000 buses in one large batch, the less of two",
          lambda rows: min(row["ratio"] for row in rows[6:]), least=10, form="{:.1f}"),
    Claim("batch", "the same: voltages apart at most [pu]",
          lambda rows: max(row["apart_pu"] for row in rows), most=1e-7, form="{:.0e}"),
    Claim("year", "IEEE 123-node year with controls: times OpenDSS's yearly mode, tap monitors",
          lambda rows: rows[1]["ratio"], least=10, form="{:.1f}"),
    Claim("year", "the same: times OpenDSS's with monitors of all voltages",
          lambda rows: rows[2]["ratio"], least=10, form="{:.1f}"),
    Claim("year", "the same: hours with the same taps [%]",
          lambda rows: rows[1]["same_taps"], least=99.9, form="{:.2f}"),
    Claim("opendss", "OpenDSS as our part: times a loop by hand with the same answers",
          lambda rows: rows[0]["of_plain"], most=1.3, form="{:.2f}"),
    Claim("opendss", "the same: times a loop by hand that only reads `AllBusMagPu`",
          lambda rows: rows[0]["step_us"] / rows[2]["step_us"], most=1.3, form="{:.2f}"),
    Claim("large", "100,000 nodes read, ordered and solved [s of processor time]",
          lambda rows: rows[0]["whole_s"], most=10, form="{:.1f}"),
    Claim("large", "the same: peak memory [MB]",
          lambda rows: rows[0]["peak_mb"], most=2_000),
)  # fmt: skip


def judged(results: Results) -> list[tuple[Claim, float, bool]]:
    """Return each claim that has a result, its figure, and whether it is met."""
    found = []
    for claim in CLAIMS:
        if claim.section in results:
            figure = claim.figure(results[claim.section]["rows"])
            found.append((claim, figure, claim.met(figure)))
    return found
