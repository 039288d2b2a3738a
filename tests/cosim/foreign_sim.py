"""A mosaik simulator that knows nothing of us, and can be told to misbehave."""

from __future__ import annotations

import os
import signal
import sys
import time as clock

import mosaik_api_v3
import numpy as np

META = {
    "type": "time-based",
    "models": {"Adder": {"public": True, "params": ["start"], "attrs": ["add", "total"]}},
}


class Affine(mosaik_api_v3.Simulator):
    """Answers gain * input + offset, and counts its steps."""

    def __init__(self):
        model = {"public": True, "params": ["gain", "offset"], "attrs": ["in", "out", "steps"]}
        super().__init__({"type": "hybrid", "models": {"Affine": model}})
        self.given, self.steps = 0.0, 0

    def create(self, num, model, gain, offset):
        self.gain, self.offset = gain, offset
        return [{"eid": "affine", "type": model}]

    def step(self, time, inputs, max_advance):
        (self.given,) = inputs["affine"]["in"].values()
        self.steps += 1
        return time + 1

    def get_data(self, outputs):
        answer = {"out": self.gain * self.given + self.offset, "steps": float(self.steps)}
        return {"affine": {attr: answer[attr] for attr in outputs["affine"]}}


def hang() -> None:
    while True:
        clock.sleep(0.01)


FATAL = {
    "exit": lambda: sys.exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "hang": hang,
}
ANSWERS = {"text": "much", "none": None, "nan": float("nan"), "list": [1.0]}


class Foreign(mosaik_api_v3.Simulator):
    """Adds up what it is given, with `how` as its fault from step `at` on."""

    def __init__(self):
        super().__init__(META)
        self.totals = {}

    def init(self, sid, time_resolution=1.0, how="", at=5):
        self.how, self.at, self.broken = how, at, False
        return self.meta

    def create(self, num, model, start=0.0):
        eids = [f"adder_{len(self.totals) + k}" for k in range(num)]
        self.totals.update(dict.fromkeys(eids, start))
        return [{"eid": eid, "type": model} for eid in eids]

    def step(self, time, inputs, max_advance):
        self.broken = bool(self.how) and time >= self.at
        if self.broken and self.how in FATAL:
            FATAL[self.how]()
        if self.broken and self.how == "raise":
            raise ValueError("p_kw is NaN")
        assert not (self.broken and self.how == "assert")
        for eid, attrs in inputs.items():
            self.totals[eid] += sum(attrs["add"].values())
        wrong = {"numpy_int": np.int64(time + 1), "back": time, "float": time + 0.5}
        return wrong.get(self.how, time + 1) if self.broken else time + 1

    def get_data(self, outputs):
        if self.broken and self.how == "missing":
            return {}
        totals = dict(self.totals)
        if self.broken and self.how in ANSWERS:
            totals = dict.fromkeys(totals, ANSWERS[self.how])
        return {eid: dict.fromkeys(attrs, totals[eid]) for eid, attrs in outputs.items()}

    def finalize(self):
        assert self.how != "assert at the end"


if __name__ == "__main__":
    mosaik_api_v3.start_simulation(Foreign())
