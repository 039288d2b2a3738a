"""Radios in a node's process: a chip's air is the simulation, by way of questions and answers."""

from __future__ import annotations

from typing import Any

from cosim.lines.messages import Ask
from cosim.node.bodies import Bench
from gridmodel.control import Terminal
from gridmodel.settings import Settings
from hardware_bridges.claims import board_claims, claims_of

#: The channel has judged already who was deaf. A node's crystal, 100 ppm off, makes of a
#: long frame up to 40 us more or less, and any chip catches a preamble that much late. [us]
CLOCK_SLACK_US = 100


class TerminalAir:
    """Takes what a chip sends and leaves it where an answer finds it."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def send(self, frame: bytes, airtime_us: int) -> None:
        """Take a frame whose sending begins now."""
        self._terminal.sent.append((frame, airtime_us))


class FittedRadio:
    """Puts a radio of `hardware_bridges` into a node.

    Parameters
    ----------
    cls : type
        The body; an emulated one has ``hear``.
    """

    def __init__(self, cls: Any) -> None:
        self._cls = cls
        self.Config: type[Settings] = cls.Config
        self._emulated = hasattr(cls, "hear")
        self._has_modem = "E22" not in cls.__name__  # an E22's settings are in its own registers

    def fit(self, config: Any, name: str, bench: Bench) -> Any:
        """Return the radio, opened; the simulation's frames reach an emulated one."""
        claims = claims_of(bench) if self._emulated else board_claims()
        first = [bench.seat.modem] if self._has_modem else []
        if self._emulated:
            air = TerminalAir(bench.terminal)
            radio = self._cls(*first, air, bench.now_us, config, claims, "radio")
            if hasattr(radio, "chip"):
                radio.chip.slack_us = CLOCK_SLACK_US
            bench.feeds.append(lambda ask: _hear(radio, ask))
        else:
            radio = self._cls(*first, bench.now_us, config, claims, "radio")
        if hasattr(radio, "close"):
            bench.closes.append(radio.close)
        return radio


def _hear(radio: Any, ask: Ask) -> None:
    """Let frames end now: their own stamps are by the simulation's clock, not by the node's."""
    for frame in ask.frames:
        radio.hear(frame.data, frame.rssi_dbm, frame.snr_db, ask.t_us)
