"""A child never outlives who started it, nor do those it started itself."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from cosim.children import end, start

#: Starts a process, writes its id, and waits; the second one does not listen to SIGTERM.
SCRIPT = """
import pathlib, signal, subprocess, sys
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {}time.sleep(60)"
write = "open('{}', 'w').write('x'); "
inner = subprocess.Popen([sys.executable, "-c", deaf.format(write.format(sys.argv[1] + ".up"))])
pathlib.Path(sys.argv[1]).write_text(str(inner.pid))
inner.wait()
"""


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_what_a_child_started_ends_with_it(tmp_path):
    told = tmp_path / "pid"
    child = start([sys.executable, "-c", SCRIPT, str(told)])
    deadline_s = time.monotonic() + 20
    up = Path(f"{told}.up")  # of the inner one, which may be there before its id is written
    while time.monotonic() < deadline_s:
        if up.exists() and told.exists() and told.read_text():
            break
        time.sleep(0.02)
    inner = int(told.read_text())
    assert is_alive(inner)
    assert os.getpgid(inner) == child.pid
    end([child], 0.0)
    assert child.returncode is not None
    while is_alive(inner) and time.monotonic() < deadline_s:  # killed, but not yet gone
        time.sleep(0.02)
    assert not is_alive(inner)
