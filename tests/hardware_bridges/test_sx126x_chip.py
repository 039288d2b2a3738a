"""Emulated SX126x: what it answers to the bytes of a driver, good and bad."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_bridges.radio.sx126x_codes import Command, Irq, Mode
from tests.hardware_bridges.sx126x_bench import Bench

MS = 1000


def test_after_reset_it_stands_by_and_its_status_says_so():
    bench = Bench()
    bench.driver.reset()
    assert bench.raw("c0 00") == "22 22"  # mode 2, no command yet


def test_while_busy_it_ignores_what_it_is_told():
    bench = Bench()
    assert bench.chip.xfer2([0x8A, 0x01]) == [0x22, 0x22]
    assert bench.chip.xfer2([0x8A, 0x00]) == [0, 0]  # it is still at the first
    assert bench.chip.ignored_count == 1
    assert bench.raw("11 00 00") == "22 22 01"


def test_calibration_keeps_it_busy_for_milliseconds():
    bench = Bench()
    bench.raw("89 7f")
    bench.chip.pause(3.3e-3)
    assert bench.chip.busy.value
    bench.chip.pause(0.3e-3)
    assert not bench.chip.busy.value


def test_sleep_shows_as_busy_and_the_first_transfer_only_wakes_it():
    bench = Bench()
    bench.driver.sleep()
    assert bench.chip.busy.value
    bench.chip.pause(1.0)
    assert bench.chip.busy.value
    bench.driver.wake()
    assert bench.raw("c0 00") == "22 22"


REFUSED = [
    # bytes, chip mode they are given in, command status afterwards, why
    ("99", "standby", 4),  # no such command
    ("86 36 41", "standby", 4),  # bytes are missing
    ("80 02", "standby", 4),  # no such standby
    ("8a 07", "standby", 4),  # no such packet type
    ("86 00 00 00 01", "standby", 4),  # 1 Hz
    ("8b 0d 04 01 00", "standby", 4),  # SF13
    ("8b 07 07 01 00", "standby", 4),  # no such bandwidth
    ("8b 07 04 05 00", "standby", 4),  # no such coding rate
    ("8c 00 00 00 14 01 00", "standby", 4),  # no preamble
    ("8e 17 02", "standby", 4),  # 23 dBm
    ("97 08 00 01 40", "standby", 4),  # no such supply
    ("93 50", "standby", 4),  # no such fall-back
    ("88 05 16 0a 00 00 00 00", "standby", 4),  # 32 symbols
    ("86 36 41 99 9a", "receive", 5),  # settings while it receives
    ("8b 07 04 01 00", "transmit", 5),  # settings while it sends
    ("82 ff ff ff", "transmit", 5),
    ("83 00 00 00", "transmit", 5),
    ("89 7f", "receive", 5),
]


@pytest.mark.parametrize(("sent", "mode", "status"), REFUSED)
def test_misuse_is_refused_in_the_status_and_changes_nothing(sent, mode, status):
    bench = Bench()
    getattr(bench.set_up(), mode)()
    before = repr(bench.chip.memory), bench.chip.mode
    bench.raw(sent)
    assert bench.driver.status().command == status
    assert (repr(bench.chip.memory), bench.chip.mode) == before
    assert bench.chip.refused_count == 1


@pytest.mark.parametrize("sent", ["82 ff ff ff", "83 00 00 00", "c5"])
def test_a_radio_never_set_up_neither_sends_nor_receives(sent):
    bench = Bench()
    bench.raw(sent)
    assert bench.raw("c0 00") == "2a 2a"  # standby, command could not be executed
    assert not bench.sent


def test_modulation_before_the_packet_type_is_refused():
    bench = Bench()
    bench.raw("8b 07 04 01 00")
    assert bench.driver.status().command == 4


def test_a_board_with_an_oscillator_does_not_start_without_its_supply():
    bench = Bench(tcxo_v=1.8)
    one = bench.set_up()
    one.receive()
    assert one.status() == (Mode.STANDBY_RC, 5)
    assert one.device_errors() == 1 << 5
    one.set_tcxo(1.6, 5.0)  # too little
    one.clear_device_errors()
    one.receive()
    assert one.status().mode == Mode.STANDBY_RC
    one.set_tcxo(1.8, 5.0)
    one.clear_device_errors()
    one.receive()
    assert one.status().mode == Mode.RX
    assert one.device_errors() == 0


def test_its_pins_can_be_gpiozeros_mock_pins():
    gpiozero = pytest.importorskip("gpiozero")
    from gpiozero.pins.mock import MockFactory

    bench = Bench()
    factory = MockFactory()
    line = bench.chip.dio1
    with gpiozero.DigitalInputDevice(16, pin_factory=factory) as dio1:
        line.when_activated = factory.pin(16).drive_high
        line.when_deactivated = factory.pin(16).drive_low
        one = bench.set_up(size=3)
        one.transmit()
        bench.chip.advance(1_000 * MS)
        assert dio1.value == 1
        one.clear_interrupts(Irq.TX_DONE)
        assert dio1.value == 0


words = st.binary(max_size=20)
commands = st.builds(
    lambda command, rest: bytes((command,)) + rest,
    st.sampled_from([int(command) for command in Command]), words,
)  # fmt: skip
deeds = st.lists(
    st.one_of(
        words, commands,
        st.integers(0, 10_000_000),  # time passes
        st.tuples(st.binary(max_size=255), st.booleans()),  # a frame ends
    ),
    max_size=40,
)  # fmt: skip


@given(deeds=deeds, ready=st.booleans())
def test_no_bytes_crash_the_chip(deeds, ready):
    bench = Bench()
    if ready:
        bench.set_up()
    for deed in deeds:
        if isinstance(deed, int):
            bench.t_us += deed
        elif isinstance(deed, tuple):
            bench.chip.hear(deed[0], -80.0, 5.0, bench.t_us, crc_ok=deed[1])
        else:
            bench.chip.pause(0.01)
            answer = bench.chip.xfer2(deed)
            assert len(answer) == len(deed)
            assert all(0 <= value <= 255 for value in answer)
    bench.chip.nreset.off()
    bench.chip.nreset.on()
    bench.driver.reset()
    assert bench.raw("c0 00") == "22 22"
