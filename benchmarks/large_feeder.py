"""Large feeder: our network file of 100,000 nodes is read, ordered and solved once.

``python -m benchmarks.large_feeder FILE`` does it and prints its times as JSON, in a process
of its own, so that the memory is that of this work alone.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

V_V = 12_470.0


def write(path: Path, nodes: int) -> None:
    """Write a feeder: half of its nodes on a three-phase tree, half on laterals of one phase.

    Laterals are three buses long, with a load at each.
    """
    rng = np.random.default_rng(1)
    trunk = nodes // 6
    count = nodes - 3 * trunk
    above = [max(0, k - int(rng.integers(1, 200))) for k in range(1, trunk)]
    roots, phases = rng.integers(0, trunk, count).tolist(), rng.integers(0, 3, count).tolist()
    three = [[0.3, 0.1, 0.1], [0.1, 0.3, 0.1], [0.1, 0.1, 0.3]]
    network: dict[str, Any] = {
        "name": "large",
        "buses": [{"name": f"b{k}", "v_nominal_v": V_V} for k in range(trunk)],
        "energy_sources": [{"name": "grid", "bus": "b0", "v_nominal_v": V_V}],
        "impedances": [
            {"name": "three", "r_ohm_per_km": three, "x_ohm_per_km": three},
            {"name": "one", "r_ohm_per_km": [[0.5]], "x_ohm_per_km": [[0.7]]},
        ],
        "lines": [
            {"name": f"l{k}", "bus_from": f"b{up}", "bus_to": f"b{k}", "phases": "ABC",
             "length_km": 0.02, "impedance": "three"}
            for k, up in enumerate(above, 1)
        ],
        "consumers": [],
    }  # fmt: skip
    for k in range(count):
        phase, up = "ABC"[phases[k - k % 3]], f"s{k - 1}" if k % 3 else f"b{roots[k]}"
        network["buses"].append({"name": f"s{k}", "v_nominal_v": V_V})
        network["lines"].append(
            {"name": f"m{k}", "bus_from": up, "bus_to": f"s{k}", "phases": phase,
             "length_km": 0.03, "impedance": "one"}
        )  # fmt: skip
        network["consumers"].append(
            {"name": f"c{k}", "bus": f"s{k}", "nodes": f"{phase}0", "v_rated_v": V_V / 3**0.5,
             "p_rated_kw": 8000.0 / count, "q_rated_kvar": 2000.0 / count}
        )  # fmt: skip
    path.write_text(json.dumps(network), encoding="utf-8")


def solved(path: Path) -> dict[str, Any]:
    """Return what reading, ordering and solving took in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.large_feeder", str(path)]
    root = Path(__file__).parents[1]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    return dict(json.loads(ran.stdout))


def main() -> None:
    """Do it, and print what it took by processor time. [s] [MB]"""
    from gridmodel.ingest.network_file import read_network
    from gridmodel.network.topology import topology
    from simulators.power_flow.fbs import Fbs

    clock, wall = time.process_time, time.perf_counter()
    at = [clock()]
    network = read_network(Path(sys.argv[1]))
    at.append(clock())
    order = topology(network).order
    at.append(clock())
    fbs = Fbs(network)
    at.append(clock())
    answer = fbs.one()
    at.append(clock())
    assert answer.converged
    assert len(order) == len(network.buses)
    read, ordered, compiled, solve = np.diff(at).tolist()
    print(
        json.dumps(
            {
                "nodes": fbs.compiled.node_count,
                "read_s": read,
                "order_s": ordered,
                "compile_s": compiled,
                "solve_s": solve,
                "whole_s": at[-1],
                "wall_s": time.perf_counter() - wall,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
            }
        )
    )


if __name__ == "__main__":
    main()
