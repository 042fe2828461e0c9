"""The node stand-in's own small asynchronous client: requests, endless watches, one pass per key at a time."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self

import aiohttp

from outfitter.errors import ApiError, Gone, Unavailable, api_error

log = logging.getLogger(__name__)
Object = dict[str, Any]
Key = tuple[str, str]  # namespace and name
MERGE_PATCH = "application/merge-patch+json"
RETRY_SECONDS = 0.5


class Client:
    """JSON requests to one API server with a client certificate."""

    def __init__(self, url: str, authority: str, certificate: str, key: str) -> None:
        self.url = url
        self.tls = ssl.create_default_context(cafile=authority)
        self.tls.load_cert_chain(certificate, key)

    async def __aenter__(self) -> Self:
        agent = {"User-Agent": "outfitter-sandbox-node"}
        self.session = aiohttp.ClientSession(
            self.url, connector=aiohttp.TCPConnector(ssl=self.tls, limit=40), headers=agent
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """The decoded body. ApiError for every other answer, Unavailable for none."""
        data = None if body is None else json.dumps(body)
        try:
            async with self.session.request(
                method, path, data=data, headers={"Content-Type": content_type}, timeout=aiohttp.ClientTimeout(15)
            ) as response:
                content = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(f"{method} {path}: {error!r}") from error
        if response.status >= 300:
            raise api_error(
                response.status, content.get("reason", ""), f"{method} {path}: {content.get('message', '')}"
            )
        return content

    async def patch(self, path: str, body: Any) -> Any:
        """JSON merge patch: members replace, lists as a whole."""
        return await self.request("PATCH", path, body, MERGE_PATCH)

    async def watch(self, path: str) -> AsyncIterator[tuple[str, Object]]:
        """Every object once as ADDED, then every change, for ever; also the DELETED that a broken watch missed."""
        known: dict[str, Object] = {}
        while True:
            try:
                listed = await self.request("GET", path)
                fresh = {each["metadata"]["uid"]: each for each in listed["items"]}
                for uid in known.keys() - fresh.keys():
                    yield "DELETED", known[uid]
                known = fresh
                for each in fresh.values():
                    yield "ADDED", each
                async for kind, item in self._events(path, listed["metadata"]["resourceVersion"]):
                    if kind == "DELETED":
                        known.pop(item["metadata"]["uid"], None)
                    else:
                        known[item["metadata"]["uid"]] = item
                    yield kind, item
            except ApiError as error:
                if not isinstance(error, Gone):
                    log.warning("watch %s: %s", path, error)
                    await asyncio.sleep(RETRY_SECONDS)

    async def _events(self, path: str, version: str) -> AsyncIterator[tuple[str, Object]]:
        """One watch after another from `version` on. Gone when the server forgot it."""
        while True:
            query = {"watch": "1", "allowWatchBookmarks": "1", "resourceVersion": version, "timeoutSeconds": "300"}
            try:
                async with self.session.get(
                    path, params=query, timeout=aiohttp.ClientTimeout(None), read_bufsize=1 << 22
                ) as response:
                    if response.status != 200:
                        raise api_error(response.status, "", f"watch {path}: {(await response.text())[:300]}")
                    async for line in response.content:
                        event = json.loads(line)
                        item = event["object"]
                        if event["type"] == "ERROR":
                            raise api_error(item.get("code", 0), item.get("reason", ""), item.get("message", ""))
                        version = item["metadata"]["resourceVersion"]
                        if event["type"] != "BOOKMARK":
                            yield event["type"], item
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise Unavailable(f"watch {path}: {error!r}") from error


class Passes:
    """Runs `settle(key)` for keys: one at a time per key, again when asked meanwhile, again after an error."""

    def __init__(self, settle: Callable[[Key], Awaitable[None]], parallel: int = 20) -> None:
        self.settle = settle
        self.running: dict[Key, asyncio.Task[None]] = {}
        self.again: set[Key] = set()
        self.slots = asyncio.Semaphore(parallel)

    def add(self, key: Key) -> None:
        """Look at `key` soon."""
        if key in self.running:
            self.again.add(key)
        else:
            self.running[key] = asyncio.create_task(self._run(key))

    def add_later(self, key: Key, seconds: float) -> None:
        """Look at `key` after some seconds."""
        asyncio.get_running_loop().call_later(seconds, self.add, key)

    async def _run(self, key: Key) -> None:
        try:
            async with self.slots:
                await self.settle(key)
        except ApiError as error:
            # 404 and 409: the object went or changed meanwhile, of which the watch tells us.
            if error.status not in (404, 409):
                log.warning("%s/%s: %s", *key, error)
                self.add_later(key, RETRY_SECONDS)
        finally:
            del self.running[key]
            if key in self.again:
                self.again.discard(key)
                self.add(key)
