"""Bodies of the meter port."""
