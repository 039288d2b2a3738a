"""CIM: faults come all at once, with their lines; what is odd is read and told."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridmodel.errors import NetworkError
from gridmodel.ingest.cim_reader import read_cim
from gridmodel.ingest.cim_writer import write_cim
from tests.gridmodel.ingest.cim.networks import LN, capacitor, feeder, line, load

HERE = Path(__file__).parent / "cim"
MILE_KM = 1.609344


# ---------------------------------------------------------------------------------- faults


def _file(folder: Path, old: str, new: str) -> tuple[Path, int]:
    """Return the file of the split phase with one change, and the line of the change."""
    text = (HERE / "split_phase.xml").read_text()
    assert text.count(old) == 1, old
    path = folder / "bad.xml"
    path.write_text(text.replace(old, new))
    return path, text[: text.index(old)].count("\n") + 1


def _refused(path: Path) -> NetworkError:
    with pytest.raises(NetworkError) as caught:
        read_cim(path)
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<cim:Switch.ratedCurrent>100</cim:Switch.ratedCurrent>", "<cim:a></cim:b>", "not XML"),
        ('#_bv' * 0 + '"urn:uuid:z-main"/>', '"urn:uuid:z-none"/>', "is not in the file"),
        ("Conductor.length>2000<", "Conductor.length>long<", "Allowed is a finite number"),
        ("<cim:Conductor.length>30<", "<cim:Conductor.length>-30<", "greater than 0"),
        ("EnergySource.r>0.1<", "EnergySource.r>-0.1<", "greater than or equal to 0"),
        ("OrderedPhaseCodeKind.CN", "OrderedPhaseCodeKind.XN", "Allowed are"),
        ("conductorCount>2<", "conductorCount>3<", "3 of the 6 values"),
    ],
)  # fmt: skip
def test_a_fault_has_the_line_it_is_at(old: str, new: str, says: str, tmp_path: Path) -> None:
    path, number = _file(tmp_path, old, new)
    error = _refused(path)
    fault = next(fault for fault in error.faults if says in str(fault))
    named, _, line_number = fault.where.rpartition(":")
    assert named == str(path)
    # A fault of an object is at its first line, one of a property at its own.
    assert 0 <= number - int(line_number) <= 12


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = (HERE / "split_phase.xml").read_text()
    for old, new in (
        ("Conductor.length>2000<", "Conductor.length>long<"),
        ('<cim:Terminal.ConductingEquipment rdf:resource="urn:uuid:drop"/>', ""),
        ('rdf:resource="urn:uuid:ct25"/>\n  <cim:TransformerTank.Power', 'rdf:resource="urn:uuid:x"/>\n  <cim:TransformerTank.Power'),
        ("<cim:PowerElectronicsConnection.ratedS>3000</cim:PowerElectronicsConnection.ratedS>", ""),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "bad.xml"
    path.write_text(text)
    said = str(_refused(path))
    assert "'long' was given" in said
    assert "ACLineSegment 'drop': has 0 terminals, not 2" in said
    assert "refers to 'urn:uuid:x'" in said
    assert "PowerElectronicsConnection.ratedS: is missing" in said


def test_an_identifier_given_twice_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "bad.xml"
    header = 'xmlns:cim="http://iec.ch/TC57/CIM100#"'
    rdf = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    path.write_text(
        f'<rdf:RDF {header} {rdf}>\n<cim:Fuse rdf:ID="_1"/>\n<cim:Fuse rdf:ID="_1"/>\n</rdf:RDF>'
    )
    error = _refused(path)
    assert any(f.where == f"{path}:3" and "is at" in f.problem for f in error.faults)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not XML"),
        ("<a/>", "the outermost element is <a>"),
        (
            '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>',
            "holds no CIM objects",
        ),
    ],
)
def test_a_file_that_is_no_cim_is_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.xml"
    path.write_text(text)
    assert says in str(_refused(path))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in str(_refused(tmp_path / "none.xml"))


def test_a_bus_without_a_voltage_is_a_fault(tmp_path: Path) -> None:
    extra = '<cim:ConnectivityNode rdf:about="urn:uuid:lost"/>\n<cim:Analog rdf:about="urn:uuid:meter-1">'
    path, _ = _file(tmp_path, '<cim:Analog rdf:about="urn:uuid:meter-1">', extra)
    said = str(_refused(path))
    assert "ConnectivityNode 'lost': no equipment says its nominal voltage" in said


def _strung(folder: Path) -> Path:
    """Return a file whose line a - b is given by its wires (Kersting's example 4.1)."""
    path = folder / "wires.xml"
    write_cim(feeder(), path)
    text = path.read_text()
    start = text.index("<cim:ACLineSegment.PerLengthImpedance")
    stop = text.index("/>", start)
    spacing = '<cim:ACLineSegment.WireSpacingInfo rdf:resource="urn:uuid:spacing"'
    text = text[:start] + spacing + text[stop:]
    number = "  <cim:ACLineSegmentPhase.sequenceNumber>"
    wire = '  <cim:ACLineSegmentPhase.WireInfo rdf:resource="urn:uuid:{}"/>\n'
    text = text.replace(number, wire.format("phase") + number, 3)
    owner = text[text.rindex('<cim:ACLineSegment rdf:about="urn:uuid:', 0, text.index(spacing)) :]
    owner = owner[len('<cim:ACLineSegment rdf:about="urn:uuid:') :][:36]
    more = (
        '<cim:ACLineSegmentPhase rdf:about="urn:uuid:ab-n">\n'
        '  <cim:ACLineSegmentPhase.phase rdf:resource="http://iec.ch/TC57/CIM100#SinglePhaseKind.N"/>\n'
        f"{number}4</cim:ACLineSegmentPhase.sequenceNumber>\n{wire.format('neutral')}"
        f'  <cim:ACLineSegmentPhase.ACLineSegment rdf:resource="urn:uuid:{owner}"/>\n'
        '</cim:ACLineSegmentPhase>\n<cim:WireSpacingInfo rdf:about="urn:uuid:spacing"/>\n'
    )
    for k, (x, y) in enumerate(((0.0, 28.0), (2.5, 28.0), (7.0, 28.0), (4.0, 24.0)), 1):
        more += (
            f'<cim:WirePosition rdf:about="urn:uuid:place-{k}">\n'
            '  <cim:WirePosition.WireSpacingInfo rdf:resource="urn:uuid:spacing"/>\n'
            f"  <cim:WirePosition.sequenceNumber>{k}</cim:WirePosition.sequenceNumber>\n"
            f"  <cim:WirePosition.xCoord>{x * 0.3048}</cim:WirePosition.xCoord>\n"
            f"  <cim:WirePosition.yCoord>{y * 0.3048}</cim:WirePosition.yCoord>\n"
            "</cim:WirePosition>\n"
        )
    for name, r, gmr, d, amps in (
        ("phase", 0.306, 0.0244, 0.721, 530),
        ("neutral", 0.592, 0.00814, 0.563, 340),
    ):
        more += (
            f'<cim:OverheadWireInfo rdf:about="urn:uuid:{name}">\n'
            f"  <cim:WireInfo.rAC50>{r / MILE_KM / 1e3}</cim:WireInfo.rAC50>\n"
            f"  <cim:WireInfo.gmr>{gmr * 0.3048}</cim:WireInfo.gmr>\n"
            f"  <cim:WireInfo.radius>{d * 0.0254 / 2}</cim:WireInfo.radius>\n"
            f"  <cim:WireInfo.ratedCurrent>{amps}</cim:WireInfo.ratedCurrent>\n"
            "</cim:OverheadWireInfo>\n"
        )
    path.write_text(text.replace("</rdf:RDF>", more + "</rdf:RDF>"))
    return path


def test_a_line_of_wires_and_places_has_the_impedance_that_follows(tmp_path: Path) -> None:
    network, notices = read_cim(_strung(tmp_path))
    strung = network.group("lines")["ab"]
    kind = network.impedance[strung.impedance]
    assert strung.phases == "ABC"
    assert kind.r_ohm_per_km[0][0] * MILE_KM == pytest.approx(0.4576, abs=5e-4)
    assert kind.x_ohm_per_km[0][2] * MILE_KM == pytest.approx(0.3849, abs=5e-4)
    assert kind.ampacity_a == 530.0
    assert any("Carson" in notice.text for notice in notices)


def test_a_wire_without_a_place_is_a_fault(tmp_path: Path) -> None:
    path = _strung(tmp_path)
    text = path.read_text()
    start = text.index('<cim:WirePosition rdf:about="urn:uuid:place-4">')
    stop = text.index("</cim:WirePosition>", start) + len("</cim:WirePosition>")
    path.write_text(text[:start] + text[stop:])
    assert "3 places for 4 conductors" in str(_refused(path))


# -------------------------------------------------------------------------- interpretations


def test_a_floating_bank_of_capacitors_is_the_delta_that_equals_it(tmp_path: Path) -> None:
    path, _ = _file(
        tmp_path,
        "<cim:ShuntCompensator.grounded>true<",
        "<cim:ShuntCompensator.grounded>false<",
    )
    network, notices = read_cim(path)
    assert (network.capacitors[0].nodes, network.capacitors[0].connection) == ("ABC", "delta")
    assert network.capacitors[0].q_kvar == pytest.approx(600.0)
    assert any("floats" in notice.text for notice in notices)


def test_a_switch_open_in_one_phase_becomes_two(tmp_path: Path) -> None:
    text = '<cim:SwitchPhase rdf:about="urn:uuid:cutout-{0}">\n'
    text += "  <cim:SwitchPhase.closed>{1}</cim:SwitchPhase.closed>\n"
    for side in (1, 2):
        kind = "http://iec.ch/TC57/CIM100#SinglePhaseKind.{0}"
        text += f'  <cim:SwitchPhase.phaseSide{side} rdf:resource="{kind}"/>\n'
    text += '  <cim:SwitchPhase.Switch rdf:resource="urn:uuid:cutout"/>\n</cim:SwitchPhase>\n'
    old = '<cim:SwitchPhase rdf:about="urn:uuid:cutout-C">'
    path, _ = _file(tmp_path, old, text.format("A", "false") + text.format("B", "true") + old)
    network, notices = read_cim(path)
    assert {(one.name, one.phases, one.open) for one in network.switches} == {
        ("cutout_A", "A", True), ("cutout_BC", "BC", False)
    }  # fmt: skip
    assert any("split into two" in notice.text for notice in notices)


def test_a_control_that_is_off_is_left_out_and_told(tmp_path: Path) -> None:
    path, _ = _file(
        tmp_path, "<cim:RegulatingControl.enabled>true<", "<cim:RegulatingControl.enabled>false<"
    )
    network, notices = read_cim(path)
    assert network.capacitor_controls == ()
    assert any("switched off" in notice.text for notice in notices)


def test_the_frequency_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "network.xml"
    write_cim(feeder(capacitors=(capacitor("k", "B0", v_rated_v=LN),)), path)
    assert read_cim(path)[0].f_nominal_hz == 60.0
    assert read_cim(path, f_nominal_hz=50.0)[0].f_nominal_hz == 50.0


def test_a_line_to_nowhere_is_left_to_the_checks(tmp_path: Path) -> None:
    network = feeder(consumers=(load("ghost", "A0"),)).with_(lines=(line("ab", "a", "b", "ABC"),))
    write_cim(network, tmp_path / "network.xml")
    assert "brings that phase" in str(_refused(tmp_path / "network.xml"))


def test_a_reference_said_twice_is_one(tmp_path: Path) -> None:
    """Profiles of CGMES repeat what others said."""
    new = '<cim:ShortCircuitTest.GroundedEnds rdf:resource="urn:uuid:ct25-3"/>\n'
    old = "<cim:ShortCircuitTest.leakageImpedance>0.0158892448<"
    path, _ = _file(tmp_path, old, new + old)
    assert read_cim(path)[0].transformers[0].x_percent[2] == pytest.approx(1.36, abs=1e-5)


def test_a_capacitor_goes_on_at_the_higher_kvar_however_the_band_is_signed(
    tmp_path: Path,
) -> None:
    path, _ = _file(tmp_path, "targetDeadband>-300000<", "targetDeadband>300000<")
    (control,) = read_cim(path)[0].capacitor_controls
    assert (control.on, control.off) == (400.0, 100.0)


def test_the_origin_is_no_coordinate_in_what_opendss_exports(tmp_path: Path) -> None:
    text = (HERE / "split_phase.xml").read_text()
    text = text.replace(">-97.74<", ">0<").replace(">30.27<", ">0<")
    path = tmp_path / "origin.xml"
    path.write_text(text)
    assert read_cim(path)[0].bus["mid"].x == 0.0
    path.write_text(text.replace("EPSG:4326", "OpenDSSLocalBusCoordinates"))
    assert read_cim(path)[0].bus["mid"].x is None
