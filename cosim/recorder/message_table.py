"""Message table: every message that was sent, written as it comes."""

from __future__ import annotations

import json
import marshal
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cosim.recorder.stream import Stream
from gridmodel.federate import Message

SCHEMA = pa.schema(
    [
        pa.field("sent_t_us", pa.int64(), metadata={"about": "instant of the sender's step"}),
        pa.field("t_us", pa.int64(), metadata={"about": "instant of arrival asked for"}),
        pa.field("sender", pa.string()),
        pa.field("port", pa.string()),
        pa.field("sequence", pa.int64(), metadata={"about": "the sender's count"}),
        pa.field("kind", pa.string()),
        pa.field("data", pa.string(), metadata={"about": 'content as JSON; bytes as {"hex": ...}'}),
    ]
)
CHUNK = 1024
#: sent, arrival, sender, port, sequence, kind, content
Row = tuple[int, int, str, str, int, str, dict[str, Any]]


class MessageTable:
    """Writes messages to a journal at once and to an Arrow IPC stream in chunks."""

    def __init__(self, stem: Path) -> None:
        self._journal_path = stem.with_suffix(".journal")
        self._journal = self._journal_path.open("wb", buffering=0)
        self._stream = Stream(stem.with_suffix(".arrow"), SCHEMA)
        self._rows: list[Row] = []

    def write(self, sender: str, port: str, t_us: int, sequence: int, message: Message) -> None:
        """Add a message."""
        row = (t_us, message.t_us, sender, port, sequence, message.kind, dict(message.data))
        rest = memoryview(marshal.dumps(row))
        while rest:  # on a disk that is almost full a piece of it is written, without an error
            rest = rest[self._journal.write(rest) :]
        self._rows.append(row)
        if len(self._rows) == CHUNK:
            self._flush()

    def extend(
        self,
        batches: Iterator[pa.RecordBatch],
        before_us: int,
        senders: Collection[str] | None = None,
    ) -> None:
        """Take over the messages of an earlier run sent before an instant."""
        for batch in batches:
            count = int(np.searchsorted(batch.column("sent_t_us").to_numpy(), before_us))
            rows = batch.slice(0, count)
            if senders is not None:
                names = pa.array(sorted(senders), pa.string())
                rows = rows.filter(pc.is_in(rows.column("sender"), names))
            self._stream.write(rows)

    def _flush(self) -> None:
        self._stream.write(_batch(self._rows))
        self._rows.clear()
        self._journal.seek(0)
        self._journal.truncate()

    def close(self) -> None:
        """End the stream."""
        if self._rows:
            self._flush()
        self._stream.close()
        self._journal.close()
        self._journal_path.unlink()

    def abandon(self) -> None:
        """Let go of the files as they are."""
        self._stream.abandon()
        self._journal.close()


def content_text(data: Mapping[str, Any]) -> str:
    r"""Return a message's content as it is recorded.

    A message carries no mappings, so an object in the JSON can only be bytes.

    Examples
    --------
    >>> content_text({"frame": b"\x01\xff", "to": (1, None)})
    '{"frame": {"hex": "01ff"}, "to": [1, null]}'
    """
    return _ENCODER.encode(data)


def content_of(text: str) -> dict[str, Any]:
    r"""Return a recorded content as it was sent.

    Examples
    --------
    >>> content_of('{"frame": {"hex": "01ff"}, "to": [1, null]}')
    {'frame': b'\x01\xff', 'to': (1, None)}
    """
    return contents((text,))[0]


def contents(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Return recorded contents as they were sent: many in one go are read faster."""
    found: list[dict[str, Any]] = json.loads(f"[{','.join(texts)}]")
    for data in found:
        for key, value in data.items():
            if type(value) in _NESTED:
                data[key] = _restored(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    raise TypeError(f"{value!r} cannot be recorded")


_ENCODER = json.JSONEncoder(default=_plain)
_NESTED = (list, dict)


def _restored(value: Any) -> Any:
    """Return the bytes that an object stands for, or the tuple that a list does."""
    if type(value) is dict:
        return bytes.fromhex(value["hex"])
    return tuple([_restored(item) if type(item) in _NESTED else item for item in value])


def _batch(rows: list[Row]) -> pa.RecordBatch:
    texts = [(*row[:6], content_text(row[6])) for row in rows]
    columns = list(zip(*texts, strict=True))
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
    rows = list(_journal_of(stem.with_suffix(".journal")))
    if seen is not None:  # the chunk may be in both
        known = [k for k, row in enumerate(rows) if (row[2], row[4]) == seen]
        rows = rows[known[-1] + 1 :] if known else rows
    if rows:
        yield _batch(rows)


def _journal_of(path: Path) -> Iterator[Row]:
    """Yield the rows of a journal; one that was cut off in the middle ends it."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while True:
            try:
                yield marshal.load(file)
            except (EOFError, ValueError, TypeError):
                return
