"""MATPOWER cases: read, written, and solved to the published figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gridmodel.errors import NetworkError
from gridmodel.ingest.matpower import read_matpower, write_matpower
from gridmodel.network.controls import InverterControl
from gridmodel.network.equipment import EnergyConsumer, PowerElectronicsConnection
from tests.gridmodel.ingest.sameness import same

CASES = Path(__file__).parents[4] / "shared" / "data" / "matpower-radial"
NAMES = ("case18", "case22", "case33bw", "case33mg", "case4_dist", "case85", "case136ma", "case141")

SMALL = """function mpc = small
mpc.version = '2';
mpc.baseMVA = 10;
mpc.bus = [ % kW, kvar
    1 3 0   0  0 0    1 1 0 135/sqrt(3) 1 1.1 0.9;
    2 1 100 60 0 0.05 1 1 0 135/sqrt(3) 1 1.1 0.9;
    7 2 0   0  0 0    1 1 0 10 1 1.1 0.9;
];
mpc.gen = [
    1 0 0 Inf -Inf 1.02 100 1 10 0;
    7 0.5 0 1 -1 1.01 100 1 10 0;
];
mpc.branch = [ % ohm
    1 2 0.5 1.5 2e-4 20 0 0 0    0 1 -360 360;
    1 2 0.7 1.1 0    0  0 0 0    0 0 -360 360;
    2 7 0.1 1.2 0    5  0 0 1.05 30 1 -360 360;
];
[PQ, PV, REF, NONE, BUS_I, BUS_TYPE, PD, QD, GS, BS] = idx_bus;
mpc.branch(1:2, 3:4) = mpc.branch(1:2, 3:4) / ((mpc.bus(1, 10)*1e3)^2 / (mpc.baseMVA * 1e6));
mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;
"""


def case(path: Path, text: str) -> Path:
    """Write a case."""
    file = path / "small.m"
    file.write_text(text, encoding="utf-8")
    return file


def published(name: str) -> Path:
    """Return a published case; they may not be passed on, so they may be absent."""
    file = CASES / f"{name}.m"
    if not file.exists():
        pytest.skip(f"{name}.m is not here")
    return file


def test_values_are_those_after_the_statements_at_the_end(tmp_path: Path) -> None:
    network, _ = read_matpower(case(tmp_path, SMALL))
    assert [bus.name for bus in network.buses] == ["1", "2", "7"]
    assert network.bus["1"].v_nominal_v == pytest.approx(135e3 / 3**0.5)
    (load,) = network.consumers
    assert (load.bus, load.p_rated_kw, load.q_rated_kvar) == ("2", 100.0, 60.0)
    (line,) = network.lines
    kind = network.impedance[line.impedance]
    assert kind.r_ohm_per_km[0][0] == pytest.approx(0.5)
    assert kind.x_ohm_per_km[1][1] == pytest.approx(1.5)
    assert kind.x_ohm_per_km[0][1] == 0.0  # z0 = z1: phases that are not coupled
    assert line.ampacity_a == pytest.approx(20e6 / 135e3)
    # b in per unit on 10 MVA: 2 pi f C = b S / V^2
    siemens = 2e-4 * 10e6 / (135e3 / 3**0.5) ** 2
    assert kind.c_nf_per_km[0][0] == pytest.approx(siemens / (2 * np.pi * 60) * 1e9)
    (bank,) = network.capacitors
    assert bank.q_kvar == pytest.approx(50.0)


def test_the_zero_sequence_is_a_stated_assumption(tmp_path: Path) -> None:
    network, notices = read_matpower(case(tmp_path, SMALL), z0_per_z1=4.0)
    kind = network.impedances[0]
    assert kind.r_ohm_per_km[0][0] == pytest.approx(2.0 * 0.5)  # (z0 + 2 z1) / 3
    assert kind.r_ohm_per_km[0][1] == pytest.approx(0.5)  # (z0 - z1) / 3
    assert any("4 times the positive" in notice.text for notice in notices)


def test_generators_are_a_source_and_machines(tmp_path: Path) -> None:
    network, _ = read_matpower(case(tmp_path, SMALL))
    (source,) = network.energy_sources
    assert (source.bus, source.v_pu, source.x1_ohm) == ("1", 1.02, 0.0)
    (machine,) = network.machines
    assert (machine.p_kw, machine.v_set_pu, machine.q_max_kvar) == (500.0, 1.01, 1000.0)


def test_an_isolated_bus_is_left_out_with_its_branches(tmp_path: Path) -> None:
    network, notices = read_matpower(case(tmp_path, SMALL.replace("    7 2 0", "    7 4 0")))
    assert "7" not in network.bus
    assert not network.transformers
    said = " | ".join(f"{notice.what}: {notice.text}" for notice in notices)
    assert "branch 2-7: at bus 7, which is isolated (type 4): left out" in said


def test_a_line_out_of_service_is_an_open_switch_with_its_impedance(tmp_path: Path) -> None:
    file = case(tmp_path, SMALL)
    network, notices = read_matpower(file)
    (tie,) = network.switches
    assert tie.open
    assert (tie.r_ohm, tie.x_ohm) == (pytest.approx(0.7), pytest.approx(1.1))
    assert any(notice.where == f"{file}:15" and "open switch" in notice.text for notice in notices)


def test_a_transformer_has_its_ratio_and_its_shift(tmp_path: Path) -> None:
    network, _ = read_matpower(case(tmp_path, SMALL))
    (unit,) = network.transformers
    assert unit.ends[0].tap_pu == 1.05
    assert unit.x_percent[0] == pytest.approx(1.2 * 100 * 5 / 10)  # on its rating of 5 MVA
    assert unit.ends[0].r_percent + unit.ends[1].r_percent == pytest.approx(0.1 * 50)
    # The shift of 30 deg lets the lower side lag: Dyn1.
    assert [end.connection for end in unit.ends] == ["delta", "wye"]
    assert not unit.lead


def test_a_strange_statement_that_decides_nothing_is_a_notice(tmp_path: Path) -> None:
    file = case(tmp_path, SMALL + "mpc.notes = datestr(now);\n")
    _, notices = read_matpower(file)
    (notice,) = [n for n in notices if "not understood" in n.text]
    assert notice.where == f"{file}:{len(SMALL.splitlines()) + 1}"
    assert "mpc.notes" in notice.what


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("mpc.bus(:, 3) = scale(mpc.bus(:, 3));", "'scale' is not known"),
        ("mpc.branch = unknown_branches;", "'unknown_branches' is not known"),
        ("if 1", "control flow"),
    ],
)
def test_a_strange_statement_that_decides_about_values_is_a_fault(
    tmp_path: Path, statement: str, said: str
) -> None:
    file = case(tmp_path, SMALL + statement + "\n")
    with pytest.raises(NetworkError, match=said) as caught:
        read_matpower(file)
    assert caught.value.faults[0].where == f"{file}:{len(SMALL.splitlines()) + 1}"


def test_all_faults_of_a_case_are_told_at_once(tmp_path: Path) -> None:
    text = SMALL.replace("1 2 0.5 1.5", "1 5 0.5 1.5").replace("7 2 0 ", "2 2 0 ")
    text = text.replace("100 60 0 0.05 1 1 0 135/sqrt(3)", "100 60 0 0.05 1 1 0 0")
    with pytest.raises(NetworkError) as caught:
        read_matpower(case(tmp_path, text))
    problems = " ".join(str(fault) for fault in caught.value.faults)
    for said in ("no bus 5", "is there twice", "baseKV is 0", "no such bus"):
        assert said in problems


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("mpc.gen = [", "mpc.generators = [", "mpc.gen: is missing"),
        ("baseMVA = 10", "baseMVA = 0", "positive number of MVA"),
        ("1 2 0.5 1.5 2e-4 20 0 0 0    0 1", "1 2 NaN 1.5 2e-4 20 0 0 0    0 1", "BR_R is nan"),
        ("1 2 0.5 1.5", "1 2 -0.5 1.5", "cannot be negative"),
    ],
)
def test_an_impossible_case_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SMALL
    with pytest.raises(NetworkError, match=said):
        read_matpower(case(tmp_path, SMALL.replace(old, new)))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="cannot be read"):
        read_matpower(tmp_path / "none.m")


def test_version_one_and_names_of_buses_are_read(tmp_path: Path) -> None:
    lines = SMALL.replace("function mpc = small", "function [baseMVA, bus, gen, branch] = small")
    text = lines.replace("mpc.version = '2';", "").replace("mpc.", "")
    old, _ = read_matpower(case(tmp_path, text))
    assert len(old.buses) == 3
    named, _ = read_matpower(
        case(tmp_path, SMALL + "mpc.bus_name = {'North'; 'Old mill'; 'East'};\n")
    )
    assert named.lines[0].bus_to == "Old mill"


def test_a_case_comes_back_from_its_file(tmp_path: Path) -> None:
    network, _ = read_matpower(case(tmp_path, SMALL))
    assert write_matpower(network, tmp_path / "again.m") == ()
    same(network, read_matpower(tmp_path / "again.m")[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_published_case_comes_back_from_its_file(name: str, tmp_path: Path) -> None:
    network, _ = read_matpower(published(name))
    assert write_matpower(network, tmp_path / "again.m") == ()
    same(network, read_matpower(tmp_path / "again.m")[0])


def test_what_a_case_cannot_hold_is_told(tmp_path: Path) -> None:
    network, _ = read_matpower(case(tmp_path, SMALL), z0_per_z1=3.0)
    v_phase = 135e3 / 3
    single = EnergyConsumer(name="hut", bus="2", nodes="A0", v_rated_v=v_phase, p_rated_kw=3.0)
    inverter = PowerElectronicsConnection(
        name="roof", bus="2", v_rated_v=v_phase, s_kva=10.0, p_kw=8.0, control="curve"
    )
    network = network.with_(
        consumers=(*network.consumers, single),
        inverters=(inverter,),
        inverter_controls=(InverterControl(name="curve"),),
        energy_sources={"source_1": {"x1_ohm": 2.0}},
    )
    notices = write_matpower(network, tmp_path / "again.m")
    said = " | ".join(f"{notice.what}: {notice.text}" for notice in notices)
    for text in ("hut: not of three", "roof: an inverter", "curve: left out", "zero sequence"):
        assert text in said
    assert "source_1: its impedance is left out" in said
    again, _ = read_matpower(tmp_path / "again.m")
    drawn = again.group("consumers")["load_2"].p_rated_kw
    assert drawn == pytest.approx(100.0 + 3.0 - 8.0)


#: Losses [kW], lowest voltage [pu] and its bus. case33bw: M. E. Baran and F. F. Wu, "Network
#: reconfiguration in distribution systems for loss reduction and load balancing", IEEE
#: Trans. Power Delivery 4 (1989), 1401-1407: 202.7 kW, 0.9131 pu. The others were recomputed
#: by another program with a tolerance of 1e-12 pu; case141 with P and Q as its last lines
#: set them (S = P + jQ at a power factor of 0.85), also by hand with NumPy.
TRUTHS = [
    ("case18", 260.188, None, None),
    ("case22", 17.743, None, None),
    ("case33bw", 202.677, 0.91309, "18"),
    ("case33mg", 210.998, None, None),
    ("case85", 299.307, 0.87389, "54"),
    ("case136ma", 320.364, 0.93065, "117"),
    ("case141", 632.696, 0.92786, "87"),
]


@pytest.mark.parametrize(("name", "losses_kw", "v_pu", "bus"), TRUTHS)
def test_a_published_case_has_its_losses_and_its_lowest_voltage(
    name: str, losses_kw: float, v_pu: float | None, bus: str | None
) -> None:
    pytest.importorskip("pandapower", exc_type=ImportError)
    from simulators.power_flow.pandapower import solve_pandapower

    network, _ = read_matpower(published(name))
    flow = solve_pandapower(network)
    assert flow.converged
    assert flow.losses_kva.real == pytest.approx(losses_kw, abs=1e-3)
    lowest = int(flow.vm_pu[:, 0].argmin())
    if v_pu is not None:
        assert flow.vm_pu[lowest, 0] == pytest.approx(v_pu, abs=1e-5)
        assert network.buses[lowest].name == bus


def test_case141_without_its_power_factor_has_less_losses(tmp_path: Path) -> None:
    # Its loads as active power alone: 618.176 kW and 0.94115 pu, recomputed elsewhere too.
    pytest.importorskip("pandapower", exc_type=ImportError)
    from simulators.power_flow.pandapower import solve_pandapower

    text = published("case141").read_text(encoding="utf-8")
    head, _, _ = text.partition("pf = 0.85;")
    network, _ = read_matpower(case(tmp_path, head))
    flow = solve_pandapower(network)
    assert flow.losses_kva.real == pytest.approx(618.176, abs=1e-3)
    assert flow.vm_pu[:, 0].min() == pytest.approx(0.94115, abs=1e-5)
