"""Published feeders: the voltages that were printed, with the taps that were printed.

Sources, each a golden case:

- IEEE 13-node feeder: W. H. Kersting, "Radial Distribution Test Feeders", IEEE PES Winter
  Meeting 2001, DOI 10.1109/PESW.2001.916993, and the feeder's own report of the IEEE PES
  Distribution Test Feeder Working Group, table "Voltage Profile". Read here as reproduced,
  in volts, by GridLAB-D's test `powerflow/autotest/test_IEEE_13_NR.glm` (commit e1841e1);
  bus 652, where that differs from the table, as the table has it.
- IEEE 34-node feeder, same reports: bus 890, behind both regulators and the transformer,
  the lowest of the feeder; by `powerflow/autotest/test_IEEE_34_NR.glm`.
- IEEE 123-node feeder: what GridLAB-D holds for right with the published taps,
  `powerflow/autotest/test_IEEE-123_FBS.glm`; it allows 5 V of 2402 V itself.
- The published taps: comments of EPRI's scripts for the three feeders.
- 33 buses: M. E. Baran and F. F. Wu, "Network reconfiguration in distribution systems for
  loss reduction and load balancing", IEEE Trans. Power Delivery 4(2), 1989,
  DOI 10.1109/61.25627: 202.68 kW lost before reconfiguration, 0.9131 pu at bus 18.

The tolerance is the distance between models, not of the sweep, which answers EPRI's scripts
as OpenDSS does to 1e-6 pu: tables have four digits; they spread the distributed loads along
their lines, the scripts put them at buses.
"""

from __future__ import annotations

import numpy as np
import pytest

from gridmodel.ingest.matpower import read_matpower
from gridmodel.network.network import Network
from simulators.power_flow.fbs import solve_fbs
from simulators.power_flow.result import PowerFlow
from tests.gridmodel.ingest.opendss_feeders import DATA, feeder, master

V_LN = 2401.7771

#: Bus: phase: magnitude [pu] and angle [deg].
THIRTEEN = {
    "650": {"A": (1.0000, 0.00), "B": (1.0000, -120.00), "C": (1.0000, 120.00)},
    "632": {"A": (1.0210, -2.49), "B": (1.0420, -121.72), "C": (1.0175, 117.83)},
    "633": {"A": (1.0180, -2.56), "B": (1.0401, -121.77), "C": (1.0149, 117.83)},
    "634": {"A": (0.9940, -3.23), "B": (1.0218, -122.22), "C": (0.9961, 117.35)},
    "645": {"B": (1.0329, -121.90), "C": (1.0155, 117.86)},
    "646": {"B": (1.0311, -121.98), "C": (1.0135, 117.90)},
    "671": {"A": (0.9900, -5.30), "B": (1.0529, -122.34), "C": (0.9779, 116.02)},
    "692": {"A": (0.9900, -5.30), "B": (1.0529, -122.34), "C": (0.9779, 116.02)},
    "675": {"A": (0.9835, -5.55), "B": (1.0553, -122.52), "C": (0.9760, 116.04)},
    "680": {"A": (0.9900, -5.30), "B": (1.0529, -122.34), "C": (0.9779, 116.02)},
    "684": {"A": (0.9881, -5.32), "C": (0.9759, 115.93)},
    "611": {"C": (0.9739, 115.78)},
    "652": {"A": (0.9825, -5.25)},
}
#: At taps 10, 8, 11 of the three regulators.
TAPS_13 = {"reg1": 1.0625, "reg2": 1.0500, "reg3": 1.06875}
THIRTY_FOUR = {"890": {"A": (0.9167, -5.19), "B": (0.9235, -126.78), "C": (0.9177, 113.98)}}
TAPS_34 = {
    "reg1a": 12, "reg1b": 5, "reg1c": 5, "reg2a": 13, "reg2b": 11, "reg2c": 12,
}  # fmt: skip
#: In volts, as they stand there.
HUNDRED_TWENTY_THREE = {
    "3": {"C": (2481.44, 119.592)},
    "8": {"A": (2440.67, -1.43982), "B": (2494.43, -120.728), "C": (2462.40, 119.203)},
    "13": {"A": (2421.69, -1.87889), "B": (2489.38, -120.962), "C": (2448.70, 118.920)},
    "54": {"A": (2397.25, -2.541), "B": (2483.45, -121.403), "C": (2434.91, 118.457)},
    "57": {"A": (2389.82, -2.84461), "B": (2476.83, -121.609), "C": (2428.76, 118.244)},
}
TAPS_123 = {
    "reg1a": 7, "reg2a": -1, "reg3a": 0, "reg3c": -1, "reg4a": 8, "reg4b": 1, "reg4c": 5,
}  # fmt: skip


def at_taps(network: Network, taps_pu: dict[str, float]) -> Network:
    """Return a network with the second ends of some transformers at given ratios."""
    units = network.group("transformers")
    return network.with_(
        transformers={
            name: {
                "ends": (
                    units[name].ends[0],
                    units[name].ends[1].model_copy(update={"tap_pu": tap_pu}),
                )
            }
            for name, tap_pu in taps_pu.items()
        }
    )


def steps(taps: dict[str, int]) -> dict[str, float]:
    return {name: 1.0 + 0.00625 * tap for name, tap in taps.items()}


def furthest(
    flow: PowerFlow, table: dict[str, dict[str, tuple[float, float]]], angle_deg: float = 0.0
) -> tuple[float, float]:
    """Return the greatest differences from a table: magnitude [pu], angle [deg].

    The table's angles count from another one by ``angle_deg``.
    """
    network = flow.network
    apart_pu, apart_deg = 0.0, 0.0
    for bus, phases in table.items():
        k = network.bus_index[bus]
        for phase, (magnitude, angle) in phases.items():
            v = flow.v_v[k, "ABC".index(phase)] / (network.buses[k].v_nominal_v / 3**0.5)
            turned = np.degrees(np.angle(v * np.exp(-1j * np.radians(angle + angle_deg))))
            apart_pu = max(apart_pu, abs(abs(v) - magnitude))
            apart_deg = max(apart_deg, abs(float(turned)))
    return apart_pu, apart_deg


def test_the_13_node_feeder_has_its_published_voltages() -> None:
    """Up to bus 632 to 3e-4 pu; beyond it the script has the distributed load at one bus."""
    master("13")
    flow = solve_fbs(at_taps(feeder("13"), TAPS_13), controls=False)
    apart_pu, apart_deg = furthest(flow, THIRTEEN)
    assert apart_pu < 1.2e-3
    near = {bus: THIRTEEN[bus] for bus in ("650", "632", "633", "634", "645", "646")}
    assert furthest(flow, near)[0] < 3e-4
    assert apart_deg < 0.1


@pytest.mark.parametrize(("name", "v_pu"), [("34 mod 1", 1.5e-3), ("34 mod 2", 3e-4)])
def test_the_34_node_feeder_has_its_published_lowest_voltage(name: str, v_pu: float) -> None:
    """Mod 2 splits each line in the middle for its distributed load, mod 1 its ends only."""
    master(name)
    flow = solve_fbs(at_taps(feeder(name), steps(TAPS_34)), controls=False)
    apart_pu, apart_deg = furthest(flow, THIRTY_FOUR)
    assert apart_pu < v_pu
    assert apart_deg < 0.1


def test_the_123_node_feeder_has_the_voltages_of_gridlab_d() -> None:
    master("123")
    flow = solve_fbs(at_taps(feeder("123"), steps(TAPS_123)), controls=False)
    table = {
        bus: {phase: (v_v / V_LN, angle) for phase, (v_v, angle) in phases.items()}
        for bus, phases in HUNDRED_TWENTY_THREE.items()
    }
    apart_pu, apart_deg = furthest(flow, table)
    assert apart_pu < 6e-4
    assert apart_deg < 0.1


def test_baran_and_wus_33_buses_lose_what_was_published() -> None:
    path = DATA / "matpower-radial" / "case33bw.m"
    if not path.is_file():
        pytest.skip("the cases of ../shared/data are not on this machine")
    network, _ = read_matpower(path)
    flow = solve_fbs(network)
    vm = flow.vm_pu[:, 0]
    assert flow.converged
    assert flow.losses_kva.real == pytest.approx(202.677, abs=5e-4)
    assert network.buses[int(np.argmin(vm))].name in ("18", "bus_18", "bus 18")
    assert vm.min() == pytest.approx(0.91309, abs=5e-6)


@pytest.mark.parametrize(
    ("case", "losses_kw"),
    [("case22", 17.743), ("case33mg", 210.998), ("case85", 299.307), ("case136ma", 320.364),
     ("case141", 632.696), ("case18", 260.188)],
)  # fmt: skip
def test_radial_cases_of_the_literature_lose_what_a_plain_fixed_point_finds(
    case: str, losses_kw: float
) -> None:
    """Recomputed by a solver of another hand: ../shared/data/matpower-radial, test_matpower.py."""
    path = DATA / "matpower-radial" / f"{case}.m"
    if not path.is_file():
        pytest.skip("the cases of ../shared/data are not on this machine")
    flow = solve_fbs(read_matpower(path)[0])
    assert flow.converged
    assert flow.losses_kva.real == pytest.approx(losses_kw, abs=6e-4)
