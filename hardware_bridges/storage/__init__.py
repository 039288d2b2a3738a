"""Bodies of the storage port."""
