"""Inverters and the frequency they make: grid-forming, grid-following, the island of both."""
