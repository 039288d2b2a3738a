"""A plain mosaik script that couples one of our batteries with simulators of its own."""

import mosaik
import mosaik_api_v3

SIMULATORS = {
    # or {"cmd": "feedertwin mosaik-sim battery %(addr)s"}, or {"connect": "127.0.0.1:5678"}
    "Battery": {"python": "cosim.mosaik_sim:FederateSimulator"},
    "Plan": {"python": "__main__:Plan"},
    "Log": {"python": "__main__:Log"},
}


class Plan(mosaik_api_v3.Simulator):
    """Discharges for half an hour, then charges."""

    def __init__(self):
        model = {"public": True, "params": [], "attrs": ["p"]}
        super().__init__({"type": "time-based", "models": {"Plan": model}})

    def create(self, num, model):
        return [{"eid": "plan", "type": model}]

    def step(self, time, inputs, max_advance):
        self.p = 4.0 if time < 1800 else -4.0
        return time + 60

    def get_data(self, outputs):
        return {"plan": {"p": self.p}}


class Log(mosaik_api_v3.Simulator):
    """Prints what it is given, each quarter of an hour."""

    def __init__(self):
        model = {"public": True, "params": [], "attrs": ["soc"]}
        super().__init__({"type": "time-based", "models": {"Log": model}})

    def create(self, num, model):
        return [{"eid": "log", "type": model}]

    def step(self, time, inputs, max_advance):
        (soc_pu,) = inputs["log"]["soc"].values()
        print(f"{time // 60:2} min: {soc_pu:.3f}")
        return time + 900

    def get_data(self, outputs):
        return {}


with mosaik.World(SIMULATORS, skip_greetings=True, configure_logging=False) as world:
    settings = {"e_kwh": 10, "p_kw": 5, "soc_pu": 0.5, "period_s": 60}
    battery = world.start("Battery", model="battery", config=settings).Federate()
    plan = world.start("Plan").Plan()
    log = world.start("Log").Log()
    world.connect(plan, battery, ("p", "p_kw"))
    world.connect(battery, log, ("soc_pu", "soc"))
    world.run(until=3601, print_progress=False)
