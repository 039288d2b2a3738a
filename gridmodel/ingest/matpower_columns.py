"""Columns of MATPOWER's case format, version 2, and the tables that have them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridmodel.errors import Fault


def _numbered(names: str, first: int = 1) -> dict[str, int]:
    return {name: first + k for k, name in enumerate(names.split())}


#: Numbers of columns, from 1. Those of results and of the optimal power flow are in the
#: functions below only.
BUS = _numbered("BUS_I BUS_TYPE PD QD GS BS BUS_AREA VM VA BASE_KV")
GEN = _numbered("GEN_BUS PG QG QMAX QMIN VG MBASE GEN_STATUS")
BRANCH = _numbered("F_BUS T_BUS BR_R BR_X BR_B RATE_A RATE_B RATE_C TAP SHIFT BR_STATUS")

_BUS_ALL = (
    _numbered("PQ PV REF NONE") | BUS | _numbered("ZONE VMAX VMIN LAM_P LAM_Q MU_VMAX MU_VMIN", 11)
)
_GEN_ALL = (
    GEN
    | _numbered("PMAX PMIN", 9)
    | _numbered("MU_PMAX MU_PMIN MU_QMAX MU_QMIN", 22)
    | _numbered("PC1 PC2 QC1MIN QC1MAX QC2MIN QC2MAX RAMP_AGC RAMP_10 RAMP_30 RAMP_Q APF", 11)
)
_BRANCH_ALL = (
    BRANCH
    | _numbered("PF QF PT QT MU_SF MU_ST", 14)
    | _numbered("ANGMIN ANGMAX", 12)
    | _numbered("MU_ANGMIN MU_ANGMAX", 20)
)
_COST = _numbered("PW_LINEAR POLYNOMIAL") | _numbered("MODEL STARTUP SHUTDOWN NCOST COST")
#: What MATPOWER's functions of these names give, in their order.
FUNCTIONS = {
    "idx_bus": tuple(_BUS_ALL.items()),
    "idx_gen": tuple(_GEN_ALL.items()),
    "idx_brch": tuple(_BRANCH_ALL.items()),
    "idx_cost": tuple(_COST.items()),
    "define_constants": tuple({**_BUS_ALL, **_GEN_ALL, **_BRANCH_ALL, **_COST}.items()),
}
#: Columns that may be infinite.
_OPEN = {"QMAX", "QMIN"}


class Table:
    """A matrix of a case, by names of columns.

    Parameters
    ----------
    value : object
        What the file assigned, if anything.
    columns : dict
        Numbers of its columns, from 1.
    path : str
        The file.
    lines : list of int
        Line of each row, where known.
    line : int
        Line of the matrix.
    """

    def __init__(
        self, value: Any, columns: dict[str, int], path: str, lines: list[int], line: int
    ) -> None:
        self._value, self._columns, self._path = value, columns, path
        self._lines, self._line = lines, line

    def __len__(self) -> int:
        return len(self._value)

    def at(self, row: int, column: str) -> float:
        """Return one number."""
        return float(self._value[row, self._columns[column] - 1])

    def column(self, column: str) -> NDArray[np.float64]:
        """Return the numbers of a column."""
        numbers: NDArray[np.float64] = self._value[:, self._columns[column] - 1]
        return numbers

    def where(self, row: int) -> str:
        """Return file and line of a row."""
        known = len(self._lines) == len(self)
        return f"{self._path}:{self._lines[row] if known else self._line}"

    def faults(self, name: str) -> list[Fault]:
        """Return what is wrong with its shape and its numbers."""
        at, width = f"{self._path}:{self._line}", len(self._columns)
        value = self._value
        if not isinstance(value, np.ndarray):
            said = "is missing" if value is None else "is no matrix"
            return [Fault(at, name, f"{said}.", "A case needs bus, gen and branch.")]
        if not value.size:
            if name.endswith("bus"):
                return [Fault(at, name, "is empty.", "A network has a bus.")]
            self._value = np.zeros((0, width))
            return []
        if value.shape[1] < width:
            problem = f"has {value.shape[1]} columns."
            return [Fault(at, name, problem, f"The format has {width} or more.")]
        found = []
        for column, number in self._columns.items():
            numbers = value[:, number - 1]
            bad = np.isnan(numbers) if column in _OPEN else ~np.isfinite(numbers)
            if column in ("BUS_I", "F_BUS", "T_BUS", "GEN_BUS"):
                bad |= numbers != np.round(numbers)
            for row in np.flatnonzero(bad).tolist():
                problem = f"{column} is {numbers[row]:g}."
                advice = "A finite number is needed; of buses a whole one."
                found.append(Fault(self.where(row), name, problem, advice))
        return found
