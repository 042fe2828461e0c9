"""The steps of a removal. Each reads the cluster again, so an interrupted removal goes on where it was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

from outfitter.children import ApiResource, child_kind
from outfitter.cli.changes import MANAGER
from outfitter.cli.reader import CRD, RELEASE, Reader
from outfitter.cli.uninstall import plan as plans
from outfitter.cli.uninstall.plan import Plan, place
from outfitter.cli.uninstall.survey import read_children, read_objects
from outfitter.cluster.client import Client, path_of
from outfitter.cluster.resources import api_resource
from outfitter.errors import Conflict, Forbidden, NotFound, OutfitterError
from outfitter.naming import ANNOTATION_FORCE_DELETE

Body = Mapping[str, Any]
Tell = Callable[[str], None]
_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE: Final = 3.0
_WITH_PODS: Final = frozenset({"Deployment", "StatefulSet"})
_EFFECTIVE: Final = "EffectivePolicy"


class Removal:
    """Deletes what a plan names. `seconds`: the longest time without progress; `tell` gets the progress.

    `operator_runs`: it deletes copies in other namespaces. Otherwise they are deleted here.
    """

    def __init__(
        self, client: Client, plan: Plan, *, belongs: Callable[[Body], bool], only: frozenset[str] | None,
        operator_runs: bool, seconds: float, tell: Tell,
    ) -> None:  # fmt: skip
        self._client = client
        self._reader = Reader(client.transport)
        self._plan = plan
        self._belongs = belongs
        self._only = only
        self._operator_runs = operator_runs
        self._seconds = seconds
        self._tell = tell

    async def objects(self) -> None:
        """Delete the custom resources in stages, and wait after each until their children are gone."""
        for kinds in plans.STAGES:
            await self._until_gone(", ".join(kinds), lambda kinds=kinds: self._stage(kinds))  # type: ignore[misc]
            await self._until_gone("child objects", self._children)
        if self._only is None:
            await self._until_gone(_EFFECTIVE, self._effective)

    async def data(self) -> None:
        """Delete the claims with data."""
        resource = api_resource("PersistentVolumeClaim")

        async def left() -> Sequence[Body]:
            await self._delete_all(resource, self._plan.data)
            return await self._existing(resource, self._plan.data)

        if self._plan.data:
            await self._until_gone("claims with data", left)

    async def release(self) -> None:
        """Delete the objects of an installation from manifests. The Deployment and its pods are the last."""
        for resource in RELEASE:
            bodies = [body for body in self._plan.release if body["kind"] == resource.kind]

            async def left(resource: ApiResource = resource, bodies: Sequence[Body] = bodies) -> Sequence[Body]:
                await self._delete_all(resource, bodies, foreground=resource.kind in _WITH_PODS)
                return await self._existing(resource, bodies)

            if bodies:
                await self._until_gone(f"{resource.kind} of the installation", left)
        namespace, name = self._plan.installation.lease
        await self._delete(api_resource("Lease"), {"metadata": {"namespace": namespace, "name": name}})

    async def crds(self) -> None:
        """Delete the CustomResourceDefinitions, unless objects exist."""
        left = await read_objects(self._reader, metadata_only=True)
        if left:
            text = f"{len(left)} objects exist, such as {left[0]['kind']} {place(left[0])}."
            raise OutfitterError(f"The CustomResourceDefinitions stay: {text} Run the command again.")

        async def look() -> Sequence[Body]:
            await self._delete_all(CRD, self._plan.crds)
            return await self._existing(CRD, self._plan.crds)

        if self._plan.crds:
            await self._until_gone("CustomResourceDefinitions", look)

    async def _stage(self, kinds: Sequence[str]) -> Sequence[Body]:
        """Delete the objects of some kinds. Returns those that were there."""
        found = [body for body in await read_objects(self._reader, kinds) if self._belongs(body)]
        new = [body for body in found if not body["metadata"].get("deletionTimestamp")]
        await asyncio.gather(*(self._delete_object(body) for body in new))
        return found

    async def _delete_object(self, body: Body) -> None:
        """Delete a custom resource; one that is in use or locked is marked first, as the admission policy demands."""
        meta = body["metadata"]
        where = (body["kind"], meta["namespace"], meta["name"])
        try:
            await self._client.delete(*where, meta["uid"])
        except Forbidden as error:
            if ANNOTATION_FORCE_DELETE not in error.message:
                raise
            patch = {"metadata": {"uid": meta["uid"], "annotations": {ANNOTATION_FORCE_DELETE: "true"}}}
            try:
                await self._client.merge_patch(*where, patch, MANAGER)
                await self._client.delete(*where, meta["uid"])
            except (NotFound, Conflict):  # deleted or replaced meanwhile: the next look shows it
                return

    async def _children(self) -> list[Body]:
        """Return the children that are still to go, and delete those that only the operator would."""
        children = await read_children(self._reader)
        owners = frozenset(body["metadata"]["uid"] for body in await read_objects(self._reader, metadata_only=True))
        left = plans.left_children(children, owners, self._only)
        if not self._operator_runs:
            for body in filter(plans.deletable, left):
                kind = child_kind(body["kind"])
                if kind is not None:
                    await self._delete(kind, body)
        return left

    async def _effective(self) -> list[Body]:
        """Return the EffectivePolicies, which have no owner, and delete them if no operator does."""
        resource = api_resource(_EFFECTIVE)
        found = await self._reader.items(resource, metadata_only=True)
        if not self._operator_runs:
            await self._delete_all(resource, found)
        return list(found)

    async def _existing(self, resource: ApiResource, bodies: Collection[Body]) -> Sequence[Body]:
        found = await asyncio.gather(
            *(self._reader.object(resource, meta["name"], meta.get("namespace", "")) for meta in _metas(bodies))
        )
        uids = {meta["uid"] for meta in _metas(bodies)}
        return [{**body, "kind": resource.kind} for body in found if body and body["metadata"]["uid"] in uids]

    async def _delete_all(self, resource: ApiResource, bodies: Collection[Body], *, foreground: bool = False) -> None:
        new = [body for body in bodies if not body["metadata"].get("deletionTimestamp")]
        await asyncio.gather(*(self._delete(resource, body, foreground=foreground) for body in new))

    async def _delete(self, resource: ApiResource, body: Body, *, foreground: bool = False) -> None:
        """Delete one object, unless another one has its name by now."""
        meta = body["metadata"]
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        options["propagationPolicy"] = "Foreground" if foreground else "Background"
        if "uid" in meta:
            options["preconditions"] = {"uid": meta["uid"]}
        path = path_of(resource, meta.get("namespace", ""), meta["name"])
        try:
            await self._client.transport.request("DELETE", path, options)
        except (NotFound, Conflict):
            return

    async def _until_gone(self, title: str, look: Callable[[], Awaitable[Sequence[Body]]]) -> None:
        """Look until nothing is left. OutfitterError if nothing changes for a while."""
        before, since, pause = -1, time.monotonic(), _PAUSE_SECONDS
        while left := await look():
            if len(left) != before:
                before, since, pause = len(left), time.monotonic(), _PAUSE_SECONDS
                self._tell(f"Deleting {title}: {len(left)} left")
            elif time.monotonic() - since > self._seconds:
                raise OutfitterError(_stuck(left, self._seconds))
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)


def _metas(bodies: Collection[Body]) -> list[Mapping[str, Any]]:
    return [body["metadata"] for body in bodies]


def _stuck(left: Sequence[Body], seconds: float) -> str:
    """Return the message for objects that stay."""
    first = left[0]
    finalizers = first["metadata"].get("finalizers") or ()
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    text = f"After {seconds:g} s without progress, still there: {first['kind']} {place(first)}{more}."
    if finalizers:
        return f"{text} Other programs must remove the finalizers {', '.join(finalizers)}. Then run the command again."
    return f"{text} Read its events and the log of the operator, then run the command again."
