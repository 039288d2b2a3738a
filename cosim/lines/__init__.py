"""Lines: how a simulation and a node outside it speak to each other, and over what."""
