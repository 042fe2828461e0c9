"""The operator process: its parts, and the order in which they start and stop.

One module, because it is the one place that connects all parts.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from outfitter.actions import Action
from outfitter.api.v1alpha1 import DERIVED_KINDS, KINDS
from outfitter.children import CHILD_KINDS, ChildKind
from outfitter.cluster.auth import Authentication
from outfitter.cluster.client import Client
from outfitter.cluster.listing import existing_uids
from outfitter.cluster.optional_kind import DISCOVERY_SECONDS
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.server_version import ServerVersion
from outfitter.cluster.sources import Source, child_sources
from outfitter.cluster.store import Caches
from outfitter.cluster.transport import Transport
from outfitter.cluster.unreadable import Unreadable
from outfitter.cluster.writethrough import WriteThrough
from outfitter.operator.event_router import EventRouter
from outfitter.operator.gc_tuner import GcTuner
from outfitter.operator.kopf_source import KopfSource
from outfitter.operator.leader import Elector, ServerLeases
from outfitter.operator.metrics import EngineGauges, Metrics
from outfitter.operator.object_metrics import object_registry
from outfitter.operator.orphan_collector import OrphanCollector
from outfitter.operator.probes import Probes
from outfitter.operator.queue import WorkQueue
from outfitter.operator.reverse_index import ReverseIndex
from outfitter.operator.workers import Reconciler, Workers
from outfitter.reconcile import reconciler as engine
from outfitter.reconcile.act_log import ActLog, ActRecorder
from outfitter.reconcile.acts import Act
from outfitter.reconcile.registries import Registries
from outfitter.registry import RegistryLookups
from outfitter.settings import Settings
from outfitter.snapshot import CachedObject, Key

if TYPE_CHECKING:
    from outfitter.operator.tracing import Tracing

_log = logging.getLogger(__name__)

_DRAIN_SECONDS: Final = 10.0
DERIVED: Final = tuple(kind.name for kind in DERIVED_KINDS)

Users = Callable[[Key], tuple[Key, ...]]
MakeReconciler = Callable[
    [Cluster, Caches, Settings, Users, Callable[[], datetime], Registries, ActRecorder], Reconciler
]


class Operator:
    """All parts of the operator, connected. `run` runs it and `stop` ends it."""

    def __init__(
        self,
        settings: Settings,
        auth: Authentication,
        make_reconciler: MakeReconciler = engine.Reconciler,
        *,
        child_kinds: tuple[ChildKind, ...] = CHILD_KINDS,
        discovery_seconds: float = DISCOVERY_SECONDS,
    ) -> None:
        self.settings = settings
        self.kinds = tuple(kind.name for kind in KINDS)
        self.namespaces = _namespaces(settings)
        self._child_kinds = tuple(kind for kind in child_kinds if kind.enabled(settings))
        self.metrics = Metrics()
        identity = settings.identity or f"{socket.gethostname()}-{uuid4().hex[:8]}"
        self.tracing = _tracing(identity) if settings.tracing else None
        self.transport = Transport(
            auth,
            max_requests=settings.max_requests,
            record=self.metrics.request,
            trace=self.tracing.requests() if self.tracing else None,
        )
        self.caches = Caches(child_kinds)
        self.reverse_index = ReverseIndex()
        self.queue: WorkQueue[Key] = WorkQueue()
        self.gc_tuner = GcTuner()
        self.acts = ActLog(record=self.metrics.acted)
        self.elector = self._elector(identity)
        self.transport.gate = self.elector.holds
        self.transport.remaining = self.elector.remaining
        self.cluster = WriteThrough(
            Client(self.transport, self.namespaces, child_kinds), self.caches, self.metrics.wrote
        )
        self.registries = RegistryLookups(
            settings.registry_seconds, _now, self.queue.add, image_interval=settings.image_watch_seconds
        )
        self.reconciler = make_reconciler(
            self.cluster, self.caches, settings, self.reverse_index.users, _now, self.registries, self.metrics.acted
        )
        self.orphan_collector = OrphanCollector(
            self.cluster,
            self.caches,
            self.kinds,
            partial(existing_uids, self.transport, namespaces=self.namespaces),
            child_kinds,
            acted=self.metrics.acted,
        )
        self.event_router = self._event_router()
        self.workers = self._workers()
        self.custom_resources, self.sources = self._sources(discovery_seconds)
        self.synced = asyncio.Event()
        self.leading = asyncio.Event()
        self.probes = Probes(self.metrics, self.sources)
        self.metrics.registry.register(
            EngineGauges(self.queue, self.caches, self.sources, self.kinds, self.elector.holds)
        )
        if settings.object_metrics:
            self.metrics.objects = object_registry(self.caches, self.kinds, self.elector.holds)
        self._stopping = asyncio.Event()
        self._failed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def stop(self) -> None:
        """End in order, as after SIGTERM."""
        self._stopping.set()

    async def run(self, signals: Callable[[], None] = lambda: None) -> int:
        """Run until stopped or failed. Returns the exit code. `signals` installs the signal handlers."""
        self.caches.listen(self.event_router.changed)
        self.caches.listen_written(self.event_router.written)
        self.caches.listen(self.orphan_collector.child_changed)
        self.caches.listen_written(self.orphan_collector.child_changed)
        self.caches.listen_served(self.event_router.served_changed)
        await self.probes.start(self.settings.probe_host, self.settings.probe_port)
        await self.custom_resources.start()
        signals()  # kopf has replaced the handlers
        try:
            for source in self.sources:
                self._spawn(source.run(), f"watch of {source.kind}")
            return await self._until_end()
        finally:
            await self._close()

    async def _until_end(self) -> int:
        stopping = asyncio.create_task(self._stopping.wait(), name="stop")
        failed = asyncio.create_task(self._failed.wait(), name="failure")
        working = asyncio.create_task(self._work(), name="work")
        try:
            await asyncio.wait({stopping, failed, working}, return_when=asyncio.FIRST_COMPLETED)
            if not self._stopping.is_set():
                self._report(working)
                return 1
            if self.leading.is_set() and not await self.workers.drain(_DRAIN_SECONDS):
                _log.warning("reconciliations that ran longer than %.0f s were cancelled", _DRAIN_SECONDS)
            await self.cluster.events.close()
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await self.elector.release()
            return 0
        finally:
            # No write may follow, so everything is cancelled at once.
            working.cancel()
            stopping.cancel()
            failed.cancel()
            await self.workers.cancel()

    async def _work(self) -> None:
        """Wait for the caches, then for the Lease, then start the workers. Returns when the Lease is lost."""
        await asyncio.gather(*(source.synced.wait() for source in self.sources))
        self.synced.set()
        self.gc_tuner.freeze_startup()
        _log.info("caches synced; waiting for the Lease as %s", self.elector.identity)
        await self.elector.acquire()
        keeping = asyncio.create_task(self.elector.keep(), name="Lease")
        try:
            self.orphan_collector.check_all()
            self._spawn(self.orphan_collector.run(), "orphan collector")
            resources = (live for kind in (*self.kinds, *DERIVED) for live in self.caches[kind].all())
            await self.workers.start(Key(live.kind, live.namespace, live.name) for live in resources)
            self.leading.set()
            _log.info("leading")
            await keeping
        finally:
            keeping.cancel()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.cluster.events.close()
        await self.registries.close()
        await self.probes.stop()
        await self.transport.close()
        if self.tracing:
            await self.tracing.close()
        await self.custom_resources.stop()  # last: kopf waits for younger tasks, those of probe connections included

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failed.set()

    def _report(self, working: asyncio.Task[None]) -> None:
        for task in (working, *self._tasks):
            if task.done() and not task.cancelled():
                if error := task.exception():
                    _log.error("%s ended: %s", task.get_name(), error)
                elif task is working:
                    _log.error("the Lease was lost: exiting, so that no second replica writes")
                else:
                    _log.error("%s ended unexpectedly", task.get_name())

    def _sources(self, discovery_seconds: float) -> tuple[KopfSource, tuple[Source, ...]]:
        """The source of custom resources, and all sources."""
        relisted = self.orphan_collector.check_all
        unreadable = Unreadable(self.metrics.unreadable)
        custom_resources = KopfSource(
            self.transport,
            self.caches,
            self.kinds,
            self.namespaces,
            relisted=relisted,
            unreadable=unreadable,
            discovery_seconds=discovery_seconds,
        )
        children = child_sources(
            self.transport,
            self.caches,
            self._child_kinds,
            self.namespaces,
            relisted=relisted,
            unreadable=unreadable,
            discovery_seconds=discovery_seconds,
        )
        return custom_resources, (custom_resources, ServerVersion(self.transport, self.caches), *children)

    def _event_router(self) -> EventRouter:
        return EventRouter(
            self.caches,
            self.queue,
            self.reverse_index,
            self.kinds,
            used_by_seconds=self.settings.used_by_seconds,
            deleted=self._resource_deleted,
        )

    def _resource_deleted(self, live: CachedObject) -> None:
        key = Key(live.kind, live.namespace, live.name)
        if self.leading.is_set() and live.kind not in DERIVED:
            self.acts.write(key, Act(Action.REMOVE), generation=live.generation)
        self.reconciler.forget(key)
        self.orphan_collector.owner_deleted(live)

    def _workers(self) -> Workers:
        return Workers(
            self.queue,
            self.tracing.reconciler(self.reconciler) if self.tracing else self.reconciler,
            self.reverse_index,
            self.event_router,
            count=self.settings.workers,
            resync_seconds=self.settings.resync_seconds,
            record=self.metrics.reconciled,
            quiet=self.gc_tuner.quiet,
            acted=self.metrics.acted,
        )

    def _elector(self, identity: str) -> Elector:
        settings = self.settings
        seconds = float(settings.lease_seconds)
        # Shorter than the time between the renew deadline and the end of the Lease.
        leases = ServerLeases(self.transport, settings.home, settings.lease_name, seconds / 3 * 0.8)
        return Elector(leases, identity, seconds)


def _tracing(identity: str) -> Tracing:
    from outfitter.operator.tracing import Tracing  # its library takes time and memory, and is off by default

    return Tracing(identity)


def _now() -> datetime:
    return datetime.now(UTC)


def _namespaces(settings: Settings) -> tuple[str, ...]:
    """The served namespaces; empty means all. The system namespace is one of them, because it holds shared assets."""
    if not settings.watch_namespaces:
        return ()
    return tuple(sorted({*settings.watch_namespaces, settings.system_namespace}))


async def run(settings: Settings) -> int:
    """Run the operator until SIGTERM (exit code 0) or until it must exit (1)."""
    operator = Operator(settings, await Authentication.load(settings.kubeconfig))
    loop = asyncio.get_running_loop()

    def signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, operator.stop)

    signals()
    return await operator.run(signals)
