"""A run's radio traffic: who sent what when, who heard it, and pictures of it."""
