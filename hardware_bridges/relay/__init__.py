"""Bodies of the relay port."""
