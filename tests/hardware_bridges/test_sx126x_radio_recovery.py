"""SX126x radio: a chip that forgets, hangs or is reset is set up anew."""

from __future__ import annotations

import pytest

from cosim.node.held_radio import HeldRadio
from cosim.node.runner import NodeRunner
from hardware_bridges.link_error import LinkError
from hardware_bridges.radio.sx126x_codes import Mode
from tests.hardware_bridges.world import S, World


def test_a_chip_that_lost_its_settings_is_set_up_anew_and_no_frame_is_swallowed():
    world = World()
    one = world.sx126x()
    world.t_us = 1 * S
    one.chip._reset(True)  # a dip of the supply
    assert one.send(world.t_us, b"first").accepted
    assert [frame for _, frame, _ in world.sent] == [b"first"]
    assert one.recovered_count == 1
    assert "set up anew 1 times" in one.found()


def test_a_chip_that_loses_its_settings_as_it_is_to_send_sends_at_the_second_try():
    world = World()
    one = world.sx126x()
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
    one = world.sx126x()
    one._chip.transmit = lambda: None
    with pytest.raises(LinkError, match="not in TX"):
        one.send(0, b"first")
    assert one._transmitter.snapshot()[0][0].used_us(S) == 0
    assert world.sent == []


def test_a_chip_that_was_reset_while_it_listened_listens_again_within_a_second():
    world = World()
    one = world.sx126x()
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

    one = World().sx126x()
    runner = NodeRunner(Idle(), {}, {}, HeldRadio(one))
    assert runner.kpis() == ()
    one.chip._reset(True)
    one.send(0, b"first")
    assert [(kpi.name, kpi.value) for kpi in runner.kpis()] == [("radio_recovered_count", 1)]


def test_a_chip_that_was_reset_while_it_sent_listens_again_without_another_sending():
    world = World()
    one = world.sx126x()
    one.send(0, b"first")
    one.chip._reset(True)
    for k in range(20):
        world.t_us = 200_000 * k
        one.receive()
    assert one.chip.mode is Mode.RX
    assert one.recovered_count == 1


def test_a_chip_that_never_ends_its_sending_is_set_up_anew():
    world = World()
    one = world.sx126x()
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
