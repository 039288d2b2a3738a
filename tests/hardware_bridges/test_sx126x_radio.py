"""SX126x body of the radio port: the same answers as the simulated one, chip or no chip."""

from __future__ import annotations

import pickle
import sys
import threading
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.node.held_radio import HeldRadio
from cosim.node.runner import NodeRunner
from gridmodel.control import Terminal
from gridmodel.errors import MissingExtraError
from gridmodel.ports import Radio, ReceivedFrame
from gridmodel.settings import parse
from gridmodel.wire.lora import BANDWIDTHS_KHZ, Modem
from hardware_bridges.claims import ClaimError, Claims
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.radio.emulated import EmulatedRadio
from hardware_bridges.radio.pi import PiRadio
from hardware_bridges.radio.simulated import SimulatedRadio
from hardware_bridges.radio.sx126x_chip import Sx126xChip
from hardware_bridges.radio.sx126x_codes import Mode
from hardware_bridges.radio.sx126x_config import Sx126xConfig

S = 1_000_000


class World:
    """A clock, and an air that keeps what is sent with its instant."""

    def __init__(self):
        self.t_us = 0
        self.sent = []

    def send(self, frame, airtime_us):
        self.sent.append((self.t_us, frame, airtime_us))

    def radio(self, modem=None, config=None, **more):
        return EmulatedRadio(modem or Modem(), self, lambda: self.t_us, config, **more)


class Simulated:
    """The simulated body with a channel that is deaf while it sends, as the simulation's."""

    def __init__(self, modem):
        self.terminal = Terminal("house_01")
        self.radio = SimulatedRadio(self.terminal, modem)
        self.modem = modem
        self.busy = []

    def hear(self, frame, rssi_dbm, snr_db, t_us):
        # One microsecond of overlap is the lateness the clock's law may cause, not a loss.
        begin, until = t_us - self.modem.airtime_us(len(frame)) + 1, t_us - 1
        if not any(begin < end and start < until for start, end in self.busy):
            self.terminal.received.append(ReceivedFrame(t_us, frame, rssi_dbm, snr_db))

    def send(self, now_us, data):
        result = self.radio.send(now_us, data)
        if result.accepted:
            self.busy.append((now_us, now_us + result.airtime_us))
        return result


@pytest.mark.parametrize("bandwidth_khz", BANDWIDTHS_KHZ)
@pytest.mark.parametrize("sf", range(5, 13))
@pytest.mark.parametrize("coding_rate", range(5, 9))
def test_two_radios_exchange_frames_at_every_setting(sf, bandwidth_khz, coding_rate):
    modem = Modem(spreading_factor=sf, bandwidth_khz=bandwidth_khz, coding_rate=coding_rate,
                  frequency_mhz=866.5)  # fmt: skip
    a_world, b_world = World(), World()
    a, b = a_world.radio(modem), b_world.radio(modem)
    for frame in (b"x", bytes(range(100))):
        start = a_world.t_us = b_world.t_us = a_world.t_us + 1000 * S
        result = a.send(start, frame)
        assert result == (True, modem.airtime_us(len(frame)), 0)
        assert a_world.sent[-1] == (start, frame, result.airtime_us)
        end = start + result.airtime_us
        b.hear(frame, -100.0, -3.25, end)
        assert b.receive() == ReceivedFrame(end, frame, -100.0, -3.25)
        assert b.receive() is None
        a_world.t_us = b_world.t_us = end
        assert a.receive() is None
        assert a.chip.mode is Mode.RX


pauses = st.one_of(
    st.sampled_from([0, 1, 20_000, 56_576, 56_577]), st.integers(0, 3 * S), st.integers(0, 900 * S)
)
scripts = st.lists(
    st.tuples(
        pauses,
        st.sampled_from(["send", "send", "hear", "again"]),
        st.integers(1, 60),
    ),
    min_size=1, max_size=40,
)  # fmt: skip
channels = st.sampled_from([
    Modem(),
    Modem(spreading_factor=12),
    Modem(spreading_factor=10, frequency_mhz=864.0),
    Modem(spreading_factor=11, frequency_mhz=869.525),
    Modem(frequency_mhz=903.9, region="US915"),
    Modem(spreading_factor=5, bandwidth_khz=500.0, frequency_mhz=866.0, preamble_symbols=12),
])  # fmt: skip


@given(script=scripts, modem=channels)
def test_simulated_and_emulated_answer_every_script_alike(script, modem):
    world, simulated = World(), Simulated(modem)
    emulated = world.radio(modem)
    world.t_us = 10 * S  # a frame that began before it listened would be lost on it
    retry_us = 0
    for pause, deed, size in script:
        world.t_us = max(world.t_us + pause, retry_us if deed == "again" else 0)
        now, frame = world.t_us, bytes(size)
        if deed == "hear":
            simulated.hear(frame, -97.3, 4.1, now)
            emulated.hear(frame, -97.3, 4.1, now)
        else:
            result = simulated.send(now, frame)
            assert emulated.send(now, frame) == result
            retry_us = result.retry_us
        if deed != "hear" or size % 2:  # sometimes frames wait
            while (got := simulated.radio.receive()) is not None:
                assert emulated.receive() == got
            assert emulated.receive() is None
    assert [(f, a) for _, f, a in world.sent] == simulated.terminal.sent
    assert [t for t, _, _ in world.sent] == [start for start, _ in simulated.busy]
    assert emulated.recovered_count == 0
    assert emulated.chip.ignored_count == emulated.chip.refused_count == 0


@given(script=scripts, cut=st.floats(0.0, 1.0))
def test_a_restored_body_accepts_what_the_first_one_would_have(script, cut):
    modem = Modem(spreading_factor=12)

    def go(world, one, part):
        results = []
        for pause, _, size in part:
            world.t_us += pause + 100_000
            results.append(one.send(world.t_us, bytes(size)))
        return results

    world = World()
    one = world.radio(modem)
    half = round(cut * len(script))
    go(world, one, script[:half])
    # a packet in the air belongs to the first chip
    world.t_us += 10 * S
    saved, then = pickle.loads(pickle.dumps(one.snapshot())), world.t_us
    onward = go(world, one, script[half:])
    other = World()
    other.t_us = then
    fresh = other.radio(modem)
    fresh.restore(saved)
    assert go(other, fresh, script[half:]) == onward


def test_it_is_a_radio_of_the_port():
    port: Radio = World().radio()
    assert port.receive() is None


def test_a_frame_that_arrives_while_it_sends_is_lost_and_the_next_one_is_not():
    world = World()
    one = world.radio()
    result = one.send(0, b"out")
    world.t_us = result.airtime_us // 2
    one.hear(b"in", -80.0, 5.0, world.t_us)
    assert one.receive() is None
    assert one.chip.missed_count == 1
    world.t_us = 1 * S  # nobody looked when the sending ended: it listens since then all the same
    one.hear(b"in", -80.0, 5.0, world.t_us)
    assert one.receive().data == b"in"


def test_a_frame_heard_as_the_sending_begins_is_kept_even_if_told_later():
    # The clock's law may hand it on 1 us after the node has decided to send.
    world = World()
    one = world.radio()
    world.t_us = 1 * S
    one.send(world.t_us, b"me")
    world.t_us += 1
    one.hear(b"a longer frame than mine", -80.0, 5.0, world.t_us)
    assert one.receive().data == b"a longer frame than mine"
    assert one.chip.mode is Mode.TX
    world.t_us = 2 * S
    assert one.receive() is None
    assert one.chip.mode is Mode.RX


def test_broken_frames_are_counted_and_not_given():
    world = World()
    one = world.radio()
    world.t_us = 1 * S
    one.hear(b"bits", -80.0, 5.0, world.t_us, crc_ok=False)
    assert one.receive() is None
    assert one.crc_error_count == 1


def test_it_listens_first_if_asked_to_and_comes_again_when_the_channel_is_taken():
    world = World()
    one = world.radio(config=Sx126xConfig(listen_first=True))
    world.t_us = 1 * S
    one.carrier(world.t_us + 30_000)
    airtime = Modem().airtime_us(5)
    result = one.send(world.t_us, b"hello")
    assert not result.accepted
    assert world.t_us < result.retry_us <= world.t_us + airtime
    assert one.taken_count == 1
    assert one.chip.mode is Mode.RX
    one.hear(b"theirs", -80.0, 5.0, world.t_us + 30_000)  # it went on listening meanwhile
    assert one.receive().data == b"theirs"
    world.t_us += 30_000
    assert one.send(world.t_us, b"hello") == (True, airtime, 0)
    # what was refused cost no airtime: the books have one frame only
    assert one._transmitter.snapshot()[0][0].used_us(world.t_us + airtime) == airtime


def coming_in(size_bytes=16, sf=9):
    """A radio that listens first, in the middle of a frame for it; and the frame's end."""
    world, modem = World(), Modem(spreading_factor=sf)
    one = world.radio(modem, Sx126xConfig(listen_first=True))
    world.t_us = 1 * S
    end_us = world.t_us + modem.airtime_us(size_bytes)
    one.carrier(end_us)
    return world, one, end_us


@pytest.mark.parametrize("part", [0.01, 0.3, 0.6, 0.99])
def test_a_frame_that_comes_in_is_not_interrupted_by_a_look_at_the_channel(part):
    world, one, end_us = coming_in()
    world.t_us = round(1 * S + part * (end_us - 1 * S))
    refused = one.send(world.t_us, b"mine")
    assert not refused.accepted
    assert refused.retry_us > world.t_us
    assert one.chip.mode is Mode.RX
    assert one.taken_count == 1
    one.hear(b"x" * 16, -100.0, 5.0, end_us)
    world.t_us = end_us
    assert one.receive().data == b"x" * 16
    assert one.send(world.t_us, b"mine").accepted


def test_a_look_at_the_channel_or_standby_in_the_middle_of_a_frame_loses_it():
    for disturb in ("standby", "detect_activity"):
        world, one, end_us = coming_in()
        world.t_us = end_us - 50_000
        with one._lock:
            one._chip.standby()
            if disturb == "detect_activity":
                one._chip.detect_activity()
                one.chip.pause(0.1)
            one._listen()
        missed = one.chip.missed_count
        one.hear(b"x" * 16, -100.0, 5.0, end_us)
        world.t_us = end_us
        assert one.receive() is None
        assert one.chip.missed_count == missed + 1
        one.hear(b"y" * 16, -100.0, 5.0, 3 * S)  # the next one is heard
        assert one.receive().data == b"y" * 16


def test_a_preamble_that_was_noise_holds_a_sending_up_for_a_moment_only():
    world, one, _ = coming_in()
    one.chip._header_us = None  # no header follows
    world.t_us += 20_000
    assert not one.send(world.t_us, b"mine").accepted
    world.t_us += 1 * S
    assert one.send(world.t_us, b"mine").accepted


def test_a_header_whose_frame_never_ends_does_not_hold_a_sending_up_for_ever():
    world, one, _ = coming_in(255)
    world.t_us += 500_000
    assert not one.send(world.t_us, b"mine").accepted
    world.t_us += 1_400_000  # 255 bytes take 1.5 s
    assert one.send(world.t_us, b"mine").accepted


def test_the_next_frame_is_waited_for_as_long_as_the_one_before():
    world, one, end_us = coming_in()
    one.send(world.t_us, b"mine")
    one.hear(b"x" * 16, -100.0, 5.0, end_us)
    world.t_us = 100 * S
    one.carrier(world.t_us + 300_000)
    world.t_us += 100_000
    assert not one.send(world.t_us, b"mine").accepted


def test_a_signal_that_began_unheard_is_found_by_activity_detection():
    world = World()
    one = world.radio(config=Sx126xConfig(listen_first=True))
    sent = one.send(0, b"mine")
    one.carrier(sent.airtime_us + 100_000)  # while it sends
    world.t_us = sent.airtime_us + 3_000
    assert not one.send(world.t_us, b"mine").accepted
    assert one.taken_count == 1
    assert one.chip.mode is Mode.RX
    world.t_us += 100_000
    assert one.send(world.t_us, b"mine").accepted


def test_a_chip_that_lost_its_settings_is_set_up_anew_and_no_frame_is_swallowed():
    world = World()
    one = world.radio()
    world.t_us = 1 * S
    one.chip._reset(True)  # a dip of the supply
    assert one.send(world.t_us, b"first").accepted
    assert [frame for _, frame, _ in world.sent] == [b"first"]
    assert one.recovered_count == 1
    assert "set up anew 1 times" in one.found()


def test_a_chip_that_loses_its_settings_as_it_is_to_send_sends_at_the_second_try():
    world = World()
    one = world.radio()
    transmit, dips = one._chip.transmit, [1]

    def dip_once():
        if dips:
            dips.pop()
            one.chip._reset(True)
        transmit()

    one._chip.transmit = dip_once
    assert one.send(0, b"first").accepted
    assert [frame for _, frame, _ in world.sent] == [b"first"]
    assert one.recovered_count == 1
    world.t_us = 1 * S
    assert one.receive() is None
    assert one.chip.mode is Mode.RX


def test_a_chip_that_never_sends_is_an_error_and_costs_no_airtime():
    world = World()
    one = world.radio()
    one._chip.transmit = lambda: None
    with pytest.raises(LinkError, match="not in TX"):
        one.send(0, b"first")
    assert one._transmitter.snapshot()[0][0].used_us(S) == 0
    assert world.sent == []


def test_a_chip_that_was_reset_while_it_listened_listens_again_within_a_second():
    world = World()
    one = world.radio()
    one.receive()
    one.chip._reset(True)
    heard = []
    for k in range(30):
        world.t_us = 100_000 * (k + 1)
        one.hear(bytes([k]), -100.0, 5.0, world.t_us)
        if (frame := one.receive()) is not None:
            heard.append(frame.data[0])
    assert heard == list(range(10, 30))
    assert one.recovered_count == 1


def test_a_node_tells_how_often_its_radio_was_set_up_anew():
    class Idle:
        def kpis(self):
            return ()

    one = World().radio()
    runner = NodeRunner(Idle(), {}, {}, HeldRadio(one))
    assert runner.kpis() == ()
    one.chip._reset(True)
    one.send(0, b"first")
    assert [(kpi.name, kpi.value) for kpi in runner.kpis()] == [("radio_recovered_count", 1)]


def test_a_chip_that_was_reset_while_it_sent_listens_again_without_another_sending():
    world = World()
    one = world.radio()
    one.send(0, b"first")
    one.chip._reset(True)
    for k in range(20):
        world.t_us = 200_000 * k
        one.receive()
    assert one.chip.mode is Mode.RX
    assert one.recovered_count == 1


def test_nodes_that_find_the_channel_taken_do_not_all_come_again_at_once():
    retries = set()
    for k in range(40):
        world = World()
        one = world.radio(config=Sx126xConfig(listen_first=True))
        one.carrier(50_000)
        retries.add(one.send(0, bytes([k])).retry_us)
    assert len(retries) >= 6


def test_a_chip_that_never_ends_its_sending_is_set_up_anew():
    world = World()
    one = world.radio()
    one.send(0, b"first")
    one.chip._end_us = None  # a brown-out of the chip, say
    world.t_us = 100_000
    waiting = one.send(world.t_us, b"second")
    assert not waiting.accepted
    assert waiting.retry_us == world.t_us + 2_000
    world.t_us = 2 * S
    assert one.send(world.t_us, b"second").accepted
    assert one.recovered_count == 1
    assert world.sent[-1][1] == b"second"


def test_the_inbox_is_bounded_and_keeps_the_newest():
    world = World()
    one = world.radio()
    for k in range(100):
        world.t_us += 1 * S
        one.hear(bytes([k]), -80.0, 5.0, world.t_us)
    got = []
    while (frame := one.receive()) is not None:
        got.append(frame.data[0])
    assert got == list(range(36, 100))


def test_without_headers_frames_have_one_length():
    modem = Modem(explicit_header=False)
    with pytest.raises(DeviceError, match="Set implicit_bytes"):
        World().radio(modem)
    world = World()
    one = world.radio(modem, Sx126xConfig(implicit_bytes=16))
    with pytest.raises(ValueError, match="every frame has 16 bytes, not 5"):
        one.send(0, b"12345")
    assert one.send(0, bytes(16)).airtime_us == modem.airtime_us(16)
    world.t_us = 1 * S
    one.hear(b"0123456789abcdef", -80.0, 5.0, world.t_us)
    assert one.receive().data == b"0123456789abcdef"


@pytest.mark.parametrize(
    ("modem", "config", "says"),
    [
        (Modem(tx_power_dbm=27.0, frequency_mhz=869.525), {}, "needs 27 dBm of the chip"),
        (Modem(tx_power_dbm=-9.0), {"board_gain_db": 2.0}, "needs -11 dBm of the chip"),
        (Modem(chip="sx127x"), {}, "those of an sx127x"),
    ],
)
def test_what_the_board_cannot_do_is_refused_at_the_start(modem, config, says):
    with pytest.raises(DeviceError, match=says):
        World().radio(modem, parse(Sx126xConfig, config))


def test_power_is_that_of_the_chip_behind_the_boards_amplifier():
    modem = Modem(tx_power_dbm=27.0, frequency_mhz=869.525)
    one = World().radio(modem, Sx126xConfig(board_gain_db=8.5))
    assert one.chip.memory.power_dbm == 18


def test_the_dwell_time_of_a_channel_is_kept_by_both_bodies():
    # US915: 400 ms within any 20 s on one channel; a frame of 20 bytes takes 56.576 ms.
    modem = Modem(frequency_mhz=903.9, region="US915")
    emulated, simulated = World().radio(modem), Simulated(modem)
    for one in (emulated, simulated):
        now = 0
        for _ in range(7):
            assert one.send(now, bytes(20)).accepted
            now += 56_576
        refused = one.send(now, bytes(20))
        # the packet ends when 8 x 56.576 - 400 ms of the first one have left the window
        assert refused == (False, 56_576, 20 * S + (8 * 56_576 - 400_000) - 56_576)
        assert one.send(refused.retry_us, bytes(20)).accepted
    slow = Modem(spreading_factor=10, frequency_mhz=903.9, region="US915")
    for one in (World().radio(slow), Simulated(slow)):
        with pytest.raises(ValueError, match="longer than the dwell time of 400 ms"):
            one.send(0, bytes(60))


def test_power_over_the_law_is_refused():
    with pytest.raises(ValueError, match="above the 14 dBm"):
        World().radio(Modem(tx_power_dbm=20.0))


def test_a_wrong_oscillator_setting_is_found_at_the_start():
    class Board(EmulatedRadio):
        def __init__(self):
            world = World()
            self.chip = Sx126xChip(world, lambda: 0, tcxo_v=1.8)
            from hardware_bridges.radio.sx126x import Sx126x
            from hardware_bridges.radio.sx126x_radio import Sx126xRadio

            chip = self.chip
            driver = Sx126x(chip, chip.busy, chip.nreset, chip.pause)
            Sx126xRadio.__init__(self, driver, chip.dio1, Modem(), Sx126xConfig(), chip.now_us)

    with pytest.raises(LinkError, match="need tcxo_v"):
        Board()


def test_pins_claimed_twice_are_an_error_that_names_both_owners():
    claims = Claims()
    claims.take("GPIO16", "relay 'heater'")
    with pytest.raises(ClaimError, match="'radio' wants it, but 'relay 'heater'' has it"):
        World().radio(claims=claims)
    claims = Claims()
    World().radio(claims=claims, owner="first radio")
    with pytest.raises(ClaimError, match="'second' wants it, but 'first radio' has it"):
        World().radio(claims=claims, owner="second")


def test_a_node_and_the_world_may_use_it_from_two_threads():
    world = World()
    one = world.radio(Modem(frequency_mhz=869.525))
    stopped = threading.Event()

    def hears():
        while not stopped.is_set():
            one.hear(b"theirs", -80.0, 5.0, one.chip.now_us())

    thread = threading.Thread(target=hears)
    thread.start()
    try:
        for _ in range(200):
            world.t_us += S
            one.send(world.t_us, b"mine")
            one.receive()
    finally:
        stopped.set()
        thread.join(10.0)
    assert not thread.is_alive()
    assert len(world.sent) == 200


# On a Raspberry Pi: gpiozero's mock pins and a spidev whose other end is the chip


class Board:
    """A HAT on the pins of a mock factory."""

    def __init__(self, monkeypatch, config):
        from gpiozero.pins.mock import MockFactory

        self.world = World()
        self.chip = chip = Sx126xChip(self.world, lambda: self.world.t_us)
        self.factory = factory = MockFactory()
        pin = factory.pin(config.dio1_pin)
        chip.dio1.when_activated = pin.drive_high
        chip.dio1.when_deactivated = pin.drive_low
        self.selected = []
        self.opened = []
        board = self

        class SpiDev:
            mode = max_speed_hz = None
            no_cs = False

            def open(self, bus, select):
                board.opened.append((bus, select, self))

            def xfer2(self, values, /):
                if config.select_pin is not None:
                    board.selected.append(factory.pin(config.select_pin).state)
                chip.pause(0.01)  # a Pi is slow: the chip is never busy
                return chip.xfer2(values)

            def close(self):
                board.opened.clear()

        module = types.ModuleType("spidev")
        module.SpiDev = SpiDev
        monkeypatch.setitem(sys.modules, "spidev", module)


@pytest.mark.parametrize("select_pin", [None, 21])
def test_the_pi_body_drives_a_hat_through_gpiozero_and_spidev(monkeypatch, select_pin):
    config = Sx126xConfig(select_pin=select_pin)
    board = Board(monkeypatch, config)
    claims = Claims()
    one = PiRadio(Modem(), lambda: board.world.t_us, config, claims, pin_factory=board.factory)
    assert board.opened[0][:2] == (0, 0)
    assert (board.opened[0][2].mode, board.opened[0][2].max_speed_hz) == (0, 2_000_000)
    assert one.send(0, b"hello") == (True, 30_976, 0)
    assert board.world.sent == [(0, b"hello", 30_976)]
    board.world.t_us = 1 * S
    board.chip.hear(b"answer", -90.0, 6.0, 1 * S)
    assert one.receive() == ReceivedFrame(1 * S, b"answer", -90.0, 6.0)
    assert set(board.selected) == (set() if select_pin is None else {False})
    assert board.opened[0][2].no_cs == (select_pin is not None)
    assert "GPIO20" in claims.owners()
    one.close()
    assert not board.opened
    assert board.chip.mode is Mode.SLEEP


def test_a_pi_body_that_finds_no_chip_lets_go_of_all_it_took(monkeypatch):
    config = Sx126xConfig()
    board = Board(monkeypatch, config)
    board.chip.xfer2 = lambda values: [0] * len(values)
    claims = Claims()
    with pytest.raises(LinkError, match=r"spidev0\.0: the chip is in mode 0"):
        PiRadio(Modem(), lambda: 0, config, claims, pin_factory=board.factory)
    assert not board.opened
    assert claims.owners() == {}


def test_off_a_pi_the_pi_body_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "spidev", None)
    from gpiozero.pins.mock import MockFactory

    with pytest.raises(MissingExtraError, match=r'pip install "feedertwin\[pi\]"'):
        PiRadio(Modem(), lambda: 0, pin_factory=MockFactory())
