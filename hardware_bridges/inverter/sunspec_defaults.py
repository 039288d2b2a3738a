"""Default contents of the emulated inverter's SunSpec models 1 and 701 to 714.

Numbers are raw integers as in the registers; what is not named is "not implemented". The
curves are IEEE 1547-2018's defaults (category B, 50 Hz for the trips of this device) and
are shown only: the physics is the simulation's.
"""

from __future__ import annotations

from typing import Any

from gridmodel.inverter_scale import UINT16_MAX, InverterScale, to_raw

#: The models, in the order of their addresses.
MODELS = (1, 701, 702, 703, 704, 705, 706, 707, 708, 709, 710, 711, 712, 713, 714)
#: Whose they are; the same in every emulated device.
MAKER = "feedertwin"
SINGLE_PHASE = 0
PORT_STORAGE = 1


def defaults(
    p_rated_kw: float, e_rated_kwh: float, unit_id: int, scale: InverterScale
) -> dict[int, dict[str, Any]]:
    """Return the contents of every model by its number.

    Parameters
    ----------
    p_rated_kw : float
        Rating for charge and for discharge. [kW]
    e_rated_kwh : float
        Energy of the full battery. [kWh]
    unit_id : int
        Modbus unit.
    scale : InverterScale
        Powers of ten of the points.
    """
    watt = to_raw(1e3 * p_rated_kw, scale.w_power, UINT16_MAX)
    energy = to_raw(1e3 * e_rated_kwh, scale.wh_power, UINT16_MAX)
    return {
        1: {
            "Mn": MAKER, "Md": "emulated inverter", "Opt": "7xx", "Vr": "1",
            "SN": f"emulated-{unit_id}", "DA": unit_id,
        },
        701: _measurement(scale),
        702: _capacity(watt, scale),
        703: {
            "ES": 1, "ESVHi": 10500, "ESVLo": 9170, "ESHzHi": 50100, "ESHzLo": 49500,
            "ESDlyTms": 300, "ESRndTms": 0, "ESRmpTms": 300, "ESDlyRemTms": 0,
            "V_SF": -2, "Hz_SF": -3,
        },
        704: {
            "WMaxLimPctEna": 0, "WMaxLimPct": 1000, "WMaxLimPctRvrt": 1000,
            "WMaxLimPctEnaRvrt": 0, "WMaxLimPctRvrtTms": 0, "WMaxLimPctRvrtRem": 0,
            "WSetEna": 0, "WSetMod": 1, "WSet": 0, "WSetRvrt": 0, "WSetPct": 0,
            "WSetPctRvrt": 0, "WSetEnaRvrt": 0, "WSetRvrtTms": 0, "WSetRvrtRem": 0,
            "WMaxLimPct_SF": -1, "WSet_SF": scale.w_set_power, "WSetPct_SF": -2,
        },
        **_curves(),
        713: {
            "WHRtg": energy, "WHAvail": 0, "SoC": 0, "SoH": to_raw(100.0, scale.pct_power, UINT16_MAX),
            "Sta": 0, "WH_SF": scale.wh_power, "Pct_SF": scale.pct_power,
        },
        714: {
            "PrtAlrms": 0, "NPrt": 1, "DCW": 0, "DCW_SF": scale.w_power,
            "Prt": [{"PrtTyp": PORT_STORAGE, "ID": 1, "IDStr": "battery", "DCW": 0, "DCSta": 1}],
        },
    }  # fmt: skip


def _measurement(scale: InverterScale) -> dict[str, Any]:
    return {
        "ACType": SINGLE_PHASE, "St": 1, "InvSt": 3, "ConnSt": 1, "Alrm": 0, "DERMode": 1,
        "W": 0, "Var": 0, "LNV": 2300, "Hz": 50000, "WL1": 0, "VL1": 2300,
        "V_SF": -1, "Hz_SF": -3, "W_SF": scale.w_power, "Var_SF": scale.w_power,
    }  # fmt: skip


def _capacity(watt: int, scale: InverterScale) -> dict[str, Any]:
    return {
        "WMaxRtg": watt, "WChaRteMaxRtg": watt, "WDisChaRteMaxRtg": watt, "VNomRtg": 230,
        "CtrlModes": 2,  # FIXED_W alone: the only one the emulation acts on
        "WMax": watt, "WChaRteMax": watt, "WDisChaRteMax": watt, "VNom": 230,
        "W_SF": scale.w_power, "V_SF": 0,
    }  # fmt: skip


def _curves() -> dict[int, dict[str, Any]]:
    adopted: dict[str, Any] = {"Ena": 0, "AdptCrvReq": 0, "AdptCrvRslt": 1}
    volt = {**adopted, "NPt": 4, "NCrv": 1, "V_SF": -2, "DeptRef_SF": -2, "RspTms_SF": 0}
    trip = {**adopted, "NPt": 2, "NCrvSet": 1, "Tms_SF": -2}
    return {
        705: {
            **volt,
            "Crv": [{
                "ActPt": 4, "DeptRef": 1, "Pri": 1, "VRef": 10000, "RspTms": 5, "ReadOnly": 1,
                "Pt": _points("V", "Var", (9200, 4400), (9800, 0), (10200, 0), (10800, -4400)),
            }],
        },
        706: {
            **volt, "NPt": 2,
            "Crv": [{
                "ActPt": 2, "DeptRef": 0, "RspTms": 10, "ReadOnly": 1,
                "Pt": _points("V", "W", (10600, 10000), (11000, 0)),
            }],
        },
        # two points a trip: the threshold and how long beyond it
        707: {**trip, "V_SF": -2, "Crv": _must_trip("V", (8800, 300), (5000, 16))},
        708: {**trip, "V_SF": -2, "Crv": _must_trip("V", (11000, 1300), (12000, 16))},
        709: {**trip, "Hz_SF": -3, "Crv": _must_trip("Hz", (47500, 20), (47000, 16))},
        710: {**trip, "Hz_SF": -3, "Crv": _must_trip("Hz", (51500, 20), (52000, 16))},
        711: {
            "Ena": 0, "AdptCtlReq": 0, "AdptCtlRslt": 1, "NCtl": 1,
            "Db_SF": -3, "K_SF": -3, "RspTms_SF": 0,
            "Ctl": [{"DbOf": 36, "DbUf": 36, "KOf": 50, "KUf": 50, "RspTms": 5, "ReadOnly": 1}],
        },
        712: {
            **adopted, "NPt": 2, "NCrv": 1, "W_SF": -2, "DeptRef_SF": -2,
            "Crv": [{
                "ActPt": 2, "DeptRef": 1, "Pri": 1, "ReadOnly": 1,
                "Pt": _points("W", "Var", (0, 0), (10000, 0)),
            }],
        },
    }  # fmt: skip


def _points(x: str, y: str, *pairs: tuple[int, int]) -> list[dict[str, int]]:
    return [{x: first, y: second} for first, second in pairs]


def _must_trip(x: str, *pairs: tuple[int, int]) -> list[dict[str, Any]]:
    unused = {"ActPt": 0, "Pt": _points(x, "Tms", (0, 0), (0, 0))}
    must = {"ActPt": len(pairs), "Pt": _points(x, "Tms", *pairs)}
    return [{"ReadOnly": 1, "MustTrip": must, "MayTrip": unused, "MomCess": unused}]
