"""The `outfitter` command."""
