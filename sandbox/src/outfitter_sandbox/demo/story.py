"""What the demo shows, in order. It writes only as a user does, and reads only what the scene's caches show."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from outfitter.api.v1alpha1 import KINDS
from outfitter.cli.checks import check
from outfitter.cli.documents import read
from outfitter.cli.live_table import LiveTable
from outfitter.cli.table import row
from outfitter.errors import ConfigurationError
from outfitter.naming import ANNOTATION_RESTARTED_AT, LABEL_ON_DEMAND
from outfitter.simulator.simulation import supports, with_namespace
from outfitter.snapshot import CachedObject, Key
from outfitter_sandbox.demo.inside import inside
from outfitter_sandbox.demo.look import OURS, Look, head_of, key_of
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.scene import DemoError, Object, Scene
from outfitter_sandbox.demo.versions import NEXT, versions

WRONG_IMAGE: Final = "registry.example.com/somebody-elses:1"
_TO_GO_ON: Final = (
    ("export KUBECONFIG=$(outfitter sandbox up --detach --crds crds)", "a control plane of your own"),
    (
        "kubectl create namespace outfitter-system && OUTFITTER_DOMAIN=apps.example.com outfitter run",
        "the operator, in the foreground",
    ),
    ("kubectl apply -f deploy/examples && outfitter status -A --watch", "in another shell: objects, and how they are"),
    ("outfitter explain workspace/alice -n team-a", "where each value of a pod comes from"),
    ("outfitter sandbox down", "the end of it"),
)


def load(folder: Path) -> list[Object]:
    """The objects of a folder's files, in order. ConfigurationError where there are none, or one is wrong."""
    if not folder.is_dir():
        raise ConfigurationError(
            f"{folder} is not here: run this in a checkout of Outfitter, or name it with --examples"
        )
    documents, findings = read([str(folder)])
    checked = check(documents, findings)
    if checked.findings:
        raise ConfigurationError("\n".join(str(item) for item in checked.findings))
    if not checked.ours:
        raise ConfigurationError(f"{folder} holds no object of ours")
    return [with_namespace(item.body, "default") for item in documents if supports(item.body)]


async def tell(scene: Scene, report: Report, objects: Sequence[Object], seconds: float) -> None:
    """The whole story, on a scene that has an operator in it. DemoError where a step did not happen in `seconds`."""
    async with scene.open():
        look = Look(scene, seconds)
        story = _Story(scene, report, look)
        await story.all_well(objects)
        chosen = story.choose(objects)
        await inside(scene, report, look, objects, chosen)
        await story.repaired_service(chosen)
        await story.repaired_image(chosen)
        await story.edited_asset(chosen)
        await story.deleted([*objects, *await versions(scene, report, look, objects)])
    report.sum(_TO_GO_ON)


class _Story:
    def __init__(self, scene: Scene, report: Report, look: Look) -> None:
        self._scene = scene
        self._report = report
        self._look = look

    async def all_well(self, objects: Sequence[Object]) -> None:
        """Apply the examples and watch them become well."""
        ours = [key_of(item) for item in objects if item["kind"] in OURS]
        with self._report.stage("Apply the examples and watch"):
            board = LiveTable(self._scene.caches, self._report.out)
            self._scene.caches.listen(board.changed)
            self._scene.caches.listen_written(board.changed)
            with board.shown():
                for item in objects:
                    await self._scene.apply(item)
                await self._look.until("all examples are well", lambda: all(map(self._look.well, ours)))
            self._report.good(f"{len(ours)} objects are well; made for them: {self._look.children()}")
            for key in ours:
                for url in row(self._look.live(key).body, key.kind).urls:
                    self._report.say(f"{key}: {url}")

    def choose(self, objects: Sequence[Object]) -> Key:
        """The workload that the rest is about: one that is made of an Environment that others share."""
        for key in (key_of(item) for item in objects if item["kind"] in OURS):
            if self._look.live(key).body["status"].get("revision") and self._look.environment(key):
                return key
        raise DemoError("none of the examples is a workload made of an Environment")

    async def repaired_service(self, workload: Key) -> None:
        """Somebody deletes a Service."""
        owner = self._look.live(workload)
        services = self._scene.caches["Service"]
        before = min(services.owned(owner.uid), key=lambda live: live.name)
        with self._report.stage("Somebody deletes a Service"):
            self._report.say(f"before:  Service {before.namespace}/{before.name}, uid {before.uid}")
            started = time.monotonic()
            await self._scene.delete("Service", before.namespace, before.name)

            def back() -> bool:
                found = services.get(before.namespace, before.name)
                return found is not None and found.uid != before.uid

            await self._look.until(f"Service {before.name} is made again", back)
            took = (time.monotonic() - started) * 1000
            after = self._look.live(Key("Service", before.namespace, before.name))
            self._report.good(
                f"after:  Service {after.namespace}/{after.name}, uid {after.uid}: back {took:.0f} ms later"
            )

    async def repaired_image(self, workload: Key) -> None:
        """Somebody edits a StatefulSet's image by hand."""
        key = Key("StatefulSet", workload.namespace, workload.name)
        wanted = self._look.image(key)
        with self._report.stage("Somebody edits a StatefulSet's image by hand"):
            self._report.say(f"before:  {key} runs {wanted}")
            started = time.monotonic()
            version = await self._scene.apply(_with_image(self._look.live(key), WRONG_IMAGE), "somebody")
            self._report.say(f"edited:  {WRONG_IMAGE}")

            def repaired() -> bool:
                return self._look.live(key).resource_version > version and self._look.image(key) == wanted

            await self._look.until(f"{key} has its image again", repaired)
            took = (time.monotonic() - started) * 1000
            self._report.good(f"after:   {self._look.image(key)}: repaired {took:.0f} ms later")
            await self._look.until(f"{workload} is steady again", lambda: self._look.steady(workload))

    async def edited_asset(self, workload: Key) -> None:
        """A platform team edits an Environment in use; nothing moves until the team restarts its workload."""
        asset = self._look.environment(workload)
        assert asset is not None, "choose() saw one"
        stateful_set = Key("StatefulSet", workload.namespace, workload.name)
        old, new = self._look.image(stateful_set), self._look.image(stateful_set).partition("@")[0] + NEXT
        pod = self._look.pod(workload)
        with self._report.stage("An asset in use is edited"):
            body = {"spec": {"image": new}}
            await self._scene.apply({**head_of(self._look.live(asset)), **body}, "platform-team")
            self._report.say(f"{asset}: image is now {new}")
            await self._look.until(f"{workload} says that it is outdated", lambda: bool(self._look.outdated(workload)))
            self._report.say(f"{workload}: {self._look.outdated(workload)[0]}", "yellow")
            if self._look.pod(workload) != pod or self._look.image(stateful_set) != old:
                raise DemoError(f"{workload}: its pod was touched by the edit of {asset}")
            self._report.good(f"its pod was not touched: the same pod, still with {old}")
        with self._report.stage("The team restarts its workload"):
            head = head_of(self._look.live(workload))
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            await self._scene.apply(
                {**head, "metadata": {**head["metadata"], "annotations": {ANNOTATION_RESTARTED_AT: now}}}, "team"
            )
            self._report.say(f"annotated {workload} with {ANNOTATION_RESTARTED_AT}={now}")

            def renewed() -> bool:
                fresh = self._look.pod(workload) not in ("", pod) and self._look.image(stateful_set) == new
                return fresh and self._look.steady(workload) and not self._look.outdated(workload)

            await self._look.until(f"{workload} runs with the edited asset", renewed)
            self._report.good(f"a new pod runs {new}, and nothing is outdated")

    async def deleted(self, objects: Sequence[Object]) -> None:
        """Delete everything of ours: no orphan stays, volumes with data do."""
        with self._report.stage("Delete everything"):
            number = len(await self._scene.owned())
            keys = [key_of(item) for item in reversed(objects) if item["kind"] in OURS]
            for key in dict.fromkeys(keys):
                await self._scene.delete(*key)
            caches = self._scene.caches

            def gone() -> bool:
                return (
                    not any(caches[key.kind].get(key.namespace, key.name) for key in keys) and not self._look.orphans()
                )

            await self._on_demand(keys)
            await self._look.until("everything that was made is gone", gone)
            left = await self._scene.owned()
            orphans = [item for item in left if not item[3]]
            if orphans:
                raise DemoError(f"left behind: {orphans}")
            self._report.good(
                f"{len(dict.fromkeys(keys))} objects deleted; of the {number} made for them 0 orphans are left"
            )
            for kind, namespace, name, _ in left:
                self._report.good(f"kept, because it holds data: {kind} {namespace}/{name}")

    async def _on_demand(self, keys: Sequence[Key]) -> None:
        """What was made on demand goes by itself, some time after its last user; the demo does not wait for that."""
        caches = self._scene.caches
        users = [key for key in keys if key.kind in ("Artifact", "Inference")]
        if not users:
            return
        await self._look.until(
            "artifacts and inferences are gone",
            lambda: not any(caches[key.kind].get(key.namespace, key.name) for key in users),
        )
        for kind in KINDS:
            for live in caches[kind.name].all() if kind.on_demand else ():
                if LABEL_ON_DEMAND in (live.body["metadata"].get("labels") or {}):
                    await self._scene.delete(kind.name, live.namespace, live.name)


def _with_image(stateful_set: CachedObject, image: str) -> Object:
    containers = stateful_set.body["spec"]["template"]["spec"]["containers"]
    changed = [{"name": containers[0]["name"], "image": image}]
    return {**head_of(stateful_set), "spec": {"template": {"spec": {"containers": changed}}}}
