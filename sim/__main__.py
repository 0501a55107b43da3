"""``python -m sim``: the command line."""

from sim.cli.main import main

main()
