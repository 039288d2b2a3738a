"""Other parts: what no panel of a scenario shows, so that a part of one's own is seen at once.

Parts whose model comes with another package, or whose inside is somebody else's, are drawn
without being asked for; all are, if the scenario has no panels. The rest is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from cosim import registry
from cosim.recorder.compact import SIGNALS
from cosim.recorder.rows import Rows
from cosim.report.plots import LEGEND_MAX, Mark, inline, picture, png
from cosim.scenario.schema import PanelConfig

#: Outputs that are drawn without being asked for.
MOST_PLOTS = 6
#: Models of ours whose behaviour is somebody else's: a simulator, a process, a script.
_WRAPPERS = ("helics", "mosaik", "scripted", "simpy_process")


@dataclass(frozen=True)
class OtherParts:
    """What a report says of parts without a panel.

    Parameters
    ----------
    drawn : sequence of str
        Outputs that are drawn, ``federate.port``.
    outputs : int
        Outputs that could have been.
    left : sequence of str
        Recorded parts that are not drawn.
    example : str
        One of the outputs, to show how one asks for a panel; empty if there is none.
    picture : str
        Source of an image; empty if nothing is drawn.
    """

    drawn: Sequence[str]
    outputs: int
    left: Sequence[str]
    example: str
    picture: str


def other_parts(
    run: Path, resolved: Mapping[str, Any], panels: Sequence[PanelConfig], until_us: int,
    marks: Sequence[Mark] = (),
) -> OtherParts:  # fmt: skip
    """Return the parts of a run that no panel shows, and a picture of the first outputs.

    Parameters
    ----------
    run : Path
        The run folder.
    resolved : mapping
        Its scenario.
    panels : sequence of PanelConfig
        What the scenario shows by itself.
    until_us : int
        End of the time axis. [us]
    marks : sequence of Mark
        Instants to mark.
    """
    shown = {signal.partition(".")[0] for panel in panels for signal in panel.signals}
    models = {name: block.get("model", "") for name, block in resolved["federates"].items()}
    ports = {name: _ports(run, name) for name in models if name not in shown}
    ports = {name: found for name, found in ports.items() if found}
    own = [name for name in ports if not panels or _is_own(models[name])]
    outputs = [p for p in chain(*zip_longest(*(ports[name] for name in own))) if p is not None]
    drawn = outputs[:MOST_PLOTS]
    image = ""
    if drawn:
        columns = min(len(drawn), 2)
        image = inline(png(picture(run, drawn, until_us, marks, columns)))
    names = [panel.signals[0] for panel in drawn]
    left = [name for name in ports if not any(panel in drawn for panel in ports[name])]
    example = (drawn or ports[left[0]])[0].signals[0] if drawn or left else ""
    return OtherParts(names, len(outputs), left, example, image)


def _is_own(model: str) -> bool:
    return model in _WRAPPERS or not registry.ours(registry.FEDERATES, model)


def _ports(run: Path, name: str) -> list[PanelConfig]:
    """Return a panel for each recorded output of a part."""
    if not (run / SIGNALS / f"{name}.parquet").exists():
        return []
    rows = Rows(run, name, ())
    rows.close()
    return [
        PanelConfig(
            title=f"{name}.{column.name}" + (f": {column.about}" if column.about else ""),
            signals=(f"{name}.{column.name}",),
            kind="lines" if column.width <= LEGEND_MAX else "band",
        )
        for column in rows.known
    ]
