"""Pins of an emulated chip, with as much of gpiozero's interface as a driver uses."""

from __future__ import annotations

from collections.abc import Callable


class Line:
    """An output of the chip that the host reads, such as an interrupt line.

    Parameters
    ----------
    before : callable or None
        Called before each reading, to bring the chip up to its time.
    """

    def __init__(self, before: Callable[[], object] | None = None) -> None:
        self._high = False
        self._before = before
        #: Called when the line rises; gpiozero's name for it.
        self.when_activated: Callable[[], None] | None = None
        #: Called when the line falls.
        self.when_deactivated: Callable[[], None] | None = None

    @property
    def value(self) -> int:
        """1 when the line is high."""
        if self._before is not None:
            self._before()
        return int(self._high)

    def drive(self, high: bool) -> None:
        """Set the line, and tell whoever waits for it."""
        if high == self._high:
            return
        self._high = high
        told = self.when_activated if high else self.when_deactivated
        if told is not None:
            told()

    def close(self) -> None:
        """Let go of the line."""
        self.when_activated = self.when_deactivated = None


class ReadLine(Line):
    """An output whose level is asked of the chip at each reading."""

    def __init__(self, level: Callable[[], bool]) -> None:
        super().__init__()
        self._level = level

    @property
    def value(self) -> int:
        """1 when the line is high."""
        return int(self._level())


class Strap:
    """An input of the chip that the host drives.

    Parameters
    ----------
    told : callable
        Called with the level at each change.
    high : bool
        Level at first.
    """

    def __init__(self, told: Callable[[bool], None], high: bool = True) -> None:
        self._told = told
        self._high = high

    @property
    def value(self) -> int:
        """1 when the line is high."""
        return int(self._high)

    def on(self) -> None:
        """Drive the line high."""
        self._set(True)

    def off(self) -> None:
        """Drive the line low."""
        self._set(False)

    def close(self) -> None:
        """Let go of the line."""

    def _set(self, high: bool) -> None:
        if high != self._high:
            self._high = high
            self._told(high)
