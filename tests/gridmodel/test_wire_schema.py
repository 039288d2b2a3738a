"""What is generated from the schema is what the schema says, and version 1 stays as it is."""

from __future__ import annotations

import hashlib
import importlib.util
import random
import subprocess
import sys

import pytest

from gridmodel.units import unit_of
from gridmodel.wire import frames_pb2 as wire
from gridmodel.wire.frames import LAYOUTS, PLAIN, SIGNED, FrameKind, body_bytes
from gridmodel.wire.lora import airtime_us
from gridmodel.wire.seal import Opener, Sealer, frame_bytes
from gridmodel.wire.signature import Signer, Verifier, public_key_of
from tests.conftest import ROOT

BODIES = {f.number: f for f in wire.DESCRIPTOR.message_types_by_name["Frame"].oneofs[0].fields}
PAGE = ROOT / "docs" / "reference" / "frames.md"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Return a folder with everything generated anew."""
    if importlib.util.find_spec("grpc_tools") is None:
        pytest.skip("grpcio-tools is not installed: pip install 'feedertwin[test]'")
    folder = tmp_path_factory.mktemp("fresh")
    script = ROOT / "scripts" / "generate_wire.py"
    subprocess.run([sys.executable, str(script), str(folder)], check=True)
    return folder


@pytest.mark.parametrize(
    "name", ["gridmodel/wire/layouts.py", "docs/reference/frames.md", "docs/reference/mqtt.md"]
)
def test_what_is_checked_in_is_what_the_schema_gives_today(fresh, name):
    assert (fresh / name).read_text() == (ROOT / name).read_text(), (
        f"{name} is old: run python scripts/generate_wire.py"
    )


def test_the_messages_checked_in_are_what_the_schema_gives_today(fresh):
    """Compare what they describe; the Python round it differs between protoc's versions."""
    name = "gridmodel/wire/frames_pb2.py"
    again: dict[str, object] = {"__name__": "again"}
    exec((fresh / name).read_text(), again)
    assert again["DESCRIPTOR"].serialized_pb == wire.DESCRIPTOR.serialized_pb, (
        f"{name} is old: run python scripts/generate_wire.py"
    )


def test_every_kind_of_the_schema_is_a_kind_on_the_air_under_the_same_number():
    assert {kind: kind.name for kind in FrameKind} == {
        number: field.name.upper() for number, field in BODIES.items()
    }


@pytest.mark.parametrize("kind", FrameKind)
def test_a_layout_is_the_options_of_its_message_in_their_order(kind):
    message = BODIES[kind].message_type
    options = [field.GetOptions().Extensions[wire.air] for field in message.fields]
    assert [
        (field.name, air.bits, air.scale if air.HasField("scale") else 1.0, air.offset, air.signed)
        for field, air in zip(message.fields, options, strict=True)
    ] == [tuple(field) for field in LAYOUTS[kind]]
    cover = message.GetOptions().Extensions[wire.cover]
    assert (cover.signed, cover.plain) == (kind in SIGNED, kind in PLAIN)
    assert [field.number for field in message.fields] == list(range(1, len(options) + 1))


def test_signed_kinds_and_the_join_carry_their_whole_counter():
    assert SIGNED < PLAIN == SIGNED | {FrameKind.JOIN}
    for kind in PLAIN:
        assert tuple(LAYOUTS[kind][0][:2]) == ("counter_high", 16)


@pytest.mark.parametrize("kind", FrameKind)
def test_every_scaled_field_ends_in_its_unit(kind):
    for field in LAYOUTS[kind]:
        if field.scale != 1.0:
            assert unit_of(field.name)


@pytest.mark.parametrize("kind", FrameKind)
def test_the_page_says_length_and_airtime_of_each_kind(kind):
    length = frame_bytes(kind)
    row = (
        f"{body_bytes(kind)} B | {length} B | {airtime_us(length) / 1e3:.1f} ms | "
        f"{airtime_us(length, 9) / 1e3:.1f} ms |"
    )
    start = f"| {int(kind)} {kind.name.lower().replace('_', ' ')} "
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith(start)]
    assert row in line
    for field in LAYOUTS[kind]:
        assert f"| `{field.name}` | {field.bits} |" in PAGE.read_text()


def test_frames_are_read_without_loading_protobuf_or_cryptography():
    code = "import sys, gridmodel.wire.frames; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    heavy = {"google.protobuf", "cryptography", "pydantic", "numpy"}
    assert heavy.isdisjoint(loaded)
    assert "gridmodel.wire.layouts" in loaded


#: Version 1 for ever: key 00..0f, signing key 00..1f, source 7, destination 3, counter
#: 70,000, epoch 0, field k of a kind: code k + 1.
VECTORS = {
    "TELEMETRY": "1107031170513ba992347ccc9b17e73e",
    "BEACON": "1207031170850b89e6660ffa",
    "ORDER": "130703117065773464f3f6",
    "ACKNOWLEDGE": "1407031170453aef7b40c431",
    "HEARTBEAT": "15070311705539ca4b74da84",
    "STATE_OF_CHARGE": "1607031170457bcb962840126deb4a",
    "DISPATCH": "1707031170553b49953038c194fbe2",
    "SHED": "1807031170653b89f218dc85ff",
    "SHED_ALL": "19070311700001002064b922a1"
    "7744a4901302c7b81bed4604a1020fa219d847aac679b96fcfc0dbe94733f44b"
    "2610ae0052b95124ae0fb97400136aa8c81b9595da3e69e6e630e12149e7da9003",
    "BLACK_START": "1a07031170000102030410f027bd"
    "f2d7cb53c96701d01e3587786f04fdc36439d4cf50ebaf1c7f4c08ac0a28178c"
    "bc6087236a5318fb59a560817067dde82a57c4d548a8250fdcf147f4cc514d00",
    "JOIN": "1b0703117000010000000203049a53e0aa",
}


def test_there_is_a_frozen_vector_of_every_kind():
    assert set(VECTORS) == {kind.name for kind in FrameKind}


@pytest.mark.parametrize("name", VECTORS)
def test_a_frame_of_version_1_has_these_bytes_for_ever(name):
    """Never change a vector: what is wrong needs a new kind, or a new version."""
    kind = FrameKind[name]
    signer = Signer(bytes(range(32)))
    sealer = Sealer(7, bytes(range(16)), 69_999, signer=signer)
    values = {f.name: f.decode(min(k + 1, 2**f.bits - 1)) for k, f in enumerate(LAYOUTS[kind])}
    if kind in PLAIN:
        values["counter_high"] = 1  # 65,536
    frame = bytes.fromhex(VECTORS[name])
    assert sealer.seal(kind, 3, values).hex() == frame.hex()
    opener = Opener(
        7, bytes(range(16)), 69_990, verifier=Verifier(public_key_of(signer.private_key))
    )
    opened = opener.open(frame)
    assert (opened.kind, opened.source, opened.destination, opened.counter) == (kind, 7, 3, 70_000)
    assert opened.values == values


def test_the_first_four_kinds_are_sealed_as_before_there_was_a_schema():
    """The digest of 20,000 frames was made by the layouts the schema replaced."""
    luck, digest = random.Random(1), hashlib.sha256()
    for _ in range(20_000):
        kind = FrameKind(luck.randint(1, 4))
        sealer = Sealer(luck.randint(0, 255), luck.randbytes(16), luck.randint(0, 2**32 - 2))
        values = {}
        for f in LAYOUTS[kind]:
            span = f.scale * 2**f.bits
            values[f.name] = luck.uniform(f.offset - span * 0.2, f.offset + span * 1.2)
        digest.update(sealer.seal(kind, luck.randint(0, 255), values))
    assert digest.hexdigest() == "1392b2123fedc111e48f62581ed0bc834c6413d06320ccea51b46007f7c55e25"
