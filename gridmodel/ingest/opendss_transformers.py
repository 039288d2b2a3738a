"""Transformers of OpenDSS, and the controls of their taps."""

from __future__ import annotations

from typing import Any, cast

from pydantic import ValidationError

from gridmodel.counted import counted
from gridmodel.ingest.opendss_dump import Intake, Record
from gridmodel.network.controls import Node, TapChangerControl
from gridmodel.network.element import Connection
from gridmodel.network.equipment import GroundingImpedance
from gridmodel.network.transformer import (
    PowerTransformer,
    PowerTransformerEnd,
    RatioTapChanger,
)
from gridmodel.settings import faults_of

#: Tap range of a winding nobody said anything about.
_USUAL_TAPS = (0.9, 1.1, 32)


def read_transformers(
    intake: Intake, groundings: list[GroundingImpedance]
) -> tuple[tuple[PowerTransformer, ...], tuple[TapChangerControl, ...]]:
    """Return the transformers and the controls of their taps; star points' earths are added."""
    regulated = {
        (str(one["Transformer"]).lower(), int(one["TapWinding"] or one["Winding"]))
        for one in intake.dump.of("RegControl")
    }
    transformers = []
    for record in intake.dump.of("Transformer"):
        made = _transformer(intake, record, regulated, groundings)
        if made:
            transformers.append(made)
    by_name = {one.name: one for one in transformers}
    controls = [_control(intake, record, by_name) for record in intake.dump.of("RegControl")]
    return tuple(transformers), tuple(one for one in controls if one)


def _transformer(
    intake: Intake,
    record: Record,
    regulated: set[tuple[str, int]],
    groundings: list[GroundingImpedance],
) -> PowerTransformer | None:
    name = record["Name"].lower()
    key = f"transformer.{name}"
    count = len(record["Buses"])
    if count not in (2, 3):
        intake.fault(key, f"has {counted(count, 'winding')}.", "Two and three are known.")
        return None
    phases = int(record["Phases"])
    if phases == 2 and "delta" in [one.lower() for one in record["Conns"]]:
        advice = "Make it two single-phase transformers."
        intake.fault(key, "is an open delta in one element.", advice)
        return None
    ends = [_end(intake, key, record, k, (name, k + 1) in regulated) for k in range(count)]
    for k, end in enumerate(ends):
        if end and float(record["RNeut"][k]) >= 0.0:
            _earth(intake, key, record, k, end, groundings)
    x = (record["XHL"], record["XHT"], record["XLT"]) if count == 3 else (record["XHL"],)
    if any(end is None for end in ends):
        return None
    return intake.make(
        PowerTransformer,
        key,
        ends=tuple(ends),
        x_percent=tuple(float(one) for one in x),
        no_load_loss_percent=float(record["pctNoLoadLoss"]),
        magnetizing_percent=float(record["pctIMag"]),
        lead=record["LeadLag"].lower() in ("lead", "euro"),
        antifloat_ppm=float(record["ppm_Antifloat"]),
    )


def _end(
    intake: Intake, key: str, record: Record, k: int, regulated: bool
) -> PowerTransformerEnd | None:
    phases = int(record["Phases"])
    connection: Connection = "delta" if record["Conns"][k].lower() == "delta" else "wye"
    conductors = phases if connection == "delta" and phases > 2 else phases + 1
    bus, nodes = intake.terminal(key, record["Buses"][k], phases, conductors)
    taps = (float(record["MinTap"][k]), float(record["MaxTap"][k]), int(record["NumTaps"][k]))
    fields: dict[str, Any] = {
        "bus": bus,
        "nodes": nodes,
        "connection": connection,
        "v_rated_v": float(record["kVs"][k]) * 1e3,
        "s_kva": float(record["kVAs"][k]),
        "r_percent": float(record["pctRs"][k]),
        "tap_pu": float(record["Taps"][k]),
    }
    try:
        if (regulated or taps != _USUAL_TAPS) and taps[2] > 0:
            fields["tap_changer"] = RatioTapChanger(
                tap_min_pu=taps[0], tap_max_pu=taps[1], step_count=taps[2]
            )
        return PowerTransformerEnd(**fields)
    except ValidationError as error:
        found = faults_of(error, PowerTransformerEnd, lambda _: intake.where(key), (key, k + 1))
        intake.faults += found
        return None


def _earth(
    intake: Intake,
    key: str,
    record: Record,
    k: int,
    end: PowerTransformerEnd,
    groundings: list[GroundingImpedance],
) -> None:
    """Put the resistance of a star point between its node and the earth, if it has one."""
    star = end.nodes[-1]
    if end.connection == "delta" or star == "0":  # already in the earth: no effect
        return
    made = intake.make(
        GroundingImpedance,
        key,
        name=f"{key.partition('.')[2]}_star{k + 1}",
        bus=end.bus,
        node=star,
        # OpenDSS takes a star point without impedance as a micro-ohm.
        r_ohm=max(float(record["RNeut"][k]), 1e-6 if not record["XNeut"][k] else 0.0),
        x_ohm=float(record["XNeut"][k]),
    )
    if made:
        groundings.append(made)


_IGNORED = {
    "Reversible": False,
    "VLimit": 0.0,
    "LDC_Z": 0.0,
    "InverseTime": False,
    "Cogen": False,
}


def _control(
    intake: Intake, record: Record, transformers: dict[str, PowerTransformer]
) -> TapChangerControl | None:
    key = f"regcontrol.{record['Name'].lower()}"
    intake.odd(key, record, _IGNORED, "is not taken over.")
    transformer = str(record["Transformer"]).lower()
    if transformer not in transformers:
        intake.notice(key, f"is left out: there is no transformer '{transformer}'.")
        return None
    measured, end = int(record["Winding"]), int(record["TapWinding"] or record["Winding"])
    bus, _, node = str(record["Bus"] or "").lower().partition(".")
    ptphase = str(record["PTPhase"])
    letter: str | None = None
    if bus:
        letter = "0ABCN"[int(node.split(".")[0])] if node else "A"
    elif measured != end:
        at = transformers[transformer].ends[measured - 1]
        bus, letter = at.bus, at.nodes[int(ptphase) - 1 if ptphase.isdecimal() else 0]
    if not ptphase.isdecimal():
        intake.notice(key, f"measures the {ptphase} of its phases; the first is taken.")
    return intake.make(
        TapChangerControl,
        key,
        transformer=transformer,
        end=end,
        v_set_v=float(record["VReg"]),
        band_v=float(record["Band"]),
        pt_ratio=float(record["RemotePTRatio"] if record["Bus"] else record["PTRatio"]),
        ct_rated_a=float(record["CTPrim"]),
        r_v=float(record["R"]),
        x_v=float(record["X"]),
        delay_s=float(record["Delay"]),
        tap_delay_s=float(record["TapDelay"]),
        most_steps=max(int(record["MaxTapChange"]), 1),
        coil=int(ptphase) if ptphase.isdecimal() else 1,
        bus=bus,
        node=cast(Node, letter),
    )
