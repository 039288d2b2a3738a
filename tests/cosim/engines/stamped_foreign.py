"""The foreign mosaik simulator, writing down when it misbehaves."""

from __future__ import annotations

import mosaik_api_v3

from tests.cosim.engines.stamped import stamp
from tests.cosim.foreign_sim import Foreign


class StampedForeign(Foreign):
    """Adds up what it is given, and stamps its fault."""

    def step(self, time, inputs, max_advance):
        if self.how and time >= self.at:
            stamp()
        return super().step(time, inputs, max_advance)


if __name__ == "__main__":
    mosaik_api_v3.start_simulation(StampedForeign())
