"""Formats: which files hold a network, by which name, with which endings.

A reader is imported when a file of its format is met, so that reading one format needs
nothing that belongs to another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gridmodel.ingest.notices import Notice
from gridmodel.network.network import Network

Notices = tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Format:
    """A format of network files.

    Parameters
    ----------
    name : str
        What it is called on a command line.
    about : str
        What it is.
    suffixes : tuple of str
        Endings its files are written with; a format without any is asked for by name.
    read : callable
        Returns the network of a file and notices.
    write : callable, optional
        Writes a network; returns what the format cannot hold.
    """

    name: str
    about: str
    suffixes: tuple[str, ...]
    read: Callable[[Path], tuple[Network, Notices]]
    write: Callable[[Network, Path], Notices] | None


def _read_own(path: Path) -> tuple[Network, Notices]:
    from gridmodel.ingest.network_file import read_network

    return read_network(path), ()


def _write_own(network: Network, path: Path) -> Notices:
    from gridmodel.ingest.network_file import write_network

    write_network(network, path)
    return ()


def _read_neighbourhood(path: Path) -> tuple[Network, Notices]:
    from gridmodel.ingest.neighbourhood_file import read_neighbourhood
    from gridmodel.network.from_neighbourhood import from_neighbourhood

    return from_neighbourhood(read_neighbourhood(path))


def _read_opendss(path: Path) -> tuple[Network, Notices]:
    from gridmodel.ingest.opendss_reader import read_opendss

    return read_opendss(path)


def _write_opendss(network: Network, path: Path) -> Notices:
    from gridmodel.ingest.opendss_writer import write_opendss

    return write_opendss(network, path)


def _read_matpower(path: Path) -> tuple[Network, Notices]:
    from gridmodel.ingest.matpower import read_matpower

    return read_matpower(path)


def _write_matpower(network: Network, path: Path) -> Notices:
    from gridmodel.ingest.matpower_writer import write_matpower

    return write_matpower(network, path)


def _read_pandapower(path: Path) -> tuple[Network, Notices]:
    from gridmodel.ingest.pandapower_net import read_pandapower

    return read_pandapower(path)


def _write_pandapower(network: Network, path: Path) -> Notices:
    from gridmodel.ingest.pandapower_writer import write_pandapower

    return write_pandapower(network, path)


def _read_cim(path: Path) -> tuple[Network, Notices]:
    from gridmodel.ingest.cim_reader import read_cim

    return read_cim(path)


def _write_cim(network: Network, path: Path) -> Notices:
    from gridmodel.ingest.cim_writer import write_cim

    return write_cim(network, path)


_ALL = (
    Format("feedertwin", "our own JSON or YAML", (".json", ".yaml", ".yml"), _read_own, _write_own),
    Format("neighbourhood", "a scenario's street, JSON", (), _read_neighbourhood, None),
    Format("opendss", "OpenDSS master file", (".dss",), _read_opendss, _write_opendss),
    Format("matpower", "MATPOWER case", (".m",), _read_matpower, _write_matpower),
    Format("pandapower", "pandapower JSON", (), _read_pandapower, _write_pandapower),
    Format("cim", "CIM RDF/XML", (".xml",), _read_cim, _write_cim),
)
#: Formats by name.
FORMATS = {one.name: one for one in _ALL}
#: The format a file is written in, by its ending.
BY_SUFFIX = {suffix: one for one in _ALL for suffix in one.suffixes}
#: Names of formats that can be written.
WRITABLE = tuple(one.name for one in _ALL if one.write is not None)
