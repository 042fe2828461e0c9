"""The steps of a removal. Each reads the cluster again, so an interrupted removal goes on where it was."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
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
from outfitter.errors import ApiError, Conflict, Forbidden, NotFound, OutfitterError, Throttled, Unavailable
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
        self._kinds: dict[str, str] = {}  # of the objects whose deletion the API server accepted, by uid
        self._there: set[str] = set()  # those of them that may still exist
        self._refusals: dict[str, str] = {}  # by uid: why the API server did not take a deletion yet
        self._wait = 0.0  # seconds that the API server asked for

    def deleted(self) -> Counter[str]:
        """Return the number of the objects that are gone, by kind."""
        return Counter(kind for uid, kind in self._kinds.items() if uid not in self._there)

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
        lease = {"metadata": {"namespace": namespace, "name": name}}
        await self._counted("Lease", lease, self._delete(api_resource("Lease"), lease))

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
        await asyncio.gather(*(self._counted(body["kind"], body, self._delete_object(body)) for body in new))
        return found

    async def _counted(self, kind: str, body: Body, deletion: Awaitable[None]) -> None:
        """Await the deletion of an object. OutfitterError that names the object if the API server refuses it.

        The next look repeats a deletion that met a busy or failing server, or another writer.
        """
        uid = body["metadata"].get("uid", "")
        try:
            await deletion
        except (NotFound, Conflict):
            return
        except (Throttled, Unavailable) as error:
            self._wait = max(self._wait, error.retry_after or 0)
            if self._refusals.get(uid) != error.message:
                self._refusals[uid] = error.message
                self._tell(f"{kind} {place(body)} is not deleted yet: {error.message}")
        except ApiError as error:
            raise OutfitterError(_refused(kind, body, error.message)) from error
        else:
            if uid:
                self._kinds[uid] = kind
                self._there.add(uid)

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
            await self._client.merge_patch(*where, patch, MANAGER)
            await self._client.delete(*where, meta["uid"])

    async def _children(self) -> list[Body]:
        """Return the children that are still to go, and delete those that only the operator would."""
        children = await read_children(self._reader)
        owners = frozenset(body["metadata"]["uid"] for body in await read_objects(self._reader, metadata_only=True))
        left = plans.left_children(children, owners, self._only)
        if not self._operator_runs:
            for body in filter(plans.deletable, left):
                kind = child_kind(body["kind"])
                if kind is not None:
                    await self._counted(kind.kind, body, self._delete(kind, body))
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
        deletions = [(body, self._delete(resource, body, foreground=foreground)) for body in new]
        await asyncio.gather(*(self._counted(resource.kind, body, deletion) for body, deletion in deletions))

    async def _delete(self, resource: ApiResource, body: Body, *, foreground: bool = False) -> None:
        """Delete one object, unless another one has its name by now."""
        meta = body["metadata"]
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        options["propagationPolicy"] = "Foreground" if foreground else "Background"
        if "uid" in meta:
            options["preconditions"] = {"uid": meta["uid"]}
        path = path_of(resource, meta.get("namespace", ""), meta["name"])
        await self._client.transport.request("DELETE", path, options)

    async def _until_gone(self, title: str, look: Callable[[], Awaitable[Sequence[Body]]]) -> None:
        """Look until nothing is left. OutfitterError if nothing changes for a while, also because the server fails."""
        before, since, pause = -1, time.monotonic(), _PAUSE_SECONDS
        while True:
            late = time.monotonic() - since > self._seconds
            try:
                left = await look()
            except (Throttled, Unavailable) as error:
                if late:
                    raise
                self._wait = max(self._wait, error.retry_after or 0)
            else:
                self._there &= {meta["uid"] for meta in _metas(left)}
                if not left:
                    return
                if len(left) != before:
                    before, since, pause = len(left), time.monotonic(), _PAUSE_SECONDS
                    self._tell(f"Deleting {title}: {len(left)} left")
                elif late:
                    raise OutfitterError(_stuck(left, self._seconds, self._refusals))
            await asyncio.sleep(max(pause, min(self._wait, self._seconds)))
            pause, self._wait = min(pause * 1.5, _LONGEST_PAUSE), 0.0


def _metas(bodies: Collection[Body]) -> list[Mapping[str, Any]]:
    return [body["metadata"] for body in bodies]


def _refused(kind: str, body: Body, reason: str) -> str:
    """Return the message for a deletion that the API server refuses: by a webhook, a policy, or for want of a right."""
    text = f"{kind} {place(body)} cannot be deleted: {reason.rstrip('.')}."
    if " cannot delete resource " in reason:
        return f"{text} Ask an administrator for this permission, then run the command again: it continues."
    return f"{text} Change or remove what refuses this, then run the command again: it continues."


def _stuck(left: Sequence[Body], seconds: float, refusals: Mapping[str, str]) -> str:
    """Return the message for objects that stay. `refusals`: by uid, why the API server did not take a deletion."""
    first = next((body for body in left if body["metadata"]["uid"] in refusals), left[0])
    meta = first["metadata"]
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    text = f"After {seconds:g} s without progress, still there: {first['kind']} {place(first)}{more}."
    if not meta.get("deletionTimestamp") and (reason := refusals.get(meta["uid"])):
        text = f"{text} The API server refuses to delete it: {reason.rstrip('.')}."
        return f"{text} Correct this, then run the command again."
    if finalizers := meta.get("finalizers"):
        return f"{text} Other programs must remove the finalizers {', '.join(finalizers)}. Then run the command again."
    return f"{text} Read its events and the log of the operator, then run the command again."
