"""Settings of what is reached through an MQTT broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field, model_validator

from gridmodel.settings import Settings

Seconds = Annotated[float, Gt(0.0), Le(86400.0)]
#: How states and commands are written; whoever reads takes either.
Encoding = Literal["json", "protobuf"]
#: Names that stand in a topic; MQTT's own signs are not among them.
NAME = r"^[A-Za-z0-9_.-]+$"


class MqttConfig(Settings):
    """A broker, and how patient one is with it.

    A password is never part of the settings, which are recorded: it is read from a file.
    """

    host: str = Field("127.0.0.1", description="address of the broker")
    port: Annotated[int, Ge(1), Le(65535)] = Field(
        1883, description="TCP port of the broker; 8883 is usual for TLS"
    )
    site: str = Field("home", pattern=NAME, description="second word of every topic")
    device: str | None = Field(
        None, pattern=NAME, description="node whose hardware it is, in topics; else the node's own"
    )
    payload: Encoding = Field(
        "protobuf", description="how states and commands are written; either is understood"
    )
    username: str | None = Field(None, description="name at the broker")
    password_file: str | None = Field(None, description="file with the password in its first line")
    ca_file: str | None = Field(None, description="certificate authority (PEM); switches TLS on")
    certificate_file: str | None = Field(None, description="our certificate (PEM), if asked for")
    key_file: str | None = Field(None, description="key of our certificate (PEM)")
    keepalive_s: Annotated[int, Ge(1), Le(3600)] = Field(
        10, description="a silent client is declared dead after one and a half times this"
    )
    session_s: Annotated[int, Ge(0), Le(86400)] = Field(
        60, description="the broker keeps what a lost client misses for so long"
    )
    timeout_s: Seconds = Field(1.0, description="longest wait of one call of a step")
    connect_s: Seconds = Field(10.0, description="longest wait for the broker at the start")
    valid_s: Annotated[int, Ge(1), Le(3600)] = Field(
        10, description="a command that has not arrived after this is dropped"
    )
    stale_s: Seconds = Field(5.0, description="a reading older than this is flagged")
    lost_s: Seconds = Field(30.0, description="a reading older than this is an error")
    same_clock: bool = Field(
        False, description="the device's instants are this node's (a simulation around both)"
    )

    @model_validator(mode="after")
    def _in_order(self) -> MqttConfig:
        if self.stale_s > self.lost_s:
            raise ValueError("a reading is flagged before it is an error: stale_s <= lost_s")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("give certificate_file and key_file together")
        if self.certificate_file is not None and self.ca_file is None:
            raise ValueError("a certificate needs TLS: give ca_file")
        if self.password_file is not None and self.username is None:
            raise ValueError("a password needs a username")
        return self

    def password(self) -> str | None:
        """Return the password in the file, or None. It is kept nowhere."""
        if self.password_file is None:
            return None
        lines = Path(self.password_file).read_text(encoding="utf-8").splitlines()
        return lines[0] if lines else ""
