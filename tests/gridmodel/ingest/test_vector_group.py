"""Vector groups: letters and clocks as connections and terminals."""

from __future__ import annotations

import pytest

from gridmodel.ingest.vector_group import clock_of, letters_of, windings


@pytest.mark.parametrize("clock", range(1, 12, 2))
@pytest.mark.parametrize("letters", ["Dyn", "YNd", "Yd"])
def test_every_odd_clock_of_wye_and_delta_comes_back(letters: str, clock: int) -> None:
    group = windings(letters, clock)
    assert clock_of(group.connections, group.nodes[1], group.lead) == clock
    assert letters_of(group.connections, (group.nodes[0][-1], group.nodes[1][-1])) == letters
    assert group.lost == ""


@pytest.mark.parametrize("clock", [0, 4, 8])
@pytest.mark.parametrize("letters", ["YNyn", "Yyn", "Dd"])
def test_clocks_of_like_windings_come_back(letters: str, clock: int) -> None:
    group = windings(letters, clock)
    assert clock_of(group.connections, group.nodes[1], group.lead) == clock
    assert letters_of(group.connections, (group.nodes[0][-1], group.nodes[1][-1])) == letters


@pytest.mark.parametrize(
    ("letters", "clock", "nodes", "lost"),
    [
        ("YNyn", 6, ("ABC0", "ABC0"), "clock 6 is read as 0"),  # coils the other way round
        ("Dyn", 0, ("ABC", "ABC0"), "clock 0 is read as 1"),  # letters and shift contradict
        ("Yzn", 5, ("ABC", "CAB0"), "zigzag"),
        ("Dzn", 0, ("ABCN", "ABC0"), "zigzag"),
        ("Yyn", 0, ("ABCN", "ABC0"), ""),  # a star point that floats
        ("", 0, ("ABC0", "ABC0"), ""),
    ],
)
def test_what_cannot_be_kept_is_told(
    letters: str, clock: int, nodes: tuple[str, str], lost: str
) -> None:
    group = windings(letters, clock)
    assert group.nodes == nodes
    assert lost in group.lost
    assert bool(lost) == bool(group.lost)


def test_terminals_led_otherwise_have_no_clock() -> None:
    assert clock_of(("delta", "wye"), "ACB0", False) is None
