"""pandapower: a cross-check of power flows, balanced or of three phases.

The network is written as a net (`gridmodel.ingest.pandapower_writer`) and solved by
`runpp`, or by `runpp_3ph`. Not seen: controls of taps and banks, which stay as they
stand, and the voltages at which a load becomes an impedance.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.errors import Fault, NetworkError
from gridmodel.ingest.pandapower_rows import pandapower
from gridmodel.ingest.pandapower_writer import Conversion, to_pandapower
from gridmodel.network.checks import nodes_of
from gridmodel.network.element import NODES
from gridmodel.network.network import Network
from simulators.power_flow.result import PowerFlow, Trouble

#: Vector groups whose zero sequence `runpp_3ph` has.
_GROUPS_3PH = ("Dyn", "YNyn")
_TOLERANCE_MVA = 1e-8
_BRANCHES = ("line", "trafo", "trafo3w", "impedance")


def solve_pandapower(
    network: Network, unbalanced: bool = False, *, core_at_end: bool = False
) -> PowerFlow:
    """Return the power flow of a network by pandapower.

    Parameters
    ----------
    network : Network
        The network; its phases must be alike, without conductors N.
    unbalanced : bool
        Solve three phases by `runpp_3ph`, for loads of single phases; else the positive
        sequence by `runpp`, told for A, B and C.
    core_at_end : bool
        Put what a transformer's core takes at the terminals of its second end, as OpenDSS
        and our sweep do; else in the middle of its leakage, as pandapower itself does. The
        voltages differ by up to half of magnetising current times leakage.

    Returns
    -------
    PowerFlow
        With ``troubles`` where pandapower did not converge.

    Raises
    ------
    NetworkError
        With every element that pandapower cannot hold.
    MissingExtraError
        If pandapower is not installed.
    """
    made = to_pandapower(network, for_solver=True, core_at_end=core_at_end)
    _refuse(network, made, unbalanced)
    net = made.net
    with pandapower("the solver pandapower") as library, np.errstate(all="ignore"):
        try:
            _run(library, net, network, unbalanced)
        except library.LoadflowNotConverged as error:
            return _no_answer(network, unbalanced, str(error))
    v_v = _three_phase(network, net) if unbalanced else _balanced(network, net)
    return PowerFlow(
        network=network,
        solver="pandapower",
        v_v=v_v,
        present=_present(network),
        converged=True,
        iterations=_iterations(net),
        losses_kva=_losses(made, unbalanced),
        source_kva=_sources(net, unbalanced),
        taps_pu=_taps(network),
        sections_on={bank.name: bank.sections_on for bank in network.capacitors},
    )


def _refuse(network: Network, made: Conversion, unbalanced: bool) -> None:
    """Refuse what the net does not hold, all at once."""
    faults = [Fault(notice.where, notice.what, f"{notice.text}.") for notice in made.lost]
    if not unbalanced:
        advice = "Solve it with unbalanced=True."
        faults += [Fault(n.where, n.what, f"{n.text}.", advice) for n in made.single]
    else:
        faults += _not_in_3ph(network, made.net)
    if faults:
        raise NetworkError(f"pandapower cannot solve network '{network.name}'", faults)


def _not_in_3ph(network: Network, net: Any) -> list[Fault]:
    faults = []
    for name, group in zip(net.trafo["name"], net.trafo.get("vector_group", ()), strict=False):
        if group not in _GROUPS_3PH:
            advice = f"Known are {', '.join(_GROUPS_3PH)}."
            faults.append(Fault(network.name, name, f"has vector group {group}.", advice))
    for table in ("trafo3w", "gen", "impedance", "shunt"):
        for name in net[table]["name"]:
            problem = f"its table '{table}' is not part of runpp_3ph."
            faults.append(Fault(network.name, str(name), problem, "Use another solver."))
    following = net.load[(net.load.filter(like="const_") != 0.0).any(axis=1)]
    faults += [Fault(network.name, str(name), "follows the voltage.") for name in following["name"]]
    return faults


def _run(library: Any, net: Any, network: Network, unbalanced: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if unbalanced:
            net.sn_mva = _base_mva(network)
            library.runpp_3ph(net, tolerance_mva=_TOLERANCE_MVA)
            return
        limited = any(
            max(abs(machine.q_min_kvar), abs(machine.q_max_kvar)) < 1e9
            for machine in network.machines
            if machine.v_set_pu is not None
        )
        how = {"enforce_q_lims": limited, "max_iteration": 50}
        try:
            library.runpp(net, tolerance_mva=_TOLERANCE_MVA / 10.0, **how)
        except library.LoadflowNotConverged:  # below its rounding where lines are very short
            library.runpp(net, tolerance_mva=_TOLERANCE_MVA, **how)


def _base_mva(network: Network) -> float:
    """Return the base power for `runpp_3ph`: a tenth of what is drawn. [MVA]

    Its outer loop stops at 3e-8 of the base, whatever the tolerance (pandapower 3.5.6):
    with a base of 100 MVA the European low-voltage feeder is off by 6e-6 pu.
    """
    drawn = sum(abs(complex(c.p_rated_kw, c.q_rated_kvar)) for c in network.consumers)
    drawn += sum(abs(complex(c.p_kw, c.q_kvar)) for c in network.inverters)
    return max(drawn, 1.0) / 1e4


def _balanced(network: Network, net: Any) -> NDArray[np.complex128]:
    """Return the voltages of A, B and C, each a third of a turn behind the one before. [V]"""
    count = len(network.buses)
    result = net.res_bus.iloc[:count]
    angle = np.radians(np.nan_to_num(result["va_degree"].to_numpy(float)))
    one = np.nan_to_num(result["vm_pu"].to_numpy(float)) * np.exp(1j * angle) * _base_v(network)
    v_v = np.zeros((count, len(NODES)), complex)
    v_v[:, :3] = one[:, None] * np.exp(-2j * np.pi / 3.0 * np.arange(3))
    return v_v


def _three_phase(network: Network, net: Any) -> NDArray[np.complex128]:
    count = len(network.buses)
    result = net.res_bus_3ph.iloc[:count]
    v_v = np.zeros((count, len(NODES)), complex)
    for k, phase in enumerate("abc"):
        vm = np.nan_to_num(result[f"vm_{phase}_pu"].to_numpy(float))
        angle = np.radians(np.nan_to_num(result[f"va_{phase}_degree"].to_numpy(float)))
        v_v[:, k] = vm * np.exp(1j * angle) * _base_v(network)
    return v_v


def _base_v(network: Network) -> NDArray[np.float64]:
    """Return the nominal voltages to earth. [V]"""
    return np.array([bus.v_nominal_v for bus in network.buses]) / 3**0.5


def _present(network: Network) -> NDArray[np.bool_]:
    there = nodes_of(network)
    return np.array(
        [[node in there.get(bus.name, set()) for node in NODES] for bus in network.buses], bool
    ).reshape(-1, len(NODES))


def _iterations(net: Any) -> int:
    solved = net.get("_ppc") or {}
    return int(solved.get("iterations", 0) or 0)


def _losses(made: Conversion, unbalanced: bool) -> complex:
    """Return what is lost in branches. [kW, kvar]"""
    net = made.net
    cores = net.res_shunt.loc[list(made.cores)] if made.cores else None
    total = 0j if cores is None else complex(cores["p_mw"].sum(), cores["q_mvar"].sum())
    for table in _BRANCHES:
        result = net.get(f"res_{table}{'_3ph' * unbalanced}")
        if result is None or not len(result):
            continue
        if not unbalanced:
            total += complex(np.nansum(result["pl_mw"]), np.nansum(result["ql_mvar"]))
            continue
        for phase in "abc":
            p, q = (result[f"{part}l_{phase}_{unit}"] for part, unit in _PARTS)
            total += complex(np.nansum(p), np.nansum(q))
    return total * 1e3


_PARTS = (("p", "mw"), ("q", "mvar"))


def _sources(net: Any, unbalanced: bool) -> complex:
    """Return what the external grids deliver. [kW, kvar]"""
    result = net[f"res_ext_grid{'_3ph' * unbalanced}"]
    columns = [f"_{phase}_" for phase in "abc"] if unbalanced else ["_"]
    p, q = (
        sum(float(np.nansum(result[f"{part}{column}{unit}"])) for column in columns)
        for part, unit in _PARTS
    )
    return complex(p, q) * 1e3


def _taps(network: Network) -> dict[str, float]:
    return {
        f"{unit.name}.{k}": end.tap_pu
        for unit in network.transformers
        for k, end in enumerate(unit.ends, 1)
        if end.tap_changer is not None
    }


def _no_answer(network: Network, unbalanced: bool, said: str) -> PowerFlow:
    """Return a power flow without a solution."""
    advice = (
        "Usual causes: more load than can be carried, an impedance in the wrong unit. Try the solver "
        "'fbs', which tells island, bus and course."
    )
    solver = "runpp_3ph" if unbalanced else "runpp"
    return PowerFlow(
        network=network,
        solver="pandapower",
        v_v=np.zeros((len(network.buses), len(NODES)), complex),
        present=_present(network),
        converged=False,
        iterations=0,
        losses_kva=0j,
        source_kva=0j,
        troubles=(Trouble(f"network '{network.name}'", f"pandapower's {solver}: {said}", advice),),
    )
