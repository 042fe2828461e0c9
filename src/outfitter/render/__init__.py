"""Resolved -> manifests, as plain dicts: an absent field must be absent. Nothing here looks at the cluster."""
