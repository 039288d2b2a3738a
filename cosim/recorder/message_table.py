"""Message table: every message that was sent, written as it comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from gridmodel.federate import Message

SCHEMA = pa.schema(
    [
        pa.field("sent_t_us", pa.int64(), metadata={"about": "instant of the sender's step"}),
        pa.field("t_us", pa.int64(), metadata={"about": "instant of arrival asked for"}),
        pa.field("sender", pa.string()),
        pa.field("port", pa.string()),
        pa.field("sequence", pa.int64(), metadata={"about": "the sender's count"}),
        pa.field("kind", pa.string()),
        pa.field("data", pa.string(), metadata={"about": "content as JSON; bytes in hex"}),
    ]
)
CHUNK = 1024
Row = tuple[int, int, str, str, int, str, str]


class MessageTable:
    """Writes messages to a text journal at once and to an Arrow IPC stream in chunks."""

    def __init__(self, stem: Path) -> None:
        self._tail = stem.with_suffix(".journal").open("wb", buffering=0)
        self._file = stem.with_suffix(".arrow").open("wb")
        self._stream = pa.ipc.new_stream(self._file, SCHEMA)
        self._rows: list[Row] = []
        self._tail_path = stem.with_suffix(".journal")

    def write(self, sender: str, port: str, t_us: int, sequence: int, message: Message) -> None:
        """Add a message."""
        data = json.dumps(dict(message.data), default=_plain)
        row = (t_us, message.t_us, sender, port, sequence, message.kind, data)
        self._tail.write(json.dumps(row).encode() + b"\n")
        self._rows.append(row)
        if len(self._rows) == CHUNK:
            self._flush()

    def extend(self, batches: Iterator[pa.RecordBatch], before_us: int) -> None:
        """Take over the messages of an earlier run sent before an instant."""
        for batch in batches:
            keep = pa.compute.less(batch.column("sent_t_us"), before_us)
            self._stream.write_batch(batch.filter(keep))

    def _flush(self) -> None:
        self._stream.write_batch(_batch(self._rows))
        self._file.flush()
        self._rows.clear()
        self._tail.seek(0)
        self._tail.truncate()

    def close(self) -> None:
        """End the stream."""
        if self._rows:
            self._flush()
        self._stream.close()
        self._file.close()
        self._tail.close()
        self._tail_path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Let go of the files as they are."""
        self._file.close()
        self._tail.close()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{value!r} cannot be recorded")


def _batch(rows: list[Row]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
    return pa.record_batch(arrays, schema=SCHEMA)


def messages_of(stem: Path) -> Iterator[pa.RecordBatch]:
    """Yield the messages of a live or killed table, in order, each once."""
    seen: tuple[str, int] | None = None
    with stem.with_suffix(".arrow").open("rb") as file:
        try:
            for batch in pa.ipc.open_stream(file):
                if batch.num_rows:
                    seen = batch.column("sender")[-1].as_py(), batch.column("sequence")[-1].as_py()
                yield batch
        except (pa.ArrowInvalid, OSError, StopIteration):
            pass
    journal = stem.with_suffix(".journal")
    rows: list[Row] = []
    for line in journal.read_bytes().splitlines() if journal.exists() else ():
        try:
            row = tuple(json.loads(line))
        except ValueError:
            break  # cut off in the middle
        if (row[2], row[4]) == seen:  # the chunk is in the stream already
            rows.clear()
            continue
        rows.append(row)
    if rows:
        yield _batch(rows)
