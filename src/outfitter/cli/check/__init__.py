"""`outfitter check`: whether a cluster is fit for Outfitter, and whether Outfitter in it is complete."""
