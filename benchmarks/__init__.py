"""Benchmarks: what feedertwin takes, in time and memory, beside a rival in the same run."""
