"""A node without containers, in one small process."""
