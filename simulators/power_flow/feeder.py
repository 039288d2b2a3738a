"""Feeder: the street's unbalanced four-wire power flow, every minute and on switching."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from annotated_types import Gt, Le
from numpy.typing import NDArray
from pydantic import Field

from gridmodel.codes import AnchorMode, Side
from gridmodel.errors import Fault, ScenarioError
from gridmodel.federate import BuildContext, Federate, Inputs, Kpi, Messages, Signal, Step
from gridmodel.neighbourhood import ACLineSegment, Neighbourhood
from gridmodel.settings import Settings, near
from gridmodel.units import US_PER_S, microseconds
from simulators.power_flow.opendss_circuit import Circuit, Solution

Array = NDArray[np.float64]
ALIVE_PU = 0.5
FORMING = (AnchorMode.STARTING, AnchorMode.FORMING)


class FeederConfig(Settings):
    """The power flow."""

    anchor_house: str = Field(description="customer where the anchor stands")
    period_s: Annotated[float, Gt(0.0), Le(3600.0)] = Field(60.0, description="step")


class Feeder(Federate):
    """OpenDSS on the network, with whichever source leads the street.

    A message on ``switched`` brings an extra solution at that instant. Reactances are
    those of nominal frequency. Customers that are not supplied are left out.
    """

    Config = FeederConfig
    needs_network = True
    dynamic = ("_last_us", "_loss_kw", "_figures", "_solved")

    def __init__(self, config: FeederConfig, network: Neighbourhood) -> None:
        self.period_us = microseconds(config.period_s)
        self._circuit = Circuit(network, config.anchor_house)
        names = network.consumer_names
        self._share = np.array([c.phase_share_pu for c in network.consumers])
        self._bus_of = np.array(
            [[bus.name for bus in network.buses].index(c.bus) for c in network.consumers]
        )
        self._plant_house = np.array(
            [names.index(plant.consumer) for plant in network.photovoltaics], dtype=np.int64
        )
        self._anchor_row = names.index(config.anchor_house)
        self._private = bool(network.private_lines)
        self._v_base = np.array([bus.v_nominal_v for bus in network.buses]) / 3**0.5
        self._ampacity = _ampacity(network, private=False)
        self._private_ampacity = _ampacity(network, private=True)
        self._s_kva = network.transformers[0].s_kva
        self._last_us = 0
        self._loss_kw = 0.0
        self._solved = 0
        self._figures = {"v_min_pu": 9.0, "v_max_pu": 0.0, "line": 0.0, "private": 0.0,
                         "transformer": 0.0, "unbalance": 0.0, "neutral_v": 0.0, "loss": 0.0}  # fmt: skip
        n, buses = len(names), tuple(bus.name for bus in network.buses)
        self.inputs = (
            Messages("switched", "something in the network has moved: solve now"),
            Signal("households_p_kw", (n,), about="power of the customers"),
            Signal("households_q_kvar", (n,), about="reactive power of the customers"),
            Signal("vehicles_p_kw", (n,), initial=0.0, about="power of the chargers"),
            Signal("pv_p_kw", (len(network.photovoltaics),), about="power of the PV plants"),
            Signal("anchor_p_kw", initial=0.0, about="power of the anchor"),
            Signal("mode", (), int, about="what the anchor does (island's mode)"),
            Signal("island_v_pu", about="voltage of the anchor"),
            Signal("grid_v_pu", about="voltage of the public grid"),
            Signal("side", (n,), int, initial=Side.GRID if self._private else Side.ISLAND,
                   about="where each customer is: 0 nowhere, 1 grid, 2 island"),
        )  # fmt: skip
        self.outputs = (
            Signal("v_v", (n,), labels=names, about="phase to neutral voltage at each customer"),
            Signal("v_pu", (len(buses), 3), labels=buses, columns=("a", "b", "c"), about="phase to neutral at each bus"),
            Signal("neutral_v", (len(buses),), labels=buses, about="neutral to ground"),
            Signal("loading_pu", (len(network.lines),), labels=_names(network.lines),
                   about="worst conductor's current of its ampacity"),
            Signal("private_loading_pu", (len(network.private_lines),),
                   labels=_names(network.private_lines),
                   about="the same on private cables"),
            Signal("transformer_loading_pu", about="apparent power of the rating"),
            Signal("grid_loss_kw", about="loss that the public grid carries"),
            Signal("island_loss_kw", about="loss that the anchor carries"),
        )  # fmt: skip

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Compile the network for OpenDSS."""
        network = context.network
        assert network is not None
        if config.anchor_house not in network.consumer:
            advice = near(config.anchor_house, network.consumer)
            problem = f"there is no customer '{config.anchor_house}'."
            raise ScenarioError(
                "feeder cannot be built", [Fault(context.name, "anchor_house", problem, advice)]
            )
        return cls(config, network)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Solve the present state."""
        self._figures["loss"] += self._loss_kw * (t_us - self._last_us) / US_PER_S / 3600.0
        self._last_us = t_us
        outputs = self._solve(inputs)
        return outputs, t_us - t_us % self.period_us + self.period_us

    def _solve(self, inputs: Inputs) -> dict[str, Any]:
        mode = inputs["mode"]
        formed = mode in FORMING and inputs["island_v_pu"] > ALIVE_PU
        grid_alive = inputs["grid_v_pu"] > ALIVE_PU
        tied = mode == AnchorMode.FOLLOWING and grid_alive
        p, q = self._injections(inputs, tied)
        if self._private:
            at_grid, at_island = inputs["side"] == Side.GRID, inputs["side"] == Side.ISLAND
            on_public = at_grid & grid_alive
            on_private = at_island & formed
            public_alive, street_islanded = grid_alive, False
        else:
            public_alive = tied or formed
            on_public = np.full(len(p), public_alive)
            on_private = np.zeros(len(p), bool)
            street_islanded = not tied
        self._solved += 1
        solution = self._circuit.solve(
            p * on_public[:, None],
            q * on_public[:, None],
            inputs["grid_v_pu"] if grid_alive else 1.0,
            inputs["island_v_pu"] if formed else 1.0,
            street_islanded,
            p * on_private[:, None],
            q * on_private[:, None],
        )
        load_public = -float(p[on_public].sum())
        load_private = -float(p[on_private].sum())
        grid_loss = solution.grid_kva.real - (0.0 if street_islanded else load_public)
        island_load = load_private if self._private else load_public
        island_loss = solution.anchor_kva.real - island_load
        return self._report(
            solution, public_alive, formed, on_public, on_private,
            grid_loss if grid_alive else 0.0, island_loss if formed else 0.0,
            mode != AnchorMode.STARTING,
        )  # fmt: skip

    def _injections(self, inputs: Inputs, tied: bool) -> tuple[Array, Array]:
        """Return active and reactive injection by customer and phase."""
        balanced = inputs["vehicles_p_kw"] + np.bincount(
            self._plant_house, inputs["pv_p_kw"], minlength=len(self._share)
        )
        if tied:
            balanced[self._anchor_row] += inputs["anchor_p_kw"]
        p = self._share * inputs["households_p_kw"][:, None] + balanced[:, None] / 3.0
        q = self._share * inputs["households_q_kvar"][:, None]
        return p, q

    def _report(  # noqa: PLR0913  the pieces of one picture
        self,
        solution: Solution,
        public_alive: bool,
        private_alive: bool,
        on_public: NDArray[np.bool_],
        on_private: NDArray[np.bool_],
        grid_loss_kw: float,
        island_loss_kw: float,
        steady: bool,
    ) -> dict[str, Any]:
        """Turn a solution into outputs and keep the extremes."""
        v = solution.v_v * float(public_alive)
        to_neutral = np.abs(v[:, :3] - v[:, 3:])
        v_house = (self._share * to_neutral[self._bus_of]).sum(axis=1) * on_public
        private_loading = np.zeros(len(self._private_ampacity))
        if self._private and private_alive:
            w = solution.private_v_v
            at_private = (self._share * np.abs(w[:, :3] - w[:, 3:])).sum(axis=1)
            v_house += at_private * on_private
            private_loading = np.abs(solution.private_i_a).max(axis=1) / self._private_ampacity
        loading = np.abs(solution.i_a).max(axis=1) / self._ampacity * float(public_alive)
        neutral = np.abs(v[:, 3])
        transformer = abs(solution.grid_kva) / self._s_kva * float(public_alive)
        v_pu = to_neutral / self._v_base[:, None]
        self._loss_kw = grid_loss_kw + island_loss_kw
        self._keep(v, v_house, loading, private_loading, transformer, neutral, steady)
        return {
            "v_v": v_house,
            "v_pu": v_pu,
            "neutral_v": neutral,
            "loading_pu": loading,
            "private_loading_pu": private_loading,
            "transformer_loading_pu": float(transformer),
            "grid_loss_kw": float(grid_loss_kw),
            "island_loss_kw": float(island_loss_kw),
        }

    def _keep(
        self,
        v: NDArray[np.complex128],
        v_house: Array,
        loading: Array,
        private_loading: Array,
        transformer: float,
        neutral: Array,
        steady: bool,
    ) -> None:
        """Keep the extremes; voltages only of what is past its start ramp."""
        f = self._figures
        supplied = v_house[v_house > 0.0]
        if steady and len(supplied):
            f["v_min_pu"] = min(f["v_min_pu"], float(supplied.min()) / self._v_base[-1])
            f["v_max_pu"] = max(f["v_max_pu"], float(supplied.max()) / self._v_base[-1])
        f["line"] = max(f["line"], float(loading.max(initial=0.0)))
        f["private"] = max(f["private"], float(private_loading.max(initial=0.0)))
        f["transformer"] = max(f["transformer"], float(transformer))
        f["neutral_v"] = max(f["neutral_v"], float(neutral.max()))
        f["unbalance"] = max(f["unbalance"], unbalance_percent(v[1:]))

    def kpis(self) -> tuple[Kpi, ...]:
        """Return the extremes of the run."""
        f = self._figures
        figures = [
            Kpi("v_min_pu", f["v_min_pu"], "lowest voltage at a supplied customer"),
            Kpi("v_max_pu", f["v_max_pu"], "highest voltage at a supplied customer"),
            Kpi("unbalance_max_percent", f["unbalance"], "negative over positive sequence"),
            Kpi("neutral_max_v", f["neutral_v"], "highest neutral voltage"),
            Kpi("line_loading_max_pu", f["line"], "worst cable, of its ampacity"),
            Kpi("transformer_loading_max_pu", f["transformer"], "of its rating"),
            Kpi("loss_kwh", f["loss"], "energy lost in the network"),
            Kpi("solution_count", self._solved, "power flows solved"),
        ]
        if self._private:
            about = "worst private cable, of its ampacity"
            figures.append(Kpi("private_loading_max_pu", f["private"], about))
        return tuple(figures)


def _names(lines: tuple[ACLineSegment, ...]) -> tuple[str, ...]:
    return tuple(line.name for line in lines)


def _ampacity(network: Neighbourhood, private: bool) -> Array:
    lines = network.private_lines if private else network.lines
    return np.array([network.line_code[line.code].ampacity_a for line in lines])


def unbalance_percent(v: NDArray[np.complex128]) -> float:
    """Return the worst ratio of negative to positive sequence voltage (IEC 61000-2-2).

    Parameters
    ----------
    v : ndarray, shape (n_bus, 3 or more)
        Complex voltages of phases A, B, C first. [V]
    """
    a = np.exp(2j * np.pi / 3)
    positive = np.abs(v[:, 0] + a * v[:, 1] + a**2 * v[:, 2])
    negative = np.abs(v[:, 0] + a**2 * v[:, 1] + a * v[:, 2])
    good = positive > 1.0
    return float((100 * negative[good] / positive[good]).max(initial=0.0))
