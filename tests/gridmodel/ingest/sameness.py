"""Whether two networks are the same, but for where they come from."""

from __future__ import annotations

import pytest

from gridmodel.network.network import Network


def same(one: Network, other: Network) -> None:
    """Compare element by element; what was divided and multiplied differs in the last bit."""
    for key in Network.GROUPS:
        left, right = getattr(one, key), getattr(other, key)
        assert [e.name for e in left] == [e.name for e in right], key
        for a, b in zip(left, right, strict=True):
            close(a.model_dump(exclude={"origin"}), b.model_dump(exclude={"origin"}))


def close(one: object, other: object) -> None:
    """Compare nested data, numbers to twelve digits."""
    if isinstance(one, dict):
        assert isinstance(other, dict)
        assert one.keys() == other.keys()
        for key in one:
            close(one[key], other[key])
    elif isinstance(one, tuple | list):
        assert isinstance(other, tuple | list)
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            close(a, b)
    elif isinstance(one, float):
        assert other == pytest.approx(one, rel=1e-12, abs=1e-12)
    else:
        assert one == other
