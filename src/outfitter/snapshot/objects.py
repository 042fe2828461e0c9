"""Objects as one reconciliation sees them: plain, frozen data."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from outfitter.api.shape import without_nulls
from outfitter.api.states import NOT_OBSERVED, READY
from outfitter.api.v1alpha1 import kind_of
from outfitter.api.version import GROUP
from outfitter.managed_fields import applied_by_users, edited, foreign_keys
from outfitter.naming import LABEL_ON_DEMAND, LABEL_OWNER_UID

if TYPE_CHECKING:
    from outfitter.api.base import CustomResource

_COMPRESSED_FROM: Final = 512  # bytes


class Key(NamedTuple):
    """The key of a custom resource, and the unit of work of the queue."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Dep(NamedTuple):
    """A dependency: an object that a reconciliation read, found or not. Its change requeues the key.

    `name` may be "*": anything of that kind in that namespace. `namespace` may be "*" too; "" means cluster-scoped.
    """

    kind: str
    namespace: str
    name: str

    @classmethod
    def on_kind(cls, kind: str) -> Dep:
        """The dependency on whether the API server serves a kind."""
        return cls("APIResource", "", kind)

    def wider(self) -> Iterator[Dep]:
        """Yield the other dependencies that include this one."""
        for dep in (Dep(self.kind, self.namespace, "*"), Dep(self.kind, "*", "*")):
            if dep != self:
                yield dep

    @property
    def deferred(self) -> Dep:
        """The same dependency of a result that may be late: a change requeues the key after the window of usedBy."""
        return Dep(f"{self.kind}, deferred", self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class CachedObject:
    """An object as last seen on the API server, kept small: compact JSON without managedFields, parsed on demand.

    Of Secrets and ConfigMaps only metadata is kept. `resource_version` is an int: older news is told from newer.
    Texts that several objects share, such as the uid of an owner, are one object in memory.
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
    stored: bytes  # JSON, or JSON that is compressed
    edited: str = ""  # when the spec of a custom resource was last written, by its managedFields
    ready_since: str = ""  # time of the Ready condition of a workload that started once: assets report it of thousands
    sync_status: str = ""  # status.syncStatus of a custom resource, for the metrics: no scrape parses JSON
    ready: str = ""  # status of its Ready condition

    @property
    def raw(self) -> bytes:
        """Return the object as JSON."""
        return self.stored if self.stored.startswith(b"{") else zlib.decompress(self.stored)

    @property
    def body(self) -> dict[str, Any]:
        """Return the object as a new dict."""
        return orjson.loads(self.raw)  # type: ignore[no-any-return]

    @classmethod
    def of(cls, body: Mapping[str, Any], kind: str = "") -> CachedObject:
        """Create it from a manifest with server metadata; managedFields and a default status are dropped.

        An object on demand that a user applied a manifest to is the user's, and loses its label here.
        """
        meta = body.get("metadata") or {}
        if LABEL_ON_DEMAND in (meta.get("labels") or {}) and applied_by_users(body):
            kept = {name: value for name, value in meta["labels"].items() if name != LABEL_ON_DEMAND}
            meta = {**meta, "labels": kept}
        slim = {**body, "metadata": {key: value for key, value in meta.items() if key != "managedFields"}}
        if slim.get("status") == NOT_OBSERVED:
            del slim["status"]
        ours = str(body.get("apiVersion", "")).startswith(f"{GROUP}/")
        status: Any = body.get("status") or {}
        ready = _ready(status) if ours else {}
        return cls(
            kind=kind or body["kind"],
            namespace=intern(meta.get("namespace", "")),
            name=intern(meta["name"]),
            uid=intern(meta.get("uid", "")),
            resource_version=int(meta.get("resourceVersion") or 0),
            owner=intern((meta.get("labels") or {}).get(LABEL_OWNER_UID, "")),
            controller=intern(
                next((ref["uid"] for ref in meta.get("ownerReferences") or () if ref.get("controller")), "")
            ),
            generation=int(meta.get("generation") or 0),
            deleting="deletionTimestamp" in meta,
            stored=_stored(orjson.dumps(slim)),
            edited=intern(edited(body)) if ours else "",
            ready_since=intern(str(ready.get("lastTransitionTime", ""))) if ours and status.get("revision") else "",
            sync_status=intern(str(status.get("syncStatus", ""))) if ours else "",
            ready=intern(str(ready.get("status", ""))),
        )


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the Ready condition of a custom resource; empty where there is none."""
    conditions: Iterable[Mapping[str, Any]] = status.get("conditions") or ()
    return next((item for item in conditions if item.get("type") == READY), {})


def _stored(raw: bytes) -> bytes:
    """Compress JSON where that saves much: half of the memory, and some microseconds each time that it is parsed."""
    if len(raw) >= _COMPRESSED_FROM:
        return zlib.compress(raw, 1)
    # A copy: what orjson returns keeps the four to ten times larger buffer that it was written in.
    return memoryview(raw).tobytes()


@dataclass(frozen=True, slots=True)
class KeyedData:
    """The keys of a Secret or ConfigMap that was fetched, and its content where it was requested."""

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
    foreign: frozenset[str] = frozenset()  # the keys that another field manager added
    immutable: bool = False  # the API server rejects other content

    @classmethod
    def of(cls, body: Mapping[str, Any], kind: str, *, data: bool = True) -> KeyedData:
        """Create it from the object as the API server returns it."""
        meta, content, binary = body["metadata"], body.get("data") or {}, body.get("binaryData") or {}
        return cls(
            kind,
            meta["namespace"],
            meta["name"],
            meta["resourceVersion"],
            frozenset(content) | frozenset(binary),
            body.get("type", ""),
            meta.get("annotations") or {},
            (meta.get("labels") or {}).get(LABEL_OWNER_UID, ""),
            content if data else None,
            binary if data else {},
            foreign_keys(body),
            bool(body.get("immutable")),
        )


@dataclass(frozen=True, slots=True)
class Override:
    """A child object that another writer changes back: further writes of the same content are futile until a time."""

    fingerprint: str  # of the content that does not last
    fields: frozenset[tuple[Any, ...]]  # paths as of canonical.differences
    managers: tuple[str, ...]  # field managers that set them; none for an admission policy or webhook
    until: datetime


@dataclass(frozen=True, slots=True)
class Resource:
    """A parsed custom resource: as stored and as a model. `body` is shared and read-only."""

    live: CachedObject
    body: Mapping[str, Any]
    model: CustomResource

    @property
    def key(self) -> Key:
        """Return its key in the queue."""
        return Key(self.live.kind, self.live.namespace, self.live.name)


@lru_cache(maxsize=128)
def read_resource(live: CachedObject) -> Resource:
    """Parse a custom resource; the most used ones stay parsed. A field that is null is absent from its body."""
    body = without_nulls(live.body) if b":null" in live.raw else live.body
    return Resource(live, body, kind_of(live.kind).model.parse(body))


def readable(live: CachedObject) -> Resource | None:
    """Parse a custom resource; None for one that the models reject, which its own status reports."""
    from pydantic import ValidationError  # commands that parse no object start without it

    try:
        return read_resource(live)
    except ValidationError:
        return None
