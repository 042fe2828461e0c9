"""Deletion of children that lost their owner and have no ownerReference: copies in other namespaces.

An ownerReference cannot cross namespaces, so the garbage collector of Kubernetes does not delete such children.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Final

from outfitter.actions import Action
from outfitter.children import CHILD_KINDS, ChildKind
from outfitter.cluster.jitter import jitter
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.store import Caches, Change
from outfitter.errors import OutfitterError
from outfitter.naming import LABEL_OWNER_KIND, LABEL_OWNER_NAME, keeps_data
from outfitter.operator.event_router import metadata
from outfitter.operator.pause import Pause
from outfitter.reconcile.act_log import ActLog, ActRecorder, unrecorded
from outfitter.reconcile.acts import Act
from outfitter.reconcile.ownership import is_ours
from outfitter.snapshot import CachedObject, Key

_log = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 5.0


class OrphanCollector:
    """Deletes orphans next to the workers. `existing_uids` reads the uids of a custom resource kind from the server."""

    def __init__(
        self,
        cluster: Cluster,
        caches: Caches,
        kinds: Iterable[str],
        existing_uids: Callable[[str], Awaitable[Collection[str]]],
        child_kinds: Iterable[ChildKind] = CHILD_KINDS,
        *,
        retry_seconds: float = _RETRY_SECONDS,
        acted: ActRecorder = unrecorded,
    ) -> None:
        self._cluster = cluster
        self._caches = caches
        self._kinds = frozenset(kinds)
        self._child_kinds = tuple(kind.kind for kind in child_kinds if kind.created)
        self._existing_uids = existing_uids
        self._retry_seconds = retry_seconds
        self._deleted_owners: set[str] = set()
        self._check_all = False
        self._due = asyncio.Event()
        self._log = ActLog(record=acted)

    def owner_deleted(self, owner: CachedObject) -> None:
        """Schedule the children of a deleted custom resource."""
        if any(self._caches[kind].owned(owner.uid) for kind in self._child_kinds):
            self._deleted_owners.add(owner.uid)
            self._due.set()

    def child_changed(self, change: Change) -> None:
        """Listener: schedule a child that was created while its owner was deleted."""
        owner = change.new.owner if change.new is not None and change.kind in self._child_kinds else ""
        if owner and any(self._caches[kind].deleted(owner) for kind in self._kinds):
            self._deleted_owners.add(owner)
            self._due.set()

    def check_all(self) -> None:
        """Schedule a check of all children: a list can replace the events of deletions."""
        self._check_all = True
        self._due.set()

    async def run(self) -> None:
        """Collect whenever something is scheduled, until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self.collect()
            except OutfitterError as error:  # a CRD that is being replaced, or a Lease that is renewed late
                _log.info("deletion of orphans failed, retrying: %s", error)
                self._due.set()
                await asyncio.sleep(self._retry_seconds * jitter(0.5, 1.5))

    async def collect(self) -> None:
        """Delete the scheduled orphans. Raises the last error at the end; the rest stays scheduled.

        The schedule is emptied first, because new entries during the collection belong to the next one.
        """
        uids, self._deleted_owners = self._deleted_owners, set()
        check_all, self._check_all = self._check_all, False
        failure: OutfitterError | None = None
        if check_all:
            try:
                uids |= await self._deleted_owner_uids()
            except OutfitterError as error:
                self._check_all, failure = True, error
        for uid in uids:
            if (failed := await self._delete_children(uid)) is not None:
                self._deleted_owners.add(uid)
                failure = failed
        if failure is not None:
            raise failure

    async def _deleted_owner_uids(self) -> set[str]:
        """The owners of children that exist neither in the caches nor on the server."""
        suspects: dict[str, set[str]] = {}  # uid -> kinds that it can be of
        pause = Pause()
        for kind in self._child_kinds:
            for uid in self._caches[kind].owners():
                await pause()
                if any(self._caches[custom].by_uid(uid) for custom in self._kinds):
                    continue
                # A user can change the labels of a copy in his namespace, which must not keep the other copies.
                labelled = {
                    (metadata(live).get("labels") or {}).get(LABEL_OWNER_KIND, "")
                    for live in self._deletable(kind, uid)
                }
                if labelled:
                    suspects.setdefault(uid, set()).update(labelled if labelled <= self._kinds else self._kinds)
        existing = {kind: await self._existing_uids(kind) for kind in set().union(*suspects.values())}
        return {uid for uid, kinds in suspects.items() if not any(uid in existing[kind] for kind in kinds)}

    def _deletable(self, kind: str, uid: str) -> list[CachedObject]:
        return [live for live in self._caches[kind].owned(uid) if not live.deleting and _is_ours_to_delete(live)]

    async def _delete_children(self, uid: str) -> OutfitterError | None:
        """Delete all children of an owner, also after a failed deletion. Returns the last error."""
        failure: OutfitterError | None = None
        for kind in self._child_kinds:
            for live in self._deletable(kind, uid):
                place = (kind, live.namespace, live.name)
                owner = _owner_of(live)
                try:
                    if not await is_ours(self._cluster, live):
                        continue
                    await self._cluster.delete(kind, live.namespace, live.name, live.uid)
                except OutfitterError as error:
                    message = f"{kind} {live.namespace}/{live.name} cannot be deleted: {error}"
                    act = Act(Action.RETRY, place, reason=type(error).__name__, message=message, seconds=_RETRY_SECONDS)
                    self._log.write(owner, act)
                    failure = error
                else:
                    self._log.forget(owner)
                    self._log.write(owner, Act(Action.COLLECT, place))
        return failure


def _owner_of(live: CachedObject) -> Key:
    """Return the key of the owner that is gone, as the labels name it. They lack its namespace: that of the child."""
    labels = metadata(live).get("labels") or {}
    return Key(labels.get(LABEL_OWNER_KIND, ""), live.namespace, labels.get(LABEL_OWNER_NAME, ""))


def _is_ours_to_delete(live: CachedObject) -> bool:
    meta = metadata(live)
    return not meta.get("ownerReferences") and not keeps_data(live.kind, meta.get("labels") or {})
