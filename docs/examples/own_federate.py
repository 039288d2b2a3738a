"""A part of one's own: a water heater that listens to the frequency, wired to a source."""

from cosim.engines.in_process import InProcess
from cosim.federation import Link, federation
from cosim.scripted import Scripted, ScriptedConfig, ScriptedSignal
from gridmodel.federate import Federate, Signal
from gridmodel.units import US_PER_S


class Heater(Federate):
    """Heats while the frequency says that there is power to spare."""

    dynamic = ("on",)  # what changes while it runs: snapshot and resume need it

    def __init__(self):
        self.on = False
        self.inputs = (Signal("f_hz", initial=50.0, about="frequency"),)
        self.outputs = (Signal("p_kw", about="its power, negative: it draws"),)

    @classmethod
    def build(cls, config, context):
        return cls()

    def step(self, t_us, inputs):
        f_hz = inputs["f_hz"]
        self.on = f_hz > 50.3 if not self.on else f_hz > 50.1
        return {"p_kw": -2.0 if self.on else 0.0}, t_us + US_PER_S


if __name__ == "__main__":  # engines that start processes import this file again
    ramp = ScriptedSignal(values=(50.0, 50.1, 50.2, 50.3, 50.4, 50.3, 50.2, 50.1))
    source = Scripted(ScriptedConfig(period_s=1.0, outputs={"f_hz": ramp}))
    heater = Heater()
    wire = Link("source", "f_hz", "heater", "f_hz")
    engine = InProcess(federation({"source": source, "heater": heater}, [wire]))
    for second in range(1, 9):
        engine.run(second * US_PER_S)
        print(second - 1, "s:", "heats" if heater.on else "waits")
