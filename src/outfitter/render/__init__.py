"""Resolved -> manifests, as plain dicts: an absent field must be absent. Nothing here reads or decides about the cluster."""
