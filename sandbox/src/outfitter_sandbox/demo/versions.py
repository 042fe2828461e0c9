"""The demo's part on artifacts: a draft becomes a version, an Inference runs it, the next version is rolled in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from outfitter.api.base import API_VERSION
from outfitter.naming import group_workload
from outfitter.snapshot import Key
from outfitter_sandbox.demo.look import Look, head_of, key_of
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.scene import DemoError, Object, Scene

NEXT: Final = "-next"  # what edited images end with


async def versions(scene: Scene, report: Report, look: Look, objects: Sequence[Object]) -> list[Object]:
    """Tell it with the first nim draft that runs, if there is one. Returns what was applied besides `objects`."""
    draft = next((item for item in objects if item["kind"] == "Artifact" and _runs_as_draft(item["spec"])), None)
    if draft is None:
        return []
    told = _Versions(scene, report, look, draft)
    await told.locked()
    await told.rolled()
    return [told.inference, told.next]


def _runs_as_draft(spec: Object) -> bool:
    return spec.get("type") == "nim" and not spec.get("locked") and bool(spec.get("run"))


class _Versions:
    def __init__(self, scene: Scene, report: Report, look: Look, draft: Object) -> None:
        self._scene = scene
        self._report = report
        self._look = look
        self._draft = key_of(draft)
        spec = draft["spec"]
        self._image: str = spec["containerGroups"][0]["containers"][0]["imageUri"]
        self._repository: str = (spec.get("repositoryRef") or {}).get("name", self._draft.name)
        place = {"namespace": self._draft.namespace}
        groups = [
            {**group, "containers": [dict(item) for item in group["containers"]]} for group in spec["containerGroups"]
        ]
        groups[0]["containers"][0]["imageUri"] = self._image + NEXT
        self.next: Object = {
            "apiVersion": API_VERSION,
            "kind": "Artifact",
            "metadata": {**place, "name": f"{self._draft.name}-next"},
            "spec": {"cloneFrom": {"name": self._draft.name}, "containerGroups": groups, "locked": True},
        }
        compute = spec["run"].get("compute")
        self.inference: Object = {
            "apiVersion": API_VERSION,
            "kind": "Inference",
            "metadata": {**place, "name": f"{self._draft.name}-chat"},
            "spec": {
                "artifact": {"repository": self._repository, "version": 1},
                **({"assets": {"compute": compute}} if compute else {}),
            },
        }

    async def locked(self) -> None:
        """A draft is locked where it runs, and an Inference runs the version."""
        draft, chat = self._draft, key_of(self.inference)
        pin = self._status(draft)["revision"]
        with self._report.stage("A draft is locked, and its version is run"):
            await self._scene.apply({**head_of(self._look.live(draft)), "spec": {"locked": True}}, "team")
            await self._look.until(f"{draft} is a version", lambda: bool(self._status(draft).get("version")))
            version = self._status(draft)["version"]
            if self._status(draft)["revision"] != pin:
                raise DemoError(f"{draft}: locking restarted what ran")
            self._report.good(f"{draft} is version {version} of {self._repository}; what ran was not restarted")
            self.inference["spec"]["artifact"]["version"] = version
            await self._scene.apply(self.inference, "team")
            await self._look.until(f"{chat} runs", lambda: self._look.well(chat))
            cache = Key("NimCache", draft.namespace, self._status(chat)["nimCache"]["name"])
            await self._look.until(f"{cache} counts both", lambda: self._users(cache) > 1)
            self._report.good(f"{chat} runs it at {self._status(chat)['url']}")
            self._report.good(f"{cache}: {self._users(cache)} users, downloaded once")

    async def rolled(self) -> None:
        """A clone with another image becomes the next version, and the Inference is pointed at it."""
        chat, clone = key_of(self.inference), key_of(self.next)
        deployment = Key("Deployment", chat.namespace, group_workload(chat.name, "default", first=True))
        with self._report.stage("The next version is rolled in"):
            await self._scene.apply(self.next, "team")
            await self._look.until(
                f"{clone} is a version", lambda: self._there(clone) and bool(self._status(clone).get("version"))
            )
            version = self._status(clone)["version"]
            self._report.say(f"{clone}, a clone with image {self._image}{NEXT}, is version {version}")
            self._report.say(f"before:  {self._look.image(deployment)}")
            self.inference["spec"]["artifact"]["version"] = version
            await self._scene.apply(self.inference, "team")

            def rolled() -> bool:
                return self._look.image(deployment) == self._image + NEXT and self._look.well(chat)

            await self._look.until(f"{chat} runs version {version}", rolled)
            self._report.good(f"after:   {self._look.image(deployment)}, with the model of its own image")

    def _there(self, key: Key) -> bool:
        return self._scene.caches[key.kind].get(key.namespace, key.name) is not None

    def _status(self, key: Key) -> dict[str, Any]:
        return self._look.live(key).body.get("status") or {}

    def _users(self, cache: Key) -> int:
        return int((self._status(cache).get("usedBy") or {}).get("total", 0))
