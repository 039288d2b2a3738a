"""Draw the wiring of a node on a Raspberry Pi: docs/images/pi_wiring.svg.

Usage: python scripts/draw_wiring.py [FILE.png|FILE.svg]
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

OUT = Path(__file__).parent.parent / "docs" / "images" / "pi_wiring.svg"
#: Signals on the header: number of the pin, its name, who uses it and for what.
SPI, RADIO, METER, RELAY, POWER = "#2b6cb0", "#805ad5", "#2f855a", "#c05621", "#4a5568"
#: By wire: colour, header pin, its name, part, the part's own name of it.
WIRES = [
    (POWER, 1, "3.3 V", "hat", "3V3"),
    (POWER, 6, "ground", "hat", "GND"),
    (SPI, 19, "GPIO10 MOSI", "hat", "MOSI"),
    (SPI, 21, "GPIO9 MISO", "hat", "MISO"),
    (SPI, 23, "GPIO11 SCLK", "hat", "CLK"),
    (RADIO, 24, "GPIO8 CE0", "hat", "NSS"),
    (RADIO, 12, "GPIO18", "hat", "NRESET"),
    (RADIO, 36, "GPIO16", "hat", "DIO1"),
    (RADIO, 38, "GPIO20", "hat", "BUSY"),
    (POWER, 17, "3.3 V", "adc", "VDD, VREF"),
    (POWER, 20, "ground", "adc", "AGND, DGND"),
    (SPI, 19, "GPIO10 MOSI", "adc", "D-IN"),
    (SPI, 21, "GPIO9 MISO", "adc", "D-OUT"),
    (SPI, 23, "GPIO11 SCLK", "adc", "CLK"),
    (METER, 26, "GPIO7 CE1", "adc", "CS"),
    (POWER, 2, "5 V", "relays", "VCC"),
    (POWER, 39, "ground", "relays", "GND"),
    (RELAY, 29, "GPIO5", "relays", "IN1 critical"),
    (RELAY, 31, "GPIO6", "relays", "IN2 normal"),
    (RELAY, 33, "GPIO13", "relays", "IN3 deferrable"),
    (RELAY, 35, "GPIO19", "relays", "auxiliary contact 1"),
    (RELAY, 37, "GPIO26", "relays", "auxiliary contact 2"),
    (RELAY, 32, "GPIO12", "relays", "auxiliary contact 3"),
]
PARTS = {
    "hat": "SX126x HAT (LoRa, 868 MHz),\nits antenna before its power",
    "adc": "MCP3208 (12-bit converter)",
    "relays": "three-channel relay board\nwith auxiliary contacts",
}
ROW = 1.0


def main() -> None:
    """Draw, and write the file."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    mpl.rcParams["svg.hashsalt"] = "feedertwin"
    mpl.rcParams["svg.fonttype"] = "none"
    figure, axes = plt.subplots(figsize=(11.0, 9.6))
    axes.set_axis_off()
    axes.set_xlim(0, 22)
    rows = len(WIRES) + 2 * (len(PARTS) - 1)
    axes.set_ylim(-rows * ROW - 0.6, 4.4)
    axes.text(11, 3.7, "A node on a Raspberry Pi Zero 2 W", ha="center", size=14, weight="bold")
    axes.text(
        11, 2.9, "header pin, its GPIO name, and where the wire goes; BCM numbers as in the YAML",
        ha="center", size=9, color="#555555",
    )  # fmt: skip
    y, spans = 0.0, {}
    for number, (colour, pin, name, part, own) in enumerate(WIRES):
        if number and WIRES[number - 1][3] != part:
            y -= 2 * ROW
        _wire(axes, y, (colour, pin, name, own))
        top, _ = spans.get(part, (y, y))
        spans[part] = (top, y)
        y -= ROW
    _box(axes, (0.4, y + ROW - 0.6), (4.3, 0.6 - y - ROW + 0.6), "#f0f4f8")
    axes.text(2.55, 1.0, "Pi, 40-pin header", ha="center", size=10, weight="bold")
    for part, (top, bottom) in spans.items():
        _box(axes, (10.0, bottom - 0.6), (4.6, top - bottom + 1.2), "#fffaf0")
        axes.text(12.3, top + 0.78, PARTS[part], ha="center", va="bottom", size=9, weight="bold")
    _sensors(axes, spans["adc"])
    _mains(axes, spans["relays"])
    metadata = {"Date": None} if out.suffix == ".svg" else None
    figure.savefig(out, bbox_inches="tight", metadata=metadata, dpi=110)


def _box(axes: Axes, corner: tuple[float, float], size: tuple[float, float], face: str) -> None:
    shape = FancyBboxPatch(corner, *size, boxstyle="round,pad=0.1", fc=face, ec="#888888", zorder=0)
    axes.add_patch(shape)


def _wire(axes: Axes, y: float, wire: tuple[str, int, str, str]) -> None:
    """Draw one wire with its two ends."""
    colour, pin, name, own = wire
    axes.text(0.7, y, f"{pin}", va="center", size=9, family="monospace", weight="bold")
    axes.text(1.7, y, name, va="center", size=9)
    axes.plot([4.8, 9.9], [y, y], color=colour, lw=2)
    axes.plot([4.8, 9.9], [y, y], "o", color=colour, ms=4)
    axes.text(10.2, y, own, va="center", size=9)


def _sensors(axes: Axes, span: tuple[float, float]) -> None:
    """Draw what is in front of the converter."""
    lines = [
        ("CH0", "mains voltage: transformer 230 V : 9 V,\ndivider, bias at 1.65 V"),
        ("CH1", "SCT-013-000 clamp (2000:1) on the live wire,\n22 ohm across it, bias at 1.65 V"),
    ]
    for k, (channel, text) in enumerate(lines):
        y = span[0] - 1.0 - 2.4 * k
        axes.text(14.1, y, channel, va="center", ha="right", size=9)
        axes.plot([14.7, 15.6], [y, y], "-o", color=METER, lw=2, ms=4)
        axes.text(15.8, y, text, va="center", size=8.5)


def _mains(axes: Axes, span: tuple[float, float]) -> None:
    """Draw what the relays switch."""
    y = span[0] - 3.0
    axes.plot([14.7, 15.6], [y, y], "-o", color=RELAY, lw=2, ms=4)
    text = (
        "coils of three contactors, one a circuit.\nMains: by an electrician, behind\n"
        "fuses, in a closed box.\nAuxiliary contacts to ground (pull-up):\na welded contact is seen."
    )
    axes.text(15.8, y, text, va="center", size=8.5)


if __name__ == "__main__":
    main()
