"""The serial line: noise, broken messages, and its pace."""

from __future__ import annotations

import os
import tty

import pytest

from cosim.lines.address import Address, address
from cosim.lines.line import to_node, to_world
from cosim.lines.serial_line import packed, unpacked
from gridmodel.errors import BorderError
from tests.cosim.lines.test_lines import null_modem, send_much


def test_a_serial_line_drops_noise_and_a_broken_message_and_goes_on():
    with null_modem() as (one, other):
        world = to_node(Address("serial", one), "house")
        node = to_world(Address("serial", other), "house")
        broken = bytearray(packed(b"to be broken"))
        broken[6] ^= 1
        node._port.write(b"noise\xf7" + bytes(broken))
        node.send(b"whole")
        assert world.receive(2.0) == b"whole"
        assert world.broken_count == 2
        assert world.dropped_bytes >= len(b"noise")
        world.close()
        node.close()


def test_a_serial_line_has_the_symbols_a_second_of_its_address():
    with null_modem() as (one, other):
        slow = to_node(Address("serial", one), "house")
        fast = to_node(address(f"serial:{other}@921600"), "house")
        assert (slow.baud, fast.baud, fast._port.baudrate) == (115_200, 921_600, 921_600)
        assert slow.seconds(1152) == pytest.approx(0.1)
        slow.close()
        fast.close()


def test_one_flipped_bit_on_a_serial_line_costs_one_message_at_most():
    whole = packed(b"first-to-break") + packed(b"second") + packed(b"third")
    for bit in range(8 * 20):
        wire = bytearray(whole)
        wire[bit // 8] ^= 1 << bit % 8
        heard = [unpacked(packet) for packet in bytes(wire).split(b"\xc0") if packet]
        assert heard[-2:] == [b"second", b"third"]
        assert set(heard[:-2]) <= {b"first-to-break", None}


def test_a_serial_line_does_not_hold_endless_noise():
    with null_modem() as (one, other):
        world = to_node(Address("serial", one), "house")
        world._buffer = b"n" * 200_000
        assert world.receive(0.0) is None
        assert world.dropped_bytes == 200_000
        node = to_world(Address("serial", other), "house")
        node.send(b"whole")
        assert world.receive(2.0) == b"whole"
        world.close()
        node.close()


def test_a_serial_line_does_not_wait_for_ever_either(monkeypatch):
    from cosim.lines import serial_line

    monkeypatch.setattr(serial_line, "SEND_S", 0.05)
    master, slave = os.openpty()
    tty.setraw(slave)
    line = serial_line.SerialLine(Address("serial", os.ttyname(slave)))
    with pytest.raises(BorderError, match="does not take what is sent"):
        send_much(line)
    line.close()
    os.close(slave)
    os.close(master)
