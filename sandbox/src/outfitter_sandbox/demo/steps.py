"""The steps of the demo, in order.

They write as users do, and read the caches of the cluster only.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from outfitter.api.v1alpha1 import KINDS
from outfitter.cli.live_table import LiveTable
from outfitter.cli.table import row
from outfitter.errors import Conflict, NotFound
from outfitter.naming import ANNOTATION_FORCE_DELETE, ANNOTATION_RESTARTED_AT, LABEL_ON_DEMAND
from outfitter.simulator.caches import OUR_KINDS
from outfitter.snapshot import CachedObject, Key
from outfitter_sandbox.demo.artifact_versions import NEXT, show_versions
from outfitter_sandbox.demo.cluster import DemoCluster, DemoError, Object
from outfitter_sandbox.demo.notebook import show_notebook
from outfitter_sandbox.demo.policies import show_policies
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.state import ClusterState, head_of, key_of

WRONG_IMAGE: Final = "registry.example.com/wrong:1"
_NEXT_COMMANDS: Final = (
    ("export KUBECONFIG=$(outfitter sandbox up --detach --crds crds)", "start a control plane"),
    (
        "kubectl create namespace outfitter-system && OUTFITTER_DOMAIN=apps.example.com outfitter run",
        "run the operator in the foreground",
    ),
    ("kubectl apply -f deploy/examples && outfitter status -A --watch", "in another shell: objects and their status"),
    ("outfitter explain workspace/alice -n team-a", "show the origin of each value of a pod"),
    ("outfitter sandbox down", "stop the control plane"),
)


async def run_steps(cluster: DemoCluster, report: Report, objects: Sequence[Object], seconds: float) -> None:
    """Run all steps on a cluster with an operator.

    DemoError for a step that takes longer than `seconds`.
    """
    async with cluster.open():
        state = ClusterState(cluster, seconds)
        steps = _Steps(cluster, report, state)
        await steps.apply(objects)
        workload = steps.choose_workload(objects)
        await show_notebook(cluster, report, state, objects, workload)
        await steps.delete_service(workload)
        await steps.edit_image(workload)
        await steps.edit_asset(workload)
        assets, users = await show_policies(cluster, report, state, objects, workload)
        versions = await show_versions(cluster, report, state, objects)
        await steps.delete_all([*assets, *objects, *versions, *users])
    report.summary(_NEXT_COMMANDS)


class _Steps:
    def __init__(self, cluster: DemoCluster, report: Report, state: ClusterState) -> None:
        self._cluster = cluster
        self._report = report
        self._state = state

    async def apply(self, objects: Sequence[Object]) -> None:
        """Apply the examples and wait until they are ready."""
        keys = _keys(objects)
        with self._report.stage("Apply the examples and watch"):
            table = LiveTable(self._cluster.caches, self._report.out)
            self._cluster.caches.listen(table.changed)
            self._cluster.caches.listen_written(table.changed)
            with table.shown():
                for body in objects:
                    await self._cluster.apply(body)
                await self._state.until("all examples are ready", lambda: all(map(self._state.ready, keys)))
            self._report.success(f"{len(keys)} objects are ready; Outfitter created {self._state.children()}")
            for key in keys:
                for url in row(self._state.live(key).body, key.kind).urls:
                    self._report.info(f"{key}: {url}")

    def choose_workload(self, objects: Sequence[Object]) -> Key:
        """The workload of the next steps: the first that uses an Environment."""
        for key in _keys(objects):
            if self._state.live(key).body["status"].get("revision") and self._state.environment(key):
                return key
        raise DemoError("no example is a workload that uses an Environment")

    async def delete_service(self, workload: Key) -> None:
        """Delete a Service by hand; the operator creates it again."""
        owner = self._state.live(workload)
        services = self._cluster.caches["Service"]
        before = min(services.owned(owner.uid), key=lambda service: service.name)
        with self._report.stage("A user deletes a Service"):
            self._report.info(f"before:  Service {before.namespace}/{before.name}, uid {before.uid}")
            started = time.monotonic()
            await self._cluster.delete("Service", before.namespace, before.name)

            def created() -> bool:
                service = services.get(before.namespace, before.name)
                return service is not None and service.uid != before.uid

            await self._state.until(f"Service {before.name} is created again", created)
            took = (time.monotonic() - started) * 1000
            after = self._state.live(Key("Service", before.namespace, before.name))
            self._report.success(
                f"after:  Service {after.namespace}/{after.name}, uid {after.uid}: created {took:.0f} ms later"
            )

    async def edit_image(self, workload: Key) -> None:
        """Edit the image of a StatefulSet by hand; the operator restores it."""
        key = Key("StatefulSet", workload.namespace, workload.name)
        image = self._state.image(key)
        with self._report.stage("A user edits the image of a StatefulSet"):
            self._report.info(f"before:  {key} runs {image}")
            started = time.monotonic()
            version = await self._cluster.apply(_with_image(self._state.live(key), WRONG_IMAGE), "user")
            self._report.info(f"edited:  {WRONG_IMAGE}")

            def restored() -> bool:
                return self._state.live(key).resource_version > version and self._state.image(key) == image

            await self._state.until(f"{key} has its image again", restored)
            took = (time.monotonic() - started) * 1000
            self._report.success(f"after:   {self._state.image(key)}: restored {took:.0f} ms later")
            await self._state.until(f"{workload} is ready again", lambda: self._state.steady(workload))

    async def edit_asset(self, workload: Key) -> None:
        """Edit an Environment in use; the workload changes only after a restart."""
        asset = self._state.environment(workload)
        assert asset is not None, "choose_workload() checks it"
        stateful_set = Key("StatefulSet", workload.namespace, workload.name)
        old = self._state.image(stateful_set)
        new = old.partition("@")[0] + NEXT
        pod = self._state.pod_uid(workload)
        with self._report.stage("A platform team edits an asset in use"):
            body = {"spec": {"image": new}}
            await self._cluster.apply({**head_of(self._state.live(asset)), **body}, "platform-team")
            self._report.info(f"{asset}: the new image is {new}")
            await self._state.until(f"{workload} is outdated", lambda: bool(self._state.outdated(workload)))
            self._report.info(f"{workload}: {self._state.outdated(workload)[0]}", "yellow")
            if self._state.pod_uid(workload) != pod or self._state.image(stateful_set) != old:
                raise DemoError(f"{workload}: the edit of {asset} changed its pod")
            self._report.success(f"its pod is unchanged: the same pod, with {old}")
        with self._report.stage("The team restarts its workload"):
            head = head_of(self._state.live(workload))
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            metadata = {**head["metadata"], "annotations": {ANNOTATION_RESTARTED_AT: now}}
            await self._cluster.apply({**head, "metadata": metadata}, "team")
            self._report.info(f"annotated {workload} with {ANNOTATION_RESTARTED_AT}={now}")

            def restarted() -> bool:
                replaced = self._state.pod_uid(workload) not in ("", pod) and self._state.image(stateful_set) == new
                return replaced and self._state.steady(workload) and not self._state.outdated(workload)

            await self._state.until(f"{workload} runs with the edited asset", restarted)
            self._report.success(f"a new pod runs {new}, and the workload is not outdated")

    async def delete_all(self, objects: Sequence[Object]) -> None:
        """Delete all objects: no orphan remains, volumes with data do."""
        with self._report.stage("Delete everything"):
            self._report.info(
                f"annotated with {ANNOTATION_FORCE_DELETE}=true: versions, and assets in use, are protected"
            )
            number = len(await self._cluster.owned())
            keys = list(dict.fromkeys(reversed(_keys(objects))))
            for key in keys:
                await self._force_delete(key)
            await self._delete_on_demand_objects(keys)
            await self._state.until(
                "all created objects are deleted",
                lambda: not any(map(self._state.exists, keys)) and not self._state.orphans(),
            )
            remaining = await self._cluster.owned()
            orphans = [child for child in remaining if not child[3]]
            if orphans:
                raise DemoError(f"orphans: {orphans}")
            self._report.success(f"{len(keys)} objects deleted; 0 of their {number} child objects are orphans")
            for kind, namespace, name, _ in remaining:
                self._report.success(f"kept, because it holds data: {kind} {namespace}/{name}")

    async def _delete_on_demand_objects(self, keys: Sequence[Key]) -> None:
        """Delete objects that the operator created on demand.

        The operator deletes them later, and the demo does not wait for that.
        """
        users = [key for key in keys if key.kind in ("Artifact", "Inference")]
        if not users:
            return
        await self._state.until("artifacts and inferences are deleted", lambda: not any(map(self._state.exists, users)))
        for kind in KINDS:
            for live in self._cluster.caches[kind.name].all() if kind.on_demand else ():
                if LABEL_ON_DEMAND in (live.body["metadata"].get("labels") or {}):
                    await self._force_delete(Key(kind.name, live.namespace, live.name))

    async def _force_delete(self, key: Key) -> None:
        """Delete an object also where the API server protects it, as a version or as an asset in use."""
        if self._state.exists(key):
            live = self._state.live(key)
            head = head_of(live)
            # With a uid, an apply never creates an object: the operator may have deleted this one meanwhile.
            metadata = {**head["metadata"], "uid": live.uid, "annotations": {ANNOTATION_FORCE_DELETE: "true"}}
            with contextlib.suppress(Conflict, NotFound):
                await self._cluster.apply({**head, "metadata": metadata}, "end")
        await self._cluster.delete(*key)


def _keys(objects: Sequence[Object]) -> list[Key]:
    """Keys of the objects of Outfitter's kinds."""
    return [key_of(body) for body in objects if body["kind"] in OUR_KINDS]


def _with_image(stateful_set: CachedObject, image: str) -> Object:
    containers = stateful_set.body["spec"]["template"]["spec"]["containers"]
    changed = [{"name": containers[0]["name"], "image": image}]
    return {**head_of(stateful_set), "spec": {"template": {"spec": {"containers": changed}}}}
