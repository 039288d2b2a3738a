"""SX126x body of the radio port: the same answers as the simulated one, chip or no chip."""

from __future__ import annotations

import pickle
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.control import Terminal
from gridmodel.ports import Radio, ReceivedFrame
from gridmodel.settings import parse
from gridmodel.wire.lora import BANDWIDTHS_KHZ, Modem
from hardware_bridges.claims import ClaimError, Claims
from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.radio.emulated import EmulatedRadio
from hardware_bridges.radio.simulated import SimulatedRadio
from hardware_bridges.radio.sx126x_chip import Sx126xChip
from hardware_bridges.radio.sx126x_codes import Mode
from hardware_bridges.radio.sx126x_config import Sx126xConfig
from tests.hardware_bridges.world import S, World

# as the simulated body


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
    a, b = a_world.sx126x(modem), b_world.sx126x(modem)
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
    emulated = world.sx126x(modem)
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
    one = world.sx126x(modem)
    half = round(cut * len(script))
    go(world, one, script[:half])
    # a packet in the air belongs to the first chip
    world.t_us += 10 * S
    saved, then = pickle.loads(pickle.dumps(one.snapshot())), world.t_us
    onward = go(world, one, script[half:])
    other = World()
    other.t_us = then
    fresh = other.sx126x(modem)
    fresh.restore(saved)
    assert go(other, fresh, script[half:]) == onward


def test_it_is_a_radio_of_the_port():
    port: Radio = World().sx126x()
    assert port.receive() is None


def test_the_dwell_time_of_a_channel_is_kept_by_both_bodies():
    # US915: 400 ms within any 20 s on one channel; a frame of 20 bytes takes 56.576 ms.
    modem = Modem(frequency_mhz=903.9, region="US915")
    emulated, simulated = World().sx126x(modem), Simulated(modem)
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
    for one in (World().sx126x(slow), Simulated(slow)):
        with pytest.raises(ValueError, match="longer than the dwell time of 400 ms"):
            one.send(0, bytes(60))


# frames


def test_broken_frames_are_counted_and_not_given():
    world = World()
    one = world.sx126x()
    world.t_us = 1 * S
    one.hear(b"bits", -80.0, 5.0, world.t_us, crc_ok=False)
    assert one.receive() is None
    assert one.crc_error_count == 1


def test_the_inbox_is_bounded_and_keeps_the_newest():
    world = World()
    one = world.sx126x()
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
        World().sx126x(modem)
    world = World()
    one = world.sx126x(modem, Sx126xConfig(implicit_bytes=16))
    with pytest.raises(ValueError, match="every frame has 16 bytes, not 5"):
        one.send(0, b"12345")
    assert one.send(0, bytes(16)).airtime_us == modem.airtime_us(16)
    world.t_us = 1 * S
    one.hear(b"0123456789abcdef", -80.0, 5.0, world.t_us)
    assert one.receive().data == b"0123456789abcdef"


def test_a_node_and_the_world_may_use_it_from_two_threads():
    world = World()
    one = world.sx126x(Modem(frequency_mhz=869.525))
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


# boards


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
        World().sx126x(modem, parse(Sx126xConfig, config))


def test_power_is_that_of_the_chip_behind_the_boards_amplifier():
    modem = Modem(tx_power_dbm=27.0, frequency_mhz=869.525)
    one = World().sx126x(modem, Sx126xConfig(board_gain_db=8.5))
    assert one.chip.memory.power_dbm == 18


def test_power_over_the_law_is_refused():
    with pytest.raises(ValueError, match="above the 14 dBm"):
        World().sx126x(Modem(tx_power_dbm=20.0))


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
        World().sx126x(claims=claims)
    claims = Claims()
    World().sx126x(claims=claims, owner="first radio")
    with pytest.raises(ClaimError, match="'second' wants it, but 'first radio' has it"):
        World().sx126x(claims=claims, owner="second")
