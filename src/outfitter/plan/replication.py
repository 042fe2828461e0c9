"""Copies of a Secret or ConfigMap in the namespaces in scope: compared by content, never by a hash of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outfitter.canonical import covers, stamp
from outfitter.naming import owner_labels
from outfitter.plan.diff import Apply, Create, Delete, Op, check_ownership
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.render.owner import owner_reference
from outfitter.snapshot import Reader, Resource


def labelled(manifest: dict[str, Any], asset: Resource) -> dict[str, Any]:
    """The manifest as a child of `asset`: always by labels, and by owner reference where the namespace allows one."""
    live, meta = asset.live, manifest["metadata"]
    meta["labels"] = owner_labels(live.kind, live.name, live.uid)
    if meta["namespace"] == live.namespace:
        meta["ownerReferences"] = [owner_reference(asset)]
    return manifest


def keep_copy(reader: Reader, asset: Resource, manifest: Mapping[str, Any]) -> tuple[list[Op], list[Problem]]:
    """The write that makes one copy what it should be, or what stands in its way there."""
    kind, meta = manifest["kind"], manifest["metadata"]
    namespace, name = meta["namespace"], meta["name"]
    found = reader.get_untracked(kind, namespace, name)
    if found is None:
        return [Create(stamp(dict(manifest)))], []
    blocked = check_ownership(reader, found, asset)
    if blocked is not None:
        reader.track(kind, namespace, name)
        if blocked.reason == Reason.NAME_TAKEN and namespace != asset.live.namespace:
            text = f"{kind} {namespace}/{name} exists and is not Outfitter's: delete or rename it"
            blocked = stalled(Reason.REPLICATION_ERROR, text, namespace=namespace)
        return [], [blocked]
    held = reader.keyed_data(kind, namespace, name, data=True)
    if held is None or reader.wanted:
        return [], []  # fetched next, then looked at again
    if held.type != manifest.get("type", ""):
        return [Delete(found)], []
    content = (dict(held.data or {}), dict(held.binary))
    owned = {"labels": meta["labels"], "ownerReferences": meta.get("ownerReferences", [])}
    if content == (manifest.get("data", {}), manifest.get("binaryData", {})) and covers(owned, found.body["metadata"]):
        return [], []
    extra = set(content[0]) - set(manifest.get("data", {})) | set(content[1]) - set(manifest.get("binaryData", {}))
    # An apply leaves keys that others have put there, so such a copy is made anew.
    return [Delete(found) if extra else Apply(stamp(dict(manifest)), found.uid)], []
