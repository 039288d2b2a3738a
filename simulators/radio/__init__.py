"""Radio: who hears whom, and what becomes of a packet on the air."""
