"""List and watch of one kind into the caches, with retries, and with the deletions that happened between watches."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import aiohttp
import orjson

from outfitter.children import ApiResource
from outfitter.cluster.client import PAGE, path_of
from outfitter.cluster.jitter import jitter
from outfitter.cluster.store import Caches
from outfitter.cluster.transport import JSON, METADATA_LIST, METADATA_ONLY, Transport
from outfitter.cluster.unreadable import Unreadable, identity, split
from outfitter.errors import ApiError, Forbidden, Gone, NotFound, Unavailable

_log = logging.getLogger(__name__)

IDLE_SECONDS: Final = 75.0  # bookmarks come every 60 seconds, so a longer silence means a dead connection
_WATCH_SECONDS: Final = (300, 360)
_SHORT_WATCH: Final = 1.0
_BACKOFF: Final = (0.2, 30.0)  # seconds: first and longest
_DELETED: Final = re.compile(rb'\{"type"\s*:\s*"DELETED"')
_CHANGED: Final = re.compile(rb'\{"type"\s*:\s*"(?:ADDED|MODIFIED)"')
_NO_RIGHT: Final = (
    "The operator does nothing without this right. Install the roles of this version with its settings (helm upgrade "
    "does both), or turn off the setting that needs the right."
)
_FIRST_PAGE: Final = 10  # objects, whose size is not known yet
_PAGE_BYTES: Final = 2**21
_LIST_TIMEOUT: Final = aiohttp.ClientTimeout(total=60)


class Informer:
    """List and watch of one kind in one namespace ("" for all). `synced`: the first list is cached.

    `optional`: `run` ends with NotFound if the server does not serve the kind, instead of a retry. It ends with
    Forbidden for a dispensable kind that the operator may not watch.
    """

    def __init__(
        self,
        transport: Transport,
        caches: Caches,
        resource: ApiResource,
        namespace: str = "",
        *,
        optional: bool = False,
        dispensable: bool = False,
        relisted: Callable[[], None] = lambda: None,
        unreadable: Unreadable | None = None,
        clock: Callable[[], float] = time.monotonic,
        idle_seconds: float = IDLE_SECONDS,
        backoff: tuple[float, float] = _BACKOFF,
    ) -> None:
        self.kind = resource.kind
        self.namespace = namespace
        self.synced = asyncio.Event()
        self.lists = 0
        self.watches = 0
        self.accepted = 0  # watches
        self._watch = resource.watch
        self._optional = optional
        self._dispensable = dispensable
        self._transport = transport
        self._caches = caches
        self._relisted = relisted
        self._unreadable = unreadable or Unreadable()
        self._clock = clock
        self._idle = idle_seconds
        self._backoff = backoff
        self._failures = 0
        self._active = clock()
        # A Role can grant one Namespace object only by its own path, not by the watch of the collection.
        self._single = not resource.namespaced and bool(namespace)
        if self._single:
            self._list_path = path_of(resource, "", namespace)
            self._watch_path = f"/api/{resource.version}/watch/{resource.plural}/{quote(namespace, safe='')}"
        else:
            self._list_path = self._watch_path = path_of(resource, namespace)

    @property
    def idle(self) -> float:
        """Seconds since the last page, event or bookmark."""
        return self._clock() - self._active

    async def run(self) -> None:
        """List, then watch from there until cancelled. List again only if the version is too old for the server."""
        version = 0
        while True:
            try:
                if not version:
                    version = await self._list()
                started = self._clock()
                version = await self._follow(version)
                if self._clock() - started < _SHORT_WATCH:
                    await self._pause()  # a proxy may end every watch at once
                else:
                    self._failures = 0
            except Gone:
                version = 0
                await self._pause()
            except _Restart as error:
                version = error.version
                await self._pause()
            except Forbidden as error:
                if self._dispensable:
                    raise
                _log.warning("watch of %s: %s. %s", self.kind, error, _NO_RIGHT)
                await self._pause()
            except ApiError as error:
                if self._optional and isinstance(error, NotFound):
                    raise
                _log.warning("watch of %s %s: %s", self.kind, self.namespace, error)
                await self._pause()

    async def _pause(self) -> None:
        first, longest = self._backoff
        wait = min(longest, first * 2 ** min(self._failures, 10))
        self._failures += 1
        await asyncio.sleep(wait * jitter(0.5, 1.0))

    # -- list ----------------------------------------------------------------------------------------------------

    async def _list(self) -> int:
        """Cache a list page by page, then remove the objects that it lacks. Returns its version."""
        seen: set[str] = set()
        token, version = "", 0
        singly = 0  # the number of objects that are left to list one by one
        size = _FIRST_PAGE
        while True:
            content = await self._page(token, 1 if singly else size)
            try:
                page = orjson.loads(content)
            except orjson.JSONDecodeError as error:
                if not singly:
                    singly = size  # one object of the page cannot be parsed: list them one by one
                    continue
                page, about = split(content)
                self._unreadable.skipped(self.kind, about, error)
                seen.add(about.get("uid", ""))
            singly = max(0, singly - 1)
            meta = page.get("metadata") or {}
            # All pages have the version of the first one. Later writes are in the watch.
            version = version or int(meta.get("resourceVersion") or 0)
            items = page.get("items") or ()
            for item in items:
                seen.add(item["metadata"]["uid"])
                self._put(item)
            size = next_page(len(content), len(items))
            self._active = self._clock()
            token = meta.get("continue") or ""
            if not token:
                break
        if not self._single:
            self._caches.retain(self.kind, seen, namespace=self.namespace, version=version)
        elif not seen and (known := self._caches[self.kind].get("", self.namespace)):
            self._caches.remove(known)
        self.lists += 1
        if self.synced.is_set():
            self._relisted()
        self.synced.set()
        return version

    def _put(self, item: Mapping[str, Any]) -> None:
        try:
            live = self._caches.project(self.kind, item)
            if live is not None:
                self._caches.put(live)
        except Exception as error:  # one unreadable object must not keep out the others
            self._unreadable.skipped(self.kind, item["metadata"], error)

    async def _page(self, token: str, limit: int) -> bytes:
        accept = METADATA_LIST if self._watch.metadata_only else JSON
        if self._single:
            accept = METADATA_ONLY if self._watch.metadata_only else JSON
            try:
                item = await self._transport.request("GET", self._list_path, accept=accept)
            except NotFound:
                return b'{"metadata": {"resourceVersion": "1"}}'
            version = identity(item).get("resourceVersion", "").encode()
            return b'{"metadata": {"resourceVersion": "%s"}, "items": [%s]}' % (version, item)
        query = {
            "limit": str(limit),
            **self._selectors(),
            **({"continue": token} if token else {}),
        }
        path = f"{self._list_path}?{urlencode(query)}"
        return await self._transport.request("GET", path, accept=accept, within=_LIST_TIMEOUT)

    def _selectors(self) -> dict[str, str]:
        pairs = {"labelSelector": self._watch.label_selector, "fieldSelector": self._watch.field_selector}
        return {key: value for key, value in pairs.items() if value}

    # -- watch ---------------------------------------------------------------------------------------------------

    async def _follow(self, version: int) -> int:
        """Watch from `version` until the server ends the request. Returns the version to continue from."""
        seconds = round(jitter(*_WATCH_SECONDS))
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(version),
            "timeoutSeconds": str(seconds),
            **self._selectors(),
        }
        accept = METADATA_ONLY if self._watch.metadata_only else JSON
        path = f"{self._watch_path}?{urlencode(query)}"
        rest = b""
        self.watches += 1
        try:
            async with self._transport.stream(path, accept=accept, total=seconds + 30, idle=self._idle) as content:
                self._active = self._clock()
                self.accepted += 1
                async for chunk in content.iter_any():
                    self._active = self._clock()
                    *lines, rest = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
                    if lines:
                        version = self._apply_lines(lines, version)
                        self._failures = 0
        except Unavailable as error:
            raise _Restart(error.message, version) from None
        return version

    def _apply_lines(self, lines: Iterable[bytes], version: int) -> int:
        """Apply the events of one chunk to the caches. Returns the newest version."""
        for line in filter(None, lines):
            if (known := self._known_version(line)) is not None:
                version = max(version, known)
                continue
            try:
                event = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                meta = identity(line)
                if not meta.get("uid"):
                    raise Gone("the watch cannot be read") from None
                self._skip(_DELETED.match(line) is not None, meta, error)
                continue
            type_, item = event["type"], event["object"]
            if type_ == "ERROR":
                raise Gone(
                    item.get("message") or "the watch position is too old",
                    status=item.get("code") or 410,
                )
            meta = item["metadata"]
            number = int(meta["resourceVersion"])
            version = max(version, number)
            if type_ == "BOOKMARK":
                continue
            try:
                self._apply(type_ == "DELETED", item)
            except Exception as error:  # one unreadable object must not end the watch
                self._skip(type_ == "DELETED", meta, error)
        return version

    def _known_version(self, line: bytes) -> int | None:
        """The version of an event that is older than the cache: usually that of our own write, not worth parsing.

        In the JSON of a built-in object its own uid comes before every other one; a uid of another kind is not found.
        """
        if _CHANGED.match(line) is None:
            return None
        meta = identity(line)
        known = self._caches[self.kind].by_uid(meta.get("uid", ""))
        version = int(meta.get("resourceVersion") or 0)
        return version if known is not None and 0 < version <= known.resource_version else None

    def _apply(self, deleted: bool, item: Mapping[str, Any]) -> None:
        live = self._caches.project(self.kind, item)
        if live is not None:
            (self._caches.remove if deleted else self._caches.put)(live)

    def _skip(self, deleted: bool, meta: Mapping[str, Any], error: Exception) -> None:
        """Skip the event of an unreadable object, but remove the object if the event is its deletion."""
        kind = self.kind
        self._unreadable.skipped(kind, meta, error)
        known = self._caches[kind].by_uid(meta.get("uid", ""))
        if deleted and known is not None:
            self._caches.remove(known)


class _Restart(Unavailable):
    """The watch broke after `version` and can continue from there."""

    def __init__(self, message: str, version: int) -> None:
        super().__init__(message)
        self.version = version


def next_page(length: int, objects: int) -> int:
    """Return how many objects the next page may have, so that large ones of one tenant cost little memory."""
    return max(1, min(PAGE, _PAGE_BYTES * objects // max(length, 1)))
