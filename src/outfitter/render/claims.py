"""The PersistentVolumeClaims that a workload creates itself."""

from __future__ import annotations

from typing import Any

from outfitter.naming import owner_labels
from outfitter.render import datasource
from outfitter.render.owner import owner_reference
from outfitter.resolve.volumes import VolumeUse
from outfitter.resolve.workload import Resolved


def claims(resolved: Resolved) -> list[dict[str, Any]]:
    """The claims that the workload itself makes: inline ones, ephemeral ones of data sources, that of its model.

    An ephemeral claim, and one with a model, is owned by its workload; the others hold user data and are not.
    """
    live = resolved.request.resource.live
    result = []
    for use in resolved.volumes:
        if not _makes(use):
            continue
        labels = owner_labels(live.kind, live.name, live.uid)
        owned = use.leaf.ephemeral or use.owned
        claim = datasource.persistent_volume_claim(use.leaf, use.claim, live.namespace, labels, retain=not owned)
        if owned:
            claim["metadata"]["ownerReferences"] = [owner_reference(resolved.request.resource)]
        result.append(claim)
    return result


def short_lived(resolved: Resolved) -> tuple[str, ...]:
    """Names of the claims that go when the workload stops."""
    return tuple(use.claim for use in resolved.volumes if _makes(use) and use.leaf.ephemeral)


def _makes(use: VolumeUse) -> bool:
    if use.member != "pvc" or use.leaf.existing_pvc or use.leaf.claim_info is None:
        return False
    return use.asset is None or bool(use.leaf.ephemeral)  # else the DataSource makes it
