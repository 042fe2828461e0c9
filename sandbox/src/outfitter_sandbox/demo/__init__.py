"""`outfitter demo`: the main job from nothing to a clean end."""
