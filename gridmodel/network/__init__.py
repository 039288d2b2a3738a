"""The network: what a distribution grid is made of, in the Common Information Model's terms."""
