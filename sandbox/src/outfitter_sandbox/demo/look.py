"""What the demo sees of its scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from outfitter.api.v1alpha1 import KINDS
from outfitter.cli.table import row, settled
from outfitter.cluster.resources import api_resource
from outfitter.naming import keeps_data
from outfitter.observe import State, observe
from outfitter.plan.workload import revision as revisions
from outfitter.snapshot import CachedObject, Key
from outfitter_sandbox.demo.scene import DemoError, Object, Scene

OURS: Final = frozenset(kind.name for kind in KINDS)


def key_of(body: Object) -> Key:
    """Key of a manifest."""
    meta = body["metadata"]
    return Key(body["kind"], meta.get("namespace", ""), meta["name"])


def head_of(live: CachedObject) -> Object:
    """What a manifest for this object starts with."""
    return {
        "apiVersion": api_resource(live.kind).api_version,  # items of a list do not say it
        "kind": live.kind,
        "metadata": {"namespace": live.namespace, "name": live.name},
    }


class Look:
    """Looks at the scene's caches. What must be there and is not is a DemoError."""

    def __init__(self, scene: Scene, seconds: float) -> None:
        self._scene = scene
        self.seconds = seconds

    async def until(self, what: str, done: Callable[[], bool]) -> None:
        """Wait until `done`, which reads the caches; DemoError where `what` does not happen in time."""
        await self._scene.until(what, done, self.seconds)

    def live(self, key: Key) -> CachedObject:
        """The object as it is now."""
        found = self._scene.caches[key.kind].get(key.namespace, key.name)
        if found is None:
            raise DemoError(f"{key} is not there")
        return found

    def well(self, key: Key) -> bool:
        """Whether it is there and Ready with nothing under way."""
        found = self._scene.caches[key.kind].get(key.namespace, key.name)
        return found is not None and settled(found.body)

    def steady(self, workload: Key) -> bool:
        """Well, and the StatefulSet's controller is through with what it last heard: a status may lag behind."""
        stateful_set = self.live(Key("StatefulSet", workload.namespace, workload.name))
        return self.well(workload) and observe(stateful_set).state is State.READY and bool(self.pod(workload))

    def image(self, maker: Key) -> str:
        """Image of the first container of a StatefulSet or Deployment."""
        return str(self.live(maker).body["spec"]["template"]["spec"]["containers"][0]["image"])

    def pod(self, workload: Key) -> str:
        """The uid of the workload's pod that is not being deleted; "" while there is none."""
        found = self._pod(workload)
        return found.uid if found else ""

    def live_pod(self, workload: Key) -> CachedObject:
        """The workload's pod that is not being deleted."""
        found = self._pod(workload)
        if found is None:
            raise DemoError(f"{workload} has no pod")
        return found

    def outdated(self, workload: Key) -> tuple[str, ...]:
        """Newer assets that a workload does not use yet, as sentences."""
        return row(self.live(workload).body, workload.kind).outdated

    def environment(self, workload: Key) -> Key | None:
        """The Environment that a workload was made from."""
        live = self.live(workload)
        revision = self.live(Key("ControllerRevision", live.namespace, live.body["status"]["revision"]))
        for source in revisions.read(revision).sources:
            if source.kind == "Environment" and source.uid != live.uid:
                return Key(source.kind, source.namespace, source.name)
        return None

    def orphans(self) -> bool:
        """Whether anything is left that we made and that holds no data."""
        return any(
            live.owner and not keeps_data(kind, live.body["metadata"]["labels"])
            for kind, store in self._scene.caches.items()
            if kind not in OURS and kind != "Event"
            for live in store.all()
        )

    def children(self) -> str:
        """How many objects of each kind were made."""
        counts = {
            kind: sum(bool(live.owner) for live in store.all())
            for kind, store in self._scene.caches.items()
            if kind not in OURS and kind != "Event"
        }
        return ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()) if number)

    def _pod(self, workload: Key) -> CachedObject | None:
        pods = self._scene.caches["Pod"].owned(self.live(workload).uid)
        return next((live for live in pods if not live.deleting), None)
