"""Who uses an asset, for its status: counts and a capped list."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
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
    """`status.usedBy` of an asset: of thousands, the first by namespace and name are listed."""
    chosen = set(users)
    by_kind: dict[str, list[Key]] = {}
    for key in chosen:
        by_kind.setdefault(key.kind, []).append(key)
    result: dict[str, Any] = {"total": len(chosen)}
    for kind in sorted(by_kind.keys() & _LISTS.keys()):
        first = nsmallest(LISTED_USERS, by_kind[kind])
        result[_LISTS[kind]] = [{"namespace": key.namespace, "name": key.name} for key in first]
    return result
