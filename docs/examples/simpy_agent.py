"""An agent written for SimPy: a charging point that serves cars while the frequency is well."""

import simpy

from cosim.engines.in_process import InProcess
from cosim.federation import Link, federation
from cosim.scripted import Scripted, ScriptedConfig, ScriptedSignal
from gridmodel.federate import BuildContext
from gridmodel.units import US_PER_S
from simulators.processes import ProcessConfig, ProcessSignal, SimpyProcess, seconds


def cars(env, agent):
    """Send a car every 40 s or so; each wants the only plug for a minute."""
    plug = simpy.Resource(env, capacity=1)
    number = 0
    while True:
        yield env.timeout(seconds(agent.rng.uniform(20.0, 60.0)))
        number += 1
        env.process(car(env, agent, plug, number))


def car(env, agent, plug, number):
    """Wait for the plug, and for a frequency that allows charging."""
    with plug.request() as turn:
        yield turn
        while agent["f_hz"] < 49.9:
            yield agent.changed()
        agent.set("p_kw", -11.0)
        print(f"{env.now / US_PER_S:5.1f} s: car {number} charges")
        yield env.timeout(seconds(60.0))
        agent.set("p_kw", 0.0)
    agent.send("served", "car", {"number": number})


if __name__ == "__main__":
    config = ProcessConfig(
        process="__main__:cars",
        inputs={"f_hz": ProcessSignal(initial=50.0)},
        outputs={"p_kw": ProcessSignal(initial=0.0)},
        sends=("served",),
    )
    context = BuildContext("charger", seed=1, folders={}, network=None, duration_us=0)
    charger = SimpyProcess.build(config, context)
    minutes = ScriptedSignal(values=(50.0, 49.8, 49.8, 50.0, 50.0, 50.0))
    source = Scripted(ScriptedConfig(period_s=60.0, outputs={"f_hz": minutes}))
    wire = Link("source", "f_hz", "charger", "f_hz")
    engine = InProcess(federation({"source": source, "charger": charger}, [wire]))
    engine.run(360 * US_PER_S)
