"""Power flow: voltages, currents and losses of the network."""
