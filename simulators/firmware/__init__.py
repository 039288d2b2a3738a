"""Firmware: node programs on simulated hardware."""
