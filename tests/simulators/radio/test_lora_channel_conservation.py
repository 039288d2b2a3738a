"""LoRa channel: every packet is heard or lost, by the rules alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmodel.wire.lora import Modem
from simulators.radio.path_loss import PATH_LOSS
from tests.simulators.bench import S, kpi
from tests.simulators.radio.air import Air


@dataclass(frozen=True)
class Sent:
    """A packet as a test sends it."""

    node: int
    frame: bytes
    start_us: int
    end_us: int
    modem: Modem


modems = st.sampled_from([
    Modem(),
    Modem(tx_power_dbm=2.0),
    Modem(spreading_factor=8),
    Modem(frequency_mhz=868.3),
])  # fmt: skip


@st.composite
def traffic(draw: st.DrawFn) -> list[Sent]:
    """Return packets of five nodes, none of which sends two at once."""
    packets, now, free = [], 0, [0] * 5
    for index in range(draw(st.integers(1, 25))):
        now += draw(st.integers(0, 60_000))
        node, modem = draw(st.integers(0, 4)), draw(modems)
        frame = bytes([index]) * draw(st.integers(1, 60))
        if now >= free[node]:
            free[node] = now + modem.airtime_us(len(frame))
            packets.append(Sent(node, frame, now, free[node], modem))
    return packets


places = st.lists(st.floats(0.0, 6000.0), min_size=5, max_size=5)


def judged(air: Air, packet: Sent, others: list[Sent], node: int) -> set[str]:
    """Return what may have become of a packet at a node, by the rules alone."""
    names = air.network.consumer_names

    def level_dbm(sent: Sent) -> float:
        d_m = max(air.network.distance_m(names[sent.node], names[node]), 3.0)
        return sent.modem.tx_power_dbm - PATH_LOSS["oulu"](d_m, 868.1)

    reasons = set()
    if level_dbm(packet) < packet.modem.sensitivity_dbm(6.0):
        reasons.add("weak")
    needed_us = packet.start_us + 3 * packet.modem.symbol_us
    for other in others:
        if other is packet or other.start_us >= packet.end_us or other.end_us <= packet.start_us:
            continue
        if other.node == node:
            reasons.add("deaf")
        elif (
            other.end_us > needed_us
            and other.modem.spreading_factor == packet.modem.spreading_factor
            and other.modem.frequency_mhz == packet.modem.frequency_mhz
            and level_dbm(packet) - level_dbm(other) < 6.0
        ):
            reasons.add("collided")
    return reasons


@given(packets=traffic(), at_m=places)
def test_each_packet_is_heard_or_lost_for_a_reason_at_every_radio_that_listens(packets, at_m):
    air = Air({f"n{k}": at for k, at in enumerate(at_m)})
    for packet in packets:
        air.send(packet.start_us, packet.node, packet.frame, packet.modem)
    air.until(60 * S)
    heard = {(h.frame, h.node) for h in air.heard}
    assert len(heard) == len(air.heard)  # nobody hears a packet twice
    expected_lost = Counter()
    for packet in packets:
        listens = packet.modem.spreading_factor == 7 and packet.modem.frequency_mhz == 868.1
        for node in set(range(5)) - {packet.node} if listens else ():
            reasons = judged(air, packet, packets, node)
            assert ((packet.frame, node) in heard) == (not reasons)
            expected_lost[packet.end_us, packet.node] += bool(reasons)
    assert Counter((lost.t_us, lost.node) for lost in air.lost) == +expected_lost
    # and the figures tell the same
    receptions = max(len(air.heard) + len(air.lost), 1)
    assert kpi(air.lora, "sent_count") == len(packets)
    assert kpi(air.lora, "delivery_pu") == pytest.approx(len(air.heard) / receptions)
    by_reason = Counter(lost.why for lost in air.lost)
    for why in ("weak", "collided", "deaf"):
        assert kpi(air.lora, f"{why}_pu") == pytest.approx(by_reason[why] / receptions)
    assert sum(delivered for _, _, delivered, _ in air.figures) == len(air.heard)
    assert sum(lost for _, _, _, lost in air.figures) == len(air.lost)


@given(packets=traffic(), at_m=places)
def test_a_loss_is_put_down_to_a_reason_there_was(packets, at_m):
    air = Air({f"n{k}": at for k, at in enumerate(at_m)})
    for packet in packets:
        air.send(packet.start_us, packet.node, packet.frame, packet.modem)
    air.until(60 * S)
    for packet in packets:
        found = Counter(
            lost.why for lost in air.lost if (lost.t_us, lost.node) == (packet.end_us, packet.node)
        )
        possible = [judged(air, packet, packets, node) for node in range(5) if node != packet.node]
        for why, count in found.items():
            assert count <= sum(why in reasons for reasons in possible)
