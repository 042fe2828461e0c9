"""The demo's scene in memory: the twin, and just enough of controllers and kubelets for pods to become ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from outfitter.api.v1alpha1 import KINDS
from outfitter.cli.run import settings_from
from outfitter.cluster.resources import RESOURCES
from outfitter.cluster.store import Change
from outfitter.naming import LABEL_OWNER_UID, keeps_data, short_hash
from outfitter.simulator.simulation import Simulation
from outfitter.snapshot import CachedObject
from outfitter_sandbox.demo.scene import DemoError, Execute

_TURNS: Final = 20  # after as many the twin has come to rest, or never will


class InMemory:
    """A Scene. Time does not pass in it: `until` takes turns until something holds or nothing moves any more."""

    def __init__(self) -> None:
        self._twin = Simulation(settings_from({"domain": "apps.example.com"}))
        self.caches = self._twin.caches
        self.execute: Execute | None = None
        self._cluster = self._twin.cluster
        self.caches.listen(self._gone)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """The sweep of what has lost its owner in another namespace runs beside, as in the operator."""
        sweep = asyncio.create_task(self._twin.sweep.run())
        try:
            yield
        finally:
            sweep.cancel()
            await asyncio.gather(sweep, return_exceptions=True)

    async def apply(self, manifest: Mapping[str, Any], who: str = "demo") -> int:
        """See Scene."""
        return int(self._cluster.user_apply(manifest, who)["metadata"]["resourceVersion"])

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        """See Scene."""
        self._cluster.user_delete(kind, namespace, name)

    async def until(self, what: str, holds: Callable[[], bool], seconds: float) -> None:
        """See Scene."""
        for _ in range(_TURNS):
            await self._twin.settle()
            if holds():
                return
            self._controllers()
            await asyncio.sleep(0)  # the sweep's turn
        said = [live.body["status"].get("message", "") for live in self._twin.ours() if live.body.get("status")]
        raise DemoError(f"{what}: did not happen. Statuses say: {'; '.join(filter(None, said)) or 'nothing'}")

    async def owned(self) -> list[tuple[str, str, str, bool]]:
        """See Scene."""
        found = []
        for kind in RESOURCES:
            if kind not in _UNREADABLE:
                for body in await self._cluster.list(kind, label_selector=LABEL_OWNER_UID):
                    meta = body["metadata"]
                    found.append((kind, meta.get("namespace", ""), meta["name"], keeps_data(kind, meta["labels"])))
        return found

    def _gone(self, change: Change) -> None:
        if change.new is None and change.old and any(kind.name == change.kind for kind in KINDS):
            self._twin.sweep.owner_gone(change.old)

    def _controllers(self) -> None:
        """One turn of the controllers of StatefulSets, Deployments and Jobs, the kubelet and the volume binder."""
        for claim in self.caches["PersistentVolumeClaim"].all():
            self._cluster.user_status(claim.kind, claim.namespace, claim.name, {"phase": "Bound"})
        for live in self.caches["StatefulSet"].all():
            self._run(live)
        for live in self.caches["Deployment"].all():
            replicas = int(live.body["spec"].get("replicas", 1))
            counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), replicas)
            status = {**counts, "observedGeneration": live.generation}
            self._cluster.user_status(live.kind, live.namespace, live.name, status)
        for live in self.caches["Job"].all():
            done = {"conditions": [{"type": "Complete", "status": "True"}]}
            self._cluster.user_status(live.kind, live.namespace, live.name, done)

    def _run(self, live: CachedObject) -> None:
        body, replicas = live.body, int(live.body["spec"].get("replicas", 1))
        revision = f"{live.name}-{short_hash(repr(body['spec']['template']))}"
        name = f"{live.name}-0"
        pod = self.caches["Pod"].get(live.namespace, name)
        labels = (pod.body["metadata"].get("labels") or {}) if pod else {}
        if pod and (not replicas or labels.get("controller-revision-hash") != revision):
            self._cluster.user_delete("Pod", live.namespace, name)
            pod = None
        if replicas and pod is None:
            self._cluster.user_apply(_pod(live, body, name, revision))
        counts = dict.fromkeys(("replicas", "readyReplicas", "currentReplicas", "updatedReplicas"), replicas)
        status = {
            **counts,
            "observedGeneration": live.generation,
            "currentRevision": revision,
            "updateRevision": revision,
        }
        self._cluster.user_status("StatefulSet", live.namespace, live.name, status)


def _pod(live: CachedObject, body: Mapping[str, Any], name: str, revision: str) -> dict[str, Any]:
    template = body["spec"]["template"]
    labels = {**template["metadata"].get("labels", {}), "controller-revision-hash": revision}
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": live.name, "uid": live.uid, "controller": True}
    ready = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Ready")]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": live.namespace, "labels": labels, "ownerReferences": [owner]},
        "spec": {**template["spec"], "nodeName": "memory"},
        "status": {"phase": "Running", "conditions": ready, "containerStatuses": [{"name": "main", "ready": True}]},
    }


_UNREADABLE: Final = frozenset({"Namespace", "Event", "Lease"})
