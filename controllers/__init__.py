"""What decides: measurement in, set-point out."""
