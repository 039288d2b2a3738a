"""Coil pin: a mock pin of gpiozero that tells what it is driven to, and a board of them.

Importing this module needs gpiozero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpiozero.pins.mock import MockFactory, MockPin  # type: ignore[import-untyped]


class CoilPin(MockPin):  # type: ignore[misc]
    """A mock pin with a coil on it."""

    def __init__(self, factory: Any, info: Any) -> None:
        self.driven: Callable[[bool], None] | None = None
        super().__init__(factory, info)

    def _change_state(self, value: bool) -> bool:
        changed: bool = super()._change_state(value)
        if self.driven is not None:
            self.driven(bool(value))
        return changed


def mock_board() -> Any:
    """Return a factory of such pins: an emulated board."""
    return MockFactory(pin_class=CoilPin)
