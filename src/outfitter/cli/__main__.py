"""`python -m outfitter.cli`."""

from outfitter.cli.app import main

main()
