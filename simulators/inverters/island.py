"""Island: the street's frequency and power balance, tied to the public grid or alone.

One federate for two topologies. With an *interconnection device* the whole street is
one bus that is tied to the grid or not. With *transfer switches* each customer is on the
public grid, on the private island, or on neither.

Time: the step at t integrates the interval that ends at t, with the powers, switch
positions and limits that were held over it; so those arrive over delayed links. The
public grid arrives undelayed and decides whether the street is alive at t.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from pydantic import Field

from gridmodel.errors import Fault, ScenarioError
from gridmodel.federate import (
    BuildContext,
    Federate,
    Inputs,
    Kpi,
    Message,
    Messages,
    Signal,
    Step,
)
from gridmodel.neighbourhood import Neighbourhood
from gridmodel.settings import Settings, near
from gridmodel.units import US_PER_S, microseconds
from simulators.inverters import dynamics as dyn
from simulators.inverters import grid_following as gfl
from simulators.inverters import grid_forming as gfm
from simulators.inverters.grid_codes import GRID_CODES, faults_of_code, least_power_pu
from simulators.inverters.traps import curtailment, rate_of_change

Array = NDArray[np.float64]
ALIVE_PU = 0.5
#: Inner step while the public grid holds the frequency. [s]
TIED_SUBSTEP_S = 0.1


class IslandConfig(Settings):
    """Inverters of the street and the frequency they make."""

    anchor: gfm.AnchorConfig
    topology: Literal["interconnection_device", "transfer_switches"] = Field(
        "interconnection_device", description="how the street leaves the public grid"
    )
    grid_code: str = Field(
        "sma_off_grid",
        description="rule set that says how PV meets frequency: 'feedertwin inverter sets'",
    )
    grid_code_by_plant: Mapping[str, str] = Field(
        {}, description="other rule sets for single plants, by plant name"
    )
    load_damping_pu: Annotated[float, Ge(0.0), Le(5.0)] = Field(
        1.0, description="part by which load follows frequency (1: 1 % for 1 %)"
    )
    sync_slip_hz: Annotated[float, Gt(0.0), Le(0.5)] = Field(
        0.03, description="slip past the grid while synchronising"
    )
    rocof_window_s: Annotated[float, Gt(0.0), Le(0.5)] = Field(
        0.02, description="time over which inverters measure rate of change of frequency"
    )
    substep_s: Annotated[float, Gt(0.0), Le(0.01)] = Field(0.01, description="inner step")
    period_s: Annotated[float, Gt(0.0), Le(60.0)] = Field(1.0, description="exchange step")


class Island(Federate):
    """Grid-forming anchor, PV fleet and loads on one frequency."""

    Config = IslandConfig
    needs_network = True
    dynamic = (
        "_x", "_fleet", "_past_hz", "_grid", "_last_us", "_was", "_energy", "_extremes",
        "_reclose", "_starts", "_ran", "_tied_before",
    )  # fmt: skip

    def __init__(self, config: IslandConfig, context: BuildContext) -> None:
        network = context.network
        assert network is not None
        self._config = config
        self.period_us = microseconds(config.period_s)
        self._f0 = network.f_nominal_hz
        self._codes = [
            GRID_CODES[config.grid_code_by_plant.get(name, config.grid_code)]
            for name in network.pv_names
        ]
        self._ratings = [plant.s_kva for plant in network.photovoltaics]
        # While the grid holds the frequency nothing is faster than the exact lags.
        self._substeps = (config.substep_s, min(TIED_SUBSTEP_S, config.period_s))
        self._kernels = [
            (
                gfm.parameters(config.anchor, self._f0, h),
                gfl.parameters(self._codes, self._ratings, h),
            )
            for h in self._substeps
        ]
        names = network.consumer_names
        self._plant_house = np.array(
            [names.index(plant.consumer) for plant in network.photovoltaics], dtype=np.int64
        )
        self._one_bus = config.topology == "interconnection_device"
        self._x = np.zeros(gfm.STATES)
        self._x[gfm.MODE] = gfm.FOLLOWING
        self._x[gfm.V_PU] = 1.0 if self._one_bus else 0.0
        self._fleet = gfl.running_fleet(self._kernels[0][1])
        self._past_hz = np.zeros(max(round(config.rocof_window_s / config.substep_s), 1) + 1)
        self._grid = (0.0, self._f0, 0.0)  # voltage, frequency, angle held since the last step
        self._last_us = 0
        self._was: tuple[object, ...] = ()
        self._placed: tuple[Any, ...] | None = None  # derived: side, tied, what follows
        self._tied_before = True
        n_pv = len(self._ratings)
        self._ones = np.ones(n_pv)
        self._ran = np.ones(n_pv, dtype=np.bool_)
        self._energy = {"islanded_h": 0.0, "pv_offered_kwh": 0.0, "pv_used_kwh": 0.0}
        self._extremes = {"f_min_hz": self._f0, "f_max_hz": self._f0, "rocof_max_hz_per_s": 0.0}
        self._reclose: tuple[float, float] | None = None  # worst angle and slip, once there are any
        self._starts = 0
        self._declare(network)

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return the street tied to the public grid."""
        network = context.network
        assert network is not None
        faults = []
        house, known = config.anchor.house, network.consumer
        if house not in known:
            problem = f"there is no customer '{house}'."
            faults.append(Fault(context.name, "anchor.house", problem, near(house, known)))
        for plant, code in config.grid_code_by_plant.items():
            key = f"grid_code_by_plant.{plant}"
            faults += faults_of_code(code, context.name, key)
            if plant not in network.pv_names:
                advice = near(plant, network.pv_names)
                faults.append(Fault(context.name, key, "there is no such plant.", advice))
        faults += faults_of_code(config.grid_code, context.name, "grid_code")
        if faults:
            raise ScenarioError("island cannot be built", faults)
        _compile()
        return cls(config, context)

    def _declare(self, network: Neighbourhood) -> None:
        names, plants = network.consumer_names, network.pv_names
        n = len(names)
        default_side = dyn.ISLAND if self._one_bus else dyn.GRID
        self.inputs = (
            Signal("grid_v_pu", about="voltage of the public grid"),
            Signal("grid_f_hz", about="frequency of the public grid"),
            Signal("grid_angle_deg", about="phase of the public grid"),
            Signal("tied", (), bool, initial=True, about="the anchor's way to the grid is closed"),
            Signal("form", (), bool, initial=False, about="the anchor is to form the island"),
            Signal("sync", (), bool, initial=False, about="the anchor is to synchronise"),
            Signal("p_set_kw", initial=0.0, about="power wanted of the anchor while tied"),
            Signal("soc_pu", initial=0.5, about="the battery's state of charge"),
            Signal("p_discharge_max_kw", initial=0.0, about="greatest power the battery gives"),
            Signal("p_charge_max_kw", initial=0.0, about="greatest power the battery takes"),
            Signal("p_rated_kw", initial=0.0, about="rated power of the battery"),
            Signal("p_available_kw", (len(plants),), initial=0.0, about="power the panels offer"),
            Signal("households_p_kw", (n,), initial=0.0, about="power of the customers"),
            Signal("vehicles_p_kw", (n,), initial=0.0, about="power of the chargers"),
            Signal("side", (n,), int, initial=default_side,
                   about="where each customer is: 0 nowhere, 1 grid, 2 island"),
            Signal("island_loss_kw", initial=0.0, about="network loss the anchor carries"),
            Signal("grid_loss_kw", initial=0.0, about="network loss the grid carries"),
        )  # fmt: skip
        self.outputs = (
            Signal("f_hz", about="frequency at the anchor; 0 without voltage"),
            Signal("v_pu", about="voltage of the island bus"),
            Signal("angle_deg", about="phase ahead of the public grid, -180..180"),
            Signal("mode", (), int, about=f"anchor: {', '.join(gfm.MODES)}"),
            Signal("anchor_p_kw", about="mean power of the anchor since the last step"),
            Signal("pv_p_kw", (len(plants),), labels=plants, about="mean power of each plant"),
            Signal("pv_running", (len(plants),), bool, labels=plants, about="plants in service"),
            Signal("grid_p_kw", about="mean import from the public grid"),
            Signal("loss_p_kw", about="mean network loss, negative"),
            Signal("supplied_pu", (n,), labels=names,
                   about="part of each customer's power that was delivered"),
            Signal("rocof_hz_per_s", about="greatest rate of change since the last step"),
            Messages("switched", "mode and PV changes: the network must be solved anew"),
        )  # fmt: skip

    def warnings(self) -> tuple[str, ...]:
        """Return the traps in these settings, with numbers."""
        plants = {}
        for code_name in dict.fromkeys(
            [self._config.grid_code, *self._config.grid_code_by_plant.values()]
        ):
            plants[code_name] = GRID_CODES[code_name]
        used = {name: code for name, code in plants.items() if code in self._codes}
        anchor, window_s = self._config.anchor, self._config.rocof_window_s
        traps = curtailment(used, anchor.shift.max_hz, self._f0)
        traps += rate_of_change(anchor, used, window_s, self._f0)
        return tuple(trap.text for trap in traps)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Integrate the interval that ends now, then look at the public grid."""
        elapsed_s = (t_us - self._last_us) / US_PER_S
        self._last_us = t_us
        self._obey(inputs)
        result, pv_kw, supplied = self._integrate(elapsed_s, inputs)
        self._grid = (inputs["grid_v_pu"], inputs["grid_f_hz"], inputs["grid_angle_deg"])
        self._follow_grid()
        self._book(elapsed_s, inputs["p_available_kw"], result)
        x, running = self._x, self._ran
        outputs: dict[str, Any] = {
            "f_hz": self._frequency(),
            "v_pu": float(x[gfm.V_PU]),
            "angle_deg": self._angle(),
            "mode": int(x[gfm.MODE]),
            "anchor_p_kw": float(result[dyn.M_ANCHOR_KW]),
            "pv_p_kw": pv_kw,
            "grid_p_kw": float(result[dyn.M_GRID_KW]),
            "loss_p_kw": -float(result[dyn.M_LOSS_KW]),
            "supplied_pu": supplied,
            "rocof_hz_per_s": float(result[dyn.ROCOF]),
        }
        if self._last_us == 0 or result[dyn.PV_SWITCHED]:
            outputs["pv_running"] = running
        now = (int(x[gfm.MODE]), float(x[gfm.V_PU]), self._grid[0] > ALIVE_PU)
        if now != self._was or result[dyn.PV_SWITCHED]:
            data = {"mode": gfm.MODES[now[0]], "v_pu": now[1], "pv_count": int(running.sum())}
            outputs["switched"] = [Message(t_us, "island", data)]
            self._was = now
        return outputs, t_us + self.period_us

    def _obey(self, inputs: Inputs) -> None:
        """Take the commands that were in force over the interval that ends now."""
        x = self._x
        mode = int(x[gfm.MODE])
        alive = self._grid[0] > ALIVE_PU
        formed = mode in (gfm.STARTING, gfm.FORMING)
        self._tied_before = bool(inputs["tied"])
        if inputs["tied"]:
            if formed and alive and self._one_bus:
                angle_deg, slip_hz = self._reclose or (0.0, 0.0)
                slip_now = abs(float(x[gfm.DEV_HZ]) - self._grid_dev())
                self._reclose = (max(angle_deg, abs(self._angle())), max(slip_hz, slip_now))
            x[gfm.MODE] = gfm.FOLLOWING if alive else gfm.OFF
            x[gfm.V_PU] = self._grid[0] if alive and self._one_bus else 0.0
            x[gfm.SET_HZ] = 0.0
        elif not inputs["form"]:
            x[gfm.MODE] = gfm.OFF
            x[gfm.V_PU] = 0.0
        elif mode == gfm.FOLLOWING and alive and self._one_bus:
            self._form(gfm.FORMING, 1.0, self._grid_dev())
        elif mode in (gfm.OFF, gfm.FOLLOWING):
            self._starts += 1
            self._form(gfm.STARTING, 0.0, 0.0)

    def _form(self, mode: int, v_pu: float, dev_hz: float) -> None:
        """Begin to form the island."""
        x = self._x
        x[gfm.MODE] = mode
        x[gfm.V_PU] = v_pu
        x[gfm.DEV_HZ] = x[gfm.SET_HZ] = dev_hz
        x[gfm.P_FILTERED_KW] = x[gfm.P_KW] = 0.0
        x[gfm.OVERLOADED_S] = x[gfm.OVER_HZ] = x[gfm.UNDER_HZ] = 0.0
        x[gfm.ANGLE_DEG] = self._grid[2]
        self._past_hz[:] = dev_hz

    def _integrate(self, elapsed_s: float, inputs: Inputs) -> tuple[Array, Array, Array]:
        """Run the kernel over the interval; return means, PV powers, supply by customer."""
        config = self._config
        where, place, at_island, at_grid = self._places(inputs)
        load_kw = inputs["households_p_kw"] + inputs["vehicles_p_kw"]
        held = np.zeros(dyn.HELD)
        held[dyn.LOAD_ISLAND_KW] = -load_kw.dot(at_island)
        held[dyn.LOAD_GRID_KW] = -load_kw.dot(at_grid)
        held[dyn.LOSS_ISLAND_KW] = inputs["island_loss_kw"]
        held[dyn.LOSS_GRID_KW] = inputs["grid_loss_kw"]
        held[dyn.GIVE_KW] = inputs["p_discharge_max_kw"]
        held[dyn.TAKE_KW] = inputs["p_charge_max_kw"]
        held[dyn.P_SET_KW] = inputs["p_set_kw"]
        held[dyn.SHIFT_HZ] = config.anchor.shift.at(inputs["soc_pu"])
        held[dyn.SYNC] = float(inputs["sync"])
        held[dyn.SLIP_HZ] = config.sync_slip_hz
        held[dyn.GRID_ALIVE] = float(self._grid[0] > ALIVE_PU)
        held[dyn.GRID_DEV_HZ] = self._grid_dev()
        held[dyn.DAMPING] = config.load_damping_pu
        result = np.empty(dyn.RESULTS)
        pv_kw = np.empty(len(place))
        formed = self._x[gfm.MODE] in (gfm.STARTING, gfm.FORMING)
        h = self._substeps[0 if formed else 1]
        anchor, table = self._kernels[0 if formed else 1]
        anchor[gfm.RATED_KW] = inputs["p_rated_kw"]
        dyn.interval(
            round(elapsed_s / h), h, anchor, self._x, table, self._fleet,
            inputs["p_available_kw"], place, held, self._past_hz, pv_kw, result,
        )  # fmt: skip
        by_side = np.array([0.0, result[dyn.M_SUPPLY_GRID], result[dyn.M_SUPPLY_ISLAND]])
        return result, pv_kw, by_side[where]

    def _places(self, inputs: Inputs) -> tuple[Any, ...]:
        """Return where customers and plants were: side, plants' side, two masks."""
        side = inputs["side"]
        tied = self._one_bus and bool(inputs["tied"])
        if self._placed is None or self._placed[0] is not side or self._placed[1] != tied:
            where = np.full_like(side, dyn.GRID) if tied else side
            masks = [(where == here).astype(np.float64) for here in (dyn.ISLAND, dyn.GRID)]
            self._placed = (side, tied, (where, where[self._plant_house], *masks))
        placed: tuple[Any, ...] = self._placed[2]
        return placed

    def _follow_grid(self) -> None:
        """Let the public grid's present voltage decide whether a tied street is alive."""
        x = self._x
        if x[gfm.MODE] in (gfm.FOLLOWING, gfm.OFF) and self._tied_before:
            alive = self._grid[0] > ALIVE_PU
            x[gfm.MODE] = gfm.FOLLOWING if alive else gfm.OFF
            x[gfm.V_PU] = self._grid[0] if alive and self._one_bus else 0.0
            if alive:
                x[gfm.ANGLE_DEG] = self._grid[2]

    def _grid_dev(self) -> float:
        return self._grid[1] - self._f0

    def _frequency(self) -> float:
        if self._x[gfm.V_PU] <= 0.0:
            return 0.0
        if self._x[gfm.MODE] == gfm.FOLLOWING:
            return self._grid[1]
        return float(self._f0 + self._x[gfm.DEV_HZ])

    def _angle(self) -> float:
        """Return the phase ahead of the public grid. [deg]"""
        return float((self._x[gfm.ANGLE_DEG] - self._grid[2] + 180.0) % 360.0 - 180.0)

    def _book(self, elapsed_s: float, available_kw: Array, result: Array) -> None:
        """Keep the figures of the run."""
        x, hours = self._x, elapsed_s / 3600.0
        if x[gfm.MODE] == gfm.FORMING and result[dyn.F_MIN] < 1e8:
            e = self._extremes
            e["f_min_hz"] = min(e["f_min_hz"], self._f0 + float(result[dyn.F_MIN]))
            e["f_max_hz"] = max(e["f_max_hz"], self._f0 + float(result[dyn.F_MAX]))
            e["rocof_max_hz_per_s"] = max(e["rocof_max_hz_per_s"], float(result[dyn.ROCOF]))
            self._energy["islanded_h"] += hours
            self._energy["pv_offered_kwh"] += float(available_kw.dot(self._ones)) * hours
            self._energy["pv_used_kwh"] += float(result[dyn.M_PV_KW]) * hours
        if result[dyn.PV_SWITCHED]:
            self._ran = self._fleet[:, gfl.RUNNING] > 0

    def kpis(self) -> tuple[Kpi, ...]:
        """Return extremes, trips, what was curtailed, and the worst re-closing if there was any."""
        least = [least_power_pu(code, self._config.anchor.shift.max_hz)[0] for code in self._codes]
        e, energy = self._extremes, self._energy
        trips = self._fleet[:, gfl.TRIPS]
        again = float(np.maximum(trips - 1.0, 0.0).sum())
        return (
            Kpi("islanded_h", energy["islanded_h"], "time as an island"),
            Kpi("f_min_hz", e["f_min_hz"], "lowest frequency of the island"),
            Kpi("f_max_hz", e["f_max_hz"], "highest frequency of the island"),
            Kpi("rocof_max_hz_per_s", e["rocof_max_hz_per_s"], "fastest change of frequency"),
            Kpi("black_start_count", self._starts, "times the anchor started the island"),
            Kpi("anchor_trip_count", float(self._x[gfm.STOPS]), "times the anchor gave up"),
            Kpi("pv_trip_count", float(trips.sum()), "trips of PV plants on frequency"),
            Kpi("pv_cycle_count", again, "of these after the plant had tripped and returned"),
            Kpi("pv_least_pu", max(least, default=0.0), "least PV power frequency can command"),
            Kpi(
                "pv_curtailed_kwh",
                energy["pv_offered_kwh"] - energy["pv_used_kwh"],
                "offered and not used while islanded",
            ),
            *self._reclose_kpis(),
        )

    def _reclose_kpis(self) -> tuple[Kpi, ...]:
        """Return how well the street met the grid, if it did.

        Before the first step they are there all the same: that is when a scenario's
        ``expect`` and ``report`` are held against the figures there may be.
        """
        if self._reclose is None and self._last_us > 0:
            return ()
        angle_deg, slip_hz = self._reclose or (0.0, 0.0)
        return (
            Kpi("reclose_angle_deg", angle_deg, "worst phase error at re-closing on a live street"),
            Kpi("reclose_slip_hz", slip_hz, "worst slip at re-closing on a live street"),
        )


def _compile() -> None:
    """Compile the kernel, if it is not kept on disk, before a step could seem to stall."""
    none, table, fleet = np.zeros(0), np.zeros((0, gfl.PARAMETERS)), np.zeros((0, gfl.STATES))
    offered = np.zeros(0)
    offered.setflags(write=False)  # as an engine hands it over
    dyn.interval(
        0, 1.0, np.zeros(gfm.PARAMETERS), np.zeros(gfm.STATES), table, fleet, offered,
        np.zeros(0, np.int64), np.zeros(dyn.HELD), np.zeros(2), none, np.zeros(dyn.RESULTS),
    )  # fmt: skip
