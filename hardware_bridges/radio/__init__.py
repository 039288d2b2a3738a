"""Bodies of the radio port."""
