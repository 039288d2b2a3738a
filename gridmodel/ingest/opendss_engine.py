"""OpenDSS engine: one of its own for every network, and no trace in this process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def new_engine() -> Any:
    """Return an OpenDSS engine that shares nothing with others.

    Making one sets the working directory of the process back to where the first was made
    (OpenDSSDirect.py 0.9.4); it is put right here.
    """
    from opendssdirect import dss

    folder = Path.cwd()
    try:
        return dss.NewContext()
    finally:
        os.chdir(folder)
