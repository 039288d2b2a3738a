"""Write docs/reference/network.md from the models: ``python scripts/network_reference.py``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gridmodel.network.equipment import LoadResponseCharacteristic
from gridmodel.network.network import Network
from gridmodel.network.transformer import PowerTransformerEnd, RatioTapChanger
from gridmodel.settings import Settings

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "network.md"
#: What fields mean whose name says it.
_PLAIN = {
    "name": "its name, once in its group",
    "bus": "name of its bus",
    "bus_from": "name of the bus at one end",
    "bus_to": "name of the bus at the other",
    "length_km": "length",
}
_HEAD = """# Network

A network file is JSON or YAML: the keys of the network at its top, then groups of elements. Terms
are those of IEC 61970/61968 (CIM). Fields end in their unit; ratings of what consumes are drawn
power and positive, of inverters and machines injection. Unknown keys are refused, and a field that
is left out has the default below. This page is written by `python scripts/network_reference.py`.

Conductors of a bus are `A`, `B`, `C` and the neutral `N`; `0` is the earth. `nodes` are an element's
terminals in the order of its connection: `ABC0` a wye with its star point in the earth, `ABCN` on
the neutral, `ABC` a delta, `AN` one phase, `AB` between two. `phases` are a line's conductors in the
order of its matrices. Nominal voltages are root 3 times those to earth, of a split-phase bus too.
"""


def page() -> str:
    """Return the whole page."""
    parts = [_HEAD, "## Keys at the top\n", _table(Network, set(Network.GROUPS))]
    for key, kind in Network.GROUPS.items():
        parts += [f"## `{key}`: {kind.__name__}\n", _about(kind), _table(kind)]
    for kind in (PowerTransformerEnd, RatioTapChanger, LoadResponseCharacteristic):
        parts += [f"## {kind.__name__}\n", _about(kind), _table(kind)]
    return "\n".join(parts)


def _about(kind: type[Settings]) -> str:
    """Return a docstring, its paragraphs joined."""
    text = (kind.__doc__ or "").split("\n\n    Parameters")[0]
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    return "\n\n".join(paragraphs).replace("``", "`").strip() + "\n"


def _table(kind: type[Settings], without: set[str] = frozenset()) -> str:  # type: ignore[assignment]
    rows = ["| field | meaning | default |", "| --- | --- | --- |"]
    rows += _rows(kind, without)
    return "\n".join(rows) + "\n"


def _rows(kind: type[Settings], without: set[str]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        if name not in without:
            about = field.description or _PLAIN[name]
            yield f"| `{name}` | {about}{_choices(field.annotation)} | {_default(field)} |"


def _choices(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ": " + ", ".join(f"`{choice}`" for choice in get_args(annotation))
    return ""


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "needed"
    if isinstance(value, Settings):
        return "its defaults"
    if value in ("", ()) or value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(f"{one:g}" for one in value)
    return (
        f"`{value}`"
        if isinstance(value, str)
        else f"{value:g}"
        if type(value) is float
        else f"{value}".lower()
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
