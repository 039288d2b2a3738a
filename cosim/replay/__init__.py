"""Replay: one federate stepped again on its recorded inputs, its outputs held to the record."""
