"""Link errors: what goes wrong between a node and a device it talks to.

::

    BridgeError (FeedertwinError)
    ├── LinkError (ConnectionError)     not reachable now; the body tries again by itself
    └── DeviceError (ValueError)        it answers, but is not what the settings say

A node catches `BridgeError` around its ports and goes on with what it last knew.
"""

from __future__ import annotations

from gridmodel.errors import BridgeError


class LinkError(BridgeError, ConnectionError):
    """The other end cannot be reached now; the body tries again by itself."""


class DeviceError(BridgeError, ValueError):
    """The other end answers, but lacks what is needed or refuses it."""
