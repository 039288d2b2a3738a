"""Keys of a cell are made once, one folder a member, and give it its link."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from cosim.cli import application
from cosim.node.provision import link_in, provision_cell
from gridmodel.errors import FeedertwinError, InputError
from gridmodel.wire.frames import COORDINATOR, FrameKind

ORDER = {"allowed_mask": 7, "valid_s": 60, "reason": 0}


def test_the_members_of_a_cell_understand_each_other(tmp_path):
    folders = provision_cell(tmp_path / "cell", 2)
    node, lead = link_in(folders[1], 1, 0), link_in(folders[0], COORDINATOR, 0)
    _, answer = lead.open(0, node.join(COORDINATOR))
    _, echo = node.open(0, answer)
    lead.open(0, echo)
    opened, _ = node.open(1, lead.seal(FrameKind.ORDER, 1, ORDER))
    assert opened.values["allowed_mask"] == 7


def test_only_the_owner_may_read_keys_and_they_are_never_made_twice(tmp_path):
    folders = provision_cell(tmp_path / "cell", 2)
    for folder in folders.values():
        assert (folder / "keys.json").stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match="there already"):
        provision_cell(tmp_path / "cell", 2)


def test_keys_of_another_node_are_refused(tmp_path):
    folders = provision_cell(tmp_path / "cell", 2, cell=4)
    with pytest.raises(InputError, match="of address 1 in cell 4, not 2 in 4"):
        link_in(folders[1], 2, 4)


def test_a_lost_counter_is_not_begun_anew(tmp_path):
    folders = provision_cell(tmp_path / "cell", 1)
    for path in folders[1].glob("counter*"):
        path.unlink()
    with pytest.raises(FeedertwinError, match="new epoch"):
        link_in(folders[1], 1, 0)


def test_the_command_tells_every_fault(tmp_path):
    runner = CliRunner()
    words = ["keys", str(tmp_path / "cell"), "--nodes", "3", "--neighbours", "1-2"]
    assert runner.invoke(application(), words).exit_code == 0
    found = runner.invoke(application(), [*words[:3], "300", "--neighbours", "1-900"])
    told = str(found.exception)
    for text in ("is there already", "1 to 254 nodes, not 300", "1-900 are no two nodes"):
        assert text in told
