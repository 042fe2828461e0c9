"""What one reconciliation knows."""

from outfitter.snapshot.objects import CachedObject, Dep, Key, KeyedData, Override, Resource, read_resource, readable
from outfitter.snapshot.reader import Lookup, NeedsData, Reader

__all__ = [
    "CachedObject",
    "Dep",
    "Key",
    "KeyedData",
    "Lookup",
    "NeedsData",
    "Override",
    "Reader",
    "Resource",
    "read_resource",
    "readable",
]
