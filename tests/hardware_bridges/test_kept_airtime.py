"""Kept airtime: no start of a process or of a machine makes a radio break the law."""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import pytest

from cosim.node.assembly import assemble
from cosim.node.config import read_config
from gridmodel.errors import RecordError
from gridmodel.settings import parse
from gridmodel.wire.duty_cycle import DutyLedger
from gridmodel.wire.lora import Modem
from gridmodel.wire.regions import HOUR_US
from hardware_bridges.link_error import LinkError
from hardware_bridges.mqtt.radio import MqttRadio
from hardware_bridges.radio import kept_airtime
from hardware_bridges.radio.e22_config import E22Config
from hardware_bridges.radio.e22_emulated import EmulatedE22Radio
from hardware_bridges.radio.emulated import EmulatedRadio
from hardware_bridges.radio.kept_airtime import KeptAirtime, boot_stamp
from hardware_bridges.radio.transmitter import Transmitter
from hardware_bridges.storage.file import FileStorage
from tests.cosim.node.test_node_config import WHOLE, written

S = 1_000_000
MODEM = Modem()  # 868.1 MHz: 36 s an hour


class Flash:
    """A storage that counts its writes, and may be full."""

    def __init__(self):
        self.data, self.count, self.full = None, 0, False

    def load(self):
        return self.data

    def save(self, data):
        if self.full:
            raise RecordError("no room")
        self.data, self.count = data, self.count + 1


class Machine:
    """True time, of which a radio's own clock shows what passed since its process began."""

    def __init__(self, flash=None):
        self.t_us, self.born_us, self.boots = 0, 0, 1
        self.flash = flash or Flash()
        self.sent = []

    def start(self, modem=MODEM):
        self.born_us = self.t_us
        self.books = Transmitter.of(modem)
        self.books.keep(KeptAirtime(self.flash, lambda: (b"%016d" % self.boots, self.t_us)))
        return self

    def reboot(self, modem=MODEM):
        self.boots += 1
        return self.start(modem)

    def send(self, size_bytes=16):
        """Return when it may be sent if not now, 0 if it was, in true time."""
        now = self.t_us - self.born_us
        answer = self.books.ask(now, size_bytes)
        if not answer.accepted:
            return answer.retry_us + self.born_us
        self.books.book(now, answer.airtime_us)
        self.sent.append((self.t_us, answer.airtime_us))
        self.t_us += answer.airtime_us
        return 0

    def send_or_wait(self, size_bytes=16):
        later = self.send(size_bytes)
        self.t_us = max(self.t_us, later)

    def send_until(self, end_us):
        while self.t_us < end_us:
            self.send_or_wait()

    def worst_us(self, window_us=HOUR_US):
        """Return the most airtime within any window."""
        worst, total, inside = 0, 0, deque()
        for t_us, airtime in self.sent:
            inside.append((t_us, airtime))
            total += airtime
            begin = t_us + airtime - window_us
            while sum(inside[0]) <= begin:
                total -= inside.popleft()[1]
            worst = max(worst, total - max(begin - inside[0][0], 0))
        return worst


@pytest.mark.parametrize("deed", ["start", "reboot"])
def test_six_starts_in_an_hour_do_not_break_the_law(deed):
    machine = Machine()
    for k in range(6):
        getattr(machine, deed)().send_until((k + 1) * 600 * S)
        machine.t_us = (k + 1) * 600 * S
    assert 30 * S < machine.worst_us() <= 36 * S


@pytest.mark.parametrize("seed", range(8))
def test_no_order_of_starts_boots_and_pauses_breaks_the_law(seed):
    luck, machine = random.Random(seed), Machine().start()
    for _ in range(250):
        deed = luck.random()
        if deed < 0.04:
            luck.choice([machine.start, machine.reboot])()
        elif deed < 0.3:
            machine.t_us += luck.randrange(1000 * S)
        for _ in range(luck.randrange(30)):
            if machine.send(luck.randrange(10, 79)):
                break
    assert machine.worst_us() <= 36 * S
    assert len(machine.sent) > 300


def test_a_process_that_is_started_anew_knows_how_long_ago_it_sent():
    machine = Machine().start()
    machine.send_until(200 * S)
    used = len(machine.sent)
    machine.t_us = HOUR_US + 201 * S
    machine.start().send_until(HOUR_US + 400 * S)
    assert len(machine.sent) >= 2 * used - 21  # all but what was set aside


def test_after_a_boot_nobody_knows_how_long_it_took_and_no_time_counts_as_passed():
    machine = Machine().start()
    machine.send_until(200 * S)
    machine.t_us = HOUR_US + 201 * S
    assert machine.reboot().send() > HOUR_US + 201 * S


def test_a_new_board_may_send_at_once_and_a_damaged_record_counts_as_all():
    assert Machine().start().send() == 0
    machine = Machine().start()
    machine.send()
    machine.flash.data = machine.flash.data[:-1] + b"?"
    assert machine.start().send() > 3500 * S


def test_flash_is_written_no_more_than_once_a_minute_under_the_law():
    machine = Machine().start()
    machine.send_until(HOUR_US)
    assert len(machine.sent) > 690
    assert machine.flash.count <= 37
    assert len(machine.flash.data) < 600


def test_what_cannot_be_kept_is_not_sent():
    machine = Machine().start()
    machine.flash.full = True
    with pytest.raises(LinkError, match="nothing may be sent"):
        machine.send()
    machine.flash.full = False
    assert machine.send() == 0


def test_a_dwell_time_counts_as_used_up_at_the_start_and_is_not_written():
    modem = Modem(frequency_mhz=903.9, region="US915")
    machine = Machine()
    for _ in range(3):
        machine.start(modem)
        for _ in range(40):
            machine.send_or_wait(20)
    assert machine.worst_us(20 * S) <= 400_000
    assert machine.flash.count == 0


def test_a_radio_on_real_files_takes_over_from_the_one_before(tmp_path: Path):
    class Air:
        def send(self, frame, airtime_us):
            pass

    def radio():
        one = EmulatedRadio(MODEM, Air(), lambda: now[0])
        one.keep_airtime(KeptAirtime(FileStorage(tmp_path / "airtime")))
        return one

    now, count = [0], 0
    first = radio()
    while first.send(now[0], bytes(200)).accepted:
        count += 1
        now[0] += MODEM.airtime_us(200)
    assert count > 80
    now[0] = 0  # a process has a clock of its own
    answer = radio().send(0, bytes(200))
    assert not answer.accepted
    assert answer.retry_us > 3400 * S


def e22(air, now_us):
    measured = {"bandwidth_khz": 125, "airtimes": [{"payload_bytes": 32, "airtime_ms": 300}]}
    config = parse(E22Config, {"measured": measured, "packet_bytes": 32})
    return EmulatedE22Radio(air, now_us, config)


def mqtt(air, now_us):
    topics = SimpleNamespace(set="{}/{}/set".format, state="{}/{}/state".format)
    session = SimpleNamespace(topics=topics, on=lambda *_: None, publish=lambda *_, **__: None)
    return MqttRadio(session, MODEM, now_us)  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [e22, mqtt])
def test_radios_of_every_kind_take_over_from_the_one_before(body):
    now, flash = [0], Flash()
    air = SimpleNamespace(send=lambda frame, airtime_us: None)
    radio = body(air, lambda: now[0])
    radio.keep_airtime(KeptAirtime(flash))
    for _ in range(2000):
        answer = radio.send(now[0], bytes(20))
        if not answer.accepted and answer.retry_us > now[0] + 60 * S:
            break  # the hour is used up
        now[0] = now[0] + answer.airtime_us if answer.accepted else answer.retry_us
    else:
        raise AssertionError("the hour was never used up")
    if hasattr(radio, "close"):
        radio.close()
    now[0] = 0  # a process has a clock of its own
    again = body(air, lambda: now[0])
    again.keep_airtime(KeptAirtime(flash))
    answer = again.send(0, bytes(20))
    assert not answer.accepted
    assert answer.retry_us > 3400 * S
    if hasattr(again, "close"):
        again.close()


def test_the_machine_tells_its_boot_and_never_the_same_one_if_it_cannot(monkeypatch):
    boot, t_us = boot_stamp()
    assert (len(boot), t_us > 0) in {(16, True), (0, False)}
    monkeypatch.setattr(kept_airtime, "_BOOT", Path("/nowhere/at/all"))
    assert boot_stamp() == (b"", 0)
    flash = Flash()
    ledger = DutyLedger(0.01)
    KeptAirtime(flash).set_aside(0, ledger, 50_000)
    again = DutyLedger(0.01)
    KeptAirtime(flash).resume(0, again)
    assert again.sent == ((-1 * S, 1 * S),)


def test_a_nodes_process_keeps_what_its_radio_sends_beside_its_state(tmp_path: Path):
    pytest.importorskip("gpiozero")
    config = read_config(written(tmp_path, WHOLE))
    for boots in (1, 2):
        node = assemble(config)
        try:
            answer = node.ports["radio"].send(node.clock.now_us(), bytes(200))
            used_us = node.ports["radio"]._transmitter.snapshot()[0][0].used_us(HOUR_US // 2)
        finally:
            node.close()
        assert answer.accepted
        # a boot counts all that was set aside, a second and what is left of it
        assert used_us == answer.airtime_us + (boots - 1) * 1_000_000
    assert (tmp_path / "kept" / "airtime").is_dir()
