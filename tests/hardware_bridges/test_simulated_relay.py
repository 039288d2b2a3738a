"""Simulated relay: one contact of its node's terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.control import Terminal
from gridmodel.ports import Relay
from hardware_bridges.relay.simulated import SimulatedRelay


def terminal() -> Terminal:
    """Return a terminal with three circuits, the last one open."""
    return Terminal("house_01", relays={"critical": True, "normal": True, "deferrable": False})


@given(commands=st.lists(st.booleans(), max_size=20))
def test_the_contact_is_where_the_last_command_put_it(commands):
    at = terminal()
    relay: Relay = SimulatedRelay(at, "normal")
    for closed in commands:
        (relay.close if closed else relay.open)()
        assert relay.closed is closed
        assert at.relays == {"critical": True, "normal": closed, "deferrable": False}


def test_it_reads_the_contact_back_and_not_its_own_command():
    at = terminal()
    relay = SimulatedRelay(at, "critical")
    relay.close()
    at.relays["critical"] = False  # someone else has opened it
    assert relay.closed is False


def test_two_relays_on_one_contact_agree():
    at = terminal()
    one, other = SimulatedRelay(at, "deferrable"), SimulatedRelay(at, "deferrable")
    one.close()
    assert other.closed is True


def test_a_new_relay_moves_nothing():
    at = terminal()
    assert SimulatedRelay(at, "deferrable").closed is False
    assert at == terminal()


def test_a_contact_that_is_not_there_is_an_error():
    with pytest.raises(KeyError, match="tie"):
        _ = SimulatedRelay(terminal(), "tie").closed
