"""Statistics of a line: late answers, round trips, losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gridmodel.kpi import Kpi


@dataclass
class LineStatistics:
    """How well questions to one node were answered.

    Parameters
    ----------
    asked, late : int
        Questions; those whose step went on without the answer.
    late_arrived : int
        Late answers that came after all. Their round trips are not known, as nobody looked when
        they came, and are not in ``round_trips_ms``.
    own : int
        Steps the node took by its own clock.
    repeated : int
        Questions asked again.
    lost : bool
        The node died.
    noise : int
        What came and was no message, or none that this node can send.
    stray : int
        Messages of another session.
    round_trips_ms : list of float
        From question to answer, of answers in time. [ms]
    """

    asked: int = 0
    late: int = 0
    own: int = 0
    repeated: int = 0
    lost: bool = False
    late_arrived: int = 0
    noise: int = 0
    stray: int = 0
    round_trips_ms: list[float] = field(default_factory=list)

    @property
    def fate(self) -> str:
        """Whether the node lived to the end."""
        return "died" if self.lost else "lived"

    def figures(self) -> dict[str, float]:
        """Return the figures by name, as numbers."""
        return {kpi.name: kpi.value for kpi in self.kpis()}

    def kpis(self) -> tuple[Kpi, ...]:
        """Return the figures of a report."""
        p50, p99, most = percentiles(self.round_trips_ms)
        return (
            Kpi("asked_count", self.asked, "questions to nodes outside"),
            Kpi("late_answer_count", self.late, "questions whose step went on without the answer"),
            Kpi("late_arrival_count", self.late_arrived, "late answers that came after all"),
            Kpi("own_step_count", self.own, "steps nodes took by their own clock"),
            Kpi("repeated_count", self.repeated, "questions asked again, as no answer came"),
            Kpi("node_lost_count", int(self.lost), "nodes that died"),
            Kpi("noise_count", self.noise, "what came from outside and was no message"),
            Kpi("round_trip_p50_ms", p50, "question to answer in time, median of the slowest node"),
            Kpi("round_trip_p99_ms", p99, "question to answer, of 99 in 100"),
            Kpi("round_trip_max_ms", most, "question to answer, longest"),
        )


def percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return median, 99th percentile and greatest of some values; zeros of none."""
    if not values:
        return 0.0, 0.0, 0.0
    p50, p99, most = np.percentile(values, [50.0, 99.0, 100.0])
    return round(float(p50), 3), round(float(p99), 3), round(float(most), 3)
