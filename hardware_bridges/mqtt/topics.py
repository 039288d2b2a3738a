"""Topics: where on a broker a node's ports are. ``docs/reference/mqtt.md`` has the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Who speaks: the program that decides, or the hardware that does.
Role = Literal["controller", "device"]
#: Version of topics and payloads; every message bears it as user property ``schema``.
SCHEMA = "1"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one node.

    >>> Topics("home", "house_3").state("relay", "heater")
    'feedertwin/home/house_3/relay/heater/state'
    """

    site: str
    node: str

    @property
    def root(self) -> str:
        """What all of them begin with."""
        return f"feedertwin/{self.site}/{self.node}"

    def state(self, port: str, name: str) -> str:
        """Return where the device tells how a port is."""
        return f"{self.root}/{port}/{name}/state"

    def set(self, port: str, name: str) -> str:
        """Return where the controller tells what it wants of a port."""
        return f"{self.root}/{port}/{name}/set"

    def status(self, role: Role) -> str:
        """Return where it is told whether someone is there; retained, and the will."""
        return f"{self.root}/status/{role}"

    def claim(self, role: Role) -> str:
        """Return where one who wants to take a role asks whether it is taken."""
        return f"{self.root}/claim/{role}"

    def answer(self, owner: str) -> str:
        """Return where one client awaits answers."""
        return f"{self.root}/answer/{owner}"
