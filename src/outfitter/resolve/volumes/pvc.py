"""A PersistentVolumeClaim."""

from __future__ import annotations

from dataclasses import dataclass, replace

from outfitter.api.v1alpha1.volumes import ClaimInfo, PvcFields
from outfitter.naming import fit, workload_volume
from outfitter.problems import Problem, waiting
from outfitter.reasons import Reason
from outfitter.resolve.causes import first_cause
from outfitter.resolve.private import Requester
from outfitter.resolve.volumes.base import BaseVolume, Lookup, VolumeUse
from outfitter.resolve.volumes.existing_claim import contradictions
from outfitter.resolve.volumes.shared import claim_elsewhere, shared_claim_problem
from outfitter.snapshot import Reader


@dataclass(frozen=True)
class PvcVolume(BaseVolume):
    """A PersistentVolumeClaim.

    `info` describes a new claim. `existing`: the claim must exist already. `ephemeral`: it is deleted when the
    workload stops. `owned`: it is deleted with the workload. `data_sharing`: all namespaces mount the same volume.
    `single_node`: one node at a time can mount it, so that a pod cannot start before the previous one is gone.
    """

    claim_name: str
    info: ClaimInfo | None = None
    read_only: bool = False
    existing: bool = False
    ephemeral: bool = False
    owned: bool = False
    data_sharing: bool = False
    single_node: bool = False

    @staticmethod
    def create(source: PvcFields, use: VolumeUse) -> PvcVolume:
        """Read the fields of a DataSource or an inline volume."""
        return PvcVolume(
            use.at(source.path),
            _claim_name(source, use),
            source.claim_info,
            source.read_only,
            source.existing_pvc,
            source.ephemeral,
            owned=source.ephemeral,
            data_sharing=source.data_sharing,
        )

    @property
    def block(self) -> bool:
        """Whether the volume is a raw device."""
        return self.info is not None and self.info.volume_mode == "Block"

    @property
    def new_claim(self) -> ClaimInfo | None:
        """The claim that the workload itself creates; None where the claim exists or the DataSource creates it."""
        return self.info if not self.existing and (self.use.asset is None or self.ephemeral) else None

    def shared_in(self, namespace: str) -> str:
        """Return the claim in a namespace that mounts the one volume of all namespaces; "" for any other claim."""
        asset = self.use.asset
        return claim_elsewhere(asset, namespace) if asset is not None and self.data_sharing else ""

    def placed(self, namespace: str) -> PvcVolume:
        """Return the volume with the claim of a namespace."""
        return replace(self, claim_name=self.shared_in(namespace) or self.claim_name)

    def look_up(self, reader: Reader, namespace: str, user: Requester | None) -> Lookup:
        """Look up a claim that the workload does not create."""
        if self.use.asset is not None and self.shared_in(namespace):
            return shared_claim_problem(reader, self.use.asset, namespace, self.use.field)
        asset, name = self.use.asset, f"PersistentVolumeClaim {namespace}/{self.claim_name}"
        if not self.existing and (asset is None or self.ephemeral):
            return None
        claim = reader.get("PersistentVolumeClaim", namespace, self.claim_name)
        if claim is None:
            remedy = "Create it."
            if not self.existing and asset is not None:
                remedy = first_cause(asset, namespace, f"{self.use.origin} creates it.")
            return waiting(Reason.NOT_CREATED, f"{name} does not exist. {remedy}", self.use.field)
        if not self.existing and asset is not None and claim.owner != asset.live.uid:
            text = (
                f"{name} exists and does not belong to {self.use.origin}. Delete the claim, or use another DataSource."
            )
            return waiting(Reason.NOT_CREATED, text, self.use.field)
        return None

    def contradictions(self, reader: Reader, namespace: str, field: str) -> list[Problem]:
        """Return how the fields of a new claim differ from the claim that exists."""
        if not self.existing or self.shared_in(namespace):
            return []
        claim = reader.get("PersistentVolumeClaim", namespace, self.claim_name)
        return [] if claim is None else list(contradictions(self.info, claim, field))

    def source_problem(self, reader: Reader, namespace: str) -> Problem | None:
        """Return no problem: the DataSource reports the state of its claims."""
        return None

    def not_for_inference(self) -> str:
        """Return the noun phrase for an ephemeral claim: it would be empty after each stop."""
        return "an ephemeral claim" if self.ephemeral else ""

    def with_nodes(self, reader: Reader, namespace: str) -> PvcVolume:
        """Return the volume with `single_node` set from the claim, or from its description until it exists."""
        claim = reader.get("PersistentVolumeClaim", namespace, self.claim_name)
        if claim is not None:
            modes = set((claim.body.get("spec") or {}).get("accessModes") or ())
            return replace(self, single_node=not modes & {"ReadWriteMany", "ReadOnlyMany"})
        modes_wanted = self.info.access_modes if self.info else None
        many = modes_wanted is not None and bool(modes_wanted.read_write_many or modes_wanted.read_only_many)
        return replace(self, single_node=not many)


def _claim_name(source: PvcFields, use: VolumeUse) -> str:
    """Return the name of the claim: set by the user, derived from the DataSource, or derived from the workload."""
    if use.asset is None:
        return source.claim_name or workload_volume(use.workload, use.name)
    if source.ephemeral and not source.existing_pvc:
        return workload_volume(use.workload, use.name)
    return source.claim_name or fit(use.name)
