"""Units: a public name ends in its unit, and this table is the only place that says which.

``p_kw`` is a power in kW because it ends in ``_kw``. Ports, YAML keys and record
columns all follow the rule, so two ends of a link can be compared by their names.
"""

from __future__ import annotations

from functools import cache
from math import isfinite

from gridmodel.errors import UnitError

UNITS: dict[str, str] = {
    # suffix: symbol
    "kw": "kW",
    "w": "W",
    "kvar": "kvar",
    "kva": "kVA",
    "kwh": "kWh",
    "kv": "kV",
    "v": "V",
    "mv": "mV",
    "a": "A",
    "pu": "pu",
    "percent": "%",
    "hz": "Hz",
    "hz_per_s": "Hz/s",
    "khz": "kHz",
    "mhz": "MHz",
    "us": "us",
    "ms": "ms",
    "s": "s",
    "min": "min",
    "h": "h",
    "days": "d",
    "years": "a",
    "deg": "deg",
    "c": "degC",
    "km": "km",
    "m": "m",
    "m_per_s": "m/s",
    "ohm": "ohm",
    "ohm_per_km": "ohm/km",
    "nf_per_km": "nF/km",
    "dbm": "dBm",
    "db": "dB",
    "bytes": "B",
    "mb": "MB",
    "bits": "bit",
    "per_s": "1/s",
    "per_year": "1/a",
    "pu_per_s": "pu/s",
    "pu_per_hz": "pu/Hz",
    "percent_per_hz": "%/Hz",
    "percent_per_min": "%/min",
    "eur_per_kwh": "EUR/kWh",
    "eur": "EUR",
    "count": "",
    "lat": "deg",
    "lon": "deg",
}

#: First instant that does not fit: 2**63 us is 292,000 years, so only the sign matters.
US_PER_S = 1_000_000


@cache
def unit_of(name: str) -> str:
    """Return the unit symbol a public name ends in.

    Parameters
    ----------
    name : str
        A port, key or column name such as ``p_kw`` or ``r_ohm_per_km``.

    Returns
    -------
    str
        The symbol, ``"kW"``; empty for a count.

    Raises
    ------
    UnitError
        If no known suffix ends the name.

    Examples
    --------
    >>> unit_of("soc_pu"), unit_of("r_ohm_per_km"), unit_of("trip_count")
    ('pu', 'ohm/km', '')
    """
    parts = name.split("_")
    for start in range(len(parts)):  # the longest suffix wins: hz_per_s before s
        suffix = "_".join(parts[start:])
        if suffix in UNITS:
            return UNITS[suffix]
    raise UnitError(
        f"'{name}' does not end in a unit; known endings are {', '.join(sorted(UNITS))}."
    )


def seconds(t_us: int) -> float:
    """Return an instant in seconds, for people and plots; the clock itself stays integer."""
    return t_us / US_PER_S


def microseconds(t_s: float) -> int:
    """Return the instant nearest to ``t_s`` as a whole count of microseconds.

    Raises
    ------
    ValueError
        If ``t_s`` is not a finite number.
    """
    if not isfinite(t_s):
        raise ValueError(f"a time must be a finite number of seconds, not {t_s}")
    return round(t_s * US_PER_S)
