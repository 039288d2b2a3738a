"""Sensitivity: the weakest signal a receiver demodulates, by published table.

``snr_floor`` computes it from thermal noise, noise figure and the signal-to-noise floor of
the spreading factor; the others are tables, which differ from it by up to 5 dB.
"""

from __future__ import annotations

from collections.abc import Mapping

from gridmodel.wire.lora import SNR_FLOOR_DB, Modem

#: By bandwidth, from SF7 on. [dBm]
TABLES: Mapping[str, Mapping[float, tuple[float, ...]]] = {
    # Semtech SX1272 data sheet
    "sx1272": {
        125.0: (-124.0, -127.0, -130.0, -133.0, -135.0, -137.0),
        250.0: (-122.0, -125.0, -128.0, -130.0, -132.0, -135.0),
        500.0: (-116.0, -119.0, -122.0, -125.0, -128.0, -129.0),
    },
    # Bor et al., 2016, table 3, as LoRaSim's code has it: measured
    "lorasim": {
        125.0: (-126.5, -127.25, -131.25, -132.75, -134.5, -133.25),
        250.0: (-124.25, -126.75, -128.25, -130.25, -132.75, -132.25),
        500.0: (-120.75, -124.0, -127.5, -128.75, -128.75, -132.25),
    },
    # a gateway's SX1301, as the LoRaWAN module for ns-3 has it
    "sx1301": {125.0: (-130.0, -132.5, -135.0, -137.5, -140.0, -142.5)},
}
SENSITIVITIES = ("snr_floor", *TABLES)


def sensitivity_dbm(table: str, modem: Modem, noise_figure_db: float = 6.0) -> float:
    """Return the weakest signal that is demodulated. [dBm]

    Parameters
    ----------
    table : str
        One of `SENSITIVITIES`.
    modem : Modem
        Its spreading factor and bandwidth count.
    noise_figure_db : float
        Of the receiver, for ``snr_floor`` alone. [dB]

    Raises
    ------
    ValueError
        If the table has no value for the spreading factor and bandwidth.
    """
    if table == "snr_floor":
        return modem.sensitivity_dbm(noise_figure_db)
    row = TABLES[table].get(modem.bandwidth_khz)
    if row is None or modem.spreading_factor < 7:
        widths = ", ".join(f"{width:g}" for width in TABLES[table])
        raise ValueError(
            f"sensitivity table {table} has SF7 to SF12 at {widths} kHz, not "
            f"SF{modem.spreading_factor} at {modem.bandwidth_khz:g} kHz; snr_floor has all."
        )
    return row[modem.spreading_factor - 7]


def floor_db(table: str, modem: Modem, noise_figure_db: float = 6.0) -> float:
    """Return the least signal-to-noise ratio that is demodulated. [dB]"""
    if table == "snr_floor":
        return SNR_FLOOR_DB[modem.spreading_factor]
    level = sensitivity_dbm(table, modem, noise_figure_db)
    return level - modem.noise_dbm(noise_figure_db)
