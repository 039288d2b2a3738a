"""HELICS gateway: outside HELICS federates as one part of a scenario, on any engine.

The gateway is one federate of their federation. Its instants are theirs, exact to the
microsecond; what they publish at an instant it sends at that instant, what it receives
it publishes. Between two of its steps it asks HELICS for the next exchange, and is
granted an earlier instant when something comes. Left out: iteration, filters, complex
numbers, snapshots (an outside process cannot be put back in time).
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from annotated_types import Ge, Gt, Len
from pydantic import Field

from cosim.children import Child, end, start
from cosim.engines.helics_border import HelicsBroker, free_port, helics
from cosim.helics_wiring import program, unpublished
from gridmodel.errors import Fault, FederateError, ScenarioError
from gridmodel.federate import (
    BuildContext,
    Federate,
    Inputs,
    Kpi,
    Message,
    Messages,
    Port,
    Signal,
    Step,
)
from gridmodel.settings import Settings
from gridmodel.units import US_PER_S, microseconds

#: HELICS counts seconds in doubles; beyond this an instant of ours is no longer exact. [s]
EXACT_S = 2**32
_ADDRESS = re.compile(r"[^\s:/]+:\d+")


class OutsideSignal(Settings):
    """A value that crosses to or from HELICS."""

    key: str = Field(description="its key in the HELICS federation")
    shape: tuple[Annotated[int, Ge(1)], ...] = Field((), description="lengths; none for a double")
    scale: float = Field(1.0, description="our value is theirs times this: unit and sign")
    initial: float = Field(0.0, description="our value before anything came")
    optional: bool = Field(False, description="of a subscription: nobody has to publish it")


class OutsideEndpoint(Settings):
    """An endpoint that messages cross at."""

    key: str = Field(description="name of our endpoint in the HELICS federation")
    to: str = Field("", description="endpoint that ours sends to")


class HelicsGatewayConfig(Settings):
    """Outside HELICS federates."""

    broker: str | None = Field(None, description="host:port; left out: one of its own")
    outside_count: Annotated[int, Ge(1)] = Field(1, description="federates that join besides it")
    start: tuple[Annotated[tuple[str, ...], Len(1)], ...] = Field(
        (), description="commands of outside federates to start; {port} is the broker's"
    )
    join_within_s: Annotated[float, Gt(0.0)] = Field(
        20.0, description="time the outside federates have to join a broker of its own"
    )
    name: str = Field("feedertwin", description="its name in the HELICS federation")
    period_s: Annotated[float, Gt(0.0)] = Field(1.0, description="longest time between exchanges")
    subscriptions: Mapping[str, OutsideSignal] = Field({}, description="outputs, from their values")
    publications: Mapping[str, OutsideSignal] = Field({}, description="inputs, to values of ours")
    hears: Mapping[str, OutsideEndpoint] = Field({}, description="message outputs, from endpoints")
    tells: Mapping[str, OutsideEndpoint] = Field({}, description="message inputs, to endpoints")


class HelicsGateway(Federate):
    """Outside HELICS federates, seen as one part."""

    Config = HelicsGatewayConfig

    def __init__(self, config: HelicsGatewayConfig, context: BuildContext) -> None:
        self._name = context.name
        self._config = config
        self._now_us = 0
        self.period_us = microseconds(config.period_s)
        self._folder = context.folders.get("start", Path())
        self._h: Any = None
        self._fed: Any = None
        self._broker: HelicsBroker | None = None
        self._children: list[Child] = []
        self._over = threading.Event()
        self._began = False
        self._told: dict[str, Any] = {}
        self._exchanged = 0
        self.inputs: tuple[Port, ...] = (
            *(_signal(name, given) for name, given in config.publications.items()),
            *(Messages(name, "to an outside endpoint") for name in config.tells),
        )
        self.outputs: tuple[Port, ...] = (
            *(_signal(name, given) for name, given in config.subscriptions.items()),
            *(Messages(name, "from an outside endpoint") for name in config.hears),
        )

    @classmethod
    def build(cls, config: Any, context: BuildContext) -> Self:
        """Return the gateway; it joins when the run begins."""
        helics(f"'{context.name}' (model helics)")
        faults = []
        if context.duration_us / US_PER_S > EXACT_S:
            problem = f"{context.duration_us / 8.64e10:.0f} days are more than HELICS keeps exact."
            faults.append(Fault(context.name, "period_s", problem))
        for name, given in {**config.subscriptions, **config.publications}.items():
            if given.scale == 0.0:
                faults.append(Fault(context.name, f"{name}.scale", "0 loses the value."))
        if config.broker is not None and not _ADDRESS.fullmatch(config.broker):
            problem = f"'{config.broker}' is no host:port."
            faults.append(Fault(context.name, "broker", problem))
        if faults:
            raise ScenarioError("gateway cannot be built", faults)
        return cls(config, context)

    def step(self, t_us: int, inputs: Inputs) -> Step:
        """Exchange what there is at this instant, and ask for the next."""
        self._now_us = t_us
        if self._h is None:
            self._join()
        outputs = self._receive(t_us)
        self._publish(inputs)
        wanted_us = t_us - t_us % self.period_us + self.period_us
        granted = self._h.helicsFederateRequestTime(self._fed, wanted_us / US_PER_S)
        next_us = round(granted * US_PER_S)
        if next_us <= t_us:  # HELICS granted its last time: all outside federates are gone
            return outputs, wanted_us
        return outputs, min(next_us, wanted_us)

    def _join(self) -> None:
        """Start what is to be started and enter the federation."""
        h, config = helics(), self._config
        self._h = h
        address = config.broker
        if address is None:
            self._broker = HelicsBroker(config.outside_count + 1, free_port())
            address = self._broker.address
        host, _, port = address.rpartition(":")
        for command in config.start:
            words = [word.replace("{port}", port).replace("{host}", host) for word in command]
            try:
                self._children.append(start([program(words[0]), *words[1:]], self._folder))
            except OSError as error:
                raise FederateError(self._name, self._now_us, f"start: {error}") from error
        if self._broker is not None:
            threading.Thread(
                target=self._watch, args=(self._broker,), name="outside", daemon=True
            ).start()
        info = h.helicsCreateFederateInfo()
        h.helicsFederateInfoSetCoreTypeFromString(info, "zmq")
        h.helicsFederateInfoSetCoreInitString(
            info, f"--federates=1 --broker_address=tcp://{host} --brokerport={port} --tick=500ms"
        )
        h.helicsFederateInfoSetTimeProperty(info, h.HELICS_PROPERTY_TIME_DELTA, 1e-6)
        h.helicsFederateInfoSetFlagOption(info, h.HELICS_FLAG_TERMINATE_ON_ERROR, True)
        # What the others publish at an instant is there when that instant is granted to it.
        h.helicsFederateInfoSetFlagOption(info, h.HELICS_FLAG_WAIT_FOR_CURRENT_TIME_UPDATE, True)
        self._fed = h.helicsCreateCombinationFederate(config.name, info)
        self._pubs = {
            name: h.helicsFederateRegisterGlobalPublication(
                self._fed, given.key,
                h.HELICS_DATA_TYPE_VECTOR if given.shape else h.HELICS_DATA_TYPE_DOUBLE, "",
            )
            for name, given in config.publications.items()
        }  # fmt: skip
        self._subs = {
            name: h.helicsFederateRegisterSubscription(self._fed, given.key, "")
            for name, given in config.subscriptions.items()
        }
        self._ends = {
            name: h.helicsFederateRegisterGlobalEndpoint(self._fed, given.key, "")
            for name, given in {**config.hears, **config.tells}.items()
        }
        h.helicsFederateEnterExecutingMode(self._fed)
        self._began = True
        needed = [given.key for given in config.subscriptions.values() if not given.optional]
        if problem := unpublished(h, self._fed, needed):
            h.helicsFederateGlobalError(self._fed, 3, problem)
            raise FederateError(self._name, self._now_us, problem)

    def _watch(self, broker: HelicsBroker) -> None:
        """End the federation when an outside process fails or stays away: HELICS would wait."""
        deadline_s = time.monotonic() + self._config.join_within_s
        while not self._over.wait(0.1):
            for child in self._children:
                if child.poll():
                    name = str(child.args[0] if isinstance(child.args, list) else child.args)
                    broker.fail(3, f"{Path(name).name} ended with code {child.returncode}")
                    return
            if not self._began and time.monotonic() > deadline_s:
                config, there = self._config, max(broker.joined() - 1, 0)
                broker.fail(
                    3,
                    f"{there} of {config.outside_count} outside federates joined within "
                    f"{config.join_within_s:g} s (outside_count, join_within_s); "
                    f"the broker is at {broker.address}",
                )
                return

    def _receive(self, t_us: int) -> dict[str, Any]:
        """Return what came since the last exchange."""
        h = self._h
        outputs: dict[str, Any] = {}
        for name, subscription in self._subs.items():
            if h.helicsInputIsUpdated(subscription):
                given = self._config.subscriptions[name]
                if given.shape:
                    array = np.array(h.helicsInputGetVector(subscription)) * given.scale
                    outputs[name] = array.reshape(given.shape)
                else:
                    outputs[name] = h.helicsInputGetDouble(subscription) * given.scale
                self._exchanged += 1
        for name in self._config.hears:
            while h.helicsEndpointHasMessage(self._ends[name]):
                letter = h.helicsEndpointGetMessage(self._ends[name])
                data = {
                    "from": h.helicsMessageGetOriginalSource(letter),
                    "data": bytes(h.helicsMessageGetBytes(letter)),
                }
                outputs.setdefault(name, []).append(Message(t_us, "helics", data))
                self._exchanged += 1
        return outputs

    def _publish(self, inputs: Inputs) -> None:
        """Hand our values and messages over."""
        h = self._h
        for name, publication in self._pubs.items():
            given = self._config.publications[name]
            if name in self._told and np.array_equal(self._told[name], inputs[name]):
                continue
            self._told[name] = inputs[name]
            if given.shape:
                vector = (np.asarray(inputs[name]) / given.scale).ravel().tolist()
                h.helicsPublicationPublishVector(publication, vector)
            else:
                h.helicsPublicationPublishDouble(publication, float(inputs[name] / given.scale))
            self._exchanged += 1
        for name, endpoint in self._config.tells.items():
            for message in inputs.messages[name]:
                data = message.data.get("data", b"")
                h.helicsEndpointSendBytesTo(self._ends[name], bytes(data), endpoint.to)
                self._exchanged += 1

    def kpis(self) -> tuple[Kpi, ...]:
        """Return how much was exchanged."""
        return (Kpi("exchanged_count", self._exchanged, "values and messages over HELICS"),)

    def snapshot(self) -> Any:
        """Refuse: what is outside cannot be put back in time.

        Raises
        ------
        FederateError
            Always.
        """
        problem = "outside HELICS federates cannot be saved; run without --snapshot-every"
        raise FederateError(self._name, self._now_us, problem)

    def close(self) -> None:
        """Leave the federation; end what was started."""
        h = self._h
        if h is None:
            return
        if self._fed is not None:
            with contextlib.suppress(h.HelicsException):
                h.helicsFederateDisconnect(self._fed)
        self._over.set()
        end(self._children, 3.0)
        self._fed = None
        if self._broker is not None:
            self._broker.close(1000)
            self._broker = None


def _signal(name: str, given: OutsideSignal) -> Signal:
    return Signal(name, given.shape, initial=given.initial, about=f"HELICS {given.key}")
