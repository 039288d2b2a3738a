"""Keys of a provisioned cell: who shares which, and the files that hold them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.errors import InputError, RecordError
from gridmodel.wire.frames import EVERYONE
from gridmodel.wire.keys import provision, read_keys, write_keys
from gridmodel.wire.link import Link
from tests.gridmodel.wire_cell import Numbers


def test_every_key_is_random_and_shared_by_two_or_by_the_cell():
    rings, others = provision([1, 2, 254], neighbours=[(1, 2)]), provision([1, 2, 254])
    assert set(rings) == {0, 1, 2, 254}
    shared = {ring.keys[EVERYONE] for ring in rings.values()}
    assert len(shared) == 1
    pairs = {
        frozenset((a, b)): key
        for a, ring in rings.items()
        for b, key in ring.keys.items()
        if b != EVERYONE
    }
    assert set(pairs) == {frozenset(p) for p in [(0, 1), (0, 2), (0, 254), (1, 2)]}
    for a, ring in rings.items():
        assert ring.keys.keys() - {EVERYONE} == {b for p in pairs if a in p for b in p - {a}}
        assert all(ring.keys[b] == pairs[frozenset((a, b))] for b in ring.keys if b != EVERYONE)
    every = [*shared, *pairs.values(), *(k for r in others.values() for k in r.keys.values())]
    assert len(set(every)) == 1 + 4 + 1 + 3
    assert {len(key) for key in every} == {16}


def test_only_the_coordinator_can_sign_and_no_ring_prints_its_keys():
    rings = provision([1])
    assert rings[1].private_key is None
    assert rings[0].private_key is not None
    assert rings[0].public_key == rings[1].public_key
    told = repr(rings) + repr(Link(rings[0], Numbers()))
    for key in (*rings[0].keys.values(), rings[0].private_key):
        assert key.hex() not in told
        assert repr(key) not in told


@pytest.mark.parametrize("address", [0, 255, -1])
def test_a_node_cannot_have_the_address_of_the_coordinator_or_of_everyone(address):
    with pytest.raises(ValueError, match="address is 1 to 254"):
        provision([address])


def test_a_key_file_is_its_owners_and_gives_back_the_ring(tmp_path: Path):
    for ring in provision([1, 2], cell=3, epoch=4).values():
        path = tmp_path / f"node_{ring.address}.json"
        write_keys(path, ring)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert read_keys(path) == ring
        with pytest.raises(RecordError, match="cannot be written"):
            write_keys(path, ring)  # never over another


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path):
    path = tmp_path / "keys.json"
    write_keys(path, provision([1])[1])
    path.chmod(0o640)
    with pytest.raises(InputError, match=r"others may read these keys\. Say: chmod 600"):
        read_keys(path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda told: told.pop("keys"), "is no key ring"),
        (lambda told: told.update(epoch=65_536), "epoch: is 65536"),
        (lambda told: told.update(address="1"), "address: is '1'"),
        (lambda told: told.update(public_key="00"), "a key is damaged"),
        (lambda told: told["keys"].update({"0": "zz"}), "a key is damaged"),
        (lambda told: told["keys"].update({"x": "00" * 16}), "is no key ring"),
        (lambda told: told["keys"].update({"256": "00" * 16}), "peer 256"),
        (lambda told: told["keys"].pop("255"), "is no key ring"),
        (lambda told: told.update(keys=[]), "is no key ring"),
    ],
)
def test_a_damaged_key_file_is_refused_and_tells_no_key(tmp_path: Path, change, text):
    path = tmp_path / "keys.json"
    write_keys(path, provision([1])[1])
    told = json.loads(path.read_text())
    secret = told["keys"]["255"]
    change(told)
    path.write_text(json.dumps(told))
    with pytest.raises(InputError, match=text) as refused:
        read_keys(path)
    assert secret not in str(refused.value)


@given(text=st.text(max_size=40))
def test_a_key_file_of_rubbish_is_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    path.touch(0o600)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError):
        read_keys(path)
