"""An operator over a simulated cluster: reconciler, planner and renderer are the real ones.

Controllers and kubelets are imitated. Uids are made up, in the order of creation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Self

from outfitter.cluster.lookup import CacheLookup
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.resources import RESOURCES
from outfitter.cluster.store import Caches
from outfitter.errors import ApiError, OutfitterError
from outfitter.operator.orphan_collector import OrphanCollector
from outfitter.operator.reverse_index import ReverseIndex
from outfitter.plan.policy import EFFECTIVE
from outfitter.reconcile.reconciler import Reconciler, Result
from outfitter.settings import Settings
from outfitter.simulator.caches import OUR_KINDS, WATCHED_KINDS, WatchedCaches
from outfitter.simulator.cluster import SimulatedCluster
from outfitter.simulator.connection import Connection
from outfitter.simulator.controllers import Binding, Controllers
from outfitter.simulator.manifests import Body
from outfitter.simulator.registries import SimulatedRegistries
from outfitter.snapshot import CachedObject, Dep, Key, KeyedData, Reader

_ROUNDS: Final = 50  # a simulation that changes in each of them never settles


def supports(body: Mapping[str, Any]) -> bool:
    """Whether the simulated API server serves this kind of object, and the object has a name."""
    known = RESOURCES.get(str(body.get("kind")))
    name = (body.get("metadata") or {}).get("name")
    return known is not None and known.api_version == body.get("apiVersion") and bool(name)


def with_namespace(body: Mapping[str, Any], namespace: str) -> Body:
    """The object in its own namespace, else in `namespace`, as kubectl applies it."""
    meta = dict(body.get("metadata") or {})
    if RESOURCES[body["kind"]].namespaced:
        meta["namespace"] = meta.get("namespace") or namespace
    return {**body, "metadata": meta}


@dataclass(frozen=True)
class Round:
    """One reconciliation of every object, and perhaps one run of the controllers."""

    writes: int
    errors: tuple[ApiError, ...]  # to be retried
    learned: bool  # whether an object has dependencies that it did not have before
    controllers: bool = False  # whether they changed anything

    @property
    def settled(self) -> bool:
        """Whether nothing was left to do."""
        return not (self.writes or self.errors or self.learned or self.controllers)


class Simulation:
    """An operator and its cluster, in memory."""

    def __init__(
        self,
        settings: Settings,
        *,
        strict_namespaces: bool = False,
        pods: bool = True,
        binding: Binding = True,
        jobs: str = "Complete",
        pod_objects: bool = False,
    ) -> None:
        self.settings = settings
        self.cluster = SimulatedCluster(caches=WatchedCaches(), strict_namespaces=strict_namespaces, clock=self.time)
        self.controllers = Controllers(
            self.cluster, self.time, pods=pods, binding=binding, jobs=jobs, pod_objects=pod_objects
        )
        self._connection = Connection(self.cluster)
        self._learned = False  # whether a reconciliation of this round found a new dependency
        self._start()

    def fork(self) -> Self:
        """An independent simulation of the same cluster, with a new operator process."""
        other = copy(self)
        other.cluster = self.cluster.fork(WatchedCaches(), other.time)
        other.controllers = self.controllers.fork(other.cluster, other.time)
        other._connection = Connection(other.cluster)
        other._start({key: result.deps for key, result in self.results.items() if result.deps is not None})
        return other

    def time(self) -> datetime:
        """The current time of operator and controllers."""
        return datetime.now(UTC)

    @property
    def caches(self) -> Caches:
        """The operator's caches."""
        return self.cluster.caches

    # -- the operator ---------------------------------------------------------------------------------------------

    def _start(self, known: Mapping[Key, frozenset[Dep]] | None = None) -> None:
        """Start a reconciler that knows the users of all assets. `known`: dependencies that are computed already."""
        self.results: dict[Key, Result] = {}
        self.dependents = ReverseIndex()
        self.registries = SimulatedRegistries(self.settings.registry_seconds, self.time)
        self.reconciler = Reconciler(
            self._connection, self.caches, self.settings, self.dependents.users, self.time, self.registries
        )
        self.orphan_collector = OrphanCollector(self._connection, self.caches, OUR_KINDS, self._uids)
        for key in self.keys():
            deps = (known or {}).get(key)
            self.dependents.record(key, self.reconciler.dependencies(key) if deps is None else deps)

    async def restart(self, cluster: Cluster | None = None) -> None:
        """Start a new operator process: caches filled by lists, no transient state. See `connect` for `cluster`."""
        caches = WatchedCaches()
        for kind in sorted(WATCHED_KINDS):
            for body in await self.cluster.list(kind):
                live = caches.project(kind, body)
                if live is not None:
                    caches.put(live)
        self.cluster.caches = caches
        self.connect(cluster or self.cluster)
        self._start()

    def connect(self, cluster: Cluster) -> None:
        """Send the operator's requests through `cluster`, for example one that injects faults."""
        self._connection.target = cluster

    def keys(self) -> list[Key]:
        """Every object of an Outfitter kind, in the order of kinds, namespaces and names."""
        return [
            Key(kind, live.namespace, live.name)
            for kind in OUR_KINDS
            for live in sorted(self.caches[kind].all(), key=lambda live: (live.namespace, live.name))
        ]

    def _all_keys(self) -> Iterator[Key]:
        """Every object with a status, then every EffectivePolicy that exists or that a policy asks for."""
        yield from self.keys()
        asked = {key for result in self.results.values() for key in result.also_reconcile}
        exists = {Key(EFFECTIVE, live.namespace, live.name) for live in self.caches[EFFECTIVE].all()}
        yield from sorted(exists | {key for key in asked if key.kind == EFFECTIVE})

    async def reconcile(self, key: Key) -> Result:
        """Reconcile one object."""
        result = self.results[key] = await self.reconciler.reconcile(key)
        self._learned |= bool(self.dependents.record(key, result.deps))
        return result

    async def round(self) -> Round:
        """Reconcile every object once."""
        before, errors = len(self.cluster.writes), list[ApiError]()
        self._learned = False
        for gone in [key for key in self.results if self._is_gone(key)]:
            self.dependents.forget(gone)
            del self.results[gone]
        for key in self._all_keys():
            try:
                await self.reconcile(key)
            except ApiError as error:
                errors.append(error)
        return Round(len(self.cluster.writes) - before, tuple(errors), self._learned)

    def _is_gone(self, key: Key) -> bool:
        """Whether an object is deleted; an EffectivePolicy can be one that could not be created yet."""
        pending = key.kind == EFFECTIVE and self.results[key].requeue_after is not None
        return not pending and self.caches[key.kind].get(key.namespace, key.name) is None

    async def step(self) -> Round:
        """Reconcile every object once, then run the controllers once."""
        last = await self.round()
        return replace(last, controllers=self.controllers.run())

    async def settle(self, limit: int = _ROUNDS) -> None:
        """Reconcile and run the controllers until nothing changes. OutfitterError names what keeps changing."""
        for _ in range(limit):
            mark, last = len(self.cluster.writes), await self.step()
            if last.settled:
                return
        errors = [error.message for error in last.errors]
        writes = [f"{write.verb} {write.kind} {write.name}" for write in self.cluster.writes[mark:]]
        raise OutfitterError(f"the simulation does not settle: {'; '.join(errors + writes)}")

    # -- input and output -----------------------------------------------------------------------------------------

    def load(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Apply objects as a user does: namespaces first, then in their order."""
        for body in sorted(objects, key=lambda body: body["kind"] != "Namespace"):
            self.cluster.user_apply(body)

    def manifests(self) -> list[Body]:
        """The manifest of every child object, as last sent, in the order of creation."""
        sent: dict[tuple[str, str, str], Body] = {}
        for write in self.cluster.writes:
            place = (write.kind, write.namespace, write.name)
            if write.verb in ("create", "apply", "replace"):
                sent[place] = dict(write.manifest)
            elif write.verb == "delete":
                sent.pop(place, None)
        return list(sent.values())

    def resources(self) -> list[CachedObject]:
        """Every object of an Outfitter kind, with its status."""
        found = (self.caches[key.kind].get(key.namespace, key.name) for key in self.keys())
        return [live for live in found if live is not None]

    def keyed_data(self) -> dict[Dep, KeyedData]:
        """The content of every Secret and ConfigMap."""
        found = {}
        for body in (*self.cluster.objects("Secret"), *self.cluster.objects("ConfigMap")):
            kind, meta = body["kind"], body["metadata"]
            found[Dep(kind, meta["namespace"], meta["name"])] = KeyedData.of(body, kind)
        return found

    def reader(self, key: Key | None = None) -> Reader:
        """The caches as a reconciliation of `key` reads them, with the content of every Secret and ConfigMap."""
        users = self.dependents.users(key) if key else ()
        return Reader(CacheLookup(self.caches), self.settings, self.keyed_data(), users, self.time())

    async def _uids(self, kind: str) -> frozenset[str]:
        return frozenset(live.uid for live in self.caches[kind].all())
