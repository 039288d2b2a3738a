"""Parts of the extra ``pi``, imported only when a body needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gridmodel.errors import MissingExtraError


def pi_module(name: str, needed_for: str) -> Any:
    """Return a module of the extra.

    Parameters
    ----------
    name : str
        ``gpiozero``, ``gpiozero.pins.lgpio``, ``spidev``, ``smbus2``, ``serial``.
    needed_for : str
        What wants it, as the error should say.

    Raises
    ------
    MissingExtraError
        If it is not installed; with the line that installs it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError("pi", needed_for) from error
