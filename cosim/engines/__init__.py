"""Engines: what moves time and values; the clock's law is in `cosim.clock`."""
