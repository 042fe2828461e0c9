"""`outfitter uninstall`: everything of Outfitter in a cluster, in the right order."""
