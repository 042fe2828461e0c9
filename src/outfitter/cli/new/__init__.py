"""`outfitter new`: a manifest from flags."""
