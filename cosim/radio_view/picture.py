"""What the pictures of radio traffic share: colours of outcomes, and how they are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cosim.report.plots import COLOURS

BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, BLACK, _ = COLOURS
INK, GREY = "#333333", "#9a9a9a"
#: Colour of what became of a packet at a radio; the order is that of drawing.
OUTCOMES = {"delivered": GREEN, "weak": ORANGE, "deaf": PINK, "collided": VERMILION}
#: A reason of loss that is newer than this picture.
OTHER = "#5b5b5b"
#: Colours of fleets: those with fewest radios first.
COLOURS_OF_FLEETS = (ORANGE, BLUE, PINK, SKY, BLACK)
#: Colour of what a sender did with a packet.
FATES = {"sent": BLUE, "unheard": SKY, "unfinished": SKY, "refused": BLACK}


def known_outcomes(found: set[str]) -> dict[str, str]:
    """Return the colours of outcomes: those known, in order, then any others."""
    others = sorted(found - set(OUTCOMES))
    return {k: v for k, v in OUTCOMES.items() if k in found} | dict.fromkeys(others, OTHER)


def plain(axes: Any) -> None:
    """Take away what a reader does not need."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def save(figure: Any, path: Path) -> None:
    """Write a figure; the same content gives the same bytes."""
    import matplotlib as mpl

    svg = path.suffix.lower() == ".svg"
    with mpl.rc_context({"svg.hashsalt": "feedertwin"}):
        figure.savefig(path, dpi=150, metadata={"Date": None} if svg else {"Software": None})
