"""The relay port's contract: what every body that runs here must do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import pytest
from gpiozero.pins.local import LocalPiFactory
from gpiozero.pins.mock import MockFactory
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.control import Terminal
from gridmodel.errors import MissingExtraError
from gridmodel.ports import Relay
from hardware_bridges import pi_pins
from hardware_bridges.claims import ClaimError, Claims
from hardware_bridges.link_error import LinkError
from hardware_bridges.relay import pi
from hardware_bridges.relay.coil_pin import mock_board
from hardware_bridges.relay.contact import Contact
from hardware_bridges.relay.emulated import EmulatedRelay, EmulatedRelayConfig
from hardware_bridges.relay.gpio import GpioRelay, GpioRelayConfig
from hardware_bridges.relay.simulated import SimulatedRelay


class Bench(NamedTuple):
    """A relay, its contact as the world has it, and a hand that moves it."""

    relay: Relay
    contact: Callable[[], bool]
    weld: Callable[[bool], None]


def simulated() -> Bench:
    terminal = Terminal("house_01", relays={"load": False})

    def weld(closed: bool) -> None:
        terminal.relays["load"] = closed

    return Bench(SimulatedRelay(terminal, "load"), lambda: terminal.relays["load"], weld)


def on_mock_pins(**settings: object) -> Bench:
    relay = EmulatedRelay(EmulatedRelayConfig(pin=17, feedback_pin=22, **settings))
    return Bench(relay, lambda: relay.contact.closed, relay.contact.stick)


BODIES = {
    "simulated": simulated,
    "emulated": on_mock_pins,
    "emulated, active low": lambda: on_mock_pins(active_high=False),
}


@pytest.fixture(params=BODIES)
def bench(request):
    return BODIES[request.param]()


def test_a_new_relay_is_open(bench):
    assert bench.relay.closed is False
    assert bench.contact() is False


@pytest.mark.parametrize("body", BODIES)
@given(commands=st.lists(st.booleans(), max_size=12))
def test_the_contact_is_where_the_last_command_put_it(body, commands):
    bench = BODIES[body]()
    for closed in commands:
        (bench.relay.close if closed else bench.relay.open)()
        assert bench.relay.closed is closed
        assert bench.contact() is closed


@pytest.mark.parametrize("position", [True, False])
def test_what_is_read_is_the_contact_and_not_the_command(bench, position):
    (bench.relay.open if position else bench.relay.close)()
    bench.weld(position)
    assert bench.relay.closed is position


def test_a_relay_follows_until_it_is_welded():
    relay = EmulatedRelay(EmulatedRelayConfig(pin=17, feedback_pin=22))
    relay.close()
    assert relay.follows is True
    relay.contact.stick()
    relay.open()
    assert relay.follows is False


# relays on pins


def emulated(**settings: object) -> EmulatedRelay:
    return EmulatedRelay(EmulatedRelayConfig(**({"pin": 17} | settings)))


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize("closed_at_start", [True, False])
def test_the_pin_has_the_level_of_its_board(active_high, closed_at_start):
    relay = emulated(active_high=active_high, closed_at_start=closed_at_start)
    pin = relay._output.pin
    assert bool(pin.state) == (closed_at_start == active_high)
    assert relay.closed is closed_at_start
    assert relay.contact.closed is closed_at_start
    relay.close()
    assert bool(pin.state) is active_high
    relay.open()
    assert bool(pin.state) is not active_high


def test_a_relay_that_starts_closed_never_pulses():
    relay = emulated(closed_at_start=True, feedback_pin=22)
    moves: list[bool] = []
    relay.contact.watch(moves.append)
    relay.close()
    assert relay.closed is True
    assert moves == []


def test_without_a_feedback_pin_the_command_is_all_that_is_known():
    relay = emulated()
    relay.contact.stick(False)
    relay.close()
    assert relay.closed is True
    assert "not known" in relay.found()


def test_a_broken_feedback_wire_reads_as_open():
    relay = emulated(feedback_pin=22, closed_at_start=True)
    relay._feedback.pin.drive_high()  # nothing pulls it down any more
    assert relay.closed is False
    assert "does not follow" in relay.found()


def test_a_contact_follows_after_its_time():
    relay = emulated(feedback_pin=22, contact_ms=10.0)
    relay.contact.advance(1_000_000)
    relay.close()
    for t_us, closed in ((1_000_000, False), (1_009_999, False), (1_010_000, True)):
        relay.contact.advance(t_us)
        assert relay.closed is closed


def test_a_contact_with_a_clock_needs_nobody_to_move_it():
    clock = SimpleNamespace(now_us=0)
    config = EmulatedRelayConfig(pin=17, feedback_pin=22, contact_ms=5.0)
    relay = EmulatedRelay(config, now_us=lambda: clock.now_us)
    clock.now_us = 100
    relay.close()
    assert relay.closed is False
    clock.now_us = 5_100
    assert relay.closed is True
    assert relay.found() == "driven closed, contact closed"


def test_a_command_taken_back_in_time_moves_nothing():
    contact, moves = Contact(delay_us=10), []
    contact.watch(moves.append)
    contact.want(True)
    contact.advance(5)
    contact.want(False)
    contact.advance(100)
    assert moves == []
    assert contact.closed is False


def test_a_welded_contact_stays_and_a_freed_one_goes_where_its_coil_is():
    relay = emulated(feedback_pin=22, closed_at_start=True)
    relay.contact.stick()
    relay.open()
    assert relay.closed is True
    assert "does not follow" in relay.found()
    relay.contact.free()
    assert relay.closed is False


def test_the_world_begins_with_a_contact_where_it_likes():
    relay = emulated(feedback_pin=22, contact_ms=10.0)
    relay.place(True)
    assert relay.closed is True
    assert relay._output.value == 1
    relay.open()
    assert relay.closed is True  # its time is back
    relay.contact.advance(10_000)
    assert relay.closed is False


def test_a_pin_claimed_twice_names_both_owners():
    claims, factory = Claims(), mock_board()
    first = EmulatedRelay(EmulatedRelayConfig(pin=17, feedback_pin=22), "grid", claims, factory)
    for pins in ({"pin": 17}, {"pin": 22}, {"pin": 4, "feedback_pin": 17}):
        with pytest.raises(ClaimError, match="'island' wants it, but 'grid' has it"):
            EmulatedRelay(EmulatedRelayConfig(**pins), "island", claims, factory)
    assert set(claims.owners()) == {"GPIO17", "GPIO22"}
    first.release()
    other = EmulatedRelay(EmulatedRelayConfig(pin=22, feedback_pin=17), "island", claims, factory)
    other.close()
    assert other.closed is True
    assert first.contact.closed is False


def test_one_pin_for_both_ways_is_refused():
    with pytest.raises(ValueError, match="both 17"):
        GpioRelayConfig(pin=17, feedback_pin=17)


# a Raspberry Pi


@pytest.fixture
def fresh_factory():
    pi_pins.pi_factory.cache_clear()
    yield
    pi_pins.pi_factory.cache_clear()


class Lgpio(ModuleType):
    """What gpiozero's factory uses of lgpio: a chip whose lines remember their levels."""

    error = type("error", (Exception,), {})
    _OUTPUT = 2

    def __init__(self) -> None:
        super().__init__("lgpio")
        self.levels: list[int] = []
        self.modes: dict[int, int] = {}
        self.busy = False

    def __getattr__(self, name: str) -> int:
        if name.isupper():
            return 0  # constants that do not matter here
        raise AttributeError(name)

    def gpiochip_open(self, chip: int) -> int:
        return chip

    def gpio_claim_input(self, handle: int, gpio: int, flags: int = 0) -> None:
        self.modes[gpio] = 0

    def gpio_claim_output(self, handle: int, gpio: int, level: int = 0, flags: int = 0) -> None:
        if self.busy:
            raise self.error("GPIO busy")
        self.modes[gpio] = self._OUTPUT
        self.levels.append(level)

    def gpio_get_mode(self, handle: int, gpio: int) -> int:
        return self.modes[gpio]

    def gpio_write(self, handle: int, gpio: int, level: int) -> None:
        if self.busy:
            raise self.error("GPIO not allocated")
        self.levels.append(int(level))

    def gpio_read(self, handle: int, gpio: int) -> int:
        return self.levels[-1]


@pytest.fixture
def lgpio(monkeypatch, fresh_factory):
    module = Lgpio()
    monkeypatch.setitem(sys.modules, "lgpio", module)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    monkeypatch.setattr(LocalPiFactory, "_get_revision", lambda self: 0x902120)  # a Zero 2 W
    monkeypatch.setattr(LocalPiFactory, "pins", {})  # it is the class's, so that none has two
    yield module
    sys.modules.pop("gpiozero.pins.lgpio", None)


def test_a_pi_moves_the_pins_of_lgpios_factory(lgpio):
    relay = pi.PiRelay(GpioRelayConfig(pin=5, active_high=False))
    assert isinstance(relay, GpioRelay)
    assert lgpio.levels[-1] == 1
    relay.close()
    assert (lgpio.levels[-1], relay.closed) == (0, True)
    relay.release()
    assert lgpio.modes[5] == 0


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize("closed_at_start", [True, False])
def test_a_pi_s_relay_never_pulses_as_it_starts(lgpio, active_high, closed_at_start):
    pi.PiRelay(GpioRelayConfig(pin=5, active_high=active_high, closed_at_start=closed_at_start))
    assert set(lgpio.levels) == {int(active_high == closed_at_start)}


def test_what_lgpio_raises_is_an_error_of_the_bridge(lgpio):
    relay = pi.PiRelay(GpioRelayConfig(pin=5))
    lgpio.busy = True
    with pytest.raises(LinkError, match=r"GPIO5: the pin fails \(GPIO not allocated\)"):
        relay.open()
    claims = Claims()
    with pytest.raises(LinkError, match=r"GPIO6: the pin fails \(GPIO busy\)"):
        pi.PiRelay(GpioRelayConfig(pin=6), "relay", claims)
    assert not claims.owners()


@pytest.mark.parametrize("library", ["gpiozero", "lgpio"])
def test_a_pi_without_a_library_gets_the_line_that_installs_it(monkeypatch, fresh_factory, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r'pip install "feedertwin\[pi\]"'):
        pi.PiRelay(GpioRelayConfig(pin=5))


def test_a_machine_without_pins_is_said(monkeypatch, fresh_factory):
    def refuse() -> None:
        raise OSError("can not open gpiochip")

    monkeypatch.setitem(sys.modules, "lgpio", SimpleNamespace())
    fake = SimpleNamespace(LGPIOFactory=refuse)
    monkeypatch.setitem(sys.modules, "gpiozero.pins.lgpio", fake)
    with pytest.raises(LinkError, match=r"cannot be opened \(can not open gpiochip\).*'gpio'"):
        pi.PiRelay(GpioRelayConfig(pin=5))


# in a node's process


def bench_of_a_node() -> SimpleNamespace:
    clock = SimpleNamespace(now=0)
    return SimpleNamespace(clock=clock, now_us=lambda: clock.now, starts=[], feeds=[], closes=[])


def test_in_a_node_the_contact_starts_where_the_simulation_has_it():
    bench = bench_of_a_node()
    config = EmulatedRelayConfig(pin=17, feedback_pin=22, contact_ms=10.0)
    relay = EmulatedRelay.fit(config, "grid", bench)
    for start in bench.starts:
        start(SimpleNamespace(relays={"grid": True, "island": False}))
    assert relay.closed is True
    bench.clock.now = 500
    relay.open()
    for now_us, closed in ((600, True), (10_500, False)):
        bench.clock.now = now_us
        assert relay.closed is closed


def test_in_a_node_relays_of_one_board_are_told_apart():
    bench = bench_of_a_node()
    EmulatedRelay.fit(EmulatedRelayConfig(pin=17), "grid", bench)
    with pytest.raises(ClaimError, match="'relay island' wants it, but 'relay grid' has it"):
        EmulatedRelay.fit(EmulatedRelayConfig(pin=17), "island", bench)
    bench.closes[0]()
    EmulatedRelay.fit(EmulatedRelayConfig(pin=17), "island", bench)


def test_in_a_node_a_pi_moves_its_own_board_and_gives_it_back(monkeypatch):
    claims = Claims()
    monkeypatch.setattr(pi, "board_claims", lambda: claims)
    monkeypatch.setattr(pi, "pi_factory", MockFactory)
    bench = bench_of_a_node()
    relay = pi.PiRelay.fit(GpioRelayConfig(pin=5, closed_at_start=True), "grid", bench)
    assert relay.closed is True
    assert claims.owners() == {"GPIO5": "relay grid"}
    bench.closes[0]()
    assert not claims.owners()
