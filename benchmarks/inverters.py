"""Inverters: a fleet's step beside EPRI's OpenDER, one object an inverter, in a Python loop."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import opender

from simulators.inverters.standard.fleet import Fleet
from simulators.inverters.standard.rule_sets import adjusted, rule_set

STEP_S = 0.1
S_KVA = 100.0
#: Functions that are on, in both.
CHANGES = {"reactive": {"mode": "volt_var"}, "volt_watt": {"enabled": True}}


def _weather(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return voltages and offered powers of a street in the sun."""
    rng = np.random.default_rng(1547)
    return 1.0 + 0.03 * rng.standard_normal(count), rng.uniform(0.0, S_KVA, count)


def ours(count: int, steps: int, over_hz: float) -> float:
    """Return the best time of one step of a fleet, after it has been compiled. [s]"""
    rules = adjusted(rule_set("ieee_1547_2018_b_iii").rules, CHANGES)
    fleet = Fleet([rules], np.zeros(count, int), np.full(count, S_KVA), STEP_S)
    v, offered = _weather(count)
    fleet.step(v, 0.0, offered)
    taken = []
    for _ in range(steps):
        begin = time.perf_counter()
        fleet.step(v, over_hz, offered)
        taken.append(time.perf_counter() - begin)
    return min(taken)


def theirs(count: int, steps: int, over_hz: float) -> float:
    """Return the best time of one step of as many of OpenDER's inverters. [s]"""
    opender.DER.t_s = STEP_S
    v, offered = _weather(count)
    fleet: list[Any] = [
        opender.DER_PV(opender.DERCommonFileFormat(QV_MODE_ENABLE=True, PV_MODE_ENABLE=True))
        for _ in range(count)
    ]
    taken = []
    for step in range(steps + 1):
        begin = time.perf_counter()
        for der, volts, power in zip(fleet, v, offered, strict=True):
            der.update_der_input(p_dc_kw=power, v_pu=volts, f=60.0 + over_hz * (step > 0))
            der.run()
        taken.append(time.perf_counter() - begin)
    return min(taken[1:])
