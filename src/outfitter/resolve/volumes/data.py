"""A data volume: an existing claim, which other projects mount read-only."""

from __future__ import annotations

from dataclasses import dataclass, replace

from outfitter.api.refs import AssetRef
from outfitter.api.v1alpha1 import datasource, storage
from outfitter.problems import Problem, stalled, waiting
from outfitter.reasons import Reason
from outfitter.resolve.private import Requester
from outfitter.resolve.references import Found
from outfitter.resolve.scope import find
from outfitter.resolve.volumes.base import BaseVolume, Lookup, VolumeUse
from outfitter.resolve.volumes.shared import claim_elsewhere, shared_claim_problem
from outfitter.snapshot import Reader


@dataclass(frozen=True)
class DataVolume(BaseVolume):
    """A data volume, always read-only.

    `claim_name` is the claim in the workload's namespace: the origin, or a claim of the same storage. `id` names the
    DataSource of an inline volume. `original`: the storage itself is mounted, not a copy. `block`: a raw device.
    `single_node`: one node at a time can mount it, so that a pod cannot start before the previous one is gone.
    """

    claim_name: str
    id: str = ""
    original: bool = True
    block: bool = False
    single_node: bool = False

    @staticmethod
    def create(source: datasource.DataVolume | storage.DataVolume, use: VolumeUse) -> DataVolume:
        """Read the fields of a DataSource or an inline volume."""
        if isinstance(source, storage.DataVolume):
            return DataVolume(use.at(source.mount_path), source.id, source.id)
        return DataVolume(use.at(source.mount_path), source.origin_pvc_name, original=source.use_original_volume)

    def with_asset(self, reader: Reader, namespace: str, found: Found) -> DataVolume | None:
        """Return an inline volume with its DataSource; None, with a problem, if there is none that can be used."""
        if self.use.asset is not None or not self.id:
            return self
        field = f"{self.use.field}.id"
        asset = found.keep(find(reader, "DataSource", namespace, AssetRef(name=self.id), field), named_by=field)
        if asset is None:
            return None
        source = getattr(asset.model.spec, "data_volume", None)
        if source is None:
            text = f"{asset.key} is no data volume. Name it in assets.dataSources, or use a DataSource with dataVolume."
            found.problems.append(stalled(Reason.REFERENCE_INVALID, text, field))
            return None
        return replace(
            self,
            use=replace(self.use, asset=asset),
            claim_name=source.origin_pvc_name,
            original=source.use_original_volume,
        )

    def placed(self, reader: Reader, namespace: str) -> DataVolume:
        """Return the volume with the claim of a namespace."""
        asset = self.use.asset
        name = self.claim_name if asset is None else claim_elsewhere(asset, namespace) or self.claim_name
        claim = reader.get("PersistentVolumeClaim", namespace, name)
        mode = (claim.body.get("spec") or {}).get("volumeMode") if claim else None
        return replace(self, claim_name=name, block=mode == "Block")

    def with_nodes(self, reader: Reader, namespace: str) -> DataVolume:
        """Return the volume with `single_node` set from its claim."""
        claim = reader.get("PersistentVolumeClaim", namespace, self.claim_name)
        modes = set((claim.body.get("spec") or {}).get("accessModes") or ()) if claim is not None else set()
        return replace(self, single_node=bool(modes) and not modes & {"ReadWriteMany", "ReadOnlyMany"})

    def look_up(self, reader: Reader, namespace: str, user: Requester | None) -> Lookup:
        """Look up the claim in the workload's namespace."""
        asset = self.use.asset
        if asset is None:
            return None
        if not self.original:
            return self.unsupported(self.use.field)
        if asset.live.namespace != namespace:
            return shared_claim_problem(reader, asset, namespace, self.use.field)
        claim = reader.get("PersistentVolumeClaim", namespace, self.claim_name)
        if claim is None:
            text = f"PersistentVolumeClaim {namespace}/{self.claim_name} does not exist. Create it."
            return waiting(Reason.NOT_CREATED, text, self.use.field)
        return None

    def source_problem(self, reader: Reader, namespace: str) -> Problem | None:
        """Return no problem: the DataSource reports the state of its volume."""
        return None

    @staticmethod
    def unsupported(field: str) -> Problem:
        """Return the problem of a copy."""
        text = "Outfitter makes no copies of volumes. Create a new DataSource without useOriginalVolume."
        return stalled(Reason.UNSUPPORTED, text, field)
