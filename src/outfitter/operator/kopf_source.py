"""The watches of custom resources, by kopf. This is the only module that imports kopf.

kopf runs one event handler per kind, which puts the object into the caches; it writes nothing. It reports neither the
end of its first list nor deletions that it missed, so a CacheAuditor compares its work with lists of our own.
One module: all of it works around what kopf does and does not report.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
import kopf
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory
from yarl import URL

from outfitter.api.v1alpha1 import kind_of
from outfitter.cluster.client import path_of
from outfitter.cluster.jitter import jitter
from outfitter.cluster.listing import served_plurals, unserved_plurals
from outfitter.cluster.optional_kind import DISCOVERY_SECONDS
from outfitter.cluster.resources import api_resource
from outfitter.cluster.store import Caches
from outfitter.cluster.transport import Transport
from outfitter.cluster.unreadable import Unreadable
from outfitter.errors import ApiError, OutfitterError
from outfitter.operator.cache_auditor import CacheAuditor

_log = logging.getLogger(__name__)

_BACKOFF_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
_WATCH_SECONDS: Final = (240, 280)  # shorter than the 300 seconds after which a silent watch raises an alert
_FIRST_LIST_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 5.0


class _NoMemories(ResourceMemories):
    """kopf remembers something of each object, for kinds of handlers that are not used here: a kilobyte each."""

    async def recall(self, raw_body: Any, **options: Any) -> ResourceMemory:
        """Return a memory that nothing keeps."""
        return await super().recall(raw_body, **{**options, "ephemeral": True})


class KopfSource:
    """A Source of all custom resources. `start` comes before `run`, and `stop` after it."""

    kind: Final = "custom resources"

    def __init__(
        self,
        transport: Transport,
        caches: Caches,
        kinds: Iterable[str],
        namespaces: Iterable[str] = (),
        *,
        relisted: Callable[[], None] = lambda: None,
        unreadable: Unreadable | None = None,
        discovery_seconds: float = DISCOVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.synced = asyncio.Event()
        self._transport = transport
        self._auth = transport.auth
        self._absent: frozenset[str] = frozenset()
        self._caches = caches
        self._kinds = tuple(kinds)
        self._namespaces = tuple(namespaces)
        self._unreadable = unreadable or Unreadable()
        self._discovery_seconds = discovery_seconds
        self._clock = clock
        self.auditor = CacheAuditor(
            transport, caches, self._kinds, self._namespaces, audited=relisted, unreadable=self._unreadable
        )
        paths = [
            (URL(self._auth.server + path_of(api_resource(kind), namespace)).path, kind)
            for kind in self._kinds
            for namespace in self._namespaces or ("",)
        ]
        self._kind_of_path = dict(paths)
        self._answered = dict.fromkeys(self._kind_of_path, clock())
        self._stopping = asyncio.Event()
        self._kopf: asyncio.Task[None] | None = None

    @property
    def idle(self) -> float:
        """Seconds since the server last answered a list or watch, of the watch that waits longest."""
        return self._clock() - min(self._answered.values(), default=self._clock())

    async def start(self) -> None:
        """Start kopf's tasks. On the main thread kopf replaces the handlers of SIGTERM and SIGINT here."""
        await self._leave_out_absent()
        logging.getLogger("kopf.objects").setLevel(logging.WARNING)
        older = frozenset(asyncio.all_tasks())
        tasks = await kopf.spawn_tasks(
            registry=self._registry(),
            settings=_settings(),
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            memories=_NoMemories(),
            standalone=True,
            stop_flag=self._stopping,
        )
        self._kopf = asyncio.create_task(kopf.run_tasks(tasks, ignored=older), name="kopf")

    async def run(self) -> None:
        """Wait for the first lists, then audit each further list. Ends with an error if kopf ends."""
        assert self._kopf is not None, "start() comes first"
        own = {asyncio.create_task(self._audit(), name="audit of the caches")}
        if self._absent:
            own.add(asyncio.create_task(self._wait_served(), name="discovery"))
        try:
            done, _ = await asyncio.wait({self._kopf, *own}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in own:
                task.cancel()
            await asyncio.gather(*own, return_exceptions=True)
        for task in done:
            task.result()
        raise OutfitterError("kopf has stopped")

    async def _leave_out_absent(self) -> None:
        """Serve the other kinds without those that the CustomResourceDefinitions of an older version lack.

        Without an answer all count as served; the first lists find out.
        """
        later = {kind.plural: kind.name for kind in map(kind_of, self._kinds) if kind.added_later}
        self._absent = frozenset(later[plural] for plural in await unserved_plurals(self._transport, later))
        if not self._absent:
            return
        names = ", ".join(sorted(self._absent))
        _log.error("The API server does not serve %s. Install the CustomResourceDefinitions of this version.", names)
        self._kinds = tuple(kind for kind in self._kinds if kind not in self._absent)
        self.auditor.leave_out(self._absent)
        for path in [path for path, kind in self._kind_of_path.items() if kind in self._absent]:
            del self._kind_of_path[path], self._answered[path]

    async def _wait_served(self) -> None:
        """Wait for one of the missing kinds. kopf starts the watch of a new kind only when it starts itself."""
        plurals = {kind_of(name).plural for name in self._absent}
        while True:
            await asyncio.sleep(self._discovery_seconds * jitter(0.75, 1.25))
            with suppress(ApiError):
                if plurals & await served_plurals(self._transport):
                    raise OutfitterError("a missing CustomResourceDefinition was installed: restarting to serve it")

    async def stop(self) -> None:
        """Stop kopf, after all younger tasks of the event loop: kopf waits for them, and cancels them in the end."""
        if self._kopf is None:
            return
        self._stopping.set()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await asyncio.gather(self._kopf, return_exceptions=True)
        except TimeoutError:
            _log.warning("kopf did not stop within %.0f seconds", _STOP_SECONDS)

    async def _audit(self) -> None:
        while not self.synced.is_set():
            try:
                await self.auditor.wait_complete()
                self.synced.set()
            except ApiError as error:
                _log.info("first list of custom resources failed, retrying: %s", error)
                await asyncio.sleep(_FIRST_LIST_SECONDS)
        await self.auditor.run()

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        async def login(**_: Any) -> kopf.AiohttpSession:
            session = self._auth.session(trace=self._trace())
            return kopf.AiohttpSession(server=self._auth.server, aiohttp_session=session)

        kopf.on.login(registry=registry, id="login")(login)
        for kind in self._kinds:
            resource = api_resource(kind)
            handler = event_handler(kind, self._caches, self._unreadable)
            watch = kopf.on.event(
                resource.group,
                resource.version,
                resource.plural,
                registry=registry,
                id=kind,
                when=is_news(kind, self._caches),
            )
            watch(handler)
        return registry

    def _trace(self) -> aiohttp.TraceConfig:
        """Observe kopf's requests, because kopf has no hook for a list."""

        async def answered(
            _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
        ) -> None:
            kind = self._kind_of_path.get(params.url.path)
            if kind is None or params.method.upper() != "GET" or params.response.status != 200:
                return
            self._answered[params.url.path] = self._clock()
            query = params.url.query
            if "watch" not in query and not query.get("continue"):
                self.auditor.listed(kind)

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(answered)
        return trace


def is_news(kind: str, caches: Caches) -> Callable[..., bool]:
    """The filter of kopf's events of one kind: not those of our own writes, whose responses are cached already."""
    store = caches[kind]

    def news(event: Mapping[str, Any], **_: Any) -> bool:
        meta = event["object"]["metadata"]
        known = store.by_uid(meta.get("uid", ""))
        return known is None or event["type"] == "DELETED" or known.resource_version < int(meta["resourceVersion"])

    return news


def event_handler(kind: str, caches: Caches, unreadable: Unreadable) -> Callable[..., Any]:
    """The handler of kopf's events of one kind: put the object into the caches, or remove it."""

    async def handle(event: Mapping[str, Any], **_: Any) -> None:
        try:
            live = caches.project(kind, event["object"])
            if live is not None:
                (caches.remove if event["type"] == "DELETED" else caches.put)(live)
        except Exception as error:  # one unreadable object must not keep out the others
            unreadable.skipped(kind, event["object"]["metadata"], error)

    return handle


def _settings() -> kopf.OperatorSettings:
    """Settings with which kopf writes nothing, scans nothing and elects nothing."""
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.execution.max_workers = 1
    settings.process.ultimate_exiting_timeout = 25
    settings.queueing.idle_timeout = 0.05
    settings.queueing.exit_timeout = 2
    settings.watching.chunk_size = 100
    settings.watching.server_timeout = round(jitter(*_WATCH_SECONDS))
    settings.watching.inactivity_timeout = 70
    settings.watching.connect_timeout = 5
    settings.watching.reconnect_backoff = 0.5
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.enforce_retry_after = True
    settings.networking.error_backoffs = _EndlessBackoff()
    return settings


class _NoDiffBase(kopf.DiffBaseStorage):
    """No record of the last handled version: kopf would copy the whole body at each event to build it."""

    def build(self, **_: Any) -> Any:
        """Return an empty record."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return None: there is no record."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""


class _NoProgress(kopf.ProgressStorage):
    """No record of handlers in progress: event handlers have none."""

    def fetch(self, **_: Any) -> Any:
        """Return None: there is no record."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """Remove nothing."""

    def touch(self, **_: Any) -> None:
        """Write nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Return the object unchanged."""
        return essence


class _EndlessBackoff:
    """Jittered delays without end: a watcher of kopf that runs out of delays ends the process."""

    def __iter__(self) -> Iterator[float]:
        step = 0
        while True:
            yield _BACKOFF_SECONDS[min(step, len(_BACKOFF_SECONDS) - 1)] * jitter(0.5, 1.5)
            step += 1
