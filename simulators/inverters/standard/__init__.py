"""Grid-following inverters by the standard: rule sets as data, and a fleet that obeys them."""
