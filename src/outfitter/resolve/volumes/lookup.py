"""The volumes of a workload: from the DataSources that it names, and from its own inline fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from outfitter.api.v1alpha1.datasource import DataSourceSpec
from outfitter.api.v1alpha1.storage import Storage
from outfitter.problems import stalled
from outfitter.reasons import Reason
from outfitter.resolve.references import Found, label
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.scope import find, is_wide
from outfitter.resolve.volumes.base import VolumeUse
from outfitter.resolve.volumes.types import SOURCE_TYPES, Volume
from outfitter.snapshot import Reader, Resource

IMPOSED = "imposedAssets of a WorkloadPolicy"
"""In place of a field, for what no field of the workload names."""


def source_volume(asset: Resource, use: VolumeUse) -> tuple[str, Volume | None]:
    """Return the source type of a DataSource and its volume; an empty string and None where it has no source."""
    spec = asset.model.spec
    assert isinstance(spec, DataSourceSpec)
    for source_type in SOURCE_TYPES:
        volume = source_type.of_data_source(spec, use)
        if volume is not None:
            return source_type.name, volume
    return "", None


def asset_volumes(reader: Reader, request: WorkloadRequest, found: Found) -> Iterator[Volume]:
    """Yield the volumes of the DataSources that the workload names."""
    for index, ref in enumerate(request.data_sources):
        field = request.asset_field("dataSources", ref.name)
        if field != "spec.template":
            field = f"{field}[{index}]"
        asset = found.keep(find(reader, "DataSource", request.namespace, ref, field), named_by=field)
        if asset is None:
            continue
        copied = is_wide(asset, reader.settings.system_namespace)
        use = VolumeUse(label(asset), asset.live.name, field, request.name, ref.mount_path or "", asset, copied)
        _, volume = source_volume(asset, use)
        if volume is None:
            found.problems.append(
                stalled(
                    Reason.REFERENCE_INVALID,
                    f"{asset.key} has no source. Set one of its source fields, such as nfs or pvc.",
                    field,
                )
            )
        else:
            yield volume


def imposed_volumes(
    reader: Reader, request: WorkloadRequest, assets: Iterable[Resource], found: Found
) -> Iterator[Volume]:
    """Yield the volumes of the DataSources that the policies of the project mount into every workload."""
    for asset in assets:
        found.keep(asset, named_by=IMPOSED)
        copied = is_wide(asset, reader.settings.system_namespace)
        use = VolumeUse(label(asset), asset.live.name, IMPOSED, request.name, "", asset, copied)
        _, volume = source_volume(asset, use)
        if volume is not None:
            yield volume


def not_imposed(attached: Iterable[Volume], imposed: Iterable[Resource]) -> Iterator[Volume]:
    """Yield the volumes that policies do not mount already."""
    uids = {asset.live.uid for asset in imposed}
    return (volume for volume in attached if volume.use.asset is None or volume.use.asset.live.uid not in uids)


def inline_volumes(request: WorkloadRequest, storage: Storage) -> Iterator[Volume]:
    """Yield the volumes that the workload describes itself."""
    use = VolumeUse(label(request.resource), "", "spec.storage", request.name)
    for source_type in SOURCE_TYPES:
        yield from source_type.of_storage(storage, use)
