"""Hardware in the loop: nodes of a scenario that run outside its process."""
