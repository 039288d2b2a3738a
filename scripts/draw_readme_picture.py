"""Draw the README's picture: the street's blackout in four panels.

Run it with ``make picture``. It runs the scenario and writes
``docs/images/street_island.png``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from cosim.report.plots import Mark, picture, png
from cosim.run import RunOptions, run
from cosim.scenario.build import load
from cosim.scenario.schema import PanelConfig

ROOT = Path(__file__).parent.parent
PANELS = (
    PanelConfig(title="Frequency of the street", signals=("island.f_hz",), hide_zero=True),
    PanelConfig(
        title="Voltage at the 13 customers: lowest to highest",
        signals=("feeder.v_v",),
        kind="band",
        hide_zero=True,
    ),
    PanelConfig(
        title="What each house may use",
        signals=("nodes.state",),
        kind="states",
        codes=("grid", "islanded", "scarce", "shed", "restoring", "isolated"),
    ),
    PanelConfig(
        title="LoRa receptions a minute",
        signals=("lora.delivered_count", "lora.lost_count"),
        label="count",
    ),
)


def main() -> None:
    """Run the scenario and draw."""
    scenario = load(ROOT / "scenarios" / "street_island" / "scenario.yaml")
    with tempfile.TemporaryDirectory() as out:
        result = run(scenario, RunOptions(Path(out)))
        marks = [
            Mark(event.t_h, f"{event.target} {event.kind}") for event in scenario.config.events
        ]
        figure = picture(result.folder, PANELS, result.t_us, marks)
    target = ROOT / "docs" / "images" / "street_island.png"
    target.write_bytes(png(figure))
    print(target.relative_to(ROOT))


if __name__ == "__main__":
    main()
