"""What one pass knows: plain, frozen data. Everything that decides reads this and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import orjson
from pydantic import ValidationError

from outfitter.api.base import Resource
from outfitter.api.v1alpha1 import kind_of
from outfitter.naming import OWNER_UID
from outfitter.settings import Settings


class Key(NamedTuple):
    """One custom resource of ours, and the unit of work of the queue."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Dep(NamedTuple):
    """Something a pass looked at, found or not: when it changes, the pass is due again.

    `name` may be "*": anything of that kind in that namespace. `namespace` may be "*" too; "" means cluster-scoped.
    """

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Live:
    """An object as last seen on the server, kept small: compact JSON without managedFields, parsed on demand.

    Of Secrets and ConfigMaps only metadata is kept. `resource_version` is an int: older news is told from newer.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: int
    owner: str  # value of the owner-uid label, or ""
    controller: str  # uid of the controller ownerReference, or ""
    generation: int
    deleting: bool
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The object as a new dict."""
        return orjson.loads(self.raw)  # type: ignore[no-any-return]

    @classmethod
    def of(cls, body: Mapping[str, Any], kind: str = "") -> Live:
        """From a manifest with server metadata; managedFields are dropped."""
        meta = body.get("metadata") or {}
        slim = {**body, "metadata": {key: value for key, value in meta.items() if key != "managedFields"}}
        return cls(
            kind=kind or body["kind"],
            namespace=meta.get("namespace", ""),
            name=meta["name"],
            uid=meta.get("uid", ""),
            resource_version=int(meta.get("resourceVersion") or 0),
            owner=(meta.get("labels") or {}).get(OWNER_UID, ""),
            controller=next((ref["uid"] for ref in meta.get("ownerReferences") or () if ref.get("controller")), ""),
            generation=int(meta.get("generation") or 0),
            deleting="deletionTimestamp" in meta,
            # A copy: what orjson returns keeps the four to ten times larger buffer that it was written in.
            raw=memoryview(orjson.dumps(slim)).tobytes(),
        )


@dataclass(frozen=True, slots=True)
class Native:
    """A Secret or ConfigMap that a pass was pointed at: which keys it has, and, for the few that compose, its data."""

    kind: str
    namespace: str
    name: str
    version: str  # resourceVersion
    keys: frozenset[str]
    type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    data: Mapping[str, str] | None = field(default=None, repr=False)  # of Secrets base64, as stored; never logged
    binary: Mapping[str, str] = field(default_factory=dict, repr=False)  # base64, of ConfigMaps only


class Lookup(Protocol):
    """The caches, as a pass may read them: synchronous, in memory."""

    def get(self, kind: str, namespace: str, name: str) -> Live | None:
        """One object."""

    def owned(self, uid: str) -> Iterable[Live]:
        """Objects of any kind whose owner-uid label is `uid`."""

    def in_namespace(self, kind: str, namespace: str) -> Iterable[Live]:
        """Objects of one kind in one namespace."""

    def all(self, kind: str) -> Iterable[Live]:
        """All objects of one kind."""

    def indexed(self, kind: str, value: str) -> Iterable[Live]:
        """Objects found by something else than their name: Ingresses by host, Artifacts by repository ..."""

    def owner(self, uid: str) -> Live | None:
        """The object of ours with that uid."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One of our objects, read: as stored and as a model. Treat `body` as read-only, it is shared."""

    live: Live
    body: Mapping[str, Any]
    model: Resource

    @property
    def key(self) -> Key:
        """Its key in the queue."""
        return Key(self.live.kind, self.live.namespace, self.live.name)


@lru_cache(maxsize=128)
def read_asset(live: Live) -> Asset:
    """Parse an object of ours; the most used ones stay parsed."""
    body = live.body
    return Asset(live, body, kind_of(live.kind).model.parse(body))


def _readable(live: Live) -> Asset | None:
    """A stored object that the models refuse counts as absent; its own status says what is wrong with it."""
    try:
        return read_asset(live)
    except ValidationError:
        return None


class View:
    """One instant of the caches for one pass, remembering what was looked at.

    `deps` ends up as everything the result depends on, found or not. `wanted` names Secrets and ConfigMaps whose keys
    (True: data) are needed but were not fetched yet: the pass fetches them and looks again.
    """

    def __init__(
        self,
        lookup: Lookup,
        settings: Settings,
        natives: Mapping[Dep, Native] | None = None,
        users: tuple[Key, ...] = (),
        now: datetime | None = None,
    ) -> None:
        self.settings = settings
        self.users = users
        self.now = now or datetime.fromtimestamp(0).astimezone()
        self.deps: set[Dep] = set()
        self.wanted: dict[Dep, bool] = {}
        self._lookup = lookup
        self._natives = natives or {}

    def live(self, kind: str, namespace: str, name: str) -> Live | None:
        """An object by name."""
        self.deps.add(Dep(kind, namespace, name))
        return self._lookup.get(kind, namespace, name)

    def depend(self, kind: str, namespace: str, name: str) -> None:
        """Be looked at again when this object changes or appears."""
        self.deps.add(Dep(kind, namespace, name))

    def peek(self, kind: str, namespace: str, name: str) -> Live | None:
        """An object by name, without depending on it: for one's own children, whose changes wake their owner anyway."""
        return self._lookup.get(kind, namespace, name)

    def asset(self, kind: str, namespace: str, name: str) -> Asset | None:
        """One of our objects by name."""
        found = self.live(kind, namespace, name)
        return _readable(found) if found else None

    def assets(self, kind: str, namespace: str) -> list[Asset]:
        """All our objects of a kind in a namespace, by name."""
        self.deps.add(Dep(kind, namespace, "*"))
        found = sorted(self._lookup.in_namespace(kind, namespace), key=lambda live: live.name)
        return [asset for live in found if (asset := _readable(live))]

    def children(self, uid: str) -> list[Live]:
        """What carries the owner-uid label of one of our objects. Changes of those wake the owner without a Dep."""
        return sorted(self._lookup.owned(uid), key=lambda live: (live.kind, live.namespace, live.name))

    def namespaces(self) -> list[Live]:
        """All Namespaces, by name."""
        self.deps.add(Dep("Namespace", "", "*"))
        return sorted(self._lookup.all("Namespace"), key=lambda live: live.name)

    def labels(self, namespace: str) -> Mapping[str, str]:
        """Labels of a Namespace; none where it is not known."""
        found = self.live("Namespace", "", namespace)
        labels: Mapping[str, str] = ((found.body.get("metadata") or {}).get("labels") or {}) if found else {}
        return labels

    def owner(self, uid: str) -> Live | None:
        """The object of ours with that uid, if it exists."""
        return self._lookup.owner(uid)

    def claimants(self, host: str) -> list[Live]:
        """The Ingresses of ours that serve a host, oldest first."""
        return self._oldest_first(self._lookup.indexed("Ingress", host))

    def members(self, namespace: str, repository: str) -> list[Asset]:
        """The Artifacts of a repository, oldest first. No Dep: an artifact tells its repository what concerns it."""
        found = self._oldest_first(self._lookup.indexed("Artifact", f"{namespace}/{repository}"))
        return [asset for live in found if (asset := _readable(live))]

    def caches(self, namespace: str, image: str) -> list[Asset]:
        """The NimCaches of an image in a namespace, oldest first; the pass depends on those that are there."""
        found = self._oldest_first(self._lookup.indexed("NimCache", f"{namespace}/{image}"))
        return [asset for live in found if (asset := self.asset("NimCache", namespace, live.name))]

    @staticmethod
    def _oldest_first(found: Iterable[Live]) -> list[Live]:
        return sorted(found, key=lambda live: (live.body["metadata"].get("creationTimestamp", ""), live.uid))

    def events(self, uid: str) -> list[Live]:
        """Events that say why a StatefulSet's pod could not be created. News of those wakes the owner without a Dep."""
        return [live for live in self._lookup.owned(uid) if live.kind == "Event"]

    def binds_late(self, claim: Live) -> bool:
        """Whether a claim's storage class binds only once a pod uses the claim."""
        if self.settings.watch_namespaces:
            return True  # classes are cluster-wide and cannot be read there: better quiet than for ever pending
        name = (claim.body.get("spec") or {}).get("storageClassName", "")
        found = self.live("StorageClass", "", name) if name else None
        return found is not None and found.body.get("volumeBindingMode") == "WaitForFirstConsumer"

    def native(self, kind: str, namespace: str, name: str, *, data: bool = False) -> Native | None:
        """A Secret or ConfigMap with its keys, and with `data` its content; None where there is none.

        Where it exists but was not fetched in this version, it is noted in `wanted` and shown without keys.
        """
        found = self.live(kind, namespace, name)
        if found is None:
            return None
        dep = Dep(kind, namespace, name)
        fetched = self._natives.get(dep)
        if fetched is not None and (not data or fetched.data is not None):
            return fetched
        self.wanted[dep] = data or self.wanted.get(dep, False)
        return Native(kind, namespace, name, str(found.resource_version), frozenset(), data={} if data else None)
