"""The volumes of a workload: those of the data sources that it names, and those that it describes itself."""

from __future__ import annotations

from collections.abc import Iterator

from outfitter.api.v1alpha1.datasource import DataSource
from outfitter.api.v1alpha1.storage import Storage
from outfitter.naming import data_source_config_map, workload_volume
from outfitter.problems import stalled
from outfitter.reasons import Reason
from outfitter.resolve.merge import identity
from outfitter.resolve.references import Found, label
from outfitter.resolve.request import WorkloadRequest
from outfitter.resolve.scope import find, is_wide
from outfitter.resolve.volumes.volume import VolumeUse, claim_name, member_of
from outfitter.snapshot import Reader


def asset_volumes(reader: Reader, request: WorkloadRequest, found: Found) -> Iterator[VolumeUse]:
    """The volumes of the data sources that the workload names."""
    for index, ref in enumerate(request.data_sources):
        path = f"{request.prefix}.dataSources[{index}]"
        asset = found.keep(find(reader, "DataSource", request.namespace, ref, path))
        if asset is None:
            continue
        assert isinstance(asset.model, DataSource)
        member, leaf = member_of(asset.model.spec)
        if leaf is None:
            found.problems.append(stalled(Reason.REFERENCE_INVALID, f"{label(asset)} has no data source in it", path))
            continue
        default = getattr(leaf, "mount_path", None) or getattr(leaf, "path", None) or ""
        claim = getattr(leaf, "config_map", None) or ""
        if member == "configMapVolume" and is_wide(asset, reader.settings.system_namespace):
            claim = data_source_config_map(asset.live.name)
        if member == "pvc":
            ephemeral = leaf.ephemeral
            claim = workload_volume(request.name, asset.live.name) if ephemeral else claim_name(leaf, asset.live.name)
        yield VolumeUse(label(asset), asset.live.name, member, leaf, ref.mount_path or default, path, claim, asset)


def inline_volumes(request: WorkloadRequest, storage: Storage) -> Iterator[VolumeUse]:
    """The volumes that the workload describes itself."""
    who = label(request.resource)
    for member, items in (
        ("nfs", storage.nfs),
        ("hostPath", storage.host_path),
        ("pvc", storage.pvc),
        ("configMapVolume", storage.config_map_volume),
        ("secretVolume", storage.secret_volume),
        ("emptyDirVolume", storage.empty_dir_volume),
        ("git", storage.git),
        ("s3", storage.s3),
        ("dataVolume", storage.data_volume),
    ):
        for item in items:
            name = identity(f"storage.{member}", item.to_dict())
            mount = getattr(item, "mount_path", None) or getattr(item, "path", None) or ""
            claim = getattr(item, "config_map", None) or ""
            if member == "pvc":
                claim = getattr(item, "claim_name", None) or workload_volume(request.name, name)
            yield VolumeUse(who, name, member, item, mount, f"spec.storage.{member}[{name}]", claim, None)
