"""HELICS wiring: what nobody publishes, and programs that come with HELICS."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gridmodel.settings import near


def unpublished(h: Any, fed: Any, keys: Sequence[str]) -> str:
    """Return which of the keys that a federate reads nobody publishes; empty if none.

    HELICS itself only warns, and the reader then runs on its first value for ever.

    Parameters
    ----------
    h : module
        The HELICS library.
    fed : object
        A federate that is executing.
    keys : sequence of str
        What it subscribes to.
    """
    if not keys:
        return ""
    query = h.helicsCreateQuery("root", "publications")
    known = [str(key) for key in h.helicsQueryExecute(query, fed)]
    missing = [key for key in keys if key not in known]
    return "; ".join(f"nobody publishes '{key}'. {near(key, known)}" for key in missing)


def program(name: str) -> str:
    """Return the file of a command, as a scenario gives it.

    ``python`` is this Python. The programs of the HELICS wheel are started themselves, not
    by the scripts of the same name: those would leave them behind when they are killed.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    import helics.bin

    if name == "python":
        return sys.executable
    scripts = Path(sysconfig.get_path("scripts"))
    for path in (Path(helics.bin.BIN_DIR) / name, scripts / name):
        if path.is_file():
            return str(path)
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"there is no command '{name}', neither in {scripts} nor on PATH")
    return found
