"""Notice: something in a file that a reader or writer could not take over as it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that was left out, assumed or changed.

    Parameters
    ----------
    where : str
        ``file:line``, or the element where a file has no lines.
    what : str
        The element or statement.
    text : str
        What became of it, and why.
    """

    where: str
    what: str
    text: str

    def __str__(self) -> str:
        """Return the notice as one line."""
        return (
            f"{self.where}: {self.what}: {self.text}" if self.what else f"{self.where}: {self.text}"
        )
