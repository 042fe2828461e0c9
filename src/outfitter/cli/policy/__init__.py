"""`outfitter policy`, and the checks of policies in `outfitter validate`."""
