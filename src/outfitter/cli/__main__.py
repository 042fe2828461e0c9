"""`python -m outfitter.cli`."""

from outfitter.cli import main

main()
