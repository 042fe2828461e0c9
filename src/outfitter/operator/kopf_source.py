"""kopf's part: the watch of our own kinds. A handler stores the object; the caches' listeners do the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
import kopf

from outfitter.cluster.auth import Authentication
from outfitter.cluster.jitter import jitter
from outfitter.cluster.resources import api_resource
from outfitter.cluster.store import Caches
from outfitter.cluster.unreadable import Unreadable

_RETRY_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)


class NoDiffBase(kopf.DiffBaseStorage):
    """kopf's record of what it last handled, which we do not use: building it would copy each body at each event."""

    def build(self, **_: Any) -> Any:
        """Nothing."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Nothing."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing."""


class NoProgress(kopf.ProgressStorage):
    """kopf's record of handlers under way: event handlers have none."""

    def fetch(self, **_: Any) -> Any:
        """Nothing."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing."""

    def purge(self, **_: Any) -> None:
        """Nothing."""

    def touch(self, **_: Any) -> None:
        """Nothing."""

    def clear(self, *, essence: Any) -> Any:
        """The same."""
        return essence


class EndlessJitter:
    """Delays between kopf's attempts: without end, because a watcher that gives up ends the process; jittered."""

    def __iter__(self) -> Iterator[float]:
        step = 0
        while True:
            yield _RETRY_SECONDS[min(step, len(_RETRY_SECONDS) - 1)] * jitter(0.5, 1.5)
            step += 1


def kopf_settings() -> kopf.OperatorSettings:
    """kopf writes nothing, scans nothing, elects nothing."""
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.execution.max_workers = 1
    settings.process.ultimate_exiting_timeout = 25
    settings.queueing.idle_timeout = 0.05
    settings.queueing.exit_timeout = 2
    settings.watching.chunk_size = 100
    settings.watching.server_timeout = round(jitter(300, 360))
    settings.watching.inactivity_timeout = 70
    settings.watching.connect_timeout = 5
    settings.watching.reconnect_backoff = 0.5
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.enforce_retry_after = True
    settings.networking.error_backoffs = EndlessJitter()
    return settings


def registry(
    auth: Authentication,
    caches: Caches,
    kinds: Iterable[str],
    listed: Callable[[str], None],
    unreadable: Unreadable,
) -> kopf.OperatorRegistry:
    """One event handler per kind, and the login. `listed` hears of every list that kopf makes of a kind."""
    found = kopf.OperatorRegistry()
    names = tuple(kinds)

    async def login(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(
            server=auth.server,
            aiohttp_session=auth.session(trace=_lists_of(names, listed)),
        )

    kopf.on.login(registry=found, id="login")(login)
    for kind in names:
        res = api_resource(kind)
        kopf.on.event(res.group, res.version, res.plural, registry=found, id=kind)(_observer(kind, caches, unreadable))
    return found


def _observer(kind: str, caches: Caches, unreadable: Unreadable) -> Callable[..., Any]:
    async def observe(event: Mapping[str, Any], **_: Any) -> None:
        try:
            live = caches.project(kind, event["object"])
            if live is not None:
                (caches.remove if event["type"] == "DELETED" else caches.put)(live)
        except Exception as error:  # whatever is wrong with one object must not keep out the others
            unreadable.skipped(kind, event["object"]["metadata"], error)

    return observe


def _lists_of(kinds: Iterable[str], listed: Callable[[str], None]) -> aiohttp.TraceConfig:
    """kopf does not say when it lists again, nor what was deleted meanwhile: so its requests are observed."""
    plurals = {api_resource(kind).plural: kind for kind in kinds}

    async def ended(
        session: aiohttp.ClientSession,
        context: SimpleNamespace,
        params: aiohttp.TraceRequestEndParams,
    ) -> None:
        if params.method.upper() != "GET" or params.response.status != 200:
            return
        query = params.url.query
        kind = plurals.get(params.url.name)
        if kind is not None and "watch" not in query and not query.get("continue"):
            listed(kind)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(ended)
    return trace
