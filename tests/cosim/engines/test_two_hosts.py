"""A broker and partitions on hosts of their own: network namespaces with own addresses."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cosim.run import DONE, FAILED, INTERRUPTED
from tests.conftest import ROOT
from tests.cosim.engines.test_on_helics import TWO, go
from tests.in_time import again_if_late, assert_in_time

pytest.importorskip("helics")
pytestmark = pytest.mark.slow

HOSTS = {"broker": "10.213.77.1", "left": "10.213.77.2", "right": "10.213.77.3"}
#: What another run, or one that was killed, may have left bears another number.
OWN = f"ft{os.getpid() % 100_000}"
BRIDGE = f"{OWN}br"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def hosts() -> Iterator[None]:
    """Three namespaces on one bridge."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need iproute2 and root")
    try:
        ip("link", "add", BRIDGE, "type", "bridge")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    try:
        ip("link", "set", BRIDGE, "up")
        for name, address in HOSTS.items():
            space, near, far = f"{OWN}-{name}", f"{OWN}{name}0", f"{OWN}{name}1"
            ip("netns", "add", space)
            ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", space)
            ip("link", "set", near, "master", BRIDGE, "up")
            for words in (
                ("addr", "add", f"{address}/24", "dev", far),
                ("link", "set", far, "up"),
                ("link", "set", "lo", "up"),
            ):
                ip("-n", space, *words)
        yield
    finally:
        for name in HOSTS:
            subprocess.run(["ip", "link", "del", f"{OWN}{name}0"], check=False, capture_output=True)
            subprocess.run(
                ["ip", "netns", "del", f"{OWN}-{name}"], check=False, capture_output=True
            )
        subprocess.run(["ip", "link", "del", BRIDGE], check=False, capture_output=True)


def on(host: str, cwd: Path, *arguments: str) -> subprocess.Popen[str]:
    command = ["ip", "netns", "exec", f"{OWN}-{host}", sys.executable, "-m", "cosim", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=cwd, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def start(tmp_path: Path, until: str, drill: str = "") -> dict[str, subprocess.Popen[str]]:
    """Start the broker on one host and a partition on each of two others."""
    (tmp_path / "two.yaml").write_text(TWO.replace("DRILL", drill))
    address = f"{HOSTS['broker']}:23404"
    found = {
        "broker": on("broker", tmp_path, "broker", "--partitions", "2",
                     "--interface", HOSTS["broker"])
    }  # fmt: skip
    time.sleep(1.0)
    for name in ("left", "right"):
        found[name] = on(
            name, tmp_path, "partition", name, "two.yaml", "--broker", address,
            "--interface", HOSTS[name], "--until", until,
        )  # fmt: skip
    return found


def folder(tmp_path: Path, name: str) -> Path:
    return next((tmp_path / "runs").glob(f"two-{name}-*"))


def test_partitions_on_two_hosts_record_the_bytes_of_one_process(hosts, tmp_path):
    ends = {
        n: (p.communicate(timeout=60)[0], p.returncode) for n, p in start(tmp_path, "60s").items()
    }
    assert {name: code for name, (_, code) in ends.items()} == dict.fromkeys(HOSTS, DONE), ends
    whole = go(tmp_path, engine="in_process").folder
    for name, federates in (("left", "ac"), ("right", "b")):
        for federate in federates:
            table = f"signals/{federate}.parquet"
            found = (folder(tmp_path, name) / table).read_bytes()
            assert found == (whole / table).read_bytes()


def wait_until_both_step(tmp_path: Path) -> None:
    """Wait until some rows of both partitions are in their tails."""
    tails = ("two-left-*/live/a.tail", "two-right-*/live/b.tail")
    until_s = time.monotonic() + 60.0
    while time.monotonic() < until_s:
        found = [path for tail in tails for path in (tmp_path / "runs").glob(tail)]
        if len(found) == 2 and all(any(path.read_bytes()[:2000]) for path in found):
            break
        time.sleep(0.02)
    time.sleep(0.3)


def pids(host: str) -> list[int]:
    """Return the processes on a host."""
    command = ["ip", "netns", "pids", f"{OWN}-{host}"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [int(pid) for pid in found.split()]


@again_if_late
@pytest.mark.parametrize("killed", ["broker", "right"])
def test_a_host_that_dies_ends_the_run_on_the_others_with_a_record(hosts, tmp_path, killed):
    started = start(tmp_path, "1h")
    wait_until_both_step(tmp_path)
    for pid in pids(killed):
        os.kill(pid, signal.SIGKILL)
    began_s = time.monotonic()
    left = " ".join(started["left"].communicate(timeout=60)[0].split())
    took_s = time.monotonic() - began_s
    assert started["left"].returncode == FAILED, left
    names = {"broker": "the broker at 10.213.77.1:23404 died", "right": "partition 'right'"}
    assert names[killed] in left
    said = {name: process.communicate(timeout=60)[0] for name, process in started.items()}
    if killed == "right":
        assert started["broker"].returncode == FAILED
        assert "partition 'right': died without a word" in " ".join(said["broker"].split())
        recover = [sys.executable, "-m", "cosim", "recover", str(folder(tmp_path, "right"))]
        assert "rows recovered" in subprocess.run(recover, capture_output=True, text=True).stdout
        assert (folder(tmp_path, "right") / "signals" / "b.parquet").exists()
    assert (folder(tmp_path, "left") / "signals" / "a.parquet").exists()
    assert_in_time(took_s)


def test_a_fault_on_one_host_is_named_on_the_other(hosts, tmp_path):
    started = start(tmp_path, "60s", "drill: {t_s: 21, how: raise}")
    texts = {name: process.communicate(timeout=60)[0] for name, process in started.items()}
    for name in ("left", "broker"):
        assert started[name].returncode == FAILED
        assert "'b' at t = 22.000000 s" in " ".join(texts[name].split())


@again_if_late
@pytest.mark.parametrize("how", ["hang", "stop"])
def test_a_hang_on_one_host_ends_the_run_on_all(hosts, tmp_path, how):
    began_s = time.monotonic()
    started = start(tmp_path, "60s", f"drill: {{t_s: 21, how: {how}}}")
    texts = {n: " ".join(started[n].communicate(timeout=60)[0].split()) for n in ("left", "broker")}
    took_s = time.monotonic() - began_s
    for pid in pids("right"):
        os.kill(pid, signal.SIGCONT)
    texts["right"] = " ".join(started["right"].communicate(timeout=60)[0].split())
    for name, text in texts.items():
        assert started[name].returncode == FAILED, text
        if how == "hang":
            assert "'b' at t = 22.000000 s" in text
            assert "stall_timeout_s" in text
        else:
            assert "right" in texts["broker"]
    assert_in_time(took_s, limit_s=8.0, hang_s=4.0)  # with the start of processes


def test_a_broker_that_is_interrupted_ends_the_run_on_all(hosts, tmp_path):
    started = start(tmp_path, "1h")
    wait_until_both_step(tmp_path)
    for pid in pids("broker"):
        os.kill(pid, signal.SIGINT)
    texts = {name: process.communicate(timeout=60)[0] for name, process in started.items()}
    assert started["broker"].returncode == INTERRUPTED
    for name in ("left", "right"):
        assert started[name].returncode == FAILED
        assert "the broker was interrupted" in " ".join(texts[name].split())
