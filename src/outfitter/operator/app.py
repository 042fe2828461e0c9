"""Start and stop order of the running operator."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import kopf

from outfitter.api.v1alpha1 import KINDS
from outfitter.children import CHILD_KINDS
from outfitter.cluster.auth import Authentication
from outfitter.cluster.client import Client
from outfitter.cluster.informer import child_informers
from outfitter.cluster.protocol import Cluster
from outfitter.cluster.store import Caches
from outfitter.cluster.transport import Transport
from outfitter.cluster.unreadable import Unreadable
from outfitter.cluster.writethrough import WriteThrough
from outfitter.errors import ApiError
from outfitter.operator.cache_auditor import CacheAuditor
from outfitter.operator.event_router import EventRouter
from outfitter.operator.gc_tuner import GcTuner
from outfitter.operator.kopf_source import kopf_settings, registry
from outfitter.operator.leader import Elector, ServerLeases
from outfitter.operator.metrics import EngineGauges, Metrics
from outfitter.operator.orphan_collector import OrphanCollector
from outfitter.operator.probes import Probes
from outfitter.operator.queue import WorkQueue
from outfitter.operator.reverse_index import ReverseIndex
from outfitter.operator.workers import Reconciler, Workers
from outfitter.settings import Settings
from outfitter.snapshot import CachedObject, Key

_log = logging.getLogger(__name__)

_DRAIN_SECONDS: Final = 10.0
_KOPF_STOP_SECONDS: Final = 5.0

Users = Callable[[Key], tuple[Key, ...]]
MakeReconciler = Callable[[Cluster, Caches, Settings, Users, Callable[[], datetime]], Reconciler]


def _reconciler(
    cluster: Cluster,
    caches: Caches,
    settings: Settings,
    users: Users,
    clock: Callable[[], datetime],
) -> Reconciler:
    from outfitter.reconcile.reconciler import Reconciler as Passes

    return Passes(cluster, caches, settings, users, clock)


class Operator:
    """Everything that runs, wired together. `stop` ends it in order; `failed` says that it has to end at once."""

    def __init__(
        self,
        settings: Settings,
        auth: Authentication,
        make_reconciler: MakeReconciler = _reconciler,
    ) -> None:
        self.settings = settings
        self.kinds = tuple(kind.name for kind in KINDS)
        self.namespaces = _namespaces(settings)
        self.metrics = Metrics()
        self.auth = auth
        self.transport = Transport(auth, max_requests=settings.max_requests, record=self.metrics.request)
        self.caches = Caches()
        self.dependents = ReverseIndex()
        self.queue: WorkQueue[Key] = WorkQueue()
        self.garbage = GcTuner()
        self.elector = self._elector()
        self.transport.gate = self.elector.holds
        self.transport.remaining = self.elector.remaining
        self.cluster = WriteThrough(Client(self.transport, self.namespaces), self.caches)
        self.reconciler = make_reconciler(
            self.cluster,
            self.caches,
            settings,
            self.dependents.users,
            lambda: datetime.now(UTC),
        )
        self.unreadable = Unreadable(self.metrics.unreadable)
        self.primary = CacheAuditor(
            self.transport, self.caches, self.kinds, self.namespaces, unreadable=self.unreadable
        )
        self.sweep = OrphanCollector(self.cluster, self.caches, self.kinds, self.primary.uids)
        self.primary.deletions_found = self.sweep.everything
        self.wake = self._wake()
        self.workers = self._workers()
        self.informers = child_informers(
            self.transport,
            self.caches,
            [kind for kind in CHILD_KINDS if kind.enabled(settings)],
            self.namespaces,
            relisted=self.sweep.everything,
            unreadable=self.unreadable,
        )
        self.synced = asyncio.Event()
        self.leading = asyncio.Event()
        self.probes = Probes(self.metrics, self.informers, self.synced.is_set)
        self.metrics.registry.register(
            EngineGauges(self.queue, self.caches, self.informers, self.kinds, self.elector.holds)
        )
        self._stopping = asyncio.Event()
        self._kopf_stop = asyncio.Event()
        self._failed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def stop(self) -> None:
        """End in order: what SIGTERM does."""
        self._stopping.set()

    async def run(self, signals: Callable[[], None] = lambda: None) -> int:
        """Until stopped or failed; the exit code. `signals` installs handlers, after kopf has installed its own."""
        self.caches.listen(self.wake.changed)
        self.caches.listen_written(self.wake.written)
        self.caches.listen(self.sweep.child_seen)
        self.caches.listen_written(self.sweep.child_seen)
        await self.probes.start(self.settings.probe_host, self.settings.probe_port)
        kopf_task = await self._start_kopf()
        signals()
        try:
            for informer in self.informers:
                self._spawn(informer.run(), f"watch {informer.kind} {informer.namespace}")
            return await self._until_end(kopf_task)
        finally:
            await self._close(kopf_task)

    async def _until_end(self, kopf_task: asyncio.Task[None]) -> int:
        stopping = asyncio.create_task(self._stopping.wait(), name="stop")
        failed = asyncio.create_task(self._failed.wait(), name="failure")
        working = asyncio.create_task(self._work(), name="work")
        try:
            await asyncio.wait({stopping, failed, working, kopf_task}, return_when=asyncio.FIRST_COMPLETED)
            if not self._stopping.is_set():
                self._report(working, kopf_task)
                return 1
            if self.leading.is_set() and not await self.workers.drain(_DRAIN_SECONDS):
                _log.warning("passes still under way after %.0f s were cut off", _DRAIN_SECONDS)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await self.elector.release()
            return 0
        finally:
            # Nothing may write from here on, and that at once.
            working.cancel()
            stopping.cancel()
            failed.cancel()
            await self.workers.cancel()

    async def _work(self) -> None:
        """From synced caches to leadership to passes; returns when leadership is lost."""
        await asyncio.gather(*(informer.synced.wait() for informer in self.informers), self._complete())
        self.synced.set()
        self._spawn(self.primary.run(), "audit")
        self.garbage.settle()
        _log.info("caches synced; waiting for the Lease as %s", self.elector.identity)
        await self.elector.acquire()
        lives = (live for kind in self.kinds for live in self.caches[kind].all())
        self.sweep.everything()
        self._spawn(self.sweep.run(), "sweep")
        self.workers.start(Key(live.kind, live.namespace, live.name) for live in lives)
        self.leading.set()
        _log.info("leading")
        await self.elector.keep()

    async def _complete(self) -> None:
        while True:
            try:
                return await self.primary.complete()
            except ApiError as error:
                _log.info("first list of our kinds: %s; again", error)
                await asyncio.sleep(1)

    async def _start_kopf(self) -> asyncio.Task[None]:
        logging.getLogger("kopf.objects").setLevel(logging.WARNING)
        ignored = frozenset(asyncio.all_tasks())
        spawned = await kopf.spawn_tasks(
            registry=registry(self.auth, self.caches, self.kinds, self.primary.listed, self.unreadable),
            settings=kopf_settings(),
            clusterwide=not self.namespaces,
            namespaces=self.namespaces,
            standalone=True,
            stop_flag=self._kopf_stop,
        )
        return asyncio.create_task(kopf.run_tasks(spawned, ignored=ignored | _current()), name="kopf")

    async def _close(self, kopf_task: asyncio.Task[None]) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Before kopf, which waits for every task that began after its own, those of open probe connections included.
        await self.probes.stop()
        await self.transport.close()
        self._kopf_stop.set()
        try:
            async with asyncio.timeout(_KOPF_STOP_SECONDS):
                await asyncio.gather(kopf_task, return_exceptions=True)
        except TimeoutError:
            _log.warning("kopf did not stop in time")

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failed.set()

    def _report(self, working: asyncio.Task[None], kopf_task: asyncio.Task[None]) -> None:
        for task in (working, kopf_task, *self._tasks):
            if task.done() and not task.cancelled():
                if error := task.exception():
                    _log.error("%s ended: %s", task.get_name(), error)
                elif task is working:
                    _log.error("the Lease was lost: exiting, so that nothing is written twice")
                else:
                    _log.error("%s ended unexpectedly", task.get_name())

    def _wake(self) -> EventRouter:
        return EventRouter(
            self.caches,
            self.queue,
            self.dependents,
            self.kinds,
            used_by_seconds=self.settings.used_by_seconds,
            gone=self._gone,
        )

    def _gone(self, live: CachedObject) -> None:
        self.reconciler.forget(Key(live.kind, live.namespace, live.name))
        self.sweep.owner_gone(live)

    def _workers(self) -> Workers:
        return Workers(
            self.queue,
            self.reconciler,
            self.dependents,
            self.wake,
            count=self.settings.workers,
            resync_seconds=self.settings.resync_seconds,
            observe=self.metrics.passed,
            quiet=self.garbage.quiet,
        )

    def _elector(self) -> Elector:
        settings = self.settings
        identity = settings.identity or f"{socket.gethostname()}-{uuid4().hex[:8]}"
        seconds = float(settings.lease_seconds)
        # Less than what is left between the renew deadline and the end of the Lease.
        leases = ServerLeases(self.transport, settings.system_namespace, settings.lease_name, seconds / 3 * 0.8)
        return Elector(leases, identity, seconds)


def _namespaces(settings: Settings) -> tuple[str, ...]:
    """The namespaces to work in; shared assets live in the system namespace, so it is one of them. Empty means all."""
    if not settings.watch_namespaces:
        return ()
    return tuple(sorted({*settings.watch_namespaces, settings.system_namespace}))


def _current() -> frozenset[asyncio.Task[Any]]:
    task = asyncio.current_task()
    return frozenset((task,)) if task else frozenset()


async def run(settings: Settings) -> int:
    """Run the operator until SIGTERM (0) or until it must not go on (1)."""
    operator = Operator(settings, await Authentication.load(settings.kubeconfig))
    loop = asyncio.get_running_loop()

    def signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, operator.stop)

    signals()
    return await operator.run(signals)


def serve(settings: Settings) -> int:
    """`run` on an event loop of its own, the quicker one where there is one; the exit code."""
    try:
        import uvloop
    except ImportError:  # not built for this platform
        return asyncio.run(run(settings))
    return uvloop.run(run(settings))
