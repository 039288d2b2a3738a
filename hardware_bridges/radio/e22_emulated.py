"""Body of the radio port on an emulated E22 HAT: pyserial on a pseudo-terminal."""

from __future__ import annotations

import time
from collections.abc import Callable

from gridmodel.ports import ReceivedFrame, SendResult
from hardware_bridges.claims import Claims
from hardware_bridges.pi_extra import pi_module
from hardware_bridges.radio import e22
from hardware_bridges.radio.air import Air
from hardware_bridges.radio.e22_airtimes import known_air
from hardware_bridges.radio.e22_config import E22Config
from hardware_bridges.radio.e22_hat import E22Hat
from hardware_bridges.radio.e22_radio import E22Radio

#: Longest wait for bytes to pass the pseudo-terminal. [s]
_PASSAGE_S = 1.0


class EmulatedE22Radio(E22Radio):
    """An E22 radio whose HAT is emulated.

    What goes through the pseudo-terminal arrives within the call that caused it, so a
    stepped simulation sees no delay of the host's.

    Parameters
    ----------
    air : Air
        Takes the frames it sends, out of their packets, with the measured time on air.
    clock : callable
        The node's time. [us]
    config : E22Config
        The HAT; its port is the pseudo-terminal's.
    claims : Claims or None
        What the node's board has in use.
    owner : str
        Name of the radio in errors.
    """

    Config = E22Config

    def __init__(
        self,
        air: Air,
        clock: Callable[[], int],
        config: E22Config,
        claims: Claims | None = None,
        owner: str = "radio",
    ) -> None:
        airtime_us, _ = known_air(config, f"E22 of {owner}")
        self.hat = E22Hat(_OutOfPackets(air), clock, lambda size: airtime_us, config.rssi_halved)
        self._given_before = 0
        try:
            config = config.model_copy(update={"port": self.hat.port})
            for resource in config.resources if claims is not None else ():
                assert claims is not None
                claims.take(resource, owner)
            serial = pi_module("serial", "radio.e22_emulated")
            port = serial.Serial(config.port, config.baud, timeout=0)
            super().__init__(
                port, self.hat.m0, self.hat.m1, config, clock, pause=self._pause_and_pump
            )
            self._given_before = self.hat.given_count
        except BaseException:
            self.hat.close()
            raise

    def send(self, now_us: int, data: bytes) -> SendResult:
        """Send a frame now, or say when it may be sent."""
        result = super().send(now_us, data)
        if result.accepted:
            self.hat.pump(_PASSAGE_S)
        return result

    def hear(
        self, frame: bytes, rssi_dbm: float, snr_db: float, t_us: int, crc_ok: bool = True
    ) -> None:
        """Let a frame end at the antenna; one too long for a packet is lost."""
        if 1 <= len(frame) < self._config.packet_bytes:
            packet = e22.pack(frame, self._config.packet_bytes)
            self.hat.hear(packet, rssi_dbm, snr_db, t_us, crc_ok)
        else:
            self.hat.missed_count += 1

    def carrier(self, until_us: int) -> None:
        """Let a signal be in the channel: this module's answer to it is not emulated."""
        self.hat.carrier(until_us)

    def close(self) -> None:
        """Let go of port and pseudo-terminal."""
        super().close()
        self.hat.close()

    def _pause_and_pump(self, t_s: float) -> None:
        self.hat.pump(min(t_s, 1e-3))

    def receive(self) -> ReceivedFrame | None:
        """Return the next frame waiting, or None."""
        deadline_s = time.monotonic() + _PASSAGE_S
        wanted = self.hat.given_count - self._given_before
        while self._read_count + self._port.in_waiting < wanted and time.monotonic() < deadline_s:
            time.sleep(20e-6)
        return super().receive()


class _OutOfPackets:
    """An air that takes frames out of packets before it hands them on."""

    def __init__(self, air: Air) -> None:
        self._air = air

    def send(self, frame: bytes, airtime_us: int) -> None:
        """Hand a packet's frame on; what is no packet of ours goes on as it is."""
        self._air.send(e22.unpack(frame) or frame, airtime_us)
