"""Copies of a Secret or ConfigMap in the namespaces in scope: compared by content, never by a hash of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from outfitter.canonical import covers, stamp
from outfitter.naming import owner_labels
from outfitter.plan.diff import check_ownership, overridden
from outfitter.plan.writes import Apply, Create, Delete, Write
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.render.owner import owner_reference
from outfitter.render.placement import user_labels
from outfitter.settings import Settings
from outfitter.snapshot import CachedObject, Dep, Reader, Resource


def labelled(manifest: dict[str, Any], asset: Resource, settings: Settings) -> dict[str, Any]:
    """Return the manifest as a child of an asset: labels always, an owner reference in the same namespace."""
    live, meta, spec = asset.live, manifest["metadata"], asset.model.spec
    meta["labels"] = {
        **user_labels(getattr(spec, "labels", ()), settings)[0],
        **owner_labels(live.kind, live.name, live.uid),
    }
    if meta["namespace"] == live.namespace:
        meta["ownerReferences"] = [owner_reference(asset)]
    return manifest


def keep_copies(
    reader: Reader, asset: Resource, manifests: Sequence[Mapping[str, Any]]
) -> tuple[list[Write], list[Problem]]:
    """Return the writes that make the copies equal to the manifests, and what prevents some of them."""
    places = [(item["kind"], item["metadata"]["namespace"], item["metadata"]["name"]) for item in manifests]
    existing = {place: reader.get_untracked(*place) for place in places}
    blocked = {place: check_ownership(reader, found, asset) for place, found in existing.items() if found is not None}
    reader.prefetch((Dep(*place) for place, problem in blocked.items() if problem is None), data=True)
    writes: list[Write] = []
    problems: list[Problem] = []
    for place, manifest in zip(places, manifests, strict=True):
        found, problem = existing[place], blocked.get(place)
        if found is None:
            writes.append(Create(stamp(dict(manifest))))
        elif problem is not None:
            reader.track(*place)
            problems.append(_blocked(asset, place, problem))
        else:
            write = _change(reader, manifest, found)
            futile = overridden(reader, stamp(dict(manifest)), found) if write is not None else None
            if futile is not None:
                problems.append(futile)
            elif write is not None:
                writes.append(write)
    return writes, problems


def _blocked(asset: Resource, place: tuple[str, str, str], problem: Problem) -> Problem:
    kind, namespace, name = place
    if problem.reason != Reason.NAME_TAKEN or namespace == asset.live.namespace:
        return replace(problem, namespace=namespace)
    text = f"{kind} {namespace}/{name} exists, and Outfitter does not manage it. Delete or rename it."
    return stalled(Reason.REPLICATION_ERROR, text, namespace=namespace)


def _change(reader: Reader, manifest: Mapping[str, Any], found: CachedObject) -> Write | None:
    held = reader.keyed_data(found.kind, found.namespace, found.name, data=True)
    assert held is not None
    if held.type != manifest.get("type", ""):
        return Delete(found)
    meta = manifest["metadata"]
    wanted = (manifest.get("data", {}), manifest.get("binaryData", {}))
    content = (_own(held.data or {}, held.foreign, wanted[0]), _own(held.binary, held.foreign, wanted[1]))
    owned = {"labels": meta["labels"], "ownerReferences": meta.get("ownerReferences", [])}
    if content == wanted and covers(owned, found.body["metadata"]):
        return None
    if held.immutable and content != wanted:
        return Delete(found)  # the source is rotated: only a new copy can hold the new content
    return Apply(stamp(dict(manifest)), found.uid)


def _own(content: Mapping[str, str], foreign: frozenset[str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the content without the keys that others added, for example an admission policy."""
    return {key: value for key, value in content.items() if key in wanted or key not in foreign}
