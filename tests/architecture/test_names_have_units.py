"""Every float a person reads or writes ends in a unit: ports, YAML keys, key figures."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from cosim.scenario.build import load
from gridmodel.federate import Signal
from gridmodel.settings import Settings
from gridmodel.units import unit_of
from tests.architecture.test_registry import settings_classes
from tests.conftest import STREET

#: Keys without a unit, and why.
PLAIN = {
    "offset": "in the unit of the reading it is added to",
    "min": "a bound, in the unit of its key figure",
    "max": "a bound, in the unit of its key figure",
    "initial": "in the unit of its port",
    "ct_ratio": "a ratio of turns",
    "scale": "our unit by theirs",
    "factor": "a ratio of two times",
    "values": "in the unit of their port",
    "antifloat_ppm": "millionths of a rating",
    "clock_ppm": "millionths of the true time",
    "noise_lsb_rms": "steps of a converter",
    "air_speed_kbps": "thousands of bits a second, as the E22 names its speeds",
    "exponent": "an exponent",
    "x": "in the unit of the network's coordinates",
    "y": "in the unit of the network's coordinates",
    "pt_ratio": "a ratio of turns",
    "on": "in the unit of the control's mode",
    "off": "in the unit of the control's mode",
    "volt_var": "points of a curve, both in per unit",
    "volt_watt": "points of a curve, both in per unit",
    "p_exponent": "an exponent",
    "q_exponent": "an exponent",
}


def floats(annotation: Any) -> bool:
    return annotation is float or any(floats(part) for part in get_args(annotation))


@pytest.mark.parametrize("cls", settings_classes(), ids=lambda cls: cls.__name__)
def test_a_float_key_ends_in_its_unit(cls: type[Settings]):
    for key, field in cls.model_fields.items():
        if floats(field.annotation) and key not in PLAIN and not key.endswith("_by_profile"):
            assert unit_of(key)


@pytest.fixture(scope="module")
def federation():
    return load(STREET / "citizen_mesh.yaml").federation


def test_every_float_port_and_key_figure_ends_in_its_unit(federation):
    for member in federation.members:
        for port in (*member.inputs.values(), *member.outputs.values()):
            if isinstance(port, Signal) and port.dtype is float:
                assert port.unit
        for kpi in member.federate.kpis():
            unit_of(kpi.name)  # raises if there is none; a count has an empty one


def test_every_port_says_what_it_is(federation):
    for member in federation.members:
        for port in (*member.inputs.values(), *member.outputs.values()):
            assert port.about, f"{member.name}.{port.name}"
