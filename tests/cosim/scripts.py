"""Scenario files of scripted parts, for tests of whole runs."""

from __future__ import annotations

from pathlib import Path

#: Two parts in a loop over a delayed link, with messages both ways and one event-driven part.
RING = """feedertwin: 1
name: ring
duration_h: 0.02
federates:
  clock:
    model: scripted
    outputs: {tick_kw: {shape: [3]}, on: {dtype: bool, values: [1, 0]}}
    inputs: {back_kw: {initial: 7}}
    hears: [answer]
    says:
      - {port: word, t_s: 2, count: 3, hops: 4}
      - {port: word, t_s: 30.5, after_s: 0.25, hops: 6}
    period_s: 1
  echo:
    model: scripted
    inputs: {tick_kw: {shape: [3]}, on: {dtype: bool}}
    outputs: {back_kw: {}, count: {dtype: int}}
    hears: [word]
    answers: {word: {port: answer, after_s: 0.5}}
    first_s: 3
    period_s: 2.5
  listener:
    model: scripted
    inputs: {back_kw: {initial: -1}}
    hears: [answer]
    outputs: {sum_kw: {}}
    first_s: null
links:
  - clock.tick_kw -> echo.tick_kw
  - clock.on -> echo.on
  - {link: echo.back_kw -> clock.back_kw, delayed: true}
  - echo.back_kw -> listener.back_kw
  - clock.word -> echo.word
  - {link: echo.answer -> clock.answer, delayed: true}
  - echo.answer -> listener.answer
"""


def write(folder: Path, text: str, *changes: tuple[str, str]) -> Path:
    """A scenario file with some of its text replaced."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "scenario.yaml"
    path.write_text(text)
    return path
