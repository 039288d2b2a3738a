"""Recorder: takes what an engine tells and leaves it in the run folder."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from cosim.federation import Federation, signals
from cosim.recorder.compact import LIVE, MESSAGES, layout_in, live_batches, message_batches
from cosim.recorder.layout import layout
from cosim.recorder.message_table import MessageTable
from cosim.recorder.signal_table import SignalTable
from cosim.recorder.stream import record_error as record_error
from cosim.scenario.schema import RecordConfig
from gridmodel.federate import Message
from gridmodel.units import microseconds


class Recorder:
    """Writes all signals and messages of a federation, or of a part of it.

    Parameters
    ----------
    folder : Path
        The run.
    federation : Federation
        The whole.
    config : RecordConfig
        What is recorded.
    part : str
        Name of the part; empty for the whole.
    own : collection of str or None
        Members of the part.
    """

    def __init__(
        self,
        folder: Path,
        federation: Federation,
        config: RecordConfig,
        part: str = "",
        own: Collection[str] | None = None,
    ) -> None:
        self._names = [member.name for member in federation.members]
        self._tables: list[SignalTable | None] = []
        self._skip = set(config.skip)
        live = folder / LIVE
        live.mkdir(parents=True, exist_ok=bool(part))
        self._own = own
        try:
            for member in federation.members:
                wanted = [
                    signal
                    for signal in signals(member.outputs.values())
                    if not {member.name, f"{member.name}.{signal.name}"} & self._skip
                    and (own is None or member.name in own)
                ]
                plan = layout(wanted)
                every_us = microseconds(config.every_s.get(member.name, 0.0))
                table = SignalTable(live / member.name, plan, every_us) if plan.columns else None
                self._tables.append(table)
            self._messages = MessageTable(
                live / (f"_{MESSAGES}-{part}" if part else f"_{MESSAGES}")
            )
        except OSError as error:
            raise record_error(error) from error

    def writer(self, index: int) -> Callable[[int, dict[str, Any]], None] | None:
        """Return what takes the signals a federate sends: instant, value by port."""
        table = self._tables[index]
        return None if table is None else table.write

    def message(self, index: int, port: str, t_us: int, sequence: int, message: Message) -> None:
        """Take a message a federate sent."""
        try:
            self._messages.write(self._names[index], port, t_us, sequence, message)
        except OSError as error:
            raise record_error(error, self._names[index], t_us) from error

    def take_over(self, folder: Path, before_us: int) -> None:
        """Copy what an earlier run recorded before an instant."""
        for name, table in zip(self._names, self._tables, strict=True):
            earlier = layout_in(folder, name)
            if table is not None and earlier is not None:
                table.extend(live_batches(folder, name), before_us, earlier)
        self._messages.extend(message_batches(folder), before_us, self._own)

    def close(self) -> None:
        """End all tables; what cannot be written is left for ``feedertwin recover``."""
        failed: OSError | None = None
        for table in (*self._tables, self._messages):
            if table is not None:
                try:
                    table.close()
                except (OSError, ValueError) as error:
                    failed = error if isinstance(error, OSError) else OSError(str(error))
                    table.abandon()
        if failed is not None:
            raise record_error(failed) from failed
