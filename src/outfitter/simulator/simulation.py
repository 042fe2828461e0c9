"""The operator's own passes over the API server's twin in memory, until nothing changes any more.

The same reconciler, planner and renderer as in the cluster; only controllers and kubelets are missing, so pods never
start, and downloads count as done. Uids are made up, in the order of the input.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from outfitter.api.v1alpha1 import KINDS
from outfitter.cluster.resources import RESOURCES
from outfitter.errors import ApiError, OutfitterError
from outfitter.operator.orphan_collector import OrphanCollector
from outfitter.operator.reverse_index import ReverseIndex
from outfitter.reconcile.reconciler import Reconciler
from outfitter.settings import Settings
from outfitter.simulator.cluster import SimulatedCluster
from outfitter.snapshot import CachedObject, Key

_ROUNDS: Final = 50  # passes over everything; what has not settled by then never will

Object = dict[str, Any]


def holds(body: Mapping[str, Any]) -> bool:
    """Whether the twin knows this kind of object: ours, and the native ones that Outfitter has to do with."""
    known = RESOURCES.get(str(body.get("kind")))
    return known is not None and known.api_version == body.get("apiVersion") and bool(_name(body))


def _name(body: Mapping[str, Any]) -> str:
    return str((body.get("metadata") or {}).get("name") or "")


def placed(body: Mapping[str, Any], namespace: str) -> Object:
    """The object with a namespace, as kubectl gives it one."""
    meta = dict(body.get("metadata") or {})
    if RESOURCES[body["kind"]].namespaced:
        meta["namespace"] = meta.get("namespace") or namespace
    return {**body, "metadata": meta}


class Simulation:
    """An operator and its cluster, in memory."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings = settings.model_copy(update={"hold_seconds": 0.0})
        self.cluster = SimulatedCluster()
        self.caches = self.cluster.caches
        self._kinds = tuple(kind.name for kind in KINDS)
        self._dependents = ReverseIndex()
        self._reconciler = Reconciler(
            self.cluster, self.caches, settings, self._dependents.users, lambda: datetime.now(UTC)
        )
        self.sweep = OrphanCollector(self.cluster, self.caches, self._kinds, self._uids)

    def load(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Apply objects as a user does: namespaces first, then in their order."""
        for body in sorted(objects, key=lambda body: body["kind"] != "Namespace"):
            self.cluster.user_apply(body)

    async def settle(self) -> None:
        """Passes over all objects until a whole round changes nothing. OutfitterError says what keeps them busy."""
        failed: list[str] = []
        for _ in range(_ROUNDS):
            before, failed = self._versions(), []
            learned = False
            for key in self.keys():
                try:
                    done = await self._reconciler.reconcile(key)
                except ApiError as error:
                    failed.append(error.message)  # looked at again in the next round, as the queue does
                else:
                    learned |= bool(self._dependents.record(key, done.deps))
            self._downloaded()
            if not learned and self._versions() == before:
                break
        else:
            failed.append(f"passes do not come to rest after {_ROUNDS} rounds")
        if failed:
            raise OutfitterError(f"rendering got stuck: {'; '.join(failed)}. Please report this, with the files.")

    def _downloaded(self) -> None:
        """Jobs count as done, because what waits for a download is to be seen as well."""
        done = {"conditions": [{"type": "Complete", "status": "True"}]}
        for live in self.caches["Job"].all():
            self.cluster.user_status("Job", live.namespace, live.name, done)

    def keys(self) -> list[Key]:
        """Every object of ours, in the order of kinds and names."""
        return [
            Key(kind, live.namespace, live.name)
            for kind in self._kinds
            for live in sorted(self.caches[kind].all(), key=lambda live: (live.namespace, live.name))
        ]

    def _versions(self) -> frozenset[tuple[str, int]]:
        return frozenset((live.uid, live.resource_version) for store in self.caches.values() for live in store.all())

    async def _uids(self, kind: str) -> frozenset[str]:
        return frozenset(live.uid for live in self.caches[kind].all())

    def written(self) -> list[Object]:
        """The manifests that stand at the end, as they were sent, in the order in which they were first made."""
        sent: dict[tuple[str, str, str], Object] = {}
        for write in self.cluster.writes:
            place = (write.kind, write.namespace, write.name)
            if write.verb in ("create", "apply"):
                sent[place] = dict(write.manifest)
            elif write.verb == "delete":
                sent.pop(place, None)
        return list(sent.values())

    def ours(self) -> list[CachedObject]:
        """Our own objects with the statuses that the passes wrote."""
        found = (self.caches[key.kind].get(key.namespace, key.name) for key in self.keys())
        return [live for live in found if live is not None]
