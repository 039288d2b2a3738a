"""``python -m cosim`` is ``feedertwin``."""

from cosim.cli import main

main()
