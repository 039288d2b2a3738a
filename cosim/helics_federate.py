"""HELICS federate: one of our models, alone in somebody else's HELICS federation.

It takes the JSON configuration that HELICS federates have, with one block of ours,
``feedertwin``, that names the model. A publication, subscription or endpoint belongs to
the port its ``port`` says, or that its key ends in after the last ``/``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt
from pydantic import Field, ValidationError

from cosim.alone import AloneConfig, desk_alone
from cosim.engines.desk import close_all
from cosim.engines.helics_border import helics
from cosim.federation import signals
from cosim.freeze import freeze_message
from cosim.helics_wiring import unpublished
from gridmodel.errors import Fault, FederateError, ScenarioError
from gridmodel.federate import Message, Messages, Signal
from gridmodel.settings import faults_of, near, parse
from gridmodel.units import US_PER_S, microseconds


class BlockConfig(AloneConfig):
    """The block ``feedertwin`` of a HELICS configuration."""

    duration_h: Annotated[float, Gt(0.0)] = Field(
        description="length of its part in the federation"
    )


class HelicsFederate:
    """A model between HELICS grants.

    Parameters
    ----------
    path : Path
        The JSON configuration.

    Raises
    ------
    ScenarioError
        With every fault of the configuration.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = _read(path)
        block = self._block()
        self._name = str(self._data.get("name", block.name or block.model))
        self._until_us = microseconds(3600.0 * block.duration_h)
        given = self._data["feedertwin"]
        self._desk = desk_alone(given, self._name, f"{path}, feedertwin", path.parent)
        self._ports = self._match()

    def _block(self) -> BlockConfig:
        try:
            return parse(BlockConfig, self._data.get("feedertwin", {}))
        except ValidationError as error:
            faults = faults_of(error, BlockConfig, lambda _: f"{self._path}, feedertwin")
            raise ScenarioError(f"{self._path} cannot be run", faults) from error

    def _match(self) -> dict[str, dict[str, str]]:
        """Return port by key, for publications, subscriptions and endpoints."""
        member = self._desk.member
        known = {
            "publications": {s.name for s in signals(member.outputs.values())},
            "subscriptions": {s.name for s in signals(member.inputs.values())},
            "endpoints": {
                port.name
                for port in (*member.inputs.values(), *member.outputs.values())
                if isinstance(port, Messages)
            },
        }
        found: dict[str, dict[str, str]] = {}
        faults = []
        for kind, ports in known.items():
            found[kind] = {}
            for number, item in enumerate(self._data.get(kind, [])):
                key = str(item.get("key", item.get("name", "")))
                port = str(item.get("port", key.rpartition("/")[2]))
                if port not in ports:
                    where = f"{kind}[{number}]"
                    problem = f"the model has no {kind.removesuffix('s')} '{port}'."
                    faults.append(Fault(str(self._path), where, problem, near(port, ports)))
                found[kind][key] = port
        for signal in signals(member.inputs.values()):
            if signal.initial is None and signal.name not in found["subscriptions"].values():
                problem = f"input '{signal.name}' has no initial value and no subscription."
                faults.append(Fault(str(self._path), "subscriptions", problem))
        if faults:
            raise ScenarioError(f"{self._path} cannot be run", faults)
        return found

    def run(self) -> None:
        """Take part in the federation until the end.

        Raises
        ------
        FederateError
            If the model fails; the others are told.
        """
        h, desk = helics("feedertwin helics-federate"), self._desk
        fed = h.helicsCreateCombinationFederate(self._name, self._info(h))
        handles = self._register(h, fed)
        h.helicsFederateEnterExecutingMode(fed)
        granted_us = 0
        try:
            if problem := unpublished(h, fed, self._needed()):
                raise FederateError(self._name, 0, problem)
            while granted_us < self._until_us:
                self._receive(h, handles, granted_us)
                due = desk.next_us()
                if due is not None and due <= granted_us:
                    self._send(h, handles, granted_us, desk.turn(granted_us))
                    due = desk.next_us()
                wanted = self._until_us if due is None else min(due, self._until_us)
                granted_us = round(h.helicsFederateRequestTime(fed, wanted / US_PER_S) * US_PER_S)
            close_all([desk], granted_us)
        except BaseException as error:
            h.helicsFederateGlobalError(fed, 3, f"{type(error).__name__}: {error}")
            with contextlib.suppress(FederateError):  # of its end; what came first is told
                close_all([desk], granted_us)
            raise
        h.helicsFederateDisconnect(fed)
        del fed
        h.helicsCloseLibrary()

    def _needed(self) -> list[str]:
        """Return the keys that somebody has to publish."""
        items = self._data.get("subscriptions", [])
        needed = [item for item in items if item.get("required", not item.get("optional", False))]
        return [str(item.get("key", item.get("name", ""))) for item in needed]

    def _info(self, h: Any) -> Any:
        info = h.helicsCreateFederateInfo()
        core = str(self._data.get("core_type", self._data.get("coreType", "zmq")))
        h.helicsFederateInfoSetCoreTypeFromString(info, core)
        init = str(self._data.get("core_init_string", self._data.get("coreInit", "")))
        h.helicsFederateInfoSetCoreInitString(info, init or "--federates=1")
        h.helicsFederateInfoSetTimeProperty(info, h.HELICS_PROPERTY_TIME_DELTA, 1e-6)
        h.helicsFederateInfoSetFlagOption(info, h.HELICS_FLAG_TERMINATE_ON_ERROR, True)
        return info

    def _register(self, h: Any, fed: Any) -> dict[str, dict[str, Any]]:
        """Return handles by port, for each kind of interface."""
        outputs = self._desk.member.outputs
        handles: dict[str, dict[str, Any]] = {"publications": {}, "subscriptions": {}}
        handles["endpoints"] = {}
        for key, port in self._ports["publications"].items():
            signal = outputs[port]
            assert isinstance(signal, Signal)
            kind = h.HELICS_DATA_TYPE_VECTOR if signal.shape else h.HELICS_DATA_TYPE_DOUBLE
            handles["publications"][port] = h.helicsFederateRegisterGlobalPublication(
                fed, key, kind, signal.unit
            )
        for key, port in self._ports["subscriptions"].items():
            handles["subscriptions"][port] = h.helicsFederateRegisterSubscription(fed, key, "")
        for item in self._data.get("endpoints", []):
            key = str(item.get("key", item.get("name", "")))
            end = h.helicsFederateRegisterGlobalEndpoint(fed, key, "")
            if item.get("destination"):
                h.helicsEndpointSetDefaultDestination(end, item["destination"])
            handles["endpoints"][self._ports["endpoints"][key]] = end
        return handles

    def _receive(self, h: Any, handles: Mapping[str, Mapping[str, Any]], t_us: int) -> None:
        inputs = self._desk.inputs
        for port, subscription in handles["subscriptions"].items():
            if h.helicsInputIsUpdated(subscription):
                signal = self._desk.member.inputs[port]
                assert isinstance(signal, Signal)
                if signal.shape == ():
                    inputs[port] = signal.dtype(h.helicsInputGetDouble(subscription))
                else:
                    inputs[port] = np.array(h.helicsInputGetVector(subscription), signal.dtype)
        for port, end in handles["endpoints"].items():
            while h.helicsEndpointHasMessage(end):
                data = bytes(h.helicsMessageGetBytes(h.helicsEndpointGetMessage(end)))
                message = Message(t_us, "helics", {"data": data})
                self._desk.sequence += 1
                self._desk.take(t_us, 0, self._desk.sequence, port, message)

    def _send(
        self, h: Any, handles: Mapping[str, Mapping[str, Any]], t_us: int, outputs: Any
    ) -> None:
        desk = self._desk
        for port, value in outputs.items():
            if port in desk.outlets:
                frozen = desk.outlets[port][0](t_us, value)
                publication = handles["publications"].get(port)
                if publication is None:
                    continue
                if isinstance(frozen, np.ndarray):
                    vector = frozen.astype(np.float64).ravel().tolist()
                    h.helicsPublicationPublishVector(publication, vector)
                else:
                    h.helicsPublicationPublishDouble(publication, float(frozen))
            elif port in handles["endpoints"]:
                for message in value:
                    frozen = freeze_message(desk.member.name, port, t_us, message)
                    text = json.dumps([frozen.kind, dict(frozen.data)], default=_hex).encode()
                    h.helicsEndpointSendBytesToAt(
                        handles["endpoints"][port], text, "", frozen.t_us / US_PER_S
                    )


def _hex(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}."
        raise ScenarioError(f"{path} cannot be run", [Fault(str(path), "", problem)]) from error
    except ValueError as error:
        fault = Fault(str(path), "", f"is not JSON: {error}.")
        raise ScenarioError(f"{path} cannot be run", [fault]) from error
    if not isinstance(data, dict):
        fault = Fault(str(path), "", "is no mapping.", 'Start with {"name": ...}.')
        raise ScenarioError(f"{path} cannot be run", [fault])
    return data
