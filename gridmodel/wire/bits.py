"""One field of a radio frame: how many bits it has and what their code means."""

from __future__ import annotations

from typing import NamedTuple

from gridmodel.errors import FrameError


class Bits(NamedTuple):
    """One field of a body: value = offset + scale x code.

    Parameters
    ----------
    name : str
        Name of the field; ends in the unit of its value.
    bits : int
        Width on the air.
    scale, offset : float
        Step of the code and value of code 0, in the unit of the name.
    signed : bool
        The code is in two's complement.

    Examples
    --------
    >>> Bits("v_v", 12, 0.1).encode(230.9)
    2309
    >>> Bits("p_kw", 14, 0.01, signed=True).encode(-0.01)
    16383
    """

    name: str
    bits: int
    scale: float = 1.0
    offset: float = 0.0
    signed: bool = False

    @property
    def least(self) -> float:
        """Smallest value, in the unit of the name."""
        return self.offset - self.scale * (1 << self.bits - 1 if self.signed else 0)

    @property
    def most(self) -> float:
        """Greatest value, in the unit of the name."""
        return self.offset + self.scale * ((1 << self.bits - self.signed) - 1)

    def encode(self, value: float) -> int:
        """Return the code nearest to a value, the outermost one beyond its ends.

        Raises
        ------
        FrameError
            If the value is not a number.
        """
        if value != value:
            raise FrameError(f"{self.name} is not a number; a frame has no code for that")
        half = 1 << self.bits - 1 if self.signed else 0
        top = (1 << self.bits) - 1
        code = round(min(max((value - self.offset) / self.scale, -half), top - half))
        return code & top

    def decode(self, code: int) -> float:
        """Return the value of a code."""
        if self.signed and code >> self.bits - 1:
            code -= 1 << self.bits
        return self.offset + self.scale * code
