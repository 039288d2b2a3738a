"""A broker and partitions on hosts of their own: network namespaces with own addresses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cosim.run import DONE, FAILED
from tests.conftest import ROOT
from tests.cosim.engines.test_on_helics import TWO, go

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


@pytest.mark.parametrize("killed", ["broker", "right"])
def test_a_host_that_dies_ends_the_run_on_the_others_with_a_record(hosts, tmp_path, killed):
    started = start(tmp_path, "1h")
    time.sleep(4.0)
    inner = subprocess.run(
        ["ip", "netns", "pids", f"{OWN}-{killed}"], capture_output=True, text=True, check=True
    ).stdout.split()
    for pid in inner:
        os.kill(int(pid), 9)
    began = time.monotonic()
    left = started["left"].communicate(timeout=60)[0]
    assert time.monotonic() - began < 30.0
    assert started["left"].returncode == FAILED, left
    for process in started.values():
        process.communicate(timeout=60)
    assert (folder(tmp_path, "left") / "signals" / "a.parquet").exists()


def test_a_fault_on_one_host_is_named_on_the_other(hosts, tmp_path):
    started = start(tmp_path, "60s", "drill: {t_s: 21, how: raise}")
    texts = {name: process.communicate(timeout=60)[0] for name, process in started.items()}
    assert started["left"].returncode == FAILED
    assert "'b' at t = 22.000000 s" in " ".join(texts["left"].split())
