"""The volumes of a workload."""

from outfitter.resolve.volumes.checks import check_volumes, not_for_inference, with_nodes
from outfitter.resolve.volumes.find import asset_volumes, inline_volumes
from outfitter.resolve.volumes.volume import VolumeUse, claim_name, member_of

__all__ = [
    "VolumeUse",
    "asset_volumes",
    "check_volumes",
    "claim_name",
    "inline_volumes",
    "member_of",
    "not_for_inference",
    "with_nodes",
]
