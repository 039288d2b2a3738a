"""What touches the world: each port in a simulated, an emulated and a real body."""
