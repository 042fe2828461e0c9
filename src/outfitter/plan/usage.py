"""Who uses an asset, for its status: counts and a capped list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from outfitter.api.v1alpha1.asset import LISTED_USERS
from outfitter.snapshot import Key

_LISTS = {
    "Environment": "environments",
    "DataSource": "dataSources",
    "Workspace": "workspaces",
    "Inference": "inferences",
    "Artifact": "artifacts",
    "NimCache": "nimCaches",
}


def used_by(users: Iterable[Key]) -> dict[str, Any]:
    """`status.usedBy` of an asset; users that are listed are ordered by namespace and name."""
    chosen = sorted(set(users), key=lambda key: (key.kind, key.namespace, key.name))
    result: dict[str, Any] = {"total": len(chosen)}
    for key in chosen:
        listed = result.setdefault(_LISTS[key.kind], []) if key.kind in _LISTS else None
        if listed is not None and len(listed) < LISTED_USERS:
            listed.append({"namespace": key.namespace, "name": key.name})
    return result
