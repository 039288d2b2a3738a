"""pandapower nets and SimBench grids: read, written, and back."""

from __future__ import annotations

import builtins
import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gridmodel.errors import MissingExtraError, NetworkError
from gridmodel.ingest.pandapower_net import read_pandapower, write_pandapower
from gridmodel.network.equipment import EnergyConsumer
from gridmodel.network.network import Network
from tests.gridmodel.ingest.sameness import close, same

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pp = pytest.importorskip("pandapower", exc_type=ImportError)
    networks = pytest.importorskip("pandapower.networks", exc_type=ImportError)

NETS: dict[str, Callable[[], Any]] = {
    "case33bw": networks.case33bw,
    "cigre_lv": networks.create_cigre_network_lv,
    "cigre_mv_with_der": lambda: networks.create_cigre_network_mv(with_der="all"),
    "mv_oberrhein": networks.mv_oberrhein,
    "ieee_european_lv": networks.ieee_european_lv_asymmetric,
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Nets are made by pandapower itself, which talks of what pandas will change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def simbench_code() -> str:
    pytest.importorskip("simbench", reason="simbench is not installed", exc_type=ImportError)
    return "simbench:1-LV-rural1--0-sw"


def small() -> Any:
    """A net with one of everything that is read."""
    net = pp.create_empty_network(f_hz=50.0)
    pp.create_buses(net, 5, vn_kv=[20.0, 20.0, 0.4, 0.4, 0.4], name=["A", "A", "lv", None, "end"])
    net.bus.loc[2, "geo"] = '{"type": "Point", "coordinates": [11.5, 48.1]}'
    pp.create_ext_grid(
        net, 0, vm_pu=1.02, va_degree=10, s_sc_max_mva=100, rx_max=0.2, x0x_max=3, r0x0_max=0.5
    )
    pp.create_switch(net, 0, 1, "b", z_ohm=0.5, type="CB", name="coupler")
    pp.create_transformer_from_parameters(
        net, 1, 2, 0.4, 20.0, 0.4, vkr_percent=1.0, vk_percent=5.0, pfe_kw=0.8, i0_percent=0.3,
        shift_degree=150, vector_group="Dyn", tap_side="hv", tap_neutral=0, tap_min=-2, tap_max=2,
        tap_step_percent=2.5, tap_pos=-1, tap_changer_type="Ratio", parallel=2, name="unit",
    )  # fmt: skip
    line: dict[str, Any] = {
        "r_ohm_per_km": 0.4, "x_ohm_per_km": 0.1, "c_nf_per_km": 200.0, "max_i_ka": 0.2,
        "r0_ohm_per_km": 1.6, "x0_ohm_per_km": 0.4, "c0_nf_per_km": 80.0,
    }  # fmt: skip
    pp.create_line_from_parameters(net, 2, 3, 0.2, parallel=2, name="pair", **line)
    pp.create_line_from_parameters(net, 3, 4, 0.1, name="last", **line)
    pp.create_line_from_parameters(net, 2, 4, 0.3, name="spare", in_service=False, **line)
    pp.create_switch(net, 4, 1, "l", closed=False, name="far end")
    pp.create_load(net, 3, 0.01, 0.002, scaling=0.5, const_z_p_percent=20, name="shop")
    pp.create_load(net, 3, 0.01, name="closed", in_service=False)
    pp.create_asymmetric_load(net, 3, p_a_mw=0.001, p_c_mw=0.002, q_c_mvar=0.001, name="house")
    pp.create_sgen(net, 3, 0.005, q_mvar=-0.001, sn_mva=0.006, type="PV", name="roof")
    pp.create_storage(net, 3, 0.003, 0.01, name="cell", sn_mva=0.004)
    pp.create_shunt(net, 3, q_mvar=-0.001, p_mw=0.0001, step=2, max_step=3, name="bank")
    pp.create_gen(net, 1, 0.1, vm_pu=1.01, max_q_mvar=0.2, min_q_mvar=-0.1, name="turbine")
    pp.create_ward(net, 3, 0.0, 0.0, 0.0, 0.0)
    return net


@pytest.fixture(scope="module")
def read() -> tuple[Network, str]:
    """Return the small net as read, and all notices as one text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network, notices = read_pandapower(small())
    return network, " | ".join(str(notice) for notice in notices)


def test_buses_have_unique_names_voltages_and_coordinates(read: tuple[Network, str]) -> None:
    network, _ = read
    assert [bus.name for bus in network.buses] == ["A", "A_2", "lv", "3", "end", "last@end"]
    assert network.bus["lv"].v_nominal_v == pytest.approx(400.0)
    assert (network.bus["lv"].x, network.bus["lv"].y) == (11.5, 48.1)
    assert network.f_nominal_hz == 50.0


def test_sequences_become_phase_matrices_and_parallel_lines_one(
    read: tuple[Network, str],
) -> None:
    network, _ = read
    pair = network.group("lines")["pair"]
    kind = network.impedance[pair.impedance]
    assert kind.r_ohm_per_km[0][0] == pytest.approx((1.6 + 2 * 0.4) / 3 / 2)
    assert kind.x_ohm_per_km[0][1] == pytest.approx((0.4 - 0.1) / 3 / 2)
    assert kind.c_nf_per_km[0][0] == pytest.approx((80 + 2 * 200) / 3 * 2)
    assert kind.c_nf_per_km[0][1] == pytest.approx((80 - 200) / 3 * 2)
    assert (pair.length_km, pair.ampacity_a) == (0.2, pytest.approx(400.0))


def test_a_transformer_has_its_vector_group_taps_and_core(read: tuple[Network, str]) -> None:
    network, _ = read
    (unit,) = network.transformers
    high, low = unit.ends
    assert (high.connection, high.nodes) == ("delta", "ABC")
    assert (low.connection, low.nodes) == ("wye", "CAB0")  # clock 5: 1 and a turn of 120 deg
    assert high.tap_pu == pytest.approx(0.975)
    assert high.tap_changer is not None
    assert (high.tap_changer.tap_min_pu, high.tap_changer.tap_max_pu) == (0.95, 1.05)
    assert high.tap_changer.step_count == 4
    assert high.s_kva == pytest.approx(800.0)  # two of 400 in parallel
    assert high.r_percent + low.r_percent == pytest.approx(1.0)
    assert unit.x_percent[0] == pytest.approx(math.sqrt(24.0))
    assert unit.no_load_loss_percent == pytest.approx(0.2)
    assert unit.magnetizing_percent == pytest.approx(math.sqrt(0.3**2 - 0.2**2))


def test_switches_are_kept_with_their_state(read: tuple[Network, str]) -> None:
    network, said = read
    switches = network.group("switches")
    coupler = switches["coupler"]
    assert (coupler.kind, coupler.open) == ("breaker", False)
    assert math.hypot(coupler.r_ohm, coupler.x_ohm) == pytest.approx(0.5)
    far = switches["far end"]
    assert (far.bus_from, far.bus_to, far.open) == ("end", "last@end", True)
    assert network.group("lines")["last"].bus_to == "last@end"
    spare = switches["spare"]
    assert (spare.open, spare.r_ohm) == (True, pytest.approx(0.12))
    assert "spare: line out of service" in said


def test_drawn_power_becomes_injection_where_it_should(read: tuple[Network, str]) -> None:
    network, said = read
    loads = network.group("consumers")
    assert loads["shop"].p_rated_kw == pytest.approx(5.0)
    assert loads["shop"].response.p_zip_pu == pytest.approx((0.2, 0.0, 0.8))
    assert (loads["house.a"].nodes, loads["house.c"].nodes) == ("A0", "C0")
    assert loads["house.c"].q_rated_kvar == pytest.approx(1.0)
    assert loads["house.c"].v_rated_v == pytest.approx(400 / 3**0.5)
    assert "closed" not in loads
    assert "closed: load out of service: left out" in said
    inverters = network.group("inverters")
    assert inverters["roof"].p_kw == pytest.approx(5.0)
    assert inverters["roof"].q_kvar == pytest.approx(-1.0)
    assert inverters["cell"].p_kw == pytest.approx(-3.0)  # a storage that charges draws
    assert inverters["cell"].e_kwh == pytest.approx(10.0)
    (bank,) = network.capacitors
    assert bank.q_kvar == pytest.approx(3.0)  # all three steps; a capacitor gives
    assert (bank.section_count, bank.sections_on) == (3, 2)
    (machine,) = network.machines
    assert (machine.v_set_pu, machine.q_min_kvar) == (1.01, -100.0)


def test_what_is_not_read_is_told(read: tuple[Network, str]) -> None:
    assert "ward: 1 row left out" in read[1]


def test_an_external_grid_is_ideal_unless_its_impedance_is_asked_for() -> None:
    ideal, notices = read_pandapower(small())
    (source,) = ideal.energy_sources
    assert (source.r1_ohm, source.x1_ohm) == (0.0, 0.0)
    assert (source.v_pu, source.angle_deg) == (1.02, 10.0)
    assert any("ideal source" in notice.text for notice in notices)
    (source,) = read_pandapower(small(), source_impedance=True)[0].energy_sources
    # IEC 60909-0, equation 5: Z = c Un^2 / Sk
    assert math.hypot(source.r1_ohm, source.x1_ohm) == pytest.approx(1.1 * 20e3**2 / 100e6)
    assert source.r1_ohm / source.x1_ohm == pytest.approx(0.2)
    assert source.x0_ohm / source.x1_ohm == pytest.approx(3.0)
    assert source.r0_ohm / source.x0_ohm == pytest.approx(0.5)


def test_three_windings_keep_their_short_circuit_voltages(tmp_path: Path) -> None:
    net = pp.create_empty_network()
    pp.create_buses(net, 3, vn_kv=[110, 20, 10])
    pp.create_ext_grid(net, 0)
    pp.create_transformer3w(net, 0, 1, 2, "63/25/38 MVA 110/20/10 kV", tap_pos=2)
    network, _ = read_pandapower(net)
    (unit,) = network.transformers
    assert [end.s_kva for end in unit.ends] == [63e3, 25e3, 38e3]
    first = 63 / 25  # the first pair's values hold on its smaller rating
    x = math.sqrt(10.4**2 - 0.28**2) * first
    assert unit.x_percent[0] == pytest.approx(x)
    r = unit.ends[0].r_percent + unit.ends[1].r_percent  # both on the first rating
    assert r == pytest.approx(0.28 * first)
    write_pandapower(network, tmp_path / "net.json")
    same(network, read_pandapower(tmp_path / "net.json")[0])


@pytest.mark.parametrize("name", NETS)
def test_a_net_comes_back_from_its_file(name: str, tmp_path: Path) -> None:
    network, _ = read_pandapower(NETS[name]())
    assert write_pandapower(network, tmp_path / "net.json") == ()
    same(network, read_pandapower(tmp_path / "net.json")[0])


def test_a_simbench_grid_comes_back_from_its_file(tmp_path: Path) -> None:
    network, notices = read_pandapower(simbench_code())
    assert len(network.group("transformers")) == 1
    assert len(network.consumers) == 13
    assert any(notice.what == "profiles" for notice in notices)
    write_pandapower(network, tmp_path / "net.json")
    same(network, read_pandapower(tmp_path / "net.json")[0])


def test_the_small_net_comes_back_but_for_what_is_told(
    read: tuple[Network, str], tmp_path: Path
) -> None:
    network, _ = read
    notices = write_pandapower(network, tmp_path / "net.json")
    assert [notice.what for notice in notices] == ["coupler"]  # its impedance makes it a line
    again, _ = read_pandapower(tmp_path / "net.json")
    for key in ("buses", "transformers", "consumers", "inverters", "capacitors", "machines"):
        close(
            [e.model_dump(exclude={"origin"}) for e in getattr(network, key)],
            [e.model_dump(exclude={"origin"}) for e in getattr(again, key)],
        )


def test_a_wire_of_one_phase_is_told_and_left_out(
    read: tuple[Network, str], tmp_path: Path
) -> None:
    network, _ = read
    one = {"r_ohm_per_km": ((0.4,),), "x_ohm_per_km": ((0.1,),)}
    kind = type(network.impedances[0])(name="thin", **one)
    tap = type(network.lines[0])(
        name="tap", bus_from="3", bus_to="end", phases="A", length_km=0.1, impedance="thin"
    )
    changed = network.with_(lines=(*network.lines, tap), impedances=(*network.impedances, kind))
    notices = write_pandapower(changed, tmp_path / "net.json")
    assert any(n.what == "tap" and "has the conductors A" in n.text for n in notices)


def test_a_load_that_lies_between_neutral_and_phase_is_told(
    read: tuple[Network, str], tmp_path: Path
) -> None:
    network, _ = read
    hut = EnergyConsumer(name="hut", bus="3", nodes="AN", v_rated_v=230.0, p_rated_kw=1.0)
    changed = network.with_(consumers=(*network.consumers, hut))
    notices = write_pandapower(changed, tmp_path / "net.json")
    assert any(n.what == "hut" and "between A and N" in n.text for n in notices)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[1, 2]", "is no pandapower net"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_net_is_refused(text: str | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(NetworkError, match=said):
        read_pandapower(file)


def test_all_faults_of_a_net_are_told_at_once() -> None:
    net = small()
    net.line.loc[0, "r_ohm_per_km"] = -1.0
    net.line.loc[0, "r0_ohm_per_km"] = -1.0
    net.load.loc[0, "bus"] = 99
    net.trafo.loc[0, "vn_lv_kv"] = 0.0
    with pytest.raises(NetworkError) as caught:
        read_pandapower(net)
    problems = " ".join(str(fault) for fault in caught.value.faults)
    for said in ("cannot be negative", "bus 99, which does not exist", "v_rated_v"):
        assert said in problems
    assert "line[0]" in problems


def test_an_unknown_simbench_code_is_told() -> None:
    simbench_code()
    with pytest.raises(NetworkError, match="no such grid"):
        read_pandapower("simbench:1-XX-nowhere--0-sw")


def test_a_missing_extra_answers_with_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "pandapower":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"feedertwin\[pandapower\]"):
        read_pandapower("simbench:1-LV-rural1--0-sw")
