"""A simulated API server: uids, versions, generations, field ownership, status apart from spec.

It also checks preconditions, collects garbage by ownerReferences, and rejects what access.py does not grant.
One module, because all verbs work on the same stored objects and their field owners.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from outfitter.cluster.access import granted
from outfitter.cluster.events import event
from outfitter.cluster.resources import RESOURCES, api_resource
from outfitter.cluster.store import Caches
from outfitter.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from outfitter.naming import FIELD_MANAGER, LABEL_ON_DEMAND
from outfitter.simulator.managed_fields import Path, changed, merged, owned_paths, read, recorded, without
from outfitter.simulator.manifests import (
    Body,
    Place,
    as_sent,
    changes_immutable,
    copied,
    desired,
    encode_secret,
    place_of,
    refers_to,
    same,
    selects,
    unknown_fields,
)
from outfitter.snapshot import CachedObject
from outfitter.status import timestamp

_NO_GENERATION: Final = frozenset(
    {
        "Namespace",
        "Secret",
        "ConfigMap",
        "Service",
        "PersistentVolumeClaim",
        "PersistentVolume",
        "ControllerRevision",
        "Event",
        "Lease",
        "HorizontalPodAutoscaler",
        "Role",
        "RoleBinding",
    }
)


@dataclass(frozen=True, slots=True)
class Write:
    """One write of the operator. `manifest` is the request body; for verb `status` it is the status."""

    verb: str  # create, apply, replace, delete, status
    kind: str
    namespace: str
    name: str
    manifest: Mapping[str, Any]


class SimulatedCluster:
    """A Cluster. The `user_*` methods are writes of users, controllers and kubelets: not recorded, never rejected.

    strict_namespaces: creating an object in a namespace that does not exist is NotFound, as on a real API server.
    Otherwise the namespace is created with its first object.
    """

    def __init__(
        self,
        objects: Iterable[Mapping[str, Any]] = (),
        *,
        caches: Caches | None = None,
        strict_namespaces: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.caches = caches if caches is not None else Caches()
        self.writes: list[Write] = []
        self.events: list[Body] = []
        self.admission: Callable[[Body], Body] = lambda body: body  # a mutating admission policy
        self._strict = strict_namespaces
        self._clock = clock
        self._objects: dict[Place, Body] = {}
        self._owners: dict[Place, dict[str, frozenset[Path]]] = {}
        self._appliers: dict[Place, tuple[str, ...]] = {}  # who used server-side apply, of restored objects
        self._version = 0
        self._uids = 0
        self._faults: list[tuple[str, str, Exception]] = []
        for item in objects:
            self.user_apply(item)

    def fork(self, caches: Caches, clock: Callable[[], datetime]) -> Self:
        """An independent cluster with the same objects. Writes and events start empty; `caches` is filled."""
        other = type(self)(caches=caches, strict_namespaces=self._strict, clock=clock)
        other._objects = dict(self._objects)  # stored bodies are replaced, never changed
        other._owners = {place: dict(owners) for place, owners in self._owners.items()}
        other._appliers = dict(self._appliers)
        other._version, other._uids = self._version, self._uids
        for (kind, _, _), body in self._objects.items():
            if (live := caches.project(kind, body)) is not None:
                caches.put(live)
        return other

    # -- the verbs -----------------------------------------------------------------------------------------------

    async def get(self, kind: str, namespace: str, name: str) -> Body | None:
        """See Cluster.get."""
        self._check("get", kind)
        found = copied(self._objects.get((kind, namespace, name)))
        if found is not None:
            found["metadata"]["managedFields"] = recorded(self._owners.get((kind, namespace, name), {}))
        return found

    async def list(self, kind: str, namespace: str = "", *, label_selector: str = "") -> list[Body]:
        """See Cluster.list. Selectors: `key`, `!key`, `key=value`, `key!=value`, joined by commas."""
        self._check("list", kind)
        return [
            copied(body)
            for (item, space, _), body in sorted(self._objects.items())
            if item == kind and namespace in ("", space) and selects(label_selector, body)
        ]

    async def create(self, manifest: Mapping[str, Any]) -> Body:
        """See Cluster.create."""
        kind, namespace, name = place = place_of(manifest)
        self._check("create", kind)
        self.writes.append(Write("create", kind, namespace, name, copied(dict(manifest))))
        if self._strict and api_resource(kind).namespaced and ("Namespace", "", namespace) not in self._objects:
            raise NotFound(f'namespaces "{namespace}" not found', status=404, reason="NotFound")
        if place in self._objects:
            raise AlreadyExists(
                f'{api_resource(kind).plural} "{name}" already exists', status=409, reason="AlreadyExists"
            )
        return copied(self._insert(place, manifest, FIELD_MANAGER))

    async def apply(self, manifest: Mapping[str, Any], uid: str, manager: str = FIELD_MANAGER) -> Body:
        """See Cluster.apply."""
        kind, namespace, name = place = place_of(manifest)
        self._check("patch", kind)
        self.writes.append(Write("apply", kind, namespace, name, copied(dict(manifest))))
        if changes_immutable(self._existing(place, uid), manifest):
            raise Invalid("field is immutable when `immutable` is set", status=422, reason="Invalid")
        return copied(self._apply(place, manifest, manager))

    async def replace(self, manifest: Mapping[str, Any], uid: str) -> Body:
        """See Cluster.replace."""
        kind, namespace, name = place = place_of(manifest)
        self._check("patch", kind)
        self.writes.append(Write("replace", kind, namespace, name, copied(dict(manifest))))
        live, sent = self._existing(place, uid), as_sent(manifest)
        meta = {**live["metadata"], **{key: sent["metadata"][key] for key in ("labels", "annotations")}}
        return copied(self._store(place, self.admission({**copied(live), "metadata": meta, "spec": sent["spec"]})))

    async def delete(
        self, kind: str, namespace: str, name: str, uid: str, *, orphan: bool = False, version: int = 0
    ) -> None:
        """See Cluster.delete."""
        self._check("delete", kind)
        self.writes.append(Write("delete", kind, namespace, name, {}))
        live = self._objects.get((kind, namespace, name))
        if live is None or live["metadata"]["uid"] != uid:
            return
        if version and live["metadata"]["resourceVersion"] != str(version):
            raise Conflict(f"{kind} {name} changed meanwhile", status=409, reason="Conflict")
        self._delete((kind, namespace, name), orphan)

    async def write_status(
        self, kind: str, namespace: str, name: str, uid: str, status: Mapping[str, Any], version: int = 0
    ) -> Body:
        """See Cluster.write_status."""
        self._check("patch", kind, "/status")
        self.writes.append(Write("status", kind, namespace, name, copied(dict(status))))
        if lost := [*unknown_fields(kind, status)]:
            raise ValueError(f"the API server would drop {', '.join(lost)} from the status of {kind} {name}")
        live = self._existing((kind, namespace, name), uid)
        if version and live["metadata"]["resourceVersion"] != str(version):
            raise Conflict(f"{kind} {name} changed meanwhile", status=409, reason="Conflict")
        return copied(self._set_status((kind, namespace, name), status))

    async def emit(self, regarding: CachedObject, *, type_: str, reason: str, message: str, action: str) -> None:
        """See Cluster.emit."""
        self.events.append(event(regarding, type_=type_, reason=reason, message=message, action=action))

    # -- inspection ----------------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """The resourceVersion of the newest write."""
        return self._version

    def find(self, kind: str, namespace: str, name: str) -> Body | None:
        """A copy of one stored object, whatever the operator may read."""
        return copied(self._objects.get((kind, namespace, name)))

    def objects(self, kind: str = "") -> tuple[Body, ...]:
        """Copies of all stored objects, of one kind or of all, by kind, namespace and name."""
        return tuple(copied(body) for place, body in sorted(self._objects.items()) if kind in ("", place[0]))

    # -- writes of others ----------------------------------------------------------------------------------------

    def fail_next(self, verb: str, kind: str, error: Exception) -> None:
        """Raise `error` at the next `verb` (get, list, create, patch, delete) on `kind`. Calls add up."""
        self._faults.append((verb, kind, error))

    def user_apply(self, manifest: Mapping[str, Any], manager: str = "user") -> Body:
        """Create or change an object as field manager `manager`, `status` included. Returns the stored object."""
        place = place_of(manifest)
        stored = (
            self._apply(place, manifest, manager) if place in self._objects else self._insert(place, manifest, manager)
        )
        if manifest.get("status"):
            stored = self._set_status(place, manifest["status"])
        return copied(stored)

    def restore(self, body: Mapping[str, Any]) -> None:
        """Store an object of another cluster as it is there: with uid, version, status and the owners of its fields."""
        place, meta = place_of(body), {key: item for key, item in body["metadata"].items() if key != "managedFields"}
        entries = [entry for entry in body["metadata"].get("managedFields") or () if not entry.get("subresource")]
        self._owners[place] = read(entries)
        self._appliers[place] = tuple(entry["manager"] for entry in entries if entry["operation"] == "Apply")
        self._version = max(self._version, int(meta.get("resourceVersion") or 0))
        self._objects[place] = copied({**body, "metadata": meta})
        self._show(place, self._objects[place])

    def created_from(self, manifest: Mapping[str, Any]) -> None:
        """Take a manifest as the one that a restored object was created from, if it was not applied since."""
        place = place_of(manifest)
        if place in self._objects and FIELD_MANAGER not in self._appliers.get(place, ()):
            self._owners[place] = {**self._owners.get(place, {}), FIELD_MANAGER: owned_paths(as_sent(manifest))}

    def applier(self, manifest: Mapping[str, Any], last: Mapping[str, Any] | None, new: str) -> str:
        """Return the field manager as which a user applies an object again.

        The one that applied it before on the server's side, of several the one with most fields of the manifest; else
        `new`, which then owns what `last` contains, the manifest that kubectl applied before.
        """
        place = place_of(manifest)
        if last is not None:
            paths = owned_paths(as_sent(last))  # kubectl removes a field also if others set it
            others = {manager: owned - paths for manager, owned in self._owners.get(place, {}).items()}
            self._owners[place] = {**others, new: paths}
            return new
        owned, paths = self._owners.get(place, {}), owned_paths(as_sent(manifest))
        users = [manager for manager in self._appliers.get(place, ()) if manager != FIELD_MANAGER]
        return max(users, key=lambda manager: len(paths & owned[manager]), default=new)

    def user_replace(self, body: Mapping[str, Any]) -> Body:
        """Replace a stored object, metadata and status included. The owners of its fields stay."""
        return copied(self._store(place_of(body), copied(dict(body))))

    def user_status(self, kind: str, namespace: str, name: str, status: Mapping[str, Any]) -> Body:
        """Replace the status, as controllers and kubelets do."""
        return copied(self._set_status((kind, namespace, name), status))

    def user_delete(self, kind: str, namespace: str, name: str, *, orphan: bool = False) -> None:
        """Delete an object and everything that it owns."""
        self._delete((kind, namespace, name), orphan)

    def user_release(self, kind: str, namespace: str, name: str) -> None:
        """Remove all finalizers."""
        body = copied(self._objects[(kind, namespace, name)])
        body["metadata"].pop("finalizers", None)
        self._store((kind, namespace, name), body)

    # -- storage -------------------------------------------------------------------------------------------------

    def _check(self, verb: str, kind: str, part: str = "") -> None:
        if kind not in RESOURCES:
            raise NotFound(f"the server does not know {kind}", status=404, reason="NotFound")
        res = api_resource(kind)
        if not granted(res.group, res.plural + part, verb):
            message = f"{res.plural}{part} is forbidden: access.py does not grant {verb}"
            raise Forbidden(message, status=403, reason="Forbidden")
        for number, (on_verb, on_kind, error) in enumerate(self._faults):
            if (on_verb, on_kind) == (verb, kind):
                del self._faults[number]
                raise error

    def _existing(self, place: Place, uid: str) -> Body:
        live = self._objects.get(place)
        if live is None:
            raise NotFound(f'{api_resource(place[0]).plural} "{place[2]}" not found', status=404, reason="NotFound")
        if live["metadata"]["uid"] != uid:
            raise Conflict(f"{place[0]} {place[2]} is another object now", status=409, reason="Conflict")
        return live

    def _insert(self, place: Place, manifest: Mapping[str, Any], manager: str) -> Body:
        kind, namespace, _ = place
        if api_resource(kind).namespaced and not namespace:
            raise Invalid("an empty namespace may not be set during creation", status=400, reason="BadRequest")
        if namespace and not self._strict and ("Namespace", "", namespace) not in self._objects:
            self.user_apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        body = {"kind": kind, **as_sent(manifest)}
        self._owners[place] = {manager: owned_paths(body)}
        body = self.admission(body)  # its changes belong to no field manager, as on the API server
        if kind == "Secret":
            encode_secret(body)
        self._uids += 1
        meta = {**body["metadata"], "uid": f"uid-{self._uids:06d}", "creationTimestamp": timestamp(self._clock())}
        if kind not in _NO_GENERATION:
            meta["generation"] = 1
        return self._store(
            place, {"apiVersion": api_resource(kind).api_version, "kind": kind, **body, "metadata": meta}
        )

    def _apply(self, place: Place, manifest: Mapping[str, Any], manager: str) -> Body:
        wanted = as_sent(manifest)
        live = self._objects[place]
        owners = self._owners.setdefault(place, {})
        paths = owned_paths(wanted)
        others = (
            frozenset().union(*(owned for who, owned in owners.items() if who != manager)) if owners else frozenset()
        )
        dropped = owners.get(manager, frozenset()) - paths - others
        body = self.admission(merged(without(live, dropped), wanted))
        taken = changed(live, wanted, paths)
        for who in owners:
            owners[who] -= taken if who != manager else frozenset()
        owners[manager] = paths
        if place[0] == "Secret":
            encode_secret(body)
        return self._store(place, body)

    def _set_status(self, place: Place, status: Mapping[str, Any]) -> Body:
        return self._store(place, {**copied(self._objects[place]), "status": copied(dict(status))})

    def _store(self, place: Place, body: Body) -> Body:
        old = self._objects.get(place)
        if old is not None and same(old, body):
            self._show(place, old)  # its field managers may have changed
            return old
        self._version += 1
        meta = body["metadata"]
        meta["resourceVersion"] = str(self._version)
        if old is not None and place[0] not in _NO_GENERATION and desired(old) != desired(body):
            meta["generation"] = old["metadata"]["generation"] + 1
        self._objects[place] = body
        if "deletionTimestamp" in meta and not meta.get("finalizers"):
            self._gone(place, orphan=False)
        else:
            self._show(place, body)
        return body

    def _show(self, place: Place, body: Body) -> None:
        """Send an object to the caches, with its field managers where the operator judges by them."""
        if LABEL_ON_DEMAND in (body["metadata"].get("labels") or {}):
            fields = recorded(self._owners.get(place, {}))
            body = {**body, "metadata": {**body["metadata"], "managedFields": fields}}
        if (live := self.caches.project(place[0], body)) is not None:
            self.caches.put(live)

    def _delete(self, place: Place, orphan: bool) -> None:
        live = self._objects[place]
        if live["metadata"].get("finalizers"):
            body = copied(live)
            body["metadata"].setdefault("deletionTimestamp", timestamp(self._clock()))
            self._store(place, body)
            return
        self._gone(place, orphan)

    def _gone(self, place: Place, orphan: bool) -> None:
        body = self._objects.pop(place)
        self._owners.pop(place, None)
        self._version += 1
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}}
        if (live := self.caches.project(place[0], body)) is not None:
            self.caches.remove(live)
        uid = body["metadata"]["uid"]
        if place[0] == "Namespace":
            for inside in [each for each in self._objects if each[1] == place[2]]:
                if inside in self._objects:
                    self._delete(inside, orphan=False)
        for dependent in [each for each, item in self._objects.items() if refers_to(item, uid)]:
            self._lose_owner(dependent, uid, orphan)

    def _lose_owner(self, place: Place, uid: str, orphan: bool) -> None:
        if place not in self._objects:
            return
        body = copied(self._objects[place])
        left = [ref for ref in body["metadata"].get("ownerReferences") or () if ref["uid"] != uid]
        if not orphan and not left:
            self._delete(place, orphan=False)
            return
        body["metadata"]["ownerReferences"] = left
        if not left:
            del body["metadata"]["ownerReferences"]
        self._store(place, body)
