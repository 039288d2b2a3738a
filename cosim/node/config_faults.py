"""Configuration faults: what is wrong in the blocks of a node's YAML, each with its line.

The blocks are looked at as they are written, so faults of one are told also while another,
or a key beside them, is at fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cosim import registry
from cosim.node.blocks import BodyBlock, RelayBlock
from cosim.scenario.document import Document
from gridmodel.errors import BridgeError, Fault, PluginError
from gridmodel.settings import faults_of, near, parse

if TYPE_CHECKING:
    from cosim.node.config import NodeConfig

#: Keys of ports, the kind of port, and whether the key holds several by name.
_PORTS = (
    ("meters", "meter", True),
    ("relays", "relay", True),
    ("radio", "radio", False),
    ("inverter", "inverter", False),
    ("thermometer", "thermometer", False),
)


def file_faults(document: Document, config: NodeConfig | None) -> list[Fault]:
    """Return what is wrong with a node's controller, bodies and files.

    Parameters
    ----------
    document : Document
        The file as it is written.
    config : NodeConfig or None
        What it describes; None if it is at fault already.
    """
    faults = _controller_faults(document)
    for kind, where, block in _blocks(document.data):
        faults += _body_faults(kind, where, block, document, config)
    network = document.data.get("network")
    if isinstance(network, str) and not document.file(("network",), network).exists():
        place = document.where(("network",))
        faults.append(Fault(place, "network", f"there is no file '{network}'."))
    return faults


def _blocks(data: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], dict[str, Any]]]:
    """Yield kind, path and content of each block that could be one."""
    for key, kind, several in _PORTS:
        found = data.get(key)
        if not isinstance(found, dict):
            continue
        for name, block in found.items() if several else [("", found)]:
            if isinstance(block, dict):
                yield kind, (key, name) if several else (key,), block


def _controller_faults(document: Document) -> list[Fault]:
    name, settings = document.data.get("controller"), document.data.get("settings", {})
    if not isinstance(name, str):
        return []
    try:
        cls = registry.load(registry.CONTROLLERS, name)
    except PluginError as error:
        return [Fault(document.where(("controller",)), "controller", str(error))]
    try:
        config = parse(cls.Config, settings)
    except ValidationError as error:
        return faults_of(error, cls.Config, document.where, ("settings",))
    if not hasattr(cls, "ports"):
        return []
    reads, moves = cls.ports(config)
    return _port_faults(name, reads, moves, document)


def _port_faults(
    controller: str, reads: Iterable[str], moves: Iterable[str], document: Document
) -> list[Fault]:
    """Return meters that a controller lacks, and relays that it would never move."""
    meters = document.data.get("meters", {"supply": {}})
    relays = document.data.get("relays", {})
    faults = []
    if isinstance(meters, dict):
        place, given = document.where(("meters",)), ", ".join(map(str, meters)) or "none"
        faults += [
            Fault(place, f"meters.{name}", f"'{controller}' reads it; given are: {given}.")
            for name in reads
            if name not in meters
        ]
    for name, block in relays.items() if isinstance(relays, dict) else ():
        own = not (isinstance(block, dict) and block.get("given") is True)
        if own and name not in (known := tuple(moves)):
            problem = f"'{controller}' would never move it."
            advice = f"{near(name, known)} With 'given: true' it is only read back."
            faults.append(
                Fault(document.where(("relays", name)), f"relays.{name}", problem, advice)
            )
    return faults


def _body_faults(
    kind: str,
    where: tuple[str, ...],
    block: dict[str, Any],
    document: Document,
    config: NodeConfig | None,
) -> list[Fault]:
    """Return what is wrong with a port's block."""
    from cosim.node.bodies import body_of

    keys = (RelayBlock if kind == "relay" else BodyBlock).model_fields
    name = block.get("body", "simulated")
    if not isinstance(name, str):
        return []
    try:
        body = body_of(kind, name)
    except PluginError as error:
        return [Fault(document.where((*where, "body")), ".".join((*where, "body")), str(error))]
    own = {key: value for key, value in block.items() if key not in keys}
    known = own.keys() & body.Config.model_fields.keys()
    faults = [
        Fault(
            document.where((*where, key)),
            ".".join((*where, key)),
            f"there is no key '{key}' here.",
            near(key, (*body.Config.model_fields, *keys)),
        )
        for key in own.keys() - known
    ]
    try:
        settings = parse(body.Config, {key: own[key] for key in known})
        if config is not None and hasattr(body, "fits"):
            body.fits(settings, config.scale)
    except ValidationError as error:
        faults += faults_of(error, body.Config, document.where, where)
    except BridgeError as error:
        faults.append(Fault(document.where(where), ".".join(where), error.problem, error.advice))
    return faults
