"""A small cluster in memory with the real engine in it: what the tests of all layers below the operator run in."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from outfitter.api.v1alpha1 import API_VERSION, KINDS
from outfitter.cluster.projection import project
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.resources import api_resource
from outfitter.cluster.store import Caches
from outfitter.cluster.watches import WATCHES
from outfitter.errors import ApiError
from outfitter.naming import LABEL_OWNER_UID, LABEL_PROJECT, short_hash
from outfitter.operator.reverse_index import ReverseIndex
from outfitter.plan.diff import Plan
from outfitter.plan.planners import plan
from outfitter.reconcile.reconciler import CacheLookup, Reconciler, Result
from outfitter.settings import Settings
from outfitter.simulator.cluster import SimulatedCluster
from outfitter.snapshot import CachedObject, Dep, Key, KeyedData, Reader, read_resource

Body = dict[str, Any]

SYSTEM = "outfitter-system"
TEAM = "team-a"
START = datetime(2026, 1, 1, tzinfo=UTC)
OUR_KINDS = tuple(kind.name for kind in KINDS)
_BY_LABEL = frozenset(watch.kind for watch in WATCHES if watch.label_selector == LABEL_OWNER_UID)
_WATCHED = frozenset(watch.kind for watch in WATCHES) | frozenset(OUR_KINDS)


def complete(body: Mapping[str, Any]) -> Body:
    """A manifest as short as tests like it: apiVersion and namespace are filled in."""
    full = deepcopy(dict(body))
    kind = full["kind"]
    full.setdefault("apiVersion", API_VERSION if kind in OUR_KINDS else api_resource(kind).api_version)
    if api_resource(kind).namespaced:
        full["metadata"].setdefault("namespace", TEAM)
    if kind in OUR_KINDS:
        full.setdefault("spec", {})
    return full


def asset(kind: str, name: str, spec: Mapping[str, Any], namespace: str = TEAM, **metadata: Any) -> Body:
    """One of our objects."""
    return complete({"kind": kind, "metadata": {"name": name, "namespace": namespace, **metadata}, "spec": dict(spec)})


def secret(name: str, data: Mapping[str, str], namespace: str = TEAM, type_: str = "Opaque") -> Body:
    """A Secret with plain values."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return complete(
        {"kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "type": type_, "data": encoded}
    )


def namespace(name: str, labels: Mapping[str, str] | None = None) -> Body:
    """A Namespace; a project unless `labels` are given."""
    chosen = {LABEL_PROJECT: name} if labels is None else dict(labels)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": chosen}}


class WatchedCaches(Caches):
    """Caches that see what the operator's watches would show: of most kinds only what carries our label."""

    def put(self, live: CachedObject) -> None:
        """See Caches.put."""
        if live.kind not in _WATCHED:
            return
        if live.kind in _BY_LABEL and not live.owner:
            known = self[live.kind].get(live.namespace, live.name)
            if known is not None:
                self.remove(known)
            return
        if live.kind == "Event":
            body = live.body
            if body.get("reason") != "FailedCreate":
                return
        super().put(live)


class World:
    """The server's twin, caches, one Reconciler, and the controllers that make StatefulSets and claims come true.

    `pods`: whether StatefulSets and Deployments get their pods. `binding`: whether claims are bound.
    `jobs`: how Jobs end: "Complete", or with this text at the end of their log; "" where they run on.
    """

    def __init__(
        self,
        *objects: Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
        pods: bool = True,
        binding: bool = True,
        jobs: str = "Complete",
    ) -> None:
        self.settings = Settings(**(settings or {}))
        self.pods = pods
        self.binding = binding
        self.jobs = jobs
        self.now = START
        self.cluster = SimulatedCluster(caches=WatchedCaches(), strict_namespaces=True)
        self.door: Cluster = self.cluster
        self.results: dict[Key, Result] = {}
        self._ports = 30000
        self._start()
        given = [complete(item) for item in objects]
        spaces = {item["metadata"]["name"] for item in given if item["kind"] == "Namespace"}
        for space in dict.fromkeys((SYSTEM, TEAM, *(item["metadata"].get("namespace", TEAM) for item in given))):
            if space not in spaces:
                self.cluster.user_apply(namespace(space, {} if space == SYSTEM else None))
        for item in sorted(given, key=lambda item: item["kind"] != "Namespace"):
            self.cluster.user_apply(item)

    # -- the operator ---------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self.dependents = ReverseIndex()
        self.reconciler = Reconciler(
            self.door, self.cluster.caches, self.settings, self.dependents.users, lambda: self.now
        )
        for key in self.keys():
            self.dependents.record(key, self.reconciler.dependencies(key))

    async def restart(self, door: Cluster | None = None) -> None:
        """A new process: empty caches, filled by listing; nothing remembered."""
        self.door = door or self.cluster
        caches = WatchedCaches()
        self.cluster.caches = caches
        self.results = {}
        for kind in _WATCHED:
            for body in await self.cluster.list(kind):
                live = project(kind, body)
                if live is not None:
                    caches.put(live)
        self._start()

    def keys(self) -> list[Key]:
        """Every object of ours."""
        return sorted(
            Key(kind, live.namespace, live.name) for kind in OUR_KINDS for live in self.cluster.caches[kind].all()
        )

    async def once(self, kind: str, name: str, namespace: str = TEAM) -> Result:
        """One pass over one object."""
        key = Key(kind, namespace, name)
        result = await self.reconciler.reconcile(key)
        self.dependents.record(key, result.deps)
        self.results[key] = result
        return result

    async def round(self) -> tuple[int, list[ApiError]]:
        """One pass over everything. Returns how many writes it made, and what has to be tried again."""
        before, again = len(self.cluster.writes), []
        for gone in [key for key in self.results if self.cluster.caches[key.kind].get(key.namespace, key.name) is None]:
            self.dependents.forget(gone)
            del self.results[gone]
        for key in self.keys():
            try:
                await self.once(key.kind, key.name, key.namespace)
            except ApiError as error:
                again.append(error)
        return len(self.cluster.writes) - before, again

    def through(self, door: Any) -> None:
        """Let the reconciler reach the server through `door` only."""
        self.reconciler._cluster = self.reconciler._executor._cluster = door

    async def settle(self, limit: int = 16) -> None:
        """Passes and controllers by turns until nothing changes any more."""
        wrote, again = 0, []
        for _ in range(limit):
            wrote, again = await self.round()
            if not self.controllers() and not wrote and not again:
                return
        last = [(write.verb, write.kind, write.name) for write in self.cluster.writes[-wrote:]]
        raise AssertionError(f"does not settle; last round: {last} {[str(error) for error in again]}")

    # -- everybody else -------------------------------------------------------------------------------------------

    def controllers(self) -> bool:
        """What the cluster's own controllers do; whether they did anything."""
        before = self.cluster._version
        for place, stored in sorted(self.cluster._objects.items()):
            body = deepcopy(stored)
            if place[0] == "StatefulSet":
                self._statefulset(body)
            elif place[0] == "Deployment":
                self._deployment(body)
            elif place[0] == "Job" and self.jobs:
                body["status"] = self._job_status(body)
            elif place[0] == "PersistentVolumeClaim" and self.binding:
                body["status"] = {"phase": "Bound", "capacity": body["spec"]["resources"]["requests"]}
            elif place[0] == "Service":
                self._service(body)
            else:
                continue
            self.cluster._store(place, body)
        return self.cluster._version != before

    def _statefulset(self, body: Body) -> None:
        replicas = body["spec"].get("replicas", 1)
        revision = f"rev-{short_hash(repr(body['spec']['template']))}"
        body["status"] = {
            "observedGeneration": body["metadata"]["generation"],
            "replicas": replicas,
            "readyReplicas": replicas if self.pods else 0,
            "currentRevision": revision,
            "updateRevision": revision,
        }

    def _deployment(self, body: Body) -> None:
        replicas = body["spec"].setdefault("replicas", 1)
        ready = replicas if self.pods else 0
        body["status"] = {
            "observedGeneration": body["metadata"]["generation"],
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": ready,
            "availableReplicas": ready,
        }

    def _job_status(self, body: Body) -> Body:
        """Every Job ends as `jobs` says: Complete, or Failed with a pod whose log ends with that text."""
        when = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        known: Body = body.get("status") or {}
        if known.get("conditions"):
            return known
        if self.jobs == "Complete":
            return {"completionTime": when, "conditions": [{"type": "Complete", "status": "True"}]}
        meta = body["metadata"]
        labels = {**body["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": meta["name"]}
        self.cluster.user_apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"{meta['name']}-x",
                    "namespace": meta["namespace"],
                    "labels": labels,
                    "ownerReferences": [{"kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}],
                },
                "spec": {},
                "status": {
                    "phase": "Failed",
                    "containerStatuses": [
                        {"name": "main", "state": {"terminated": {"exitCode": 1, "message": self.jobs}}}
                    ],
                },
            }
        )
        reason = "DeadlineExceeded" if self.jobs == "DeadlineExceeded" else "BackoffLimitExceeded"
        return {"conditions": [{"type": "Failed", "status": "True", "reason": reason, "lastTransitionTime": when}]}

    def _service(self, body: Body) -> None:
        if body["spec"].get("type") in ("NodePort", "LoadBalancer"):
            for port in body["spec"]["ports"]:
                if "nodePort" not in port:
                    self._ports += 1
                    port["nodePort"] = self._ports
        if body["spec"].get("type") == "LoadBalancer":
            body["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
        body["spec"].setdefault("clusterIP", "10.0.0.1")

    def tick(self, seconds: float) -> None:
        """Let time pass for the engine."""
        self.now += timedelta(seconds=seconds)

    # -- looking ---------------------------------------------------------------------------------------------------

    def find(self, kind: str, name: str, namespace: str = TEAM) -> Body | None:
        """An object as stored."""
        return deepcopy(self.cluster._objects.get((kind, "" if kind == "Namespace" else namespace, name)))

    def get(self, kind: str, name: str, namespace: str = TEAM) -> Body:
        """An object that must be there."""
        found = self.find(kind, name, namespace)
        assert found is not None, f"no {kind} {namespace}/{name}"
        return found

    def all(self, kind: str) -> list[Body]:
        """All objects of a kind, by namespace and name."""
        return [deepcopy(body) for place, body in sorted(self.cluster._objects.items()) if place[0] == kind]

    def status(self, kind: str, name: str, namespace: str = TEAM) -> Body:
        """The status of one of our objects."""
        status: Body = self.get(kind, name, namespace)["status"]
        return status

    def edit(self, kind: str, name: str, namespace: str = TEAM, **spec: Any) -> None:
        """A user changes fields of a spec; None removes one."""
        body = self.get(kind, name, namespace)
        body["spec"] = {k: v for k, v in {**body["spec"], **spec}.items() if v is not None}
        body.pop("status", None)
        self.cluster.user_apply(body)

    def annotate(self, kind: str, name: str, namespace: str = TEAM, **annotations: str) -> None:
        """A user sets annotations of our group."""
        body = self.get(kind, name, namespace)
        body.pop("status", None)
        named = {f"outfitter.dev/{key}": value for key, value in annotations.items()}
        body["metadata"]["annotations"] = {**body["metadata"].get("annotations", {}), **named}
        self.cluster.user_apply(body)

    def writes(self, since: int = 0) -> list[tuple[str, str, str]]:
        """Verb, kind and name of every write since a mark (`len(world.cluster.writes)`)."""
        return [(write.verb, write.kind, write.name) for write in self.cluster.writes[since:]]

    def keyed_data(self) -> dict[Dep, KeyedData]:
        """Every Secret and ConfigMap, fetched."""
        found = {}
        for kind in ("Secret", "ConfigMap"):
            for body in self.all(kind):
                meta, data = body["metadata"], body.get("data") or {}
                found[Dep(kind, meta["namespace"], meta["name"])] = KeyedData(
                    kind,
                    meta["namespace"],
                    meta["name"],
                    meta["resourceVersion"],
                    frozenset(data),
                    body.get("type", ""),
                    meta.get("annotations") or {},
                    (meta.get("labels") or {}).get(LABEL_OWNER_UID, ""),
                    data,
                )
        return found

    def reader(self, key: Key | None = None) -> Reader:
        """The caches as a pass sees them, with every Secret and ConfigMap fetched."""
        users = self.dependents.users(key) if key else ()
        return Reader(CacheLookup(self.cluster.caches), self.settings, self.keyed_data(), users, self.now)

    def plan(self, kind: str, name: str, namespace: str = TEAM) -> Plan:
        """What a pass over an object would do now."""
        live = self.cluster.caches[kind].get(namespace, name)
        assert live is not None
        return plan(self.reader(Key(kind, namespace, name)), read_resource(live))


class CacheView(CacheLookup):
    """A CacheLookup over caches that are filled already."""


def condition(status: Mapping[str, Any], kind: str) -> Body | None:
    """One condition of a status."""
    return next((item for item in status.get("conditions", ()) if item["type"] == kind), None)


def reason(status: Mapping[str, Any]) -> str:
    """The reason of the Ready condition."""
    found = condition(status, "Ready")
    assert found is not None
    return str(found["reason"])


def issues(status: Mapping[str, Any]) -> list[str]:
    """The words for what is wrong, worst first."""
    return [item["issue"] for item in status.get("issues", ())]
