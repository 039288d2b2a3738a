"""Bodies of the thermometer port."""
