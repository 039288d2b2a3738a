"""A node's program: a controller on the bodies of its ports. Light enough for a Pi Zero."""
