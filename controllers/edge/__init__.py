"""Edge node: the controller of one house."""
