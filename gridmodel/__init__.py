"""What the grid is: names, units, signs, the network, ports, messages and errors.

Everything else imports from here; this package imports nothing of ours.
"""
