"""The list of volume types: their fields in the API, and their constructors.

A new type needs a field in the API, a class in a module of its own, its name in `Volume` and a row in `SOURCE_TYPES`.
mypy reports the functions that do not handle it yet, and the tests a field without a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from outfitter.api.base import Model
from outfitter.api.v1alpha1.datasource import DataSourceSpec
from outfitter.api.v1alpha1.storage import Storage
from outfitter.resolve.merge import identity
from outfitter.resolve.volumes.base import VolumeUse
from outfitter.resolve.volumes.config_map import ConfigMapVolume
from outfitter.resolve.volumes.data import DataVolume
from outfitter.resolve.volumes.empty_dir import EmptyDirVolume
from outfitter.resolve.volumes.git import GitVolume
from outfitter.resolve.volumes.host_path import HostPathVolume
from outfitter.resolve.volumes.image import ImageVolume
from outfitter.resolve.volumes.nfs import NfsVolume
from outfitter.resolve.volumes.pvc import PvcVolume
from outfitter.resolve.volumes.s3 import S3Volume
from outfitter.resolve.volumes.secret import SecretVolume

Volume = (
    NfsVolume
    | HostPathVolume
    | PvcVolume
    | ConfigMapVolume
    | SecretVolume
    | EmptyDirVolume
    | GitVolume
    | S3Volume
    | ImageVolume
    | DataVolume
)
_Source = TypeVar("_Source", bound=Model)
_Item = TypeVar("_Item", bound=Model)


@dataclass(frozen=True)
class SourceType:
    """One type of volume by its name in the API. `of_data_source` returns None for a DataSource of another type."""

    name: str
    of_data_source: Callable[[DataSourceSpec, VolumeUse], Volume | None]
    of_storage: Callable[[Storage, VolumeUse], Iterator[Volume]]


def _source_type(
    name: str,
    create: Callable[[_Source | _Item, VolumeUse], Volume],
    source: Callable[[DataSourceSpec], _Source | None],
    items: Callable[[Storage], tuple[_Item, ...]],
) -> SourceType:
    """Return a row of the list. `source` and `items` read the fields of a DataSource and of inline storage."""

    def of_data_source(spec: DataSourceSpec, use: VolumeUse) -> Volume | None:
        model = source(spec)
        return create(model, use) if model is not None else None

    def of_storage(storage: Storage, use: VolumeUse) -> Iterator[Volume]:
        for item in items(storage):
            key = identity(f"storage.{name}", item.to_dict())
            yield create(item, replace(use, name=key, field=f"spec.storage.{name}[{key}]"))

    return SourceType(name, of_data_source, of_storage)


SOURCE_TYPES: tuple[SourceType, ...] = (
    _source_type("nfs", NfsVolume.create, lambda spec: spec.nfs, lambda storage: storage.nfs),
    _source_type("hostPath", HostPathVolume.create, lambda spec: spec.host_path, lambda storage: storage.host_path),
    _source_type("pvc", PvcVolume.create, lambda spec: spec.pvc, lambda storage: storage.pvc),
    _source_type(
        "configMapVolume",
        ConfigMapVolume.create,
        lambda spec: spec.config_map_volume,
        lambda storage: storage.config_map_volume,
    ),
    _source_type(
        "secretVolume", SecretVolume.create, lambda spec: spec.secret_volume, lambda storage: storage.secret_volume
    ),
    _source_type("emptyDirVolume", EmptyDirVolume.create, lambda spec: None, lambda storage: storage.empty_dir_volume),
    _source_type("git", GitVolume.create, lambda spec: spec.git, lambda storage: storage.git),
    _source_type("s3", S3Volume.create, lambda spec: spec.s3, lambda storage: storage.s3),
    _source_type("image", ImageVolume.create, lambda spec: spec.image, lambda storage: storage.image),
    _source_type("dataVolume", DataVolume.create, lambda spec: spec.data_volume, lambda storage: storage.data_volume),
)
