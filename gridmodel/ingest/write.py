"""Writing a network in any writable format, by name or by the file's ending."""

from __future__ import annotations

from pathlib import Path

from gridmodel.errors import Fault, NetworkError
from gridmodel.ingest.formats import BY_SUFFIX, FORMATS, WRITABLE, Notices
from gridmodel.network.network import Network
from gridmodel.settings import near


def write_any(network: Network, path: Path, form: str = "") -> Notices:
    """Write a network.

    Parameters
    ----------
    network : Network
        The network.
    path : Path
        The file; its ending says the format: ``.json .yaml .yml`` our own, ``.dss``
        OpenDSS, ``.m`` MATPOWER, ``.xml`` CIM.
    form : str
        Name of the format, where the ending does not say it (``pandapower``).

    Returns
    -------
    tuple of Notice
        What the format cannot hold.

    Raises
    ------
    NetworkError
        With every fault: an unknown format or ending, no such folder, a full disk.
    MissingExtraError
        If its writer is not installed.
    """
    title = f"network '{network.name}' cannot be written"
    faults = faults_of_target(path, form)
    if faults:
        raise NetworkError(title, faults)
    write = (FORMATS[form] if form else BY_SUFFIX[path.suffix.lower()]).write
    assert write is not None
    try:
        return write(network, path)
    except OSError as error:
        fault = Fault(str(path), "", f"cannot be written: {error.strerror}.")
        raise NetworkError(title, [fault]) from error


def faults_of_target(path: Path, form: str = "", option: str = "format") -> list[Fault]:
    """Return what keeps a network from being written to a file.

    Parameters
    ----------
    path : Path
        The file.
    form : str
        Name of the format, if one was given.
    option : str
        Where the format was given, for the faults.
    """
    faults = []
    if form and form not in WRITABLE:
        problem = f"'{form}' cannot be written."
        faults.append(Fault(option, "", problem, near(form, WRITABLE)))
    elif not form and path.suffix.lower() not in BY_SUFFIX:
        problem = f"its ending '{path.suffix}' names no format."
        faults.append(Fault(str(path), "", problem, near(path.suffix, BY_SUFFIX)))
    if path.is_dir():
        faults.append(Fault(str(path), "", "is a folder.", "Give the name of a file."))
    elif not path.parent.is_dir():
        advice = "Make it first."
        faults.append(Fault(str(path), "", f"there is no folder '{path.parent}'.", advice))
    return faults
