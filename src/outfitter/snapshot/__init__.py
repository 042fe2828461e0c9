"""What one reconciliation knows."""

from outfitter.snapshot.objects import CachedObject, Dep, Key, KeyedData, Override, Resource, read_resource, readable
from outfitter.snapshot.reader import Lookup, NeedsData, Reader
from outfitter.snapshot.registries import (
    ImageAnswer,
    ImageQuestion,
    NameQuery,
    NameResult,
    RegistryAnswer,
    RegistryDefect,
    RegistryLogin,
    RegistryQuestion,
)

__all__ = [
    "CachedObject",
    "Dep",
    "ImageAnswer",
    "ImageQuestion",
    "Key",
    "KeyedData",
    "Lookup",
    "NameQuery",
    "NameResult",
    "NeedsData",
    "Override",
    "Reader",
    "RegistryAnswer",
    "RegistryDefect",
    "RegistryLogin",
    "RegistryQuestion",
    "Resource",
    "read_resource",
    "readable",
]
