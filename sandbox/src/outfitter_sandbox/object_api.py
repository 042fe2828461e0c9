"""API client of the simulated node and the node agent.

It uses the operator's HTTP transport.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson

from outfitter.cluster.transport import JSON, Transport, parsed
from outfitter.errors import ApiError, Gone, api_error
from outfitter_sandbox.connection import MERGE_PATCH, Connection

Object = dict[str, Any]
RETRY_SECONDS = 0.5
WATCH_SECONDS = 300
IDLE_SECONDS = 75.0  # the API server sends a bookmark every minute
_log = logging.getLogger(__name__)


class ConnectionCredentials:
    """Credentials of a Connection.

    The kubeconfig parser of the operator writes keys to temporary files, which remain when the process is killed.
    """

    def __init__(self, connection: Connection) -> None:
        self.server = f"https://{connection.host}"
        self._connection = connection

    async def reload(self) -> None:
        """Do nothing: client certificates of a sandbox do not change."""

    def session(self, *, limit: int = 0, trace: aiohttp.TraceConfig | None = None) -> aiohttp.ClientSession:
        """See Credentials."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit, ssl=self._connection.context),
            headers=[("User-Agent", "outfitter-sandbox"), *self._connection.headers],
            trace_configs=[trace] if trace else None,
        )


class ObjectApi:
    """Decoded objects of one API server. All methods raise ApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def request(self, verb: str, path: str, body: Any = None, content_type: str = JSON) -> Any:
        """The decoded answer."""
        return parsed(await self._transport.request(verb, path, body, content_type=content_type))

    async def patch(self, path: str, body: Any) -> Any:
        """Merge patch: members replace members, a list replaces a list."""
        return await self.request("PATCH", path, body, MERGE_PATCH)

    async def watch(self, path: str) -> AsyncIterator[tuple[str, Object]]:
        """Yield each object as ADDED, then each change, without end.

        A new list also shows missed deletions.
        """
        known: dict[str, Object] = {}
        while True:
            try:
                listed = await self.request("GET", path)
                objects = {item["metadata"]["uid"]: item for item in listed["items"]}
                for uid in known.keys() - objects.keys():
                    yield "DELETED", known[uid]
                known = objects
                for item in objects.values():
                    yield "ADDED", item
                async for change, item in self._events(path, listed["metadata"]["resourceVersion"]):
                    if change == "DELETED":
                        known.pop(item["metadata"]["uid"], None)
                    else:
                        known[item["metadata"]["uid"]] = item
                    yield change, item
            except ApiError as error:
                if not isinstance(error, Gone):
                    _log.warning("watch %s: %s", path, error)
                    await asyncio.sleep(RETRY_SECONDS)

    async def _events(self, path: str, version: str) -> AsyncIterator[tuple[str, Object]]:
        """Consecutive watches from `version` on.

        Gone when the server no longer has that version.
        """
        while True:
            query = {"watch": "1", "allowWatchBookmarks": "1", "resourceVersion": version}
            where = f"{path}?{urlencode({**query, 'timeoutSeconds': WATCH_SECONDS})}"
            async with self._transport.stream(
                where, accept=JSON, total=WATCH_SECONDS + 30, idle=IDLE_SECONDS
            ) as content:
                rest = b""
                async for chunk in content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for event in map(orjson.loads, lines):
                        item = event["object"]
                        if event["type"] == "ERROR":
                            raise api_error(item.get("code", 0), item.get("reason", ""), item.get("message", ""))
                        version = item["metadata"]["resourceVersion"]
                        if event["type"] != "BOOKMARK":
                            yield event["type"], item


@contextlib.asynccontextmanager
async def connected(kubeconfig: Path) -> AsyncIterator[ObjectApi]:
    """Connect with a kubeconfig for the time of the block."""
    transport = Transport(ConnectionCredentials(Connection.from_kubeconfig(kubeconfig)))
    try:
        yield ObjectApi(transport)
    finally:
        await transport.close()
