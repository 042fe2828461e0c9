"""The client of image registries. Beside `cluster`, the only package that connects to other machines.

A registry is not trusted: it is on another network, and a tenant can control it. `session` bounds what it can do.
"""

from outfitter.registry.lookups import RegistryLookups

__all__ = ["RegistryLookups"]
