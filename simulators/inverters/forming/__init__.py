"""Several grid-forming inverters on one street: angles, powers, voltage, loads and relays."""
