"""Assets that a policy mounts into every workload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from posixpath import normpath
from typing import Any, Final

from outfitter.api.v1alpha1.policyfields import policy_fields
from outfitter.policy.rule import Source

_CREDENTIALS: Final = ("credential", "secretRef", "accessKeySecret", "passwordSecret", "secret")
"""Fields of a volume that name a login."""
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "config-map": "configMapVolume",
    "secret-volume": "secretVolume",
    "data-volume": "dataVolume",
}
KINDS: Final = frozenset(path.partition(".")[2] for path in policy_fields("workspace") if path.startswith("storage."))
"""Fields of `storage`: the kinds of data sources."""


@dataclass(frozen=True)
class ImposedAsset:
    """A data source that a policy mounts into every workload."""

    name: str
    kind: str
    """The field of `storage` of its type; empty if it is not known."""
    volume: Mapping[str, Any] = field(default_factory=dict)
    """The volume as an inline item of that field. Empty if the data source does not exist or cannot be used."""
    credential: bool = False
    """It refers to a credential."""
    scope: str = ""
    """Scope of the reference, if it names one."""
    section: str = ""
    """worker or master of a distributed workload."""
    source: Source = field(default_factory=lambda: Source("project"))

    @property
    def storage(self) -> str:
        """The field of `storage`."""
        return _OTHER_NAMES.get(self.kind, self.kind)

    @property
    def mount_path(self) -> str:
        """Where it is mounted, in its shortest form."""
        return clean_path(str(self.volume.get("mountPath") or self.volume.get("path") or ""))


def clean_path(path: str) -> str:
    """Return the shortest form of an absolute path: `//data/./` is `/data`."""
    return normpath(f"/{path.lstrip('/')}")


def imposed_fault(asset: ImposedAsset) -> tuple[str, str] | None:
    """Return why an asset cannot be imposed, as reason and message; None if it can."""
    if asset.credential or asset.storage == "secretVolume" or any(asset.volume.get(name) for name in _CREDENTIALS):
        text = f"DataSource {asset.name} refers to a credential, which cannot be imposed on workloads of other users."
        return "credential", text
    if asset.storage not in KINDS or not asset.volume:
        text = f"DataSource {asset.name} does not exist in this scope. Create it, or remove it from imposedAssets."
        return "asset-missing", text
    return None
