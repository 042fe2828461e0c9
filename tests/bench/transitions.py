"""A second witness: a watch of our objects, to tell a status that says something new from one that does not.

The server sends each stored change once. Beside the audit log, which has every write but no content, this shows how
many of the writes of status were transitions.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from outfitter.api.version import API_VERSION
from outfitter.errors import Throttled
from outfitter_sandbox.connection import Connection
from outfitter_sandbox.processes import wait_until

_READ = 1 << 16
_START_SECONDS = 30.0


def look_of(status: dict[str, Any]) -> tuple[Any, ...]:
    """What a status tells a person: phases, and whether all is well and why not. No counts, no times, no texts.

    A repository shows the phases of its artifacts too.
    """
    ready = next((item for item in status.get("conditions") or () if item["type"] == "Ready"), {})
    return (
        status.get("phase"),
        status.get("runPhase"),
        (status.get("nimCache") or {}).get("phase"),
        ready.get("status"),
        ready.get("reason"),
        status.get("version"),
        tuple(row.get("phase") for row in (status.get("usedBy") or {}).get("artifacts") or ()),
    )


def transitions(events: Iterable[dict[str, Any]]) -> int:
    """How many different looks the objects of these watch events took on, one after the other; none at first."""
    last: dict[str, tuple[Any, ...]] = {}
    count = 0
    for event in events:
        body = event["object"]
        if event["type"] not in ("ADDED", "MODIFIED") or not body.get("status"):
            continue
        look = look_of(body["status"])
        if last.get(body["metadata"]["uid"]) != look:
            last[body["metadata"]["uid"]] = look
            count += 1
    return count


class Watch:
    """The raw events of some of our resources since this was made. Nothing is parsed before it is asked for."""

    def __init__(self, connection: Connection, plurals: Iterable[str]) -> None:
        self._content: dict[str, bytearray] = {}
        self._streams: list[tuple[http.client.HTTPSConnection, threading.Thread]] = []
        for plural in plurals:
            path = f"/apis/{API_VERSION}/{plural}"
            version = _version(connection, path)
            stream = http.client.HTTPSConnection(connection.host, context=connection.context)
            response = _opened(stream, f"{path}?watch=1&timeoutSeconds=3600&resourceVersion={version}")
            content = self._content[plural] = bytearray()
            thread = threading.Thread(target=_collect, args=(response, content), name=f"watch {plural}", daemon=True)
            thread.start()
            self._streams.append((stream, thread))

    def events(self, plural: str) -> Iterator[dict[str, Any]]:
        """Those of one resource that have come completely."""
        complete, _, _ = bytes(self._content[plural]).rpartition(b"\n")
        return (orjson.loads(line) for line in complete.splitlines())

    def counts(self) -> Counter[str]:
        """Resource -> transitions so far."""
        return Counter({plural: transitions(self.events(plural)) for plural in self._content})

    def close(self) -> None:
        """End the watches."""
        for stream, thread in self._streams:
            with contextlib.suppress(OSError):
                stream.sock.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            stream.close()


def _opened(stream: http.client.HTTPSConnection, path: str) -> http.client.HTTPResponse:
    """The answer to a watch; a server that is still starting the storage of a resource asks to come again."""
    found: list[http.client.HTTPResponse] = []

    def asked() -> bool:
        stream.request("GET", path)
        found.append(stream.getresponse())
        if found[-1].status == 200:
            return True
        said = found[-1].read()[:500]
        if found[-1].status != 429:
            raise RuntimeError(f"{path}: {found[-1].status} {said!r}")
        return False

    if not wait_until(asked, _START_SECONDS):
        raise RuntimeError(f"{path}: {found[-1].status} for {_START_SECONDS} s")
    return found[-1]


def _version(connection: Connection, path: str) -> str:
    """That of the list now; a server that has just learnt of a resource needs a moment for its first list."""
    found: dict[str, Any] = {}

    def listed() -> bool:
        with contextlib.suppress(Throttled):
            found.update(connection.request("GET", f"{path}?limit=1"))
        return bool(found)

    wait_until(listed, _START_SECONDS)
    return str(found["metadata"]["resourceVersion"])


def _collect(response: http.client.HTTPResponse, content: bytearray) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        while part := response.read1(_READ):
            content += part
