"""Recorder: what a run leaves behind, safe while it lives and compact when it ends.

While a run lives, each federate has an Arrow IPC stream of whole chunks and a *tail*: the
chunk being filled, in a memory-mapped file. A killed process loses nothing, because the
kernel keeps the pages of its file. At the end, or by ``feedertwin recover``, stream and
tail are compacted to Parquet.
"""
