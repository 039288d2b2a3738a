"""Stream: an Arrow IPC stream on disk that ends with a whole batch, also on a full disk."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pyarrow as pa

from gridmodel.errors import RecordError


class Stream:
    """Writes batches, each at once and whole, or not at all.

    A batch of which only a piece found room is cut off again by `abandon`; nothing is
    written behind it, since a reader would never come to it.

    Parameters
    ----------
    path : Path
        The file.
    schema : pyarrow.Schema
        What a batch holds.
    options : pyarrow.ipc.IpcWriteOptions or None
        How it is written.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, options: pa.ipc.IpcWriteOptions | None = None
    ) -> None:
        self._path = path
        self._file = path.open("wb")
        self._stream = pa.ipc.new_stream(self._file, schema, options=options)
        self._whole_bytes = 0
        self._failed: OSError | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch.

        Raises
        ------
        OSError
            If it cannot be written, or one before it could not.
        """
        if self._failed is not None:
            raise self._failed
        try:
            self._stream.write_batch(batch)
            self._file.flush()
        except OSError as error:
            self._failed = OSError(error.errno, error.strerror)
            raise
        finally:
            del batch  # it may lie in the caller's map, which a traceback would keep open
        self._whole_bytes = self._file.tell()

    def close(self) -> None:
        """End the stream.

        Raises
        ------
        OSError
            If that, or a batch before, could not be written.
        """
        if self._failed is not None:
            raise self._failed
        self._stream.close()
        self._file.close()

    def abandon(self) -> None:
        """Leave what is whole, and let go of the file."""
        with contextlib.suppress(OSError):  # it tries to write the rest once more
            self._file.close()
        os.truncate(self._path, self._whole_bytes)


def record_error(error: OSError, name: str = "", t_us: int | None = None) -> RecordError:
    """Return what a failed write means, and what to do.

    Parameters
    ----------
    error : OSError
        What the system said.
    name : str
        Federate whose record was written, if it is known.
    t_us : int or None
        Simulated instant. [us]
    """
    if isinstance(error, RecordError):
        return error
    where = f" of federate '{name}'" if name else ""
    when = f" at t = {t_us / 1e6:.6f} s" if t_us is not None else ""
    if error.errno == errno.ENOSPC:
        return RecordError(
            errno.ENOSPC,
            f"the disk is full, for the record{where}{when}; free room and run 'feedertwin "
            "recover' on the run, or record less (record: {skip: [...], every_s: {...}})",
        )
    return RecordError(
        error.errno or errno.EIO, f"the record{where} cannot be written{when}: {error}"
    )
