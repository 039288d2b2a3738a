"""Weather: what the sky does to the panels."""
