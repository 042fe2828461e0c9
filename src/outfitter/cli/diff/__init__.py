"""`outfitter diff`: what the objects of files would change in a cluster."""
