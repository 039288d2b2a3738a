"""Bodies of the inverter port."""
