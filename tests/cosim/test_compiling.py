"""It is known whether numba compiles: no stall, and worth a word to who waits."""

from __future__ import annotations

import sys

from numba import njit

from cosim.compiling import compiling, on_compiling


@njit
def inner(x):
    return x + 1


@njit
def outer(x):
    return inner(x) * 2


def test_it_is_told_once_when_functions_compile_one_another():
    told: list[tuple[bool, bool]] = []
    on_compiling(lambda begins: told.append((begins, compiling())))
    assert outer(1) == 4
    assert told == [(True, True), (False, False)]
    assert outer(2) == 6  # compiled already
    assert len(told) == 2


def test_numba_is_not_loaded_to_ask(monkeypatch):
    monkeypatch.delitem(sys.modules, "numba")
    assert not compiling()
    assert "numba" not in sys.modules
