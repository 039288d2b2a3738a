"""Scenarios: from a YAML file to a federation, with every fault at once."""
