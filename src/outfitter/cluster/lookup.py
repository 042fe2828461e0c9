"""The caches as a Reader uses them, with indexes for look-ups by other values than names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from outfitter.api.v1alpha1 import KINDS
from outfitter.cluster.store import Caches, Change
from outfitter.snapshot import CachedObject


class CacheLookup:
    """A Lookup over the caches, with the indexes of INDEXES."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._index: dict[str, dict[str, dict[str, CachedObject]]] = {kind: {} for kind in INDEXES}
        for kind in INDEXES:
            for live in caches[kind].all():
                self.update(Change(kind, None, live))
        caches.listen(self.update)
        caches.listen_written(self.update)

    def get(self, kind: str, namespace: str, name: str) -> CachedObject | None:
        """See Lookup.get."""
        return self._caches[kind].get(namespace, name)

    def owned(self, uid: str) -> Iterable[CachedObject]:
        """See Lookup.owned."""
        return self._caches.owned(uid)

    def serves(self, kind: str) -> bool:
        """See Lookup.serves."""
        return self._caches.serves(kind)

    def in_namespace(self, kind: str, namespace: str) -> Iterable[CachedObject]:
        """See Lookup.in_namespace."""
        return self._caches[kind].in_namespace(namespace)

    def all(self, kind: str) -> Iterable[CachedObject]:
        """See Lookup.all."""
        return self._caches[kind].all()

    def owner(self, uid: str) -> CachedObject | None:
        """See Lookup.owner."""
        return next((live for kind in KINDS if (live := self._caches[kind.name].by_uid(uid))), None)

    def indexed(self, kind: str, value: str) -> Iterable[CachedObject]:
        """See Lookup.indexed."""
        return list(self._index[kind].get(value, {}).values())

    def values(self, kind: str) -> Iterable[str]:
        """See Lookup.values."""
        return self._index[kind].keys()

    def update(self, change: Change) -> None:
        """Update the indexes by a change of the caches."""
        values = INDEXES.get(change.kind)
        if values is None:
            return
        index = self._index[change.kind]
        if change.old is not None:
            for value in values(change.old.body):
                if known := index.get(value):
                    known.pop(change.old.uid, None)
                    if not known:
                        del index[value]
        if change.new is not None:
            for value in values(change.new.body):
                index.setdefault(value, {})[change.new.uid] = change.new


def _hosts(body: Mapping[str, Any]) -> list[str]:
    return [rule["host"] for rule in (body.get("spec") or {}).get("rules") or () if rule.get("host")]


def _repositories(body: Mapping[str, Any]) -> set[str]:
    """The repository of an Artifact, as namespace/name. A clone has that of its source in its status."""
    meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    named = (spec.get("repositoryRef") or {}).get("name")
    if not named:
        named = status.get("repository") if spec.get("cloneFrom") else meta["name"]
    return {f"{meta['namespace']}/{named}"} if named else set()


def _images(body: Mapping[str, Any]) -> list[str]:
    return [f"{body['metadata']['namespace']}/{(body.get('spec') or {}).get('image', '')}"]


def _policies(body: Mapping[str, Any]) -> list[str]:
    spec = body.get("spec") or {}
    scope = spec.get("scope") or {}
    place = f"{body['metadata']['namespace']}/{spec.get('workloadType', '')}"
    return [f"{place}/{scope.get('type', '')}/{scope.get('name', '')}"]


def _builds(body: Mapping[str, Any]) -> list[str]:
    """The Artifact of an ImageBuild, as namespace/name."""
    artifact = ((body.get("spec") or {}).get("artifact") or {}).get("name", "")
    return [f"{body['metadata']['namespace']}/{artifact}"]


def _offers(body: Mapping[str, Any]) -> list[str]:
    """The name of a DataSource that shares its volume with other projects."""
    volume = (body.get("spec") or {}).get("dataVolume") or {}
    return [body["metadata"]["name"]] if volume.get("sharedScopes") else []


INDEXES: Final[Mapping[str, Callable[[Mapping[str, Any]], Iterable[str]]]] = {
    "Ingress": _hosts,
    "Artifact": _repositories,
    "NimCache": _images,
    "WorkloadPolicy": _policies,
    "DataSource": _offers,
    "ImageBuild": _builds,
}
"""Kind -> the values that its objects are found by."""
