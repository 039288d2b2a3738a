"""OpenDSS scripts with a typo: the mistake is told, not the dozen errors that follow from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridmodel.errors import NetworkError
from gridmodel.ingest.plain_text import plain_text
from gridmodel.ingest.read import read_any

GOOD = """
clear
new circuit.small bus1=a basekv=12.47
new linecode.cable nphases=3 r1=0.3 x1=0.4 units=km
new line.one bus1=a bus2=b linecode=cable length=1
new line.two bus1=b bus2=c linecode=cable length=1
new transformer.sub windings=2 buses=(c d) kvs=(12.47 0.4) kvas=(100 100)
~ xhl=4
new regcontrol.reg transformer=sub winding=2 vreg=120 band=2
new load.shop bus1=d kv=0.4 kw=10
set voltagebases=[12.47 0.4]
calcvoltagebases
"""


def faults(folder: Path, text: str, *options: str) -> list[str]:
    """What is wrong with a script, without the folder it is in."""
    path = folder / "master.dss"
    path.write_text(text.strip())
    with pytest.raises(NetworkError) as caught:
        read_any(path, *options)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def typo(folder: Path, right: str, wrong: str) -> list[str]:
    assert GOOD.count(right) == 1
    return faults(folder, GOOD.replace(right, wrong))


def test_the_script_without_a_typo_is_read(tmp_path):
    (tmp_path / "master.dss").write_text(GOOD)
    assert len(read_any(tmp_path / "master.dss")[0].lines) == 2


@pytest.mark.parametrize(
    ("right", "wrong", "line", "meant", "followers"),
    [
        # the circuit: nothing at all can be made after it
        ("new circuit", "new crcuit", 2, "'circuit'", 9),
        ("new circuit", "neww circuit", 2, "'new'", 9),
        # a line code: two lines look for it
        ("new linecode", "new linecod", 3, "'linecode'", 2),
        ("new linecode", "nww linecode", 3, "'new'", 2),
        # a transformer: the line that goes on with it, and its regulator
        ("new transformer", "new transformr", 6, "'transformer'", 2),
    ],
)
def test_one_typo_is_one_fault_that_counts_what_follows(
    tmp_path, right, wrong, line, meant, followers
):
    (found,) = typo(tmp_path, right, wrong)
    assert found.startswith(f"master.dss:{line}: {wrong.partition('.')[0]}")
    assert f"Did you mean {meant}?" in found
    count = f"{followers} later error{'s follow' if followers > 1 else ' follows'} from this one."
    assert found.endswith(count)


@pytest.mark.parametrize(
    ("right", "wrong", "meant"),
    [
        ("basekv=12.47", "bsekv=12.47", "'basekv'"),
        ("two bus1=b", "two bsu1=b", "'bus1'"),
        ("xhl=4", "xhll=4", "'xhl'"),
        ("winding=2", "windng=2", "'winding'"),
    ],
)
def test_a_mistyped_property_is_told_alone_with_what_is_meant(tmp_path, right, wrong, meant):
    found = typo(tmp_path, right, wrong)
    assert len(found) == 1
    assert f"Did you mean {meant}?" in found[0]


def test_a_mistyped_reference_is_told_once_however_many_lines_have_it(tmp_path):
    (found,) = faults(tmp_path, GOOD.replace("linecode=cable", "linecode=cabel"))
    assert found.startswith("master.dss:4: ")
    assert "Did you mean 'cable'? 1 later error follows from this one." in found


def test_a_file_that_is_not_there_is_the_cause_of_what_it_would_have_held(tmp_path):
    (tmp_path / "codes.dss").write_text("new linecode.cable nphases=3 r1=0.3 x1=0.4 units=km")
    code = GOOD.splitlines()[3]
    (found,) = faults(tmp_path, GOOD.replace(code, "redirect codez.dss"))
    assert found == (
        "master.dss:3: redirect: 'codez.dss' does not exist. Did you mean 'codes.dss'? "
        "2 later errors follow from this one."
    )


def test_missing_coordinates_are_no_cause_of_a_missing_line_code(tmp_path):
    text = GOOD.replace("clear", "clear\nbuscoords nowhere.csv").replace(
        "linecode=cable", "linecode=x"
    )
    found = faults(tmp_path, text)
    assert len(found) == 2
    assert "'nowhere.csv' does not exist" in found[0]
    assert '"x" not found' in found[1]


def test_two_mistakes_are_two_faults_each_with_its_own_consequences(tmp_path):
    text = GOOD.replace("new linecode", "new linecod").replace("new transformer", "new transformr")
    text += "edit line.two lngth=3\n"
    found = faults(tmp_path, text)
    assert [one.partition(": ")[0] for one in found] == [f"master.dss:{k}" for k in (3, 6, 12)]
    assert [one.rpartition("?")[2].strip() for one in found] == [
        "2 later errors follow from this one.", "2 later errors follow from this one.", "",
    ]  # fmt: skip


def test_a_word_of_its_own_that_is_wrong_is_told_even_after_another_cause(tmp_path):
    found = typo(tmp_path, "linecode=cable length=1\nnew line.two", "lngth=1\nnew line.two")
    assert len(found) == 1
    text = GOOD.replace("new linecode", "new linecod").replace("two bus1=b", "two bsu1=b")
    assert len(faults(tmp_path, text)) == 2


def test_a_number_for_a_name_does_not_hide_another_mistake(tmp_path):
    text = (
        GOOD.replace("new line.one", "new lien.1") + "new load.late bus1=d kv=1 phases=1 daily=no\n"
    )
    found = faults(tmp_path, text)
    assert len(found) == 2
    assert '"no" not found' in found[1]


def test_a_script_that_never_makes_a_circuit_says_so_once(tmp_path):
    (found,) = faults(tmp_path, "new line.a bus1=x bus2=y\nnew line.b bus1=y bus2=z\n")
    assert "there is no circuit yet. A script makes one first: 'new circuit.NAME'." in found
    assert "1 later error follows" in found


@pytest.mark.parametrize("form", ["", "opendss"])
def test_a_file_that_is_no_text_is_told_without_its_bytes(tmp_path, form):
    path = tmp_path / "master.dss"
    path.write_bytes(b"\x7fELF\x02\x01\x01\x00new line.\x1b[31m" + bytes(range(256)))
    with pytest.raises(NetworkError) as caught:
        read_any(path, form)
    (fault,) = caught.value.faults
    assert "is not text" in str(fault)
    assert str(fault).isprintable()


def test_a_file_that_is_no_text_behind_a_redirect_bears_the_line_of_the_redirect(tmp_path):
    (tmp_path / "picture.dss").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    (found,) = faults(tmp_path, GOOD.replace("set volt", "redirect picture.dss\nset volt"))
    assert found.startswith("master.dss:10: picture.dss: is not text.")


@pytest.mark.parametrize("suffix", [".m", ".json", ".xml", ".yaml", ".net"])
def test_no_other_ending_makes_a_program_a_network(tmp_path, suffix):
    path = tmp_path / f"program{suffix}"
    path.write_bytes(b"\x7fELF\x02\x01\x01\x00\x00")
    with pytest.raises(NetworkError, match="is not text"):
        read_any(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_script_in_any_usual_encoding_is_text(tmp_path, encoding):
    path = tmp_path / "master.dss"
    path.write_bytes(f"! Umspannwerk K\u00f6ln{GOOD}\x1a".encode(encoding))
    assert len(read_any(path)[0].lines) == 2


def test_tabs_line_ends_and_form_feeds_are_text_and_escapes_are_not():
    assert plain_text(b"a\tb\r\nc\x0c\x1a") == "a\tb\r\nc\x0c"
    assert plain_text(b"a\x1b[31m") is None


def test_a_conductor_that_is_no_number_is_a_fault(tmp_path):
    told = typo(tmp_path, "bus1=b bus2=c", "bus1=b.b_1 bus2=c")
    assert any("'b_1' of bus 'b'" in fault and "bus.1.2.3" in fault for fault in told), told


def test_a_script_with_more_errors_than_are_told_says_where_reading_ended(tmp_path):
    lines = "\n".join(f"new line.l{k} bsu1=a bus2=b linecode=cable length=1" for k in range(33))
    told = faults(tmp_path, GOOD + lines)
    assert len(told) == 21
    assert "read no further than this, after 20 errors" in told[-1]
