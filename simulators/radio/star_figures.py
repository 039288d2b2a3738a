"""Figures of a star: what was counted, as key figures and by window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridmodel.kpi import Kpi
from simulators.radio.collisions import CAUSES, DELIVERED
from simulators.radio.star_device import Device


@dataclass
class StarFigures:
    """What was counted since the start.

    Parameters
    ----------
    counts : Counter
        By name: ``up_sent``, ``down_sent``, ``down_got``, ``acknowledged``, ``failed``,
        ``missed``, ``refused``.
    fates : list of int
        Uplinks by `CAUSES`, each where it came furthest.
    duty_max_pu : dict
        Worst ``device`` and ``gateway``, of what the law allows. [pu]
    airtime_us : int
        Of all radios. [us]
    """

    counts: Counter[str] = field(default_factory=Counter)
    fates: list[int] = field(default_factory=lambda: [0] * len(CAUSES))
    duty_max_pu: dict[str, float] = field(default_factory=lambda: {"device": 0.0, "gateway": 0.0})
    airtime_us: int = 0
    _last: tuple[int, int, int] = (0, 0, 0)

    def book(self, who: str, airtime_us: int, used_pu: float) -> None:
        """Count a packet of a ``device`` or a ``gateway``."""
        self.counts["down_sent" if who == "gateway" else "up_sent"] += 1
        self.duty_max_pu[who] = max(self.duty_max_pu[who], used_pu)
        self.airtime_us += airtime_us

    def window(self, length_us: int) -> dict[str, Any]:
        """Return the outputs of a window that ends now."""
        got = self.fates[DELIVERED] + self.counts["down_got"]
        now = (got, sum(self.fates[:DELIVERED]), self.airtime_us)
        before, self._last = self._last, now
        return {
            "delivered_count": now[0] - before[0],
            "lost_count": now[1] - before[1],
            "utilisation_pu": (now[2] - before[2]) / length_us,
        }

    def kpis(self, devices: Iterable[Device]) -> tuple[Kpi, ...]:
        """Return figures of uplinks, downlinks, rates and duty."""
        counts, sent = self.counts, max(sum(self.fates), 1)
        factors = [device.rate.spreading_factor for device in devices]
        shares = [
            Kpi(f"{cause}_pu", count / sent, f"of uplinks: {cause.replace('_', ' ')}")
            for cause, count in zip(CAUSES[:DELIVERED], self.fates, strict=False)
        ]
        got_pu = counts["down_got"] / max(counts["down_sent"], 1)
        return (
            Kpi("delivery_pu", self.fates[DELIVERED] / sent, "of uplinks"),
            Kpi("sent_count", counts["up_sent"], "uplinks on the air, repeated ones included"),
            *shares,
            Kpi("acknowledged_count", counts["acknowledged"], "confirmed frames acknowledged"),
            Kpi("failed_count", counts["failed"], "confirmed frames given up"),
            Kpi("downlink_count", counts["down_sent"], "downlinks on the air"),
            Kpi("downlink_pu", got_pu, "receptions a downlink"),
            Kpi("missed_count", counts["missed"], "windows without a gateway free to send"),
            Kpi("sf_mean_bits", float(np.mean(factors or [0])), "mean spreading factor of devices"),
            Kpi("duty_max_pu", max(self.duty_max_pu.values()), "worst radio, of its limit"),
            Kpi("gateway_duty_max_pu", self.duty_max_pu["gateway"], "worst gateway, of its limit"),
            Kpi("refused_count", counts["refused"], "frames never sent: full queue, too long"),
        )
