"""What takes or gives power in a network that grows: loads, capacitors, generators."""

from __future__ import annotations

from typing import Any

from gridmodel.network.controls import ShuntCompensatorControl
from gridmodel.network.equipment import (
    ElectricVehicleCharger,
    EnergyConsumer,
    LinearShuntCompensator,
    LoadResponseCharacteristic,
    PowerElectronicsConnection,
    RotatingMachine,
)
from tests.simulators.power_flow.random_ground import ROOT3, Ground

_RESPONSES = (
    LoadResponseCharacteristic(),
    LoadResponseCharacteristic(p_zip_pu=(1.0, 0.0, 0.0), q_zip_pu=(1.0, 0.0, 0.0)),
    LoadResponseCharacteristic(p_zip_pu=(0.0, 1.0, 0.0), q_zip_pu=(0.0, 1.0, 0.0)),
    LoadResponseCharacteristic(p_zip_pu=(0.0, 0.0, 1.0), q_zip_pu=(1.0, 0.0, 0.0)),
    LoadResponseCharacteristic(p_zip_pu=(0.5, 0.3, 0.2), q_zip_pu=(1.4, -0.9, 0.5)),
    LoadResponseCharacteristic(p_exponent=0.8, q_exponent=3.0),
)


class Injections(Ground):
    """Puts elements at buses."""

    def _terminals(self, free: bool = False) -> tuple[dict[str, Any], float]:
        """Return a bus with terminals and a rated voltage, and a rating to take from.

        What is not earthed itself takes no power to the earth.
        """
        at = self.pick([p for p in self.places if p.zone.earthed or len(p.phases) > 1])
        phases = self.some(at.phases)
        star = "N" if "N" in at.nodes else "0"
        wye = (at.zone.earthed or free) and (len(phases) == 1 or self.pick((True, False)))
        if not wye and len(phases) < 2:
            phases = at.phases[:2]
            wye = len(phases) < 2
        v_v = at.zone.v_v * self.pick((1.0, 0.98))
        if wye:
            nodes = phases + star
            v_v = v_v if len(phases) > 1 else v_v / ROOT3
        else:
            nodes = phases
        if at.nodes == "AB" and not wye:
            v_v = 240.0  # split phase: the two halves add up
        where = {
            "bus": at.bus, "nodes": nodes, "v_rated_v": v_v, "connection": "wye" if wye else "delta"
        }  # fmt: skip
        return where, at.zone.s_kva / 6.0

    def load(self) -> None:
        where, s_kva = self._terminals()
        response = self.pick(_RESPONSES)
        # OpenDSS's law jumps at v_min: an exponent's, and a motor's q, become constant power
        jumps = response.p_exponent is not None or response.p_zip_pu != response.q_zip_pu
        jumps &= response != _RESPONSES[4]
        self._add(
            "consumers",
            EnergyConsumer(
                name=self.name("consumers"), p_rated_kw=self.number(0.0, s_kva),
                q_rated_kvar=self.number(-0.1 * s_kva, 0.4 * s_kva), response=response,
                v_min_pu=0.4 if jumps else self.pick((0.0, 0.4, 0.85, 0.95)),
                v_max_pu=2.0 if jumps else self.pick((2.0, 1.05, 1.0)), **where,
            ),
        )  # fmt: skip

    def capacitor(self) -> None:
        where, s_kva = self._terminals(free=True)
        # several sections in delta: OpenDSS adds the first ones up again (engine 0.14.5)
        sections = 1 if where["connection"] == "delta" else self.pick((1, 3))
        bank = LinearShuntCompensator(
            name=self.name("capacitors"), q_kvar=self.number(0.1 * s_kva, s_kva),
            section_count=sections, sections_on=self.pick(range(sections + 1)), **where,
        )  # fmt: skip
        self._add("capacitors", bank)
        if self._controls and "0" in bank.nodes and self.pick((True, False)):
            self._add(
                "capacitor_controls",
                ShuntCompensatorControl(
                    name=f"control_{bank.name}", capacitor=bank.name, mode="voltage", on=115.0,
                    off=126.0, pt_ratio=bank.coil_v / 120.0, node=bank.nodes[0],
                ),
            )  # fmt: skip

    def generator(self) -> None:
        where, s_kva = self._terminals()
        p, q = self.number(0.0, s_kva), self.number(-0.3 * s_kva, 0.3 * s_kva)
        kind = self.pick(("inverters", "ev_chargers", "machines"))
        name = self.name(kind)
        if kind == "inverters":
            whole = dict(name=name, s_kva=2.0 * s_kva, p_kw=p, q_kvar=q, **where)
            self._add(kind, PowerElectronicsConnection(**whole))
        elif kind == "ev_chargers":
            self._add(kind, ElectricVehicleCharger(name=name, p_rated_kw=p, **where))
        else:
            self._add(kind, RotatingMachine(name=name, p_kw=p, q_kvar=q, **where))
