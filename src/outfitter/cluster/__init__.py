"""Access to the API server: client, watches and caches."""
