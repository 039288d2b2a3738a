"""Write what follows from gridmodel/wire/frames.proto: messages, bit layouts, byte tables.

    python scripts/generate_wire.py           # writes them
    python scripts/generate_wire.py FOLDER    # writes them below another folder

Needs grpcio-tools, which the extra `test` installs; a running node does not.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gridmodel.wire.bits import Bits  # noqa: E402
from gridmodel.wire.lora import airtime_us  # noqa: E402

SCHEMA = "gridmodel/wire/frames.proto"
MESSAGES = "gridmodel/wire/frames_pb2.py"
LAYOUTS = "gridmodel/wire/layouts.py"
PAGE = "docs/reference/frames.md"
#: Page of the messages that go over MQTT only.
PORTS_PAGE = "docs/reference/mqtt.md"
NOTE = "Written by scripts/generate_wire.py from frames.proto: do not edit."
BEGIN, END = "<!-- tables of scripts/generate_wire.py -->", "<!-- end of tables -->"
#: How names of messages end that go over MQTT only.
PORT_ENDINGS = ("State", "Command")
#: Header and tag, and the signature of a signed kind. [B]
OVERHEAD_BYTES, SIGNATURE_BYTES = 9, 64


class Row(NamedTuple):
    """A field of a kind, and its comment in the schema."""

    bits: Bits
    comment: str


class Kind(NamedTuple):
    """A kind of frame as the schema has it."""

    number: int
    name: str
    comment: str
    rows: Sequence[Row]
    signed: bool
    plain: bool

    @property
    def body_bytes(self) -> int:
        """Length of the body. [B]"""
        return -(-sum(row.bits.bits for row in self.rows) // 8)

    @property
    def frame_bytes(self) -> int:
        """Length on the air. [B]"""
        return self.body_bytes + OVERHEAD_BYTES + SIGNATURE_BYTES * self.signed


def main(target: Path) -> None:
    """Write the four files below a folder."""
    messages, kinds, ports = compiled()
    files = {
        MESSAGES: messages,
        LAYOUTS: layouts(kinds),
        PAGE: with_tables(PAGE, tables(kinds)),
        PORTS_PAGE: with_tables(PORTS_PAGE, ports),
    }
    for name, text in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def with_tables(name: str, text: str) -> str:
    """Return a page with other tables between its marks."""
    before, rest = (ROOT / name).read_text().split(BEGIN)
    return f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}"


def compiled() -> tuple[str, list[Kind], str]:
    """Return protoc's Python code, the kinds of the schema by number, and the ports' table."""
    from google.protobuf import descriptor_pb2

    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "schema"
        command = [
            sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}", f"--python_out={folder}",
            f"--descriptor_set_out={image}", "--include_source_info", str(ROOT / SCHEMA),
        ]  # fmt: skip
        subprocess.run(command, check=True)
        code = without_version_check((Path(folder) / MESSAGES).read_text())
        found = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes()).file[0]
    comments = {
        tuple(place.path): " ".join(place.leading_comments.split())
        for place in found.source_code_info.location
    }
    return code, kinds_of(code, comments), port_table(found, comments)


def port_table(schema: Any, comments: dict[tuple[int, ...], str]) -> str:
    """Return the table of the states and commands of ports, as protoc describes the schema."""
    lines = ["| message | number | field | type | |", "| --- " * 5 + "|"]
    for at, message in enumerate(schema.message_type):
        if not message.name.endswith(PORT_ENDINGS):
            continue
        for k, field in enumerate(message.field):
            kind = field.Type.Name(field.type).removeprefix("TYPE_").lower()
            name = "" if k else f"`{message.name}`"
            comment = comments[4, at, 2, k]
            lines.append(f"| {name} | {field.number} | `{field.name}` | {kind} | {comment} |")
    return "\n".join(lines)


def without_version_check(code: str) -> str:
    """Return protoc's code without its refusal of every runtime older than the compiler.

    The code uses only what every protobuf from 5.29 on has; with the check in it, a Pi
    with the protobuf of its distribution could not import it.
    """
    code = re.sub(r"^# -\*- coding.*\n|^# Protobuf Python Version: .*\n", "", code, flags=re.M)
    code = re.sub(r"^from google.protobuf import runtime_version .*\n", "", code, flags=re.M)
    code = re.sub(r"^_runtime_version\.Validate.*?^\)\n", "", code, flags=re.M | re.S)
    return f"# {NOTE}\n# mypy: ignore-errors\n# ruff: noqa\n# fmt: off\n{code}"


def kinds_of(code: str, comments: dict[tuple[int, ...], str]) -> list[Kind]:
    """Return the kinds a compiled schema has, by number."""
    schema: dict[str, Any] = {"__name__": "schema"}
    exec(code, schema)  # not imported: the package may hold an older one
    messages = schema["DESCRIPTOR"].message_types_by_name
    place = {name: k for k, name in enumerate(messages)}
    found = []
    for field in messages["Frame"].oneofs_by_name["body"].fields:
        message, at = field.message_type, place[field.message_type.name]
        cover = message.GetOptions().Extensions[schema["cover"]]
        rows = [
            Row(bits_of(f, schema["air"]), comments[4, at, 2, k])
            for k, f in enumerate(message.fields)
        ]
        name, comment = field.name.upper(), comments[4, at]
        found.append(Kind(field.number, name, comment, rows, cover.signed, cover.plain))
    return sorted(found)


def bits_of(field: Any, extension: Any) -> Bits:
    """Return how a field goes over the air."""
    air = field.GetOptions().Extensions[extension]
    scale = air.scale if air.HasField("scale") else 1.0
    return Bits(field.name, air.bits, scale, air.offset, air.signed)


def layouts(kinds: Iterable[Kind]) -> str:
    """Return the module that holds kinds and layouts as plain Python."""
    lines = [
        '"""Kinds of frames and the bits of their bodies.', "", NOTE, '"""', "",
        "from __future__ import annotations", "", "from collections.abc import Mapping",
        "from enum import IntEnum", "", "from gridmodel.wire.bits import Bits", "", "",
        "class FrameKind(IntEnum):", '    """What a frame is for."""', "",
        *(f"    {kind.name} = {kind.number}" for kind in kinds), "", "",
        "LAYOUTS: Mapping[FrameKind, tuple[Bits, ...]] = {",
    ]  # fmt: skip
    for kind in kinds:
        lines += [f"    # {kind.comment}", f"    FrameKind.{kind.name}: ("]
        lines += [f"        {source_of(row.bits)}," for row in kind.rows] + ["    ),"]
    lines.append("}")
    signed = ", ".join(f"FrameKind.{kind.name}" for kind in kinds if kind.signed)
    plain = ", ".join(f"FrameKind.{kind.name}" for kind in kinds if kind.plain)
    lines += ["#: Kinds that the sender signs.", f"SIGNED = frozenset({{{signed}}})"]
    lines += ["#: Kinds that are sealed, but not encrypted.", f"PLAIN = frozenset({{{plain}}})"]
    return "\n".join(lines) + "\n"


def source_of(field: Bits) -> str:
    """Return a field as Python, without what is as usual."""
    words = [f'"{field.name}"', str(field.bits)]
    if field.scale != 1.0 or field.offset:
        words.append(repr(field.scale))
    if field.offset:
        words.append(repr(field.offset))
    return f"Bits({', '.join(words + ['signed=True'] * field.signed)})"


def tables(kinds: Sequence[Kind]) -> str:
    """Return the tables of the reference page."""
    lines = [
        "| kind | body | on air | SF7/125 | SF9/125 | |", "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for kind in kinds:
        times = [airtime_us(kind.frame_bytes, sf) / 1e3 for sf in (7, 9)]
        lines.append(
            f"| {kind.number} {title(kind)} | {kind.body_bytes} B | {kind.frame_bytes} B | "
            f"{times[0]:.1f} ms | {times[1]:.1f} ms | {kind.comment} |"
        )
    for kind in kinds:
        lines += ["", f"### {kind.number} {title(kind)}", "", *table(kind)]
    return "\n".join(lines)


def title(kind: Kind) -> str:
    """Return a kind's name in words, and how it is covered if that is unusual."""
    marks = ["signed"] * kind.signed + ["not encrypted"] * kind.plain
    return kind.name.lower().replace("_", " ") + (f" ({', '.join(marks)})" if marks else "")


def table(kind: Kind) -> list[str]:
    """Return the byte table of a kind; bytes and bits count from the frame's first."""
    lines = ["| byte.bit | field | bits | step | from | to | |", "| --- " * 7 + "|"]
    at = 40  # bits of the header
    for bits, comment in kind.rows:
        end = at + bits.bits - 1
        lines.append(
            f"| {at // 8}.{7 - at % 8} to {end // 8}.{7 - end % 8} | `{bits.name}` | {bits.bits} "
            f"| {bits.scale:g} | {bits.least:.8g} | {bits.most:.10g} | {comment} |"
        )
        at = end + 1
    if at % 8:
        lines.append(f"| {at // 8}.{7 - at % 8} to {at // 8}.0 | | {8 - at % 8} | | | | zeros |")
    return lines


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
