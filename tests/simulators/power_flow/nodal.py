"""A network as one admittance matrix, and Kirchhoff's law on it: an oracle without a sweep.

Every element is put together from its definition, node by node, dense. Nothing of the
compiled network is used; transformers take their primitive admittance, which the
comparison with OpenDSS proves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.network.conductors import Conductor
from gridmodel.network.element import NODES, coils
from gridmodel.network.equipment import LoadResponseCharacteristic, Rated
from simulators.power_flow.primitive import transformer_y_s
from simulators.power_flow.result import PowerFlow

Complex = NDArray[Any]
Key = tuple[str, str]
#: Of constant power.
_FLAT = LoadResponseCharacteristic()
#: What OpenDSS, and the sweep, tie lines' ends to the earth with where nothing else does. [S]
_LEAKAGE_S = 4.2e-8j


class Nodal:
    """The admittance of a network between all nodes that a solver found.

    Parameters
    ----------
    flow : PowerFlow
        Its network and its taps and sections are taken, its voltages are not.
    """

    def __init__(self, flow: PowerFlow) -> None:
        self.network = flow.network
        keys = [(bus.name, node) for bus in flow.network.buses for node in NODES]
        self.keys = [key for key, there in zip(keys, flow.present.ravel(), strict=True) if there]
        self.at = {key: k for k, key in enumerate(self.keys)}
        size = len(self.keys)
        self.y_s: Complex = np.zeros((size, size), complex)
        self.i_a: Complex = np.zeros(size, complex)
        #: Whether a transformer has a phase that no source reaches; it is left out here.
        self.partly_fed = False
        self._branches: list[tuple[list[int], Complex]] = []
        self._lines()
        self._transformers(flow)
        self._at_buses(flow)

    def _put(self, nodes: list[int], y_s: Complex, branch: bool = True) -> None:
        self.y_s[np.ix_(nodes, nodes)] += y_s
        if branch:
            self._branches.append((nodes, y_s))

    def _two_ports(self, one: Conductor, z_ohm: Complex, shunt_s: Complex) -> None:
        ends = [(one.bus_from, p) for p in one.phases]
        ends += [(one.bus_to, p) for p in one.phases_to or one.phases]
        if all(key in self.at for key in ends):
            y = np.linalg.inv(z_ohm)
            half = shunt_s / 2.0
            self._put([self.at[key] for key in ends], np.block([[y + half, -y], [-y, y + half]]))

    def _lines(self) -> None:
        net = self.network
        omega = 2e-9j * np.pi * net.f_nominal_hz
        for line in net.lines:
            kind = net.impedance[line.impedance]
            z = np.array(kind.r_ohm_per_km) + 1j * np.array(kind.x_ohm_per_km)
            c = np.array(kind.c_nf_per_km) if kind.c_nf_per_km else np.zeros_like(z.real)
            self._two_ports(line, z * line.length_km, omega * c * line.length_km)
        for one in (*(s for s in net.switches if not s.open), *net.series_compensators):
            each = np.eye(len(one.phases))
            self._two_ports(one, each * complex(one.r_ohm, one.x_ohm), 2 * _LEAKAGE_S * each)

    def _transformers(self, flow: PowerFlow) -> None:
        for one in self.network.transformers:
            keys = dict.fromkeys(
                (end.bus, node) for end in one.ends for node in end.nodes if node != "0"
            )
            if not all(key in self.at for key in keys):
                self.partly_fed |= any(key in self.at for key in keys)
                continue
            taps = [
                flow.taps_pu.get(f"{one.name}.{k}", end.tap_pu) for k, end in enumerate(one.ends, 1)
            ]
            y = transformer_y_s(one, list(keys), taps)
            for end in one.ends:
                # OpenDSS's primitive matrix: half of a coil at each end, a star point one half more.
                leak = -0.5e-6j * one.antifloat_ppm * end.s_kva * 1e3 / end.coil_count
                star = end.nodes[-1] if end.connection == "wye" else ""
                ends = "".join(a + b for a, b in coils(end.nodes, end.connection)) + star
                for node in ends.replace("0", ""):
                    at = list(keys).index((end.bus, node))
                    y[at, at] += leak / end.coil_v**2
            self._put([self.at[key] for key in keys], y)

    def _at_buses(self, flow: PowerFlow) -> None:
        net = self.network
        for source in net.energy_sources:
            nodes = [self.at[source.bus, node] for node in source.nodes]
            z1, z0 = complex(source.r1_ohm, source.x1_ohm), complex(source.r0_ohm, source.x0_ohm)
            y = np.linalg.inv(np.eye(3) * z1 + np.ones((3, 3)) * (z0 - z1) / 3.0)
            turn = np.exp(1j * np.radians(source.angle_deg - 120.0 * np.arange(3)))
            self._put(nodes, y, branch=False)
            self.i_a[nodes] += y @ (source.v_nominal_v / 3**0.5 * source.v_pu * turn)
        for earth in net.groundings:
            if (earth.bus, earth.node) in self.at:
                y = 1.0 / (complex(earth.r_ohm, earth.x_ohm) or 1e-6)
                self._put([self.at[earth.bus, earth.node]], np.array([[y]]), branch=False)
        for bank in net.capacitors:
            on = flow.sections_on[bank.name] / bank.section_count
            for pair in self._coils(bank):
                s = complex(bank.g_kw, bank.q_kvar) * 1e3 * on / len(bank.coils)
                kept = [k for k in pair if k >= 0]
                signs = np.array([1.0, -1.0])[: len(kept)]
                self._put(kept, np.outer(signs, signs) * s / bank.coil_v**2, branch=False)

    def _coils(self, one: Rated) -> list[tuple[int, int]]:
        """Return the nodes of each phase of some equipment, the earth last; none if not fed."""
        pairs = []
        for pair in one.coils:
            if not all(node == "0" or (one.bus, node) in self.at for node in pair):
                return []
            a, b = (self.at.get((one.bus, node), -1) for node in pair)
            pairs.append((b, a) if a < 0 else (a, b))
        return pairs

    def injected_va(self, v_v: Complex) -> tuple[Complex, complex]:
        """Return the current everything at the buses injects [A], and its power together [VA]."""
        i_a, total = np.zeros_like(v_v), 0j
        net = self.network
        for one, s_kva, response in (
            *((c, -complex(c.p_rated_kw, c.q_rated_kvar), c.response) for c in net.consumers),
            *((c, -complex(c.p_rated_kw, c.q_rated_kvar), _FLAT) for c in net.ev_chargers),
            *((c, complex(c.p_kw, c.q_kvar), _FLAT) for c in (*net.inverters, *net.machines)),
        ):
            for a, b in self._coils(one):
                across = v_v[a] - (v_v[b] if b >= 0 else 0.0)
                low = getattr(one, "v_min_pu", 0.0)
                high = getattr(one, "v_max_pu", np.inf)
                share = _law(abs(across) / one.coil_v, response, low, high)
                s_va = complex(s_kva.real * share[0], s_kva.imag * share[1]) * 1e3 / len(one.coils)
                current = np.conj(s_va / across)
                i_a[a] += current
                if b >= 0:
                    i_a[b] -= current
                total += s_va
        return i_a, total

    def shunts_va(self, flow: PowerFlow, v_v: Complex) -> complex:
        """Return the power that capacitors and earthings draw. [VA]"""
        total = 0j
        for bank in self.network.capacitors:
            on = flow.sections_on[bank.name] / bank.section_count
            for a, b in self._coils(bank):
                share = abs(v_v[a] - (v_v[b] if b >= 0 else 0.0)) ** 2 / bank.coil_v**2
                each = complex(bank.g_kw, -bank.q_kvar) * 1e3 * on / len(bank.coils)
                total += each * share
        for earth in self.network.groundings:
            if (earth.bus, earth.node) in self.at:
                z = complex(earth.r_ohm, earth.x_ohm) or 1e-6
                total += abs(v_v[self.at[earth.bus, earth.node]]) ** 2 / np.conj(z)
        return total

    @property
    def condition(self) -> float:
        """Condition of the admittance with ones on its diagonal; endless if it is singular."""
        each = np.sqrt(np.abs(np.diag(self.y_s)))
        if not each.all():
            return float(np.inf)
        return float(np.linalg.cond(self.y_s / np.outer(each, each)))

    def of(self, flow: PowerFlow) -> Complex:
        """Return a flow's voltages in the order of the nodes. [V]"""
        v: Complex = flow.v_v.ravel()[flow.present.ravel()]
        return v

    def left_pu(self, flow: PowerFlow, floating: str = "") -> dict[str, float]:
        """Return by how much the currents at a flow's voltages would bring other voltages. [pu]

        Zero at every node is Kirchhoff's law, whatever the scale of the admittances there.
        Of buses whose names begin with ``floating``, voltages between their nodes count.
        """
        v = self.of(flow)
        left = np.linalg.solve(self.y_s, self.i_a + self.injected_va(v)[0]) - v
        buses = np.array([bus for bus, _ in self.keys])
        for bus in self.network.buses:
            own = buses == bus.name
            left[own] /= bus.v_nominal_v / 3**0.5
            if floating and bus.name.startswith(floating) and own.any():
                left[own] -= left[own].mean()
        return {
            f"{bus}.{node}": float(abs(x)) for (bus, node), x in zip(self.keys, left, strict=True)
        }

    def lost_kva(self, flow: PowerFlow) -> complex:
        """Return what lines and transformers take at a flow's voltages. [kW, kvar]"""
        v = self.of(flow)
        parts = (v[nodes] @ np.conj(y @ v[nodes]) for nodes, y in self._branches)
        return complex(sum(parts) / 1e3)

    def sources_kva(self, flow: PowerFlow) -> complex:
        """Return what the sources deliver: what nothing else brings to their buses. [kW, kvar]"""
        v = self.of(flow)
        i = self.y_s @ v - self.injected_va(v)[0]
        y_source: Complex = np.zeros_like(self.y_s)
        for source in self.network.energy_sources:
            nodes = [self.at[source.bus, node] for node in source.nodes]
            z1, z0 = complex(source.r1_ohm, source.x1_ohm), complex(source.r0_ohm, source.x0_ohm)
            y_source[np.ix_(nodes, nodes)] += np.linalg.inv(
                np.eye(3) * z1 + np.ones((3, 3)) * (z0 - z1) / 3.0
            )
        return complex(v @ np.conj(i - y_source @ v) / 1e3)


def _law(
    u: float, response: LoadResponseCharacteristic, low: float, high: float
) -> tuple[float, float]:
    """Return p and q at a voltage, of those at rated voltage. [pu]

    Between its limits a load follows its law; above, and below a limit of half of rated
    voltage or less, it has the impedance it has there. Between a higher limit and half of
    rated voltage the current of constant power, and that of constant current, goes straight
    to that of the rated impedance, as in OpenDSS (Load.pas).
    """
    shares = {
        "p": _shares(response.p_zip_pu, response.p_exponent),
        "q": _shares(response.q_zip_pu, response.q_exponent),
    }
    if u < low and low > 0.5:
        straight = (u - 0.5) / (low - 0.5)
        of_power = (0.5 + (1.0 / low - 0.5) * straight) * u if u > 0.5 else u * u
        of_current = (0.5 + 0.5 * straight) * u if u > 0.5 else u * u
        p, q = (
            z * u**2 + i * of_current + (s if exponent is None else 1.0) * of_power
            for z, i, s, exponent in shares.values()
        )
        return p, q
    at = min(max(u, low), high)
    p, q = (
        z * at**2 + i * at + s + (0.0 if exponent is None else at**exponent)
        for z, i, s, exponent in shares.values()
    )
    return p * (u / at) ** 2, q * (u / at) ** 2


def _shares(
    zip_pu: tuple[float, float, float], exponent: float | None
) -> tuple[float, float, float, float | None]:
    return (*zip_pu, None) if exponent is None else (0.0, 0.0, 0.0, exponent)
