"""Transformers in a CIM file: three-phase ones by their ends, all others as tanks."""

from __future__ import annotations

from collections.abc import Set
from itertools import combinations

from gridmodel.ingest.cim_document import Choice, Document, Plain, Ref
from gridmodel.network.controls import TapChangerControl
from gridmodel.network.transformer import PowerTransformer, PowerTransformerEnd, RatioTapChanger


def write_transformers(document: Document, split: Set[str]) -> None:
    """Add the transformers with their tap changers and the controls of these."""
    controls: dict[tuple[str, int], TapChangerControl] = {}
    for control in document.network.tap_controls:
        if (control.transformer, control.end) in controls:
            document.note(control, "TapChangerControl", "is the second of its end: left out")
        controls.setdefault((control.transformer, control.end), control)
    later = []
    for transformer in document.network.transformers:
        buses = [end.bus for end in transformer.ends]
        document.equipment("PowerTransformer", transformer, buses, {})
        if transformer.antifloat_ppm != PowerTransformer.model_fields["antifloat_ppm"].default:
            document.note(transformer, "PowerTransformer: antifloat_ppm", "has no place in CIM")
        whole = all(end.nodes in ("ABC", "ABC0", "ABCN") for end in transformer.ends)
        ends = _ends(document, transformer) if whole else _tank(document, transformer, split)
        for number, (end, key) in enumerate(zip(transformer.ends, ends, strict=True), 1):
            later.append((transformer, end, key, controls.get((transformer.name, number))))
    for transformer, end, key, held in later:  # controls may look at any terminal
        _tap(document, transformer, end, key, held)


def _base_ohm(transformer: PowerTransformer, end: PowerTransformerEnd) -> float:
    """Return what 1 pu on the rating of the first end is at another. [ohm]"""
    return end.v_rated_v**2 / (transformer.ends[0].s_kva * 1e3)


def _clock(transformer: PowerTransformer, end: PowerTransformerEnd) -> int:
    """Return the phase shift of an end against the first one, in hours."""
    first = transformer.ends[0]
    if end.coil_count == 1 or end.connection == first.connection:
        return 0
    lags = transformer.lead != (first.v_rated_v >= end.v_rated_v)
    return 1 if lags else 11


def _pairs(transformer: PowerTransformer) -> list[tuple[int, int, float]]:
    """Return pairs of ends, from 0, and the reactance between them. [ohm, on the former]"""
    pairs = combinations(range(len(transformer.ends)), 2)
    return [
        (i, j, x / 100.0 * _base_ohm(transformer, transformer.ends[i]))
        for (i, j), x in zip(pairs, transformer.x_percent, strict=True)
    ]


# ------------------------------------------------------------------------ whole transformers


def _ends(document: Document, transformer: PowerTransformer) -> list[Ref]:
    name = transformer.name
    keys = [
        _whole_end(document, transformer, end, number)
        for number, end in enumerate(transformer.ends, 1)
    ]
    mesh = "TransformerMeshImpedance."
    for i, j, x in _pairs(transformer):
        r_pu = sum(transformer.ends[k].r_percent / 100.0 for k in (i, j))
        r_ohm = r_pu * _base_ohm(transformer, transformer.ends[i])
        document.add(
            "TransformerMeshImpedance",
            f"{name}_Zsc_{i + 1}{j + 1}",
            {
                f"{mesh}r": r_ohm,
                f"{mesh}r0": r_ohm,
                f"{mesh}x": x,
                f"{mesh}x0": x,
                f"{mesh}FromTransformerEnd": keys[i],
                f"{mesh}ToTransformerEnd": keys[j],
            },
        )
    z = _base_ohm(transformer, transformer.ends[0])
    core = "TransformerCoreAdmittance."
    g, b = (
        v / 100.0 / z for v in (transformer.no_load_loss_percent, transformer.magnetizing_percent)
    )
    values = {f"{core}g": g, f"{core}g0": g, f"{core}b": b, f"{core}b0": b}
    document.add(
        "TransformerCoreAdmittance", f"{name}_Yc", {**values, f"{core}TransformerEnd": keys[0]}
    )
    return keys


def _whole_end(
    document: Document, transformer: PowerTransformer, end: PowerTransformerEnd, number: int
) -> Ref:
    own = "PowerTransformerEnd."
    earthed = end.nodes.endswith("0")
    kind = "D" if end.connection == "delta" else "Yn" if earthed else "Y"
    return document.add(
        "PowerTransformerEnd",
        f"{transformer.name}_End_{number}",
        {
            f"{own}PowerTransformer": document.ref("PowerTransformer", transformer.name),
            f"{own}ratedS": end.s_kva * 1e3,
            f"{own}ratedU": float(end.v_rated_v),
            f"{own}r": end.r_percent / 100.0 * _base_ohm(transformer, end),
            f"{own}connectionKind": Choice(f"WindingConnection.{kind}"),
            f"{own}phaseAngleClock": _clock(transformer, end),
            **_end(document, transformer, end, number),
        },
    )


def _end(
    document: Document, transformer: PowerTransformer, end: PowerTransformerEnd, number: int
) -> dict[str, Plain]:
    """Return what both kinds of end have."""
    earthed = "0" in end.nodes
    bus = document.network.bus.get(end.bus)
    key = "TransformerEnd."
    return {
        f"{key}endNumber": number,
        f"{key}grounded": earthed,
        f"{key}rground": 0.0 if earthed else None,
        f"{key}xground": 0.0 if earthed else None,
        f"{key}Terminal": document.terminal("PowerTransformer", transformer.name, number),
        f"{key}BaseVoltage": None if bus is None else document.base(bus.v_nominal_v),
    }


# ------------------------------------------------------------------------------------- tanks


def _tank(document: Document, transformer: PowerTransformer, split: Set[str]) -> list[Ref]:
    name = transformer.name
    sheet = document.add("TransformerTankInfo", name, {})
    tank = document.add(
        "TransformerTank",
        name,
        {
            "Equipment.EquipmentContainer": document.ref("Feeder", document.network.name),
            "TransformerTank.TransformerTankInfo": sheet,
            "TransformerTank.PowerTransformer": document.ref("PowerTransformer", name),
        },
    )
    infos = [
        _end_info(document, transformer, end, number, sheet)
        for number, end in enumerate(transformer.ends, 1)
    ]
    _tests(document, transformer, infos)
    return [
        document.add(
            "TransformerTankEnd",
            f"{name}_End_{number}",
            {
                "TransformerTankEnd.orderedPhases": Choice(
                    f"OrderedPhaseCodeKind.{_ordered(end, end.bus in split)}"
                ),
                "TransformerTankEnd.TransformerTank": tank,
                **_end(document, transformer, end, number),
            },
        )
        for number, end in enumerate(transformer.ends, 1)
    ]


def _ordered(end: PowerTransformerEnd, split: bool) -> str:
    """Return the phases of a tank's end, in the order of its terminals."""
    nodes = end.nodes.replace("0", "N")
    if not split:
        return nodes
    return {"AN": "s1N", "NB": "Ns2", "BN": "s2N", "AB": "s12", "NA": "Ns1"}.get(nodes, nodes)


def _end_info(
    document: Document,
    transformer: PowerTransformer,
    end: PowerTransformerEnd,
    number: int,
    sheet: Ref,
) -> Ref:
    key = "TransformerEndInfo."
    several = "D" if end.connection == "delta" else "Yn" if "0" in end.nodes else "Y"
    reversed_leg = number == 3 and end.nodes == "0B"
    return document.add(
        "TransformerEndInfo",
        f"{transformer.name}_{number}",
        {
            f"{key}TransformerTankInfo": sheet,
            f"{key}endNumber": number,
            f"{key}connectionKind": Choice(
                f"WindingConnection.{several if end.coil_count == 3 else 'I'}"
            ),
            f"{key}phaseAngleClock": 6 if reversed_leg else _clock(transformer, end),
            f"{key}ratedU": float(end.v_rated_v),
            f"{key}ratedS": end.s_kva * 1e3,
            f"{key}r": end.r_percent / 100.0 * _base_ohm(transformer, end),
        },
    )


def _tests(document: Document, transformer: PowerTransformer, infos: list[Ref]) -> None:
    """Add the tests that say what the windings are not asked themselves."""
    first = transformer.ends[0]
    base = {"TransformerTest.basePower": first.s_kva * 1e3}
    loss, current = transformer.no_load_loss_percent, transformer.magnetizing_percent
    document.add(
        "NoLoadTest",
        transformer.name,
        {
            "NoLoadTest.EnergisedEnd": infos[0],
            "NoLoadTest.energisedEndVoltage": float(first.v_rated_v),
            "NoLoadTest.excitingCurrent": (loss**2 + current**2) ** 0.5,
            "NoLoadTest.loss": loss / 100.0 * first.s_kva,
            **base,
        },
    )
    for i, j, x in _pairs(transformer):
        ends = transformer.ends[i], transformer.ends[j]
        r_pu = sum(end.r_percent / 100.0 for end in ends)
        r = r_pu * _base_ohm(transformer, ends[0])
        if x < 0.0:
            text = "a negative leakage reactance is written as a positive one"
            document.note(transformer, "PowerTransformer", text)
        document.add(
            "ShortCircuitTest",
            f"{transformer.name}_{i + 1}{j + 1}",
            {
                "ShortCircuitTest.EnergisedEnd": infos[i],
                "ShortCircuitTest.GroundedEnds": infos[j],
                "ShortCircuitTest.leakageImpedance": (r**2 + x**2) ** 0.5,
                "ShortCircuitTest.loss": r_pu * first.s_kva,
                **base,
            },
        )


# -------------------------------------------------------------------------------------- taps


def _tap(
    document: Document,
    transformer: PowerTransformer,
    end: PowerTransformerEnd,
    key: Ref,
    control: TapChangerControl | None,
) -> None:
    changer = end.tap_changer
    if changer is None:
        if end.tap_pu == 1.0:
            return
        text = "a tap that cannot be changed is written as a changer of one step"
        document.note(transformer, "PowerTransformer", text)
        low, high = min(1.0, end.tap_pu), max(1.0, end.tap_pu)
        changer = RatioTapChanger(tap_min_pu=low, tap_max_pu=high, step_count=1)
    step = changer.step_pu
    low_step = (changer.tap_min_pu - 1.0) / step
    if abs(low_step - round(low_step)) > 1e-6:
        text = "its range has no step at ratio 1: moved to the next one"
        document.note(transformer, "RatioTapChanger", text)
    own = "TapChanger."
    name = control.name if control is not None else f"{transformer.name}_{key[:8]}"
    values: dict[str, Plain] = {
        "RatioTapChanger.TransformerEnd": key,
        f"{own}TapChangerControl": None
        if control is None
        else _control(document, transformer, end, control),
        "RatioTapChanger.stepVoltageIncrement": step * 100.0,
        f"{own}lowStep": round(low_step),
        f"{own}highStep": round(low_step) + changer.step_count,
        f"{own}neutralStep": 0,
        f"{own}normalStep": 0,
        f"{own}ltcFlag": control is not None,
        f"{own}step": (end.tap_pu - 1.0) / step,
        f"{own}controlEnabled": control is not None,
    }
    if control is not None:
        values |= {
            f"{own}initialDelay": float(control.delay_s),
            f"{own}subsequentDelay": float(control.tap_delay_s),
            f"{own}ptRatio": float(control.pt_ratio),
            f"{own}ctRating": float(control.ct_rated_a),
        }
    document.add("RatioTapChanger", name, values)


def _control(
    document: Document,
    transformer: PowerTransformer,
    end: PowerTransformerEnd,
    control: TapChangerControl,
) -> Ref:
    if control.most_steps != TapChangerControl.model_fields["most_steps"].default:
        document.note(control, "TapChangerControl: most_steps", "has no place in CIM")
    letter = control.node or end.nodes[min(control.coil, end.coil_count) - 1]
    at = document.terminal("PowerTransformer", transformer.name, control.end)
    key, rule = "RegulatingControl.", "TapChangerControl."
    return document.add(
        "TapChangerControl",
        f"{control.name}_Ctrl",
        {
            f"{key}mode": Choice("RegulatingControlModeKind.voltage"),
            f"{key}Terminal": document.at_bus[control.bus] if control.bus else at,
            f"{key}monitoredPhase": Choice(f"PhaseCode.{letter}") if letter in "ABC" else None,
            f"{key}enabled": True,
            f"{key}discrete": True,
            f"{key}targetValue": float(control.v_set_v),
            f"{key}targetDeadband": float(control.band_v),
            f"{rule}lineDropCompensation": bool(control.r_v or control.x_v),
            f"{rule}lineDropR": float(control.r_v),
            f"{rule}lineDropX": float(control.x_v),
        },
    )
