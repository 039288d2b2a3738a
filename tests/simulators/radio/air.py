"""A piece of air for tests: radios at places, packets at instants, and who heard what."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gridmodel.federate import Message
from gridmodel.neighbourhood import Bus, EnergyConsumer, Neighbourhood
from gridmodel.wire.lora import Modem
from simulators.radio.channel import Lora, LoraConfig, RadiosConfig
from tests.simulators.bench import context, inputs

_M_PER_DEG = 111_195.0


class Heard(NamedTuple):
    """One reception."""

    t_us: int
    fleet: str
    node: int
    frame: bytes
    rssi_dbm: float
    snr_db: float


class Lost(NamedTuple):
    """One reception that failed, with the packet's sender."""

    t_us: int
    fleet: str
    node: int
    why: str


def in_a_row(places_m: Mapping[str, float]) -> Neighbourhood:
    """Return a network whose customers stand along a meridian."""
    # Each at a bus of its own; the first bus is where distances are counted from.
    buses = [Bus(name="origin", v_nominal_v=400.0)]
    buses += [
        Bus(name=f"at_{name}", v_nominal_v=400.0, lat=at / _M_PER_DEG)
        for name, at in places_m.items()
    ]
    return Neighbourhood(
        name="row",
        buses=tuple(buses),
        consumers=tuple(
            EnergyConsumer(
                name=name, bus=f"at_{name}", phase_share_pu=(1.0, 0.0, 0.0), p_rated_kw=1.0,
                profile="none",
            )
            for name in places_m
        ),
    )  # fmt: skip


class Refusal(NamedTuple):
    """One packet that was not sent."""

    t_us: int
    node: int
    why: str
    from_us: int | None


class Air:
    """The channel, driven as an engine would.

    Parameters
    ----------
    places_m : mapping
        Where each radio stands, by name. [m]
    fleets : mapping
        Radios of each fleet; all of them are one fleet, ``nodes``, if left out.
    """

    def __init__(
        self,
        places_m: Mapping[str, float],
        fleets: Mapping[str, RadiosConfig] | None = None,
        seed: int = 1,
        **settings: Any,
    ) -> None:
        config = LoraConfig(
            **{"path_loss": "oulu", "fleets": fleets or {"nodes": RadiosConfig()}} | settings
        )
        self.network = in_a_row(places_m)
        self.lora = Lora.build(config, context(self.network, seed=seed))
        self._waiting: deque[tuple[int, Message]] = deque()
        self._next_us: int | None = 0
        self.heard: list[Heard] = []
        self.lost: list[Lost] = []
        self.refused: list[Refusal] = []
        self.figures: list[tuple[int, float, int, int]] = []

    def send(
        self, t_us: int, node: int, frame: bytes = bytes(20), modem: Modem | None = None,
        fleet: str = "nodes", **changed: Any,
    ) -> Air:  # fmt: skip
        """Let a node send a frame at an instant."""
        modem = (modem or Modem()).model_copy(update=changed)
        settings = tuple(modem.model_dump().values())
        data = {"fleet": fleet, "node": node, "frame": frame, "modem": settings}
        self._waiting.append((t_us, Message(t_us, "frame", data)))
        return self

    def until(self, t_us: int) -> Air:
        """Let time pass."""
        waiting = self._waiting = deque(sorted(self._waiting, key=lambda item: item[0]))
        while True:
            now = min(
                ([waiting[0][0]] if waiting else []) + [t for t in [self._next_us] if t is not None]
            )
            if now > t_us:
                return self
            arrived = []
            while waiting and waiting[0][0] == now:
                arrived.append(waiting.popleft()[1])
            sent, self._next_us = self.lora.step(now, inputs(self.lora, transmit=arrived))
            self._note(now, sent)

    def _note(self, now: int, sent: Mapping[str, Any]) -> None:
        for port, messages in sent.items():
            if port.startswith("to_"):
                for message in messages:
                    assert message.t_us == now, "a delivery leaves when it happens"
                    self._note_heard(port.removeprefix("to_"), message)
        for message in sent["lost"]:
            note = message.data
            self.lost += [Lost(message.t_us, note["fleet"], note["node"], w) for w in note["why"]]
        for message in sent["refused"]:
            note = message.data
            self.refused.append(Refusal(message.t_us, note["node"], note["why"], note["from_us"]))
        if "utilisation_pu" in sent:
            self.figures.append(
                (now, sent["utilisation_pu"], sent["delivered_count"], sent["lost_count"])
            )

    def _note_heard(self, fleet: str, message: Message) -> None:
        data = message.data
        levels: Sequence[Any] = list(
            zip(data["nodes"], data["rssi_dbm"], data["snr_db"], strict=True)
        )
        for node, rssi, snr in levels:
            self.heard.append(Heard(message.t_us, fleet, node, data["frame"], rssi, snr))

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        """Who heard which frame, in order."""
        return [(heard.node, heard.frame) for heard in self.heard]

    @property
    def reasons(self) -> list[tuple[int, str]]:
        """Of whose packet a reception failed, and why, in order."""
        return [(lost.node, lost.why) for lost in self.lost]
