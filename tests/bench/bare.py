"""The bare loop: requests prepared in advance, one keep-alive session, answers read and not looked at.

But for one thing: where a later request names the uid or version of an object that an earlier one makes, these two are
taken out of the answer, and the later one waits for them.

A process of its own, like the operator. `python -m tests.bench.bare KUBECONFIG WRITES IN_FLIGHT`; WRITES holds one JSON
array per line. Prints {"requests", "seconds", "cpu_seconds"}.
"""

from __future__ import annotations

import asyncio
import base64
import resource
import ssl
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvloop
import yaml
from yarl import URL


class Learnt:
    """Uids and versions that answers told, by the text that stands for them in bodies."""

    def __init__(self, writes: Iterable[Sequence[Any]]) -> None:
        self._known: dict[str, asyncio.Future[str]] = {}
        for _, _, _, _, gives, _ in writes:
            self._known.update({text: asyncio.get_running_loop().create_future() for text in gives})

    async def filled(self, body: str, needs: Sequence[str]) -> bytes:
        """The body with everything in its place."""
        for text in needs:
            body = body.replace(text, await self._known[text])
        return body.encode()

    def note(self, gives: Sequence[str], answer: bytes) -> None:
        """Take uid and version out of an answer."""
        meta = orjson.loads(answer)["metadata"]
        for text, value in zip(gives, (meta["uid"], meta["resourceVersion"]), strict=True):
            self._known[text].set_result(value)


async def send(kubeconfig: Path, writes: list[list[Any]], in_flight: int) -> dict[str, float]:
    """Send all, at most `in_flight` at a time."""
    server, context, headers = _access(kubeconfig)
    ready = [
        (verb, URL(server + path, encoded=True), {**headers, "Content-Type": content_type}, body.encode(), text)
        for text in writes
        for verb, path, content_type, body in (text[:4],)
    ]
    learnt = Learnt(writes)
    connector = aiohttp.TCPConnector(limit=0, ssl=context)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        left = iter(ready)

        async def lane() -> None:
            # What a request needs, an earlier one gives, which is under way or done: no lane waits without end.
            for verb, url, each, prepared, (_, _, _, body, gives, needs) in left:
                data = await learnt.filled(body, needs) if needs else prepared
                async with session.request(verb, url, headers=each, data=data) as response:
                    content = await response.read()
                    if response.status >= 300:
                        raise SystemExit(f"{verb} {url}: {response.status} {content[:500]!r}")
                if gives:
                    learnt.note(gives, content)

        started = time.monotonic()
        before = time.process_time()
        async with asyncio.TaskGroup() as lanes:
            for _ in range(in_flight):
                lanes.create_task(lane())
    return {
        "requests": len(ready),
        "seconds": time.monotonic() - started,
        "cpu_seconds": time.process_time() - before,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _access(kubeconfig: Path) -> tuple[str, ssl.SSLContext, dict[str, str]]:
    """Server, TLS and headers out of a kubeconfig with embedded credentials."""
    content: Any = yaml.load(kubeconfig.read_bytes(), yaml.CSafeLoader)
    cluster, who = content["clusters"][0]["cluster"], content["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    headers = {"Accept": "application/json", "User-Agent": "bare"}
    return (
        cluster["server"],
        ssl.create_default_context(cadata=authority),
        {**headers, "Authorization": f"Bearer {who['token']}"},
    )


def main() -> None:
    """See the module."""
    kubeconfig, writes, in_flight = sys.argv[1:]
    lines = Path(writes).read_bytes().splitlines()
    result = uvloop.run(send(Path(kubeconfig), [orjson.loads(line) for line in lines], int(in_flight)))
    sys.stdout.buffer.write(orjson.dumps(result))


if __name__ == "__main__":
    main()
