"""The volumes of a workload."""

from outfitter.resolve.volumes.base import VolumeUse
from outfitter.resolve.volumes.checks import check_volumes, mounted_images, not_for_inference, with_nodes
from outfitter.resolve.volumes.config_map import ConfigMapVolume
from outfitter.resolve.volumes.data import DataVolume
from outfitter.resolve.volumes.empty_dir import EmptyDirVolume
from outfitter.resolve.volumes.git import GitVolume
from outfitter.resolve.volumes.host_path import HostPathVolume
from outfitter.resolve.volumes.image import ImageVolume
from outfitter.resolve.volumes.login import KNOWN_HOSTS, Login
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
    "KNOWN_HOSTS",
    "SOURCE_TYPES",
    "ConfigMapVolume",
    "DataVolume",
    "EmptyDirVolume",
    "GitVolume",
    "HostPathVolume",
    "ImageVolume",
    "Login",
    "NfsVolume",
    "PvcVolume",
    "S3Volume",
    "SecretVolume",
    "SourceType",
    "Volume",
    "VolumeUse",
    "asset_volumes",
    "check_volumes",
    "imposed_volumes",
    "inline_volumes",
    "mounted_images",
    "not_for_inference",
    "not_imposed",
    "shared_claim",
    "source_volume",
    "with_nodes",
]
