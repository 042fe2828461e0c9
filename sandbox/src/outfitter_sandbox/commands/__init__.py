"""The commands of `outfitter sandbox`."""
