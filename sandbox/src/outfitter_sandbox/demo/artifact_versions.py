"""The demo's steps on artifacts.

A draft becomes a version, an Inference runs it and moves to the next version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from outfitter.api.version import API_VERSION
from outfitter.naming import group_workload
from outfitter.snapshot import Key
from outfitter_sandbox.demo.cluster import DemoCluster, DemoError, Object
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.state import ClusterState, head_of, key_of

NEXT: Final = "-next"  # suffix of edited images


async def show_versions(
    cluster: DemoCluster, report: Report, state: ClusterState, objects: Sequence[Object]
) -> list[Object]:
    """Run the steps with the first running NIM draft, if there is one.

    Returns the objects that they applied.
    """
    draft = next((body for body in objects if body["kind"] == "Artifact" and _runs_as_draft(body["spec"])), None)
    if draft is None:
        return []
    steps = _VersionSteps(cluster, report, state, draft)
    await steps.lock_draft()
    await steps.roll_out_next()
    return [steps.next, steps.inference]


def _runs_as_draft(spec: Object) -> bool:
    return spec.get("type") == "nim" and not spec.get("locked") and bool(spec.get("run"))


class _VersionSteps:
    def __init__(self, cluster: DemoCluster, report: Report, state: ClusterState, draft: Object) -> None:
        self._cluster = cluster
        self._report = report
        self._state = state
        self._draft = key_of(draft)
        spec = draft["spec"]
        self._image: str = spec["containerGroups"][0]["containers"][0]["imageUri"]
        self._repository: str = (spec.get("repositoryRef") or {}).get("name", self._draft.name)
        namespace = {"namespace": self._draft.namespace}
        groups = [
            {**group, "containers": [dict(container) for container in group["containers"]]}
            for group in spec["containerGroups"]
        ]
        groups[0]["containers"][0]["imageUri"] = self._image + NEXT
        self.next: Object = {
            "apiVersion": API_VERSION,
            "kind": "Artifact",
            "metadata": {**namespace, "name": f"{self._draft.name}-next"},
            "spec": {"cloneFrom": {"name": self._draft.name}, "containerGroups": groups, "locked": True},
        }
        compute = spec["run"].get("compute")
        self.inference: Object = {
            "apiVersion": API_VERSION,
            "kind": "Inference",
            "metadata": {**namespace, "name": f"{self._draft.name}-chat"},
            "spec": {
                "artifact": {"repository": self._repository, "version": 1},
                **({"assets": {"compute": compute}} if compute else {}),
            },
        }

    async def lock_draft(self) -> None:
        """Lock a running draft, and run its version with an Inference."""
        draft, chat = self._draft, key_of(self.inference)
        revision = self._state.status(draft)["revision"]
        with self._report.stage("A team locks a draft and runs its version"):
            await self._cluster.apply({**head_of(self._state.live(draft)), "spec": {"locked": True}}, "team")
            await self._state.until(f"{draft} is a version", lambda: bool(self._state.status(draft).get("version")))
            version = self._state.status(draft)["version"]
            if self._state.status(draft)["revision"] != revision:
                raise DemoError(f"{draft}: the lock restarted its pod")
            self._report.success(f"{draft} is version {version} of {self._repository}; its pod did not restart")
            self.inference["spec"]["artifact"]["version"] = version
            await self._cluster.apply(self.inference, "team")
            await self._state.until(f"{chat} runs", lambda: self._state.ready(chat))
            cache = Key("NimCache", draft.namespace, self._state.status(chat)["nimCache"]["name"])
            await self._state.until(f"{cache} counts both users", lambda: self._users(cache) > 1)
            self._report.success(f"{chat} runs it at {self._state.status(chat)['url']}")
            self._report.success(f"{cache}: {self._users(cache)} users, downloaded once")

    async def roll_out_next(self) -> None:
        """Clone the draft with another image, and move the Inference to it."""
        chat, clone = key_of(self.inference), key_of(self.next)
        deployment = Key("Deployment", chat.namespace, group_workload(chat.name, "default", first=True))
        with self._report.stage("The team rolls out the next version"):
            await self._cluster.apply(self.next, "team")
            await self._state.until(f"{clone} is a version", lambda: bool(self._state.status(clone).get("version")))
            version = self._state.status(clone)["version"]
            self._report.info(f"{clone}, a clone with image {self._image}{NEXT}, is version {version}")
            self._report.info(f"before:  {self._state.image(deployment)}")
            self.inference["spec"]["artifact"]["version"] = version
            await self._cluster.apply(self.inference, "team")

            def rolled_out() -> bool:
                return self._state.image(deployment) == self._image + NEXT and self._state.ready(chat)

            await self._state.until(f"{chat} runs version {version}", rolled_out)
            self._report.success(f"after:   {self._state.image(deployment)}, with the model of its image")

    def _users(self, cache: Key) -> int:
        return int((self._state.status(cache).get("usedBy") or {}).get("total", 0))
