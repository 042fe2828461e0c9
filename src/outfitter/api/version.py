"""Group and version of the API."""

GROUP = "outfitter.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
