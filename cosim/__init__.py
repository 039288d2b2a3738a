"""Who keeps time and wires: scenario, clock, engines, recorder, command line."""
