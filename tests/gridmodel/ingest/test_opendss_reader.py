"""What OpenDSS makes of a script arrives in the network, and what does not is told by line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from gridmodel.errors import NetworkError
from gridmodel.ingest.notices import Notice
from gridmodel.ingest.opendss_reader import parsed, read_opendss, read_opendss_profiles
from gridmodel.network.network import Network
from tests.gridmodel.ingest.opendss_feeders import DATA, FEEDERS, master

HERE = Path(__file__).parent
SINK = HERE / "opendss_sink.dss"


def read(folder: Path, text: str) -> tuple[Network, tuple[Notice, ...]]:
    """Return what a circuit with some more lines is read as; they begin in line 2."""
    path = folder / "master.dss"
    path.write_text(
        f"new circuit.c bus1=s basekv=12.47\n{text}\nset voltagebases=(12.47 .48)\ncalcv\n",
        encoding="utf-8",
    )
    return read_opendss(path)


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(NetworkError) as caught:
        read(folder, text)
    return [str(fault).replace(f"{folder}{os.sep}", "") for fault in caught.value.faults]


@pytest.mark.parametrize("name", FEEDERS)
def test_a_feeder_is_read_whole_and_what_is_skipped_is_told(name: str) -> None:
    network, notices = read_opendss(master(name))
    assert network.lines
    texts: dict[str, list[str]] = {}
    for one in (*network.lines, *network.transformers, *network.consumers):
        file, _, line = one.origin.rpartition(":")
        if file not in texts:
            texts[file] = Path(file).read_text().lower().splitlines()
        assert f".{one.name}" in texts[file][int(line) - 1]
    told = " ".join(notice.text for notice in notices)
    assert "not known" not in told
    assert "is a line that cannot be switched" not in told


def test_files_are_found_in_whatever_case_of_letters(tmp_path: Path) -> None:
    (tmp_path / "Parts").mkdir()
    (tmp_path / "Parts" / "Lines.DSS").write_text(
        "new line.l bus1=s bus2=a length=1\nnew loadshape.x npts=2 interval=1 mult=(file=SHAPE.csv)"
    )
    (tmp_path / "Parts" / "shape.csv").write_text("0.25\n0.75\n")
    (tmp_path / "XY.csv").write_text("a, 3, 4\n")
    text = "redirect PARTS\\lines.dss\nmakebuslist\nbuscoords xy.CSV"
    network, _ = read(tmp_path, text)
    assert [line.name for line in network.lines] == ["l"]
    assert (network.bus["a"].x, network.bus["a"].y) == (3.0, 4.0)
    profile = read_opendss_profiles(tmp_path / "master.dss")["x"]
    assert profile.p_pu.tolist() == [0.25, 0.75]


def test_the_frequency_of_a_script_does_not_reach_the_next_one(tmp_path: Path) -> None:
    european, american = tmp_path / "eu", tmp_path / "us"
    for folder in (european, american):
        folder.mkdir()
    (european / "master.dss").write_text(
        "clear\nset DefaultBaseFrequency=50\nnew circuit.e bus1=s basekv=11\n"
        "new line.l bus1=s bus2=a r1=.1 x1=.5 r0=.1 x0=.5 length=1"
    )
    text = "new line.l bus1=s bus2=a r1=.1 x1=.5 r0=.1 x0=.5 length=1"
    alone, _ = read(american, text)
    assert read_opendss(european / "master.dss")[0].f_nominal_hz == 50.0
    after, _ = read(american, text)
    assert after.f_nominal_hz == 60.0
    assert after == alone


def test_a_line_code_of_another_frequency_is_taken_at_the_circuits(tmp_path: Path) -> None:
    network, _ = read(
        tmp_path,
        "new linecode.k nphases=1 basefreq=50 units=km rmatrix=.1 xmatrix=.5 cmatrix=10 rg=0 xg=0\n"
        "new line.l bus1=s.1 bus2=a.1 phases=1 linecode=k length=2 units=km",
    )
    (kind,) = network.impedances
    assert kind.x_ohm_per_km[0][0] == pytest.approx(0.6, rel=1e-9)
    assert kind.c_nf_per_km[0][0] == pytest.approx(10.0, rel=1e-6)


def test_reading_shows_writes_and_solves_nothing_and_stays_in_its_folder(tmp_path: Path) -> None:
    cwd = Path.cwd()
    _, notices = read(
        tmp_path,
        "new line.l bus1=s bus2=a length=1 units=km\nShow voltages LN nodes\nplot circuit\n"
        "Export currents\nsave circuit\ncd /\nset datapath=/\nsolve mode=yearly number=8760",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["master.dss"]
    assert Path.cwd() == cwd
    assert [notice.where.rpartition(":")[2] for notice in notices] == [str(k) for k in range(3, 10)]
    assert notices[-1].text == "left to the solver."


def test_a_master_that_shows_reports_leaves_no_file_behind() -> None:
    path = DATA / "ieee-feeders" / "4Bus-YYD" / "YYD-Master.DSS"
    master("13")
    before = sorted(path.parent.iterdir())
    _, notices = read_opendss(path)
    assert sorted(path.parent.iterdir()) == before
    assert [n.what for n in notices if "class Fault" in n.text] == ["fault.slgfault"]
    assert sum("is disabled" in notice.text for notice in notices) == 4


def test_a_block_of_comment_is_no_script(tmp_path: Path) -> None:
    network, _ = read(tmp_path, "/* new line.x\nnew line.y */\nnew line.l bus1=s bus2=a length=1")
    assert [line.name for line in network.lines] == ["l"]


def test_typos_are_all_told_at_once_with_file_and_line(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        "new line.l bus1=s bus2=a lnegth=1\nnew lode.x bus1=s\nredirect nowhere.dss",
    )
    assert len(found) == 3
    assert found[0].startswith("master.dss:2: new line.l bus1=s bus2=a lnegth=1: OpenDSS refuses")
    assert "lnegth" in found[0].partition("refuses")[2]
    assert found[1].startswith("master.dss:3: new lode.x")
    assert found[2].startswith("master.dss:4: redirect: 'nowhere.dss' does not exist.")


def test_a_script_without_a_circuit_and_one_that_is_not_there_are_faults(tmp_path: Path) -> None:
    empty = tmp_path / "empty.dss"
    empty.write_text("! nothing\n")
    with pytest.raises(NetworkError, match="makes no circuit"):
        read_opendss(empty)
    with pytest.raises(NetworkError, match=r"none.dss: cannot be read: No such file"):
        read_opendss(tmp_path / "none.dss")


def test_a_script_that_redirects_to_itself_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "round.dss").write_text("redirect ROUND.dss")
    (found,) = faults(tmp_path, "redirect round.dss")
    assert found.startswith("round.dss:1: round.dss: redirects to itself.")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("new load.l bus1=s.5 phases=1", "node 5 of bus 's'"),
        ("new line.l bus1=s.1.0 bus2=a.1.2 phases=2", "a conductor to earth at one end only"),
        ("new line.l bus1=s bus2=a r1=-1", "a resistance cannot be negative"),
        ("new load.l bus1=s phases=2 conn=delta", "is an open delta"),
        ("new load.l bus1=s model=8 zipv=(.5 .5 .5 0 0 1 0)", "add up to 1.5, not to 1"),
        ("new transformer.t windings=4 buses=(s a b c)", "has 4 windings"),
        ("new vsource.v bus1=s phases=2 bus2=s.0.0", "180 degrees apart"),
    ],
)
def test_what_cannot_be_taken_over_is_a_fault_with_its_line(
    tmp_path: Path, line: str, problem: str
) -> None:
    (found,) = faults(tmp_path, line)
    assert found.startswith("master.dss:2: ")
    assert problem in found


@pytest.mark.parametrize(
    ("lines", "what", "text"),
    [
        ("new load.l bus1=s kv=12.47 enabled=no", "load.l", "is disabled"),
        ("new autotrans.a buses=(s a)", "autotrans.a", "class AutoTrans, which is not known"),
        ("new load.l bus1=s kv=12.47 model=7", "load.l", "model 7"),
        ("new load.l bus1=s kv=12.47 model=8 zipv=(0 0 1 0 0 1 .7)", "load.l", "below 0.7 pu"),
        ("new load.l bus1=s kv=12.47\nset loadmult=.5", "options", "LoadMult=0.5"),
        ("new capacitor.c bus1=s kv=12.47 numsteps=2 kvar=(1 2)", "capacitor.c", "steps differ"),
        ("new line.x bus1=s bus2=b length=1", "line.x", "no unit of length, as 1 more"),
        ("new generator.g bus1=s kv=12.47 model=5", "generator.g", "model 5 is not known"),
        ("new transformer.t buses=(s a)\nopen transformer.t 1", "transformer.t", "is opened"),
        ("new vsource.v bus1=s bus2=a.1.2.3", "vsource.v", "not on a.1.2.3"),
    ],
)
def test_what_is_left_out_assumed_or_changed_is_a_notice(
    tmp_path: Path, lines: str, what: str, text: str
) -> None:
    _, notices = read(tmp_path, f"{lines}\nnew line.l bus1=s bus2=a length=1")
    assert [text in notice.text for notice in notices if notice.what == what] == (
        [True] * bool(what)
    )


@pytest.fixture(scope="module")
def sink() -> Network:
    return read_opendss(SINK)[0]


def test_all_that_the_sink_loses_is_told() -> None:
    _, notices = read_opendss(SINK)
    assert [notice.what for notice in notices] == [
        "fuse.f1",
        "recloser.r1",
        "line.earthed",
        "isource.is",
        "load.off",
        "monitor.mon",
    ]


def test_lines_have_matrices_per_km_whatever_their_units(sink: Network) -> None:
    lines = sink.group("lines")
    crossed = sink.impedance[lines["crossed"].impedance]
    assert crossed.r_ohm_per_km[0][0] == pytest.approx((2 * 0.3 + 0.6) / 3 / 1.609344)
    assert crossed.x_ohm_per_km[0][1] == pytest.approx((1.2 - 0.4) / 3 / 1.609344)
    assert (lines["crossed"].phases, lines["crossed"].phases_to) == ("CAB", "ABC")
    assert lines["l2"].phases == "ABCN"
    assert lines["l2"].length_km == pytest.approx(0.5)
    assert sink.impedance[lines["l2"].impedance].ampacity_a == 200.0
    assert sink.impedance[lines["l2"].impedance].r_ohm_per_km[3][3] == pytest.approx(0.2)


def test_a_conductor_in_the_earth_is_reduced_into_the_others(sink: Network) -> None:
    line = sink.group("lines")["earthed"]
    kind = sink.impedance[line.impedance]
    own, mutual = 0.2 + 0.2j, 0.01 + 0.1j  # the script has 0.2e-3 ohm per m
    reduced = own - mutual**2 / own
    assert line.phases == "ABC"
    assert complex(kind.r_ohm_per_km[0][0], kind.x_ohm_per_km[0][0]) == pytest.approx(reduced)


def test_switches_have_kinds_states_and_impedances(sink: Network) -> None:
    switches = sink.group("switches")
    kinds = {name: (one.kind, one.open) for name, one in switches.items()}
    assert kinds == {
        "sw1": ("fuse", False),
        "sw2": ("switch", False),
        "sw3": ("switch", True),
        "sw4": ("recloser", False),
    }
    assert switches["sw1"].r_ohm == pytest.approx(1e-3)


def test_reactors_are_earths_shunts_or_in_series(sink: Network) -> None:
    (earth,) = [one for one in sink.groundings if one.name == "earth"]
    assert (earth.bus, earth.node, earth.r_ohm) == ("a", "N", pytest.approx(5.0))
    series = sink.group("series_compensators")
    assert (series["series"].r_ohm, series["series"].x_ohm) == pytest.approx((0.1, 0.5))
    assert series["sc"].x_ohm == pytest.approx(-(12.47**2) / 60)
    shunts = sink.group("capacitors")
    assert shunts["shunt"].q_kvar == pytest.approx(-200.0)
    assert shunts["shunt"].g_kw == pytest.approx(12470**2 / 10000 / 1e3)
    assert (shunts["shuntd"].connection, shunts["shuntd"].nodes) == ("delta", "ABC")
    y = shunts["ohms"].q_kvar / shunts["ohms"].coil_v ** 2 * 1e3
    assert y == pytest.approx((1 / (10 + 4000j)).imag)


def test_capacitors_have_sections_and_star_points(sink: Network) -> None:
    capacitors = sink.group("capacitors")
    sections = capacitors["c2"]
    assert (sections.q_kvar, sections.section_count, sections.sections_on) == (300.0, 3, 2)
    assert (capacitors["c4"].nodes, capacitors["c4"].connection) == ("AB", "delta")
    assert capacitors["c5"].nodes == "ABCN"


def test_transformers_have_ends_earths_taps_and_clocks(sink: Network) -> None:
    found = sink.group("transformers")
    assert [end.nodes for end in found["dy"].ends] == ["ABC", "ABCN"]
    assert (found["dy"].lead, found["dylead"].lead) == (False, True)
    assert found["dy"].no_load_loss_percent == pytest.approx(0.2)
    assert [end.r_percent for end in found["three"].ends] == pytest.approx([0.5, 0.6, 0.7])
    assert found["three"].x_percent == (6.0, 8.0, 3.0)
    assert [end.nodes for end in found["split"].ends] == ["A0", "A0", "0B"]
    assert [end.nodes for end in found["oy2"].ends] == ["B0", "BC"]
    assert found["yd"].antifloat_ppm == 2.0
    star = sink.group("groundings")["dy_star2"]
    assert (star.bus, star.node, star.r_ohm, star.x_ohm) == ("j", "N", 0.1, 0.05)
    changer = found["reg"].ends[1].tap_changer
    assert changer is not None
    assert (changer.tap_min_pu, changer.tap_max_pu, changer.step_count) == (0.85, 1.15, 24)
    assert found["dd"].ends[1].tap_changer is None


def test_controls_have_what_they_measure_and_move(sink: Network) -> None:
    taps, capacitors = sink.group("tap_controls"), sink.group("capacitor_controls")
    assert (taps["reg"].coil, taps["reg"].r_v, taps["reg"].delay_s) == (2, 2.0, 20.0)
    assert (taps["reg2"].bus, taps["reg2"].node, taps["reg2"].most_steps) == ("t2", "B", 1)
    assert (capacitors["cc1"].mode, capacitors["cc1"].node) == ("kvar", "A")
    assert (capacitors["cc2"].element, capacitors["cc2"].terminal) == ("l50", 2)
    assert capacitors["cc2"].node == "C"
    inverters = sink.group("inverter_controls")
    assert (inverters["i1"].priority, inverters["i1"].q_of_available) == ("p", False)
    assert inverters["i2"].q_of_available
    watts = [p for _, p in inverters["i2"].volt_watt]
    assert watts == pytest.approx([50 / 60, 50 / 60, 10 / 60, 10 / 60])


def test_loads_have_power_response_limits_and_customers(sink: Network) -> None:
    loads = sink.group("consumers")
    assert loads["m1"].q_rated_kvar == pytest.approx(100 * (1 / 0.95**2 - 1) ** 0.5)
    assert loads["m2"].response.p_zip_pu == (1.0, 0.0, 0.0)
    assert loads["m3"].response.q_zip_pu == (1.0, 0.0, 0.0)
    assert (loads["m4"].response.p_exponent, loads["m4"].response.q_exponent) == (0.8, 2.5)
    assert loads["m5"].response.q_zip_pu == (0.0, 1.0, 0.0)
    assert loads["m5"].nodes == "AC"
    assert loads["m8"].response.q_zip_pu == (0.1, 0.2, 0.7)
    assert loads["m8"].q_rated_kvar < 0.0
    assert loads["to_n"].nodes == "AN"
    two = loads["two"]
    assert (two.nodes, two.v_min_pu, two.v_max_pu, two.customer_count) == ("AB0", 0.8, 1.2, 7)
    assert loads["xf"].p_rated_kw == pytest.approx(50 * 0.6 * 0.9)  # allocated
    assert "off" not in loads


def test_generation_is_injection_at_the_scripts_sun_and_charge(sink: Network) -> None:
    inverters, machines = sink.group("inverters"), sink.group("machines")
    pv1, pv2 = inverters["pv1"], inverters["pv2"]
    assert pv1.p_kw == pytest.approx(72.0)
    assert pv1.q_kvar == pytest.approx(72 * (1 / 0.98**2 - 1) ** 0.5)
    assert pv1.profile == "sun"
    dc = 90 * 0.8 * 0.98  # 30 degrees
    efficiency = np.interp(dc / 100, (0.1, 1), (0.9, 0.98))
    assert (pv2.p_kw, pv2.q_kvar) == pytest.approx((dc * efficiency, 10.0))
    assert (inverters["b1"].p_kw, inverters["b1"].e_kwh) == pytest.approx((-30.0, 300.0))
    assert inverters["b3"].p_kw == pytest.approx(40.0)
    assert (machines["g1"].v_set_pu, machines["g3"].v_set_pu) == (None, 1.0)
    assert machines["g3"].q_max_kvar == 300.0


def test_a_load_multiplier_is_in_variable_loads_only(tmp_path: Path) -> None:
    network, _ = read(
        tmp_path,
        "new load.a bus1=s kv=12.47 kw=10 kvar=2\n"
        "new load.b bus1=s kv=12.47 kw=10 status=fixed\nset loadmult=.5",
    )
    powers = {one.name: one.p_rated_kw for one in network.consumers}
    assert powers == {"a": 5.0, "b": 10.0}


def test_a_single_phase_source_has_a_nominal_voltage_between_phases(tmp_path: Path) -> None:
    path = tmp_path / "one.dss"
    path.write_text(
        "new circuit.c bus1=s.2 phases=1 basekv=7.2\nnew line.l bus1=s.2 bus2=a.2 phases=1"
    )
    (source,) = read_opendss(path)[0].energy_sources
    assert (source.nodes, source.v_nominal_v) == ("B", pytest.approx(7200 * 3**0.5))


def test_load_shapes_come_with_their_step(tmp_path: Path) -> None:
    read(tmp_path, "new loadshape.s npts=3 sinterval=900 mult=(1 2 3) qmult=(4 5 6) useactual=yes")
    shape = read_opendss_profiles(tmp_path / "master.dss")["s"]
    assert (shape.step_s, shape.actual) == (900.0, True)
    assert shape.p_pu.tolist() == [1.0, 2.0, 3.0]
    assert shape.q_pu.tolist() == [4.0, 5.0, 6.0]


def test_the_european_feeders_profiles_are_those_of_its_files() -> None:
    path = master("European LV")
    shape = read_opendss_profiles(path)["shape_7"]
    file = path.parent / "Daily_1min_100profiles" / "load_profile_7.txt"
    assert shape.step_s == 60.0
    assert shape.p_pu == pytest.approx(np.loadtxt(file, usecols=0))
    assert not shape.actual  # the master says so in a batchedit


def test_memory_that_nobody_wrote_does_not_stop_the_reading() -> None:
    text = '[{"Name": "nan, +Inf]", "RMatrix": [[Nan, 1.5], [-Inf,+Inf]], "X": nan}]'
    (record,) = parsed(text)
    assert record == {"Name": "nan, +Inf]", "RMatrix": [[None, 1.5], [None, None]], "X": None}


def test_voltage_bases_a_script_forgot_are_found_and_those_it_gave_stay(tmp_path: Path) -> None:
    path = tmp_path / "bases.dss"
    path.write_text(
        "new circuit.c bus1=s basekv=12.47\nnew line.l bus1=s bus2=a length=1 units=km\n"
        "makebuslist\nsetkvbase bus=s kvll=13.2"
    )
    buses = read_opendss(path)[0].bus
    assert buses["s"].v_nominal_v == pytest.approx(13200.0)
    assert buses["a"].v_nominal_v == pytest.approx(12470.0)
