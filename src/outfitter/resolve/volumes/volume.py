"""Which volume a DataSource or inline storage item means, before anything is rendered of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from outfitter.naming import fit
from outfitter.snapshot import Resource

MEMBERS: tuple[tuple[str, str], ...] = (
    ("nfs", "nfs"),
    ("hostPath", "host_path"),
    ("git", "git"),
    ("s3", "s3"),
    ("pvc", "pvc"),
    ("configMapVolume", "config_map_volume"),
    ("secretVolume", "secret_volume"),
    ("dataVolume", "data_volume"),
)


@dataclass(frozen=True)
class VolumeUse:
    """One volume as a workload uses it: `member` names the one-of (`nfs`, `pvc` ...), `leaf` is its model."""

    source: str
    name: str
    member: str
    leaf: Any
    mount_path: str
    field: str
    claim: str = ""  # for pvc: name of the PersistentVolumeClaim; for configMapVolume: of the ConfigMap
    asset: Resource | None = None
    owned: bool = False  # the claim belongs to the workload and goes with it, but not when it only stops
    single: bool = False  # one node at a time: another pod cannot start before this one is gone


def member_of(spec: Any) -> tuple[str, Any]:
    """The chosen member of a DataSource's one-of and its model; ("", None) where none is chosen."""
    for name, attribute in MEMBERS:
        leaf = getattr(spec, attribute, None)
        if leaf is not None:
            return name, leaf
    return "", None


def claim_name(leaf: Any, owner: str) -> str:
    """The PVC of a pvc leaf: as named by the user, else after the asset."""
    return leaf.claim_name or fit(owner)
