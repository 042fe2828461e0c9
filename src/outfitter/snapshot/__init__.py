"""What one reconciliation knows: plain, frozen data."""

from outfitter.snapshot.objects import (
    Asset,
    Dep,
    Key,
    Live,
    Lookup,
    Native,
    View,
    read_asset,
)

__all__ = [
    "Asset",
    "Dep",
    "Key",
    "Live",
    "Lookup",
    "Native",
    "View",
    "read_asset",
]
