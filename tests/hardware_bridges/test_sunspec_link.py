"""SunSpec inverter: links that are lost and come back, and peers that are none."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress

import pytest

pytest.importorskip("pymodbus")
pytest.importorskip("sunspec2")

from hardware_bridges.inverter.sunspec import SunSpecInverter
from hardware_bridges.inverter.sunspec_config import SunSpecConfig
from hardware_bridges.inverter.sunspec_device import EmulatedSunSpecDevice, InverterTruth
from hardware_bridges.inverter.sunspec_server import SunSpecServer
from hardware_bridges.link_error import DeviceError, LinkError
from tests.hardware_bridges.sunspec_bench import S_US, TRUTH, HandClock, driven, showing

# a link that is lost


def test_a_wrong_unit_is_told():
    with SunSpecServer(EmulatedSunSpecDevice(5.0, 13.5)) as server:
        inverter = SunSpecInverter(SunSpecConfig(port=server.port, unit_id=9, timeout_s=5.0))
        with pytest.raises(DeviceError, match=r"unit 9.*exception 11.*Give the unit id"):
            inverter.read()
        with pytest.raises(LinkError, match=r"exception 11.*The next attempt is in"):
            inverter.read()  # the reason is not forgotten while it waits
        inverter.close()


def test_a_reader_repeats_its_set_point_and_a_silent_one_loses_the_inverter():
    clock = HandClock()
    with driven(clock=clock, reversion_s=60) as (server, inverter):
        inverter.set_power(1.0)
        for now_s in range(0, 200, 10):
            clock.s = float(now_s)
            server.set(InverterTruth(now_s * S_US, TRUTH.state))
            inverter.read()
            assert server.p_set_kw == 1.0
        server.set(InverterTruth((190 + 61) * S_US, TRUTH.state))
        assert server.p_set_kw is None


def test_without_reversion_the_set_point_stays():
    with driven(reversion_s=0) as (server, inverter):
        inverter.set_power(1.0)
        server.set(InverterTruth(10**12, TRUTH.state))
        assert server.p_set_kw == 1.0


def test_a_lost_link_is_bridged_so_long_and_then_told():
    clock = HandClock()
    with driven(clock=clock, hold_s=10.0) as (server, inverter):
        inverter.read()
        server.close()
        clock.s = 10.0
        assert inverter.read() == TRUTH.state
        assert f"127.0.0.1:{server.port} unit 1" in inverter.fault
        assert inverter.losses == 1
        clock.s = 10.1
        with pytest.raises(LinkError):
            inverter.read()


def test_a_device_that_comes_back_gets_the_newest_set_point():
    with driven() as (server, inverter):
        inverter.set_power(1.0)
        inverter.read()
        server.close()
        inverter.set_power(-2.0)  # kept
        assert inverter.fault
        fresh = showing(TRUTH)  # it has forgotten everything
        with SunSpecServer(fresh, port=server.port):
            threading.Event().wait(0.01)  # the pause before another attempt
            assert inverter.read() == TRUTH.state
            assert (fresh.p_set_kw, inverter.fault) == (-2.0, "")


def test_a_device_that_has_forgotten_its_set_point_is_told_again():
    with driven() as (server, inverter):
        inverter.set_power(1.0)
        server.close()
        with pytest.raises(LinkError):
            inverter.read()
        fresh = showing(TRUTH)
        with SunSpecServer(fresh, port=server.port):
            threading.Event().wait(0.01)
            inverter.read()
            assert fresh.p_set_kw == 1.0


# a peer that is none


@contextmanager
def peer(talk):
    """A TCP server that talks as told; yields its port and the number of its visitors."""
    listener = socket.create_server(("127.0.0.1", 0))
    visits, gone = [], threading.Event()

    def serve():
        while not gone.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            visits.append(connection)
            try:
                talk(connection, gone)
            except OSError:
                pass
            finally:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], visits
    finally:
        gone.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5.0)


def test_a_peer_that_dies_in_the_middle_of_an_answer_is_a_lost_link():
    def half_an_answer(connection, _):
        connection.recv(12)
        connection.sendall(bytes.fromhex("0000 0000 0007 01 03 04 53"))

    with peer(half_an_answer) as (port, _):
        inverter = SunSpecInverter(SunSpecConfig(port=port, timeout_s=5.0))
        with pytest.raises(LinkError, match=f"127.0.0.1:{port} unit 1, connection"):
            inverter.read()
        inverter.close()


def test_a_peer_that_dribbles_holds_a_step_no_longer_than_its_time_out():
    def dribble(connection, gone):
        connection.recv(12)
        for byte in bytes.fromhex("0000 0000 00ff 01 03 fc") + bytes(252):
            connection.sendall(bytes([byte]))
            if gone.wait(0.01):
                return

    with peer(dribble) as (port, visits):
        inverter = SunSpecInverter(SunSpecConfig(port=port, timeout_s=0.1))
        for _ in range(3):
            with pytest.raises(LinkError, match=r"no answer within 0.1 s; the request goes on"):
                inverter.read()
        assert len(visits) == 1  # it still listens to the first
        inverter.close()


def test_a_device_that_is_silent_where_it_has_no_map_is_found_where_it_has_one():
    device = showing(TRUTH)

    def shifted(connection, gone):
        """The device's map at 0, and no word about any other address."""
        with socket.create_connection(("127.0.0.1", server.port)) as real:
            while request := connection.recv(260):
                at = int.from_bytes(request[8:10], "big")
                if at >= 40000:
                    continue
                real.sendall(request[:8] + (at + 40000).to_bytes(2, "big") + request[10:])
                connection.sendall(real.recv(260))

    with SunSpecServer(device) as server, peer(shifted) as (port, _):
        inverter = SunSpecInverter(SunSpecConfig(port=port, timeout_s=0.5))
        for _ in range(40):
            with suppress(LinkError):  # it is looked for beside the steps
                assert inverter.read() == TRUTH.state
                break
            time.sleep(0.1)
        else:
            raise AssertionError(inverter.fault)
        inverter.close()


def test_after_a_loss_it_waits_before_it_tries_again():
    def reset(connection, _):
        # An orderly end looks like silence, and the map would be sought at other addresses.
        connection.recv(12)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with peer(reset) as (port, visits):
        inverter = SunSpecInverter(SunSpecConfig(port=port, timeout_s=5.0, retry_first_s=3600.0))
        with pytest.raises(LinkError):
            inverter.read()
        with pytest.raises(LinkError, match="The next attempt is in"):
            inverter.read()
        assert len(visits) == 1
        inverter.close()


@pytest.mark.parametrize(
    "noise", [b"\x00" * 40, b"\xff" * 300, b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
def test_noise_is_an_error_of_ours(noise):
    def shout(connection, _):
        connection.recv(12)
        connection.sendall(noise)

    with peer(shout) as (port, _):
        inverter = SunSpecInverter(SunSpecConfig(port=port, timeout_s=5.0))
        with pytest.raises((LinkError, DeviceError), match=f"127.0.0.1:{port}"):
            inverter.read()
        inverter.close()
