"""Link errors: what goes wrong between a node and a device it talks to.

::

    BridgeError (FeedertwinError)
    ├── LinkError (ConnectionError)     not reachable now; the body tries again by itself
    └── DeviceError (ValueError)        it answers, but is not what the settings say

A node that catches `BridgeError` around its ports goes on with what it last knew; one
that does not is restarted by its supervisor.
"""

from __future__ import annotations

from gridmodel.errors import FeedertwinError


class BridgeError(FeedertwinError):
    """A port could not do what it was asked.

    Parameters
    ----------
    where : str
        The other end and the point, such as ``192.168.1.20:502 unit 1, 713.SoC``.
    problem : str
        What happened, with what was given.
    advice : str
        The next step.
    """

    def __init__(self, where: str, problem: str, advice: str = "") -> None:
        self.where = where
        self.problem = problem
        self.advice = advice
        super().__init__(f"{where}: {problem}" + (f" {advice}" if advice else ""))


class LinkError(BridgeError, ConnectionError):
    """The other end cannot be reached now; the body tries again by itself."""


class DeviceError(BridgeError, ValueError):
    """The other end answers, but lacks what is needed or refuses it."""
