"""The volumes of a workload."""

from outfitter.resolve.volumes.base import UnsupportedVolume, VolumeUse
from outfitter.resolve.volumes.checks import check_volumes, not_for_inference, with_nodes
from outfitter.resolve.volumes.config_map import ConfigMapVolume
from outfitter.resolve.volumes.data import DataVolume
from outfitter.resolve.volumes.empty_dir import EmptyDirVolume
from outfitter.resolve.volumes.git import GitVolume
from outfitter.resolve.volumes.host_path import HostPathVolume
from outfitter.resolve.volumes.lookup import (
    IMPOSED,
    asset_volumes,
    imposed_volumes,
    inline_volumes,
    not_imposed,
    source_volume,
)
from outfitter.resolve.volumes.nfs import NfsVolume
from outfitter.resolve.volumes.pvc import PvcVolume
from outfitter.resolve.volumes.s3 import S3Volume
from outfitter.resolve.volumes.secret import SecretVolume
from outfitter.resolve.volumes.shared import shared_claim
from outfitter.resolve.volumes.types import SOURCE_TYPES, SourceType, Volume

__all__ = [
    "IMPOSED",
    "SOURCE_TYPES",
    "ConfigMapVolume",
    "DataVolume",
    "EmptyDirVolume",
    "GitVolume",
    "HostPathVolume",
    "NfsVolume",
    "PvcVolume",
    "S3Volume",
    "SecretVolume",
    "SourceType",
    "UnsupportedVolume",
    "Volume",
    "VolumeUse",
    "asset_volumes",
    "check_volumes",
    "imposed_volumes",
    "inline_volumes",
    "not_for_inference",
    "not_imposed",
    "shared_claim",
    "source_volume",
    "with_nodes",
]
