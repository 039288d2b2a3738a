"""A real Mosquitto on a free port, for the length of a test."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

#: Debian keeps daemons where a person's path does not lead.
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
PATIENCE_S = 20.0


class Broker:
    """A broker that may be killed and started again on the same port."""

    def __init__(self, folder: Path, extra: str = "allow_anonymous true", at_once=True) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"user root\nlistener {self.port} 127.0.0.1\npersistence false\n"
            f"set_tcp_nodelay {str(at_once).lower()}\n{extra}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Broker:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert until(self._listens), "mosquitto did not start"
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
            self._process = None

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
        except OSError:
            return False
        return True


def until(true: Callable[[], object], patience_s: float = PATIENCE_S) -> bool:
    """Wait until something is true; return whether it became so."""
    deadline_s = time.monotonic() + patience_s
    while not true():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.005)
    return True
