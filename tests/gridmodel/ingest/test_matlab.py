"""The part of MATLAB that data files are written in."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.ingest.matlab import Workspace, evaluate

FUNCTIONS = {"idx_pair": (("FIRST", 1), ("SECOND", 2))}


def workspace(text: str) -> Workspace:
    return evaluate(text, FUNCTIONS)


def number(text: str) -> float:
    """The value of an expression."""
    space = workspace(f"x = {text};")
    assert space.unknown == []
    return float(space.values["x"].item())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("135/sqrt(3)", 135 / 3**0.5),
        ("-2^2", -4.0),  # a power binds more than a sign
        ("2^-1", 0.5),
        ("2^3^2", 64.0),  # from the left, unlike in Python
        ("1./4", 0.25),
        ("1e3 - .5E-1", 999.95),
        ("sin(acos(0.85))", math.sin(math.acos(0.85))),
        ("(1 + 2)*3 - 4/8", 8.5),
        ("3 == 3", 1.0),
        ("2*pi", 2 * math.pi),
    ],
)
def test_expressions_are_computed_as_matlab_does(text: str, value: float) -> None:
    assert number(text) == pytest.approx(value, rel=1e-15)


EXPRESSIONS = st.recursive(
    st.integers(1, 99).map(str),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", "-", " * ", "/"]), inner).map("".join),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-({text})"),
    ),
    max_leaves=12,
)


@given(EXPRESSIONS)
def test_arithmetic_is_that_of_python(text: str) -> None:
    try:
        value = eval(text)  # the text is made above, of figures and signs only
    except ZeroDivisionError:
        return
    assert number(text) == pytest.approx(value, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("[1 -2; 3 - 4 5]", [[1, -2], [-1, 5]]),  # a sign after a space begins an element
        ("[1, 2\n 3, 4]", [[1, 2], [3, 4]]),
        ("[1 2 ... the rest follows\n 3]", [[1, 2, 3]]),
        ("[1 2; 3 4]'", [[1, 3], [2, 4]]),
        ("1:2:6", [[1, 3, 5]]),
        ("[[1 2]; [3 4]]", [[1, 2], [3, 4]]),
        ("[10/2 sqrt(4)]", [[5, 2]]),
        ("[1 2]  % not [3]", [[1, 2]]),
        ("[]", np.zeros((0, 0))),
    ],
)
def test_matrices_are_read_row_by_row(text: str, rows: object) -> None:
    np.testing.assert_array_equal(workspace(f"m = {text};").values["m"], rows)


def test_rows_of_a_matrix_know_their_lines() -> None:
    assert workspace("% head\nm = [\n 1 2;\n\n 3 4;\n];").lines["m"] == [3, 5]


def test_parts_of_a_matrix_are_read_and_assigned() -> None:
    space = workspace(
        "[F, S] = idx_pair;\nm.a = [1 2 3; 4 5 6];\nm.a(:, [F S]) = m.a(:, [F S]) / 2;\n"
        "one = m.a(2, 3);"
    )
    np.testing.assert_array_equal(space.values["m.a"], [[0.5, 1, 3], [2, 2.5, 6]])
    assert space.values["one"].item() == 6.0
    assert space.unknown == []


def test_texts_and_transpositions_are_told_apart() -> None:
    space = workspace("a = 'it''s 100%';\nb = [1 2]';\nc = {'x'; 'y z'};")
    assert space.values["a"] == "it's 100%"
    assert space.values["b"].shape == (2, 1)
    assert space.values["c"] == ["x", "y z"]


def test_a_block_comment_is_passed_over() -> None:
    assert list(workspace("%{\na = 1;\n%}\nb = 2;").values) == ["b"]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a = 1;\nb = load('x.mat');", 2, "'load' is not known"),
        ("x = 3;\nif x\n", 2, "control flow"),
        ("m = [1 2];\nm(1, 9) = 4;", 2, "outside 1 to 2"),
        ("m = [1 2];\nm(1.5, 1) = 4;", 2, "whole number"),
        ("m = [1 2; 3];", 1, "differ in length"),
        ("m = [1 'a'];", 1, "a text in a matrix"),
        ("m = [1 2\n3 4\n", 1, "too early"),
        ("m = [1 2] * [3 4];", 1, "no such operation"),
        ("m = 1:1e12;", 1, "a range that long"),
        ("x = 4 $ 5;", 1, "too much"),
        ("m = " + "(" * 5000 + "1;", 1, "no such operation"),  # no crash of the interpreter
    ],
)
def test_what_is_not_understood_is_told_with_its_line(text: str, line: int, reason: str) -> None:
    (unknown,) = workspace(text).unknown
    assert unknown.line == line
    assert reason in unknown.reason


def test_a_value_that_a_strange_statement_sets_is_unknown_from_there() -> None:
    space = workspace("a = 1;\nb = 1;\na = rand(3);\nb = a + 1;")
    assert "a" not in space.values
    assert "b" not in space.values
    assert [unknown.line for unknown in space.unknown] == [3, 4]


def test_nothing_is_executed(tmp_path: Path) -> None:
    target = tmp_path / "made"
    space = workspace(f"x = system('touch {target}');\n!touch {target}\n__import__('os')")
    assert len(space.unknown) == 3
    assert not target.exists()
