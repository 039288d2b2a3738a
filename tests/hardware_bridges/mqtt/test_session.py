"""MQTT session: against a real broker, which may die, and clients, which may too."""

from __future__ import annotations

import datetime
import gc
import ipaddress
import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("paho.mqtt")

from hardware_bridges.link_error import DeviceError, LinkError
from hardware_bridges.mqtt.mqtt_config import MqttConfig
from hardware_bridges.mqtt.session import MqttSession
from tests.hardware_bridges.mqtt.broker import until


def settings(broker, **more) -> MqttConfig:
    return MqttConfig(port=broker.port, **{"connect_s": 20.0, "timeout_s": 10.0, **more})


def controller(broker, **more) -> MqttSession:
    return MqttSession(settings(broker, **more), "house_3", "controller").start()


def device(broker, **more) -> MqttSession:
    return MqttSession(settings(broker, **more), "house_3", "device").start()


def test_each_side_sees_the_other_come_and_go(broker):
    one = controller(broker)
    assert one.peer_online is None
    other = device(broker)
    assert until(lambda: one.peer_online)
    assert until(lambda: other.peer_online)
    other.close()
    assert until(lambda: one.peer_online is False)
    one.close()


def test_a_client_that_is_killed_leaves_its_will(broker):
    code = (
        "import sys, time; from tests.hardware_bridges.mqtt.test_session import *\n"
        "class B: port = int(sys.argv[1])\n"
        "device(B); print('on', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(broker.port)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "on\n"
        one = controller(broker)
        assert until(lambda: one.peer_online)
        os.kill(child.pid, signal.SIGKILL)
        assert until(lambda: one.peer_online is False)
        one.close()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_the_second_who_claims_a_role_is_refused_with_both_names(broker):
    first = controller(broker)
    second = MqttSession(settings(broker), "house_3", "controller")
    with pytest.raises(DeviceError, match=f"'{second.owner}' wants the role, but '{first.owner}'"):
        second.start()
    first.check()
    assert first.connected
    first.close()
    third = controller(broker)  # free again
    third.close()


def test_other_nodes_and_sites_are_no_rivals(broker):
    sessions = [
        controller(broker),
        controller(broker, site="next_door"),
        controller(broker, device="house_4"),
    ]
    for session in sessions:
        session.check()
        session.close()


def test_a_role_whose_holder_died_with_its_broker_can_be_taken(broker):
    """A retained status that nobody stands behind any more."""
    ghost = device(broker)
    topic = ghost.topics.status("controller")
    status = b'{"online":true,"owner":"ghost","since_ms":1}'
    ghost.publish(topic, status, retain=True)
    assert until(lambda: ghost.peer_online)  # the broker has it
    taken = controller(broker)
    assert taken.connected
    taken.check()
    taken.close()
    ghost.close()


def test_who_holds_a_role_longer_keeps_it_when_two_meet(broker):
    """As two do that took it on both sides of a network that was cut."""
    holder, ghost = controller(broker), device(broker)
    seen = []
    # a device listens to this topic of its own accord: look at what it hears
    hear = ghost._handle
    ghost._handle = lambda message: (seen.append(message.payload), hear(message))
    later, older = (b'{"online":true,"owner":"rival","since_ms":%d}' % ms for ms in (10**15, 1_000))
    ghost.publish(ghost.topics.status("controller"), later, retain=True)
    name = holder.owner.encode()
    assert until(lambda: later in seen and name in seen[-1])  # it has written over the rival
    holder.check()
    ghost.publish(ghost.topics.status("controller"), older, retain=True)
    assert until(lambda: not holder.connected)
    with pytest.raises(DeviceError, match=f"'{holder.owner}' has lost the role to 'rival'"):
        holder.publish("x", b"")
    holder.close()
    ghost.close()


def test_a_broker_that_comes_back_finds_everything_as_it_was(broker):
    one, other = controller(broker), device(broker)
    heard = []
    one.on("feedertwin/home/house_3/meter/supply/state", heard.append)
    assert until(lambda: one.peer_online)
    broker.kill()
    assert until(lambda: not one.connected and not other.connected)
    with pytest.raises(LinkError, match="the broker is away"):
        other.publish("feedertwin/home/house_3/meter/supply/state", b"lost")
    assert one.peer_online is None
    broker.start()
    assert until(lambda: one.connected and other.connected)
    assert until(lambda: one.peer_online and other.peer_online)

    def told():
        other.publish("feedertwin/home/house_3/meter/supply/state", b"told")
        return heard

    assert until(told)
    assert heard[0].payload == b"told"
    one.close()
    other.close()


def test_no_broker_is_told_with_the_reason(make_broker):
    broker = make_broker()
    broker.kill()
    with pytest.raises(LinkError, match=rf"broker 127.0.0.1:{broker.port}.*refused.*Check address"):
        controller(broker, connect_s=2.0)


def test_a_message_of_another_schema_is_refused_and_named(broker):
    from paho.mqtt import publish

    one = controller(broker)
    heard = []
    topic = one.topics.state("meter", "supply")
    one.on(topic, heard.append)

    def told():
        publish.single(topic, b"{}", qos=1, port=broker.port)
        return "schema None given, 1 understood" in one.fault

    assert until(told)
    assert heard == []
    one.close()


def test_a_handler_that_fails_does_not_end_the_session(broker):
    one, other = controller(broker), device(broker)
    heard = []

    def handle(message):
        heard.append(message)
        raise ZeroDivisionError("a fault of ours")

    one.on("feedertwin/home/house_3/x/y/state", handle)

    def told_twice():
        other.publish("feedertwin/home/house_3/x/y/state", b"")
        return len(heard) >= 2

    assert until(told_twice)
    assert until(lambda: "ZeroDivisionError: a fault of ours" in one.fault)
    one.close()
    other.close()


def test_a_password_is_read_from_its_file_and_shown_nowhere(make_broker, tmp_path):
    secret = "correct horse battery"
    (tmp_path / "secret").write_text(secret + "\n")
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), "ann", secret], check=True)
    broker = make_broker(f"allow_anonymous false\npassword_file {users}")
    allowed = settings(broker, username="ann", password_file=str(tmp_path / "secret"))
    session = MqttSession(allowed, "house_3", "controller").start()
    assert session.connected
    for text in (repr(allowed), allowed.model_dump_json(), repr(session.__dict__)):
        assert secret not in text
    session.close()
    (tmp_path / "secret").write_text("wrong\n")
    with pytest.raises(DeviceError, match="the broker refuses us: Not authorized") as refused:
        MqttSession(allowed, "house_3", "controller").start()
    assert "wrong" not in str(refused.value)


def test_a_password_file_that_is_missing_is_named(broker, tmp_path):
    with pytest.raises(DeviceError, match=r"No such file.*nowhere"):
        controller(broker, username="ann", password_file=str(tmp_path / "nowhere"))


# paho leaves the socket of a handshake that failed to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_lets_in_whom_the_authority_knows_and_nobody_else(make_broker, tmp_path):
    ours, other = authority(tmp_path, "ours"), authority(tmp_path, "other")
    broker = make_broker(
        "allow_anonymous true\nrequire_certificate true\n"
        f"cafile {ours / 'ca.pem'}\ncertfile {ours / 'broker.pem'}\nkeyfile {ours / 'broker.key'}"
    )
    mine = {
        "certificate_file": str(ours / "client.pem"),
        "key_file": str(ours / "client.key"),
        "connect_s": 20.0,
    }
    session = controller(broker, ca_file=str(ours / "ca.pem"), **mine)
    assert session.connected
    session.close()
    with pytest.raises(LinkError, match="certificate verify failed"):
        controller(broker, ca_file=str(other / "ca.pem"), **{**mine, "connect_s": 3.0})
    gc.collect()


def authority(folder, name):
    """A certificate authority with a broker's and a client's certificate, in a folder."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    place = folder / name
    place.mkdir()
    now = datetime.datetime.now(datetime.UTC)

    def key_and_name(common):
        title = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} {common}")])
        return ec.generate_private_key(ec.SECP256R1()), title

    def certificate(key, title, issuer_key, issuer, extension):
        return (
            x509.CertificateBuilder()
            .subject_name(title)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=True)
            .sign(issuer_key, hashes.SHA256())
        )

    ca_key, ca = key_and_name("authority")
    basic = x509.BasicConstraints(ca=True, path_length=None)
    pem = serialization.Encoding.PEM
    (place / "ca.pem").write_bytes(certificate(ca_key, ca, ca_key, ca, basic).public_bytes(pem))
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    for who in ("broker", "client"):
        key, title = key_and_name(who)
        (place / f"{who}.pem").write_bytes(
            certificate(key, title, ca_key, ca, here).public_bytes(pem)
        )
        (place / f"{who}.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
    return place
