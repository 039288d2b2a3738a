"""HELICS federate: one of our models, alone in somebody else's HELICS federation.

It takes the JSON configuration that HELICS federates have, with one block of ours,
``feedertwin``, that names the model. A publication, subscription or endpoint belongs to
the port its ``port`` says, or that its key ends in after the last ``/``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt
from pydantic import Field, ValidationError

from cosim import registry
from cosim.engines.desk import Desk
from cosim.engines.helics_border import helics
from cosim.federation import Member, signals
from cosim.freeze import freeze_message
from cosim.node.programs import make_program
from gridmodel.errors import Fault, ScenarioError
from gridmodel.federate import BuildContext, Message, Messages, Signal
from gridmodel.ingest.network_file import read_network
from gridmodel.settings import Settings, faults_of, near, parse
from gridmodel.units import US_PER_S, microseconds


class ModelConfig(Settings):
    """The block ``feedertwin`` of a HELICS configuration."""

    model: str = Field(description="registered name")
    config: Mapping[str, Any] = Field({}, description="the model's own settings")
    seed: Annotated[int, Ge(0)] = Field(0, description="all randomness comes from it")
    network: str | None = Field(None, description="network file, beside the configuration")
    duration_h: Annotated[float, Gt(0.0)] = Field(description="length of the run")


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
        self._until_us = microseconds(3600.0 * block.duration_h)
        self._desk = self._build(block)
        self._ports = self._match()

    def _block(self) -> ModelConfig:
        try:
            return parse(ModelConfig, self._data.get("feedertwin", {}))
        except ValidationError as error:
            faults = faults_of(error, ModelConfig, lambda _: str(self._path), ("feedertwin",))
            raise ScenarioError(f"{self._path} cannot be run", faults) from error

    def _build(self, block: ModelConfig) -> Desk:
        cls = registry.load(registry.FEDERATES, block.model)
        try:
            settings = parse(cls.Config, block.config)
        except ValidationError as error:
            above = ("feedertwin", "config")
            faults = faults_of(error, cls.Config, lambda _: str(self._path), above)
            raise ScenarioError(f"{self._path} cannot be run", faults) from error
        name = str(self._data.get("name", block.model))
        here = self._path.parent
        network = read_network(here / block.network) if block.network else None
        folders = dict.fromkeys(cls.Config.model_fields, here)
        context = BuildContext(
            name, block.seed, folders, network, self._until_us, 0.0, make_program
        )
        federate = cls.build(settings, context)
        member = Member(
            name, federate, 0, 0,
            {port.name: port for port in federate.inputs},
            {port.name: port for port in federate.outputs},
        )  # fmt: skip
        return Desk(member, 0)

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
        h, desk = helics(), self._desk
        fed = h.helicsCreateCombinationFederate(self._desk.member.name, self._info(h))
        handles = self._register(h, fed)
        h.helicsFederateEnterExecutingMode(fed)
        try:
            granted_us = 0
            while granted_us < self._until_us:
                self._receive(h, handles, granted_us)
                due = desk.next_us()
                if due is not None and due <= granted_us:
                    self._send(h, handles, granted_us, desk.turn(granted_us))
                    due = desk.next_us()
                wanted = self._until_us if due is None else min(due, self._until_us)
                granted_us = round(h.helicsFederateRequestTime(fed, wanted / US_PER_S) * US_PER_S)
        except BaseException as error:
            h.helicsFederateGlobalError(fed, 3, f"{type(error).__name__}: {error}")
            raise
        desk.member.federate.close()
        h.helicsFederateDisconnect(fed)
        h.helicsFederateFree(fed)
        h.helicsCloseLibrary()

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
