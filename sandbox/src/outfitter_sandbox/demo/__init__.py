"""`outfitter demo`: the main features of Outfitter on this machine."""
