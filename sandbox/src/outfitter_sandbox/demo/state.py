"""The state of the cluster, as far as the demo waits for it and prints it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from outfitter.children import observe
from outfitter.cli.table import row, settled
from outfitter.cluster.resources import api_resource
from outfitter.naming import keeps_data
from outfitter.observe import State
from outfitter.plan.workload import revision as revisions
from outfitter.simulator.caches import OUR_KINDS
from outfitter.snapshot import CachedObject, Key
from outfitter_sandbox.demo.cluster import DemoCluster, DemoError, Object


def key_of(body: Object) -> Key:
    """Key of a manifest."""
    meta = body["metadata"]
    return Key(body["kind"], meta.get("namespace", ""), meta["name"])


def head_of(live: CachedObject) -> Object:
    """apiVersion, kind and name of an object, for a manifest."""
    return {
        "apiVersion": api_resource(live.kind).api_version,  # items of a list lack it
        "kind": live.kind,
        "metadata": {"namespace": live.namespace, "name": live.name},
    }


class ClusterState:
    """Reads the caches of the cluster. DemoError for a missing object."""

    def __init__(self, cluster: DemoCluster, seconds: float) -> None:
        self._cluster = cluster
        self.seconds = seconds

    async def until(self, step: str, done: Callable[[], bool]) -> None:
        """Wait until `done`, which reads the caches.

        DemoError with the name of the step after `seconds`.
        """
        await self._cluster.until(step, done, self.seconds)

    def exists(self, key: Key) -> bool:
        """Whether the object exists."""
        return self._cluster.caches[key.kind].get(key.namespace, key.name) is not None

    def live(self, key: Key) -> CachedObject:
        """The current object."""
        live = self._cluster.caches[key.kind].get(key.namespace, key.name)
        if live is None:
            raise DemoError(f"{key} does not exist")
        return live

    def status(self, key: Key) -> dict[str, Any]:
        """The status of an object; empty until the caches have the object and the operator has looked at it."""
        return self.live(key).body.get("status") or {} if self.exists(key) else {}

    def ready(self, key: Key) -> bool:
        """Whether the object exists and is Ready, without a change in progress."""
        return self.exists(key) and settled(self.live(key).body)

    def steady(self, workload: Key) -> bool:
        """Whether the workload is ready and its StatefulSet has observed all changes."""
        stateful_set = self.live(Key("StatefulSet", workload.namespace, workload.name))
        return self.ready(workload) and observe(stateful_set).state is State.READY and bool(self.pod_uid(workload))

    def image(self, controller: Key) -> str:
        """Image of the first container of a StatefulSet or Deployment."""
        return str(self.live(controller).body["spec"]["template"]["spec"]["containers"][0]["image"])

    def pod_uid(self, workload: Key) -> str:
        """The uid of the workload's pod without a deletion timestamp; "" without a pod."""
        pod = self._pod(workload)
        return pod.uid if pod else ""

    def pod(self, workload: Key) -> CachedObject:
        """The workload's pod without a deletion timestamp."""
        pod = self._pod(workload)
        if pod is None:
            raise DemoError(f"{workload} has no pod")
        return pod

    def outdated(self, workload: Key) -> tuple[str, ...]:
        """Newer assets that a workload does not use yet, as sentences."""
        return row(self.live(workload).body, workload.kind).outdated

    def environment(self, workload: Key) -> Key | None:
        """The Environment that a workload uses."""
        live = self.live(workload)
        revision = self.live(Key("ControllerRevision", live.namespace, live.body["status"]["revision"]))
        for source in revisions.read(revision).sources:
            if source.kind == "Environment" and source.uid != live.uid:
                return Key(source.kind, source.namespace, source.name)
        return None

    def orphans(self) -> bool:
        """Whether a child object without data exists."""
        return any(not keeps_data(child.kind, child.body["metadata"]["labels"]) for child in self._children())

    def children(self) -> str:
        """The number of child objects of each kind, as text."""
        kinds = [child.kind for child in self._children()]
        return ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))

    def _children(self) -> list[CachedObject]:
        return [
            live
            for kind, store in self._cluster.caches.items()
            if kind not in OUR_KINDS and kind != "Event"
            for live in store.all()
            if live.owner
        ]

    def _pod(self, workload: Key) -> CachedObject | None:
        pods = self._cluster.caches["Pod"].owned(self.live(workload).uid)
        return next((pod for pod in pods if not pod.deleting), None)
