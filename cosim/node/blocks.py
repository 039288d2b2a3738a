"""Blocks of a node's YAML: the body of one port, by name, with the body's own settings."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from gridmodel.settings import Settings


class BodyBlock(Settings):
    """The body of one port; further keys are the body's own settings."""

    model_config = Settings.model_config | {"extra": "allow"}

    body: str = Field("simulated", description="registered name of the body")

    @property
    def own(self) -> dict[str, Any]:
        """The body's own settings."""
        return dict(self.model_extra or {})


class RelayBlock(BodyBlock):
    """A relay's body, and where it is left."""

    safe: Literal["open", "closed", "keep"] = Field(
        "keep", description="position it is left in when the node's process ends"
    )
    given: bool = Field(False, description="read-back only: not this node's to move")
