"""Report: what a run leaves for people's eyes."""
