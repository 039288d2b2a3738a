"""``python -m cosim.node --config house_3.yaml``."""

from cosim.node.command import main

main()
