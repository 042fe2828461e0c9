"""The API server's audit log as the witness: who sent what, when it came and when it was done."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from outfitter_sandbox.audit import WRITES


@dataclass(frozen=True, slots=True)
class Request:
    """One finished request. `received` and `completed` are the server's own clock, in seconds."""

    verb: str
    user: str
    resource: str
    subresource: str
    namespace: str
    name: str
    uri: str
    code: int
    received: float
    completed: float

    @property
    def is_write(self) -> bool:
        """Whether it asked for a change, refused or not; the Lease of the election and Events do not count."""
        return self.verb in WRITES and self.resource not in ("leases", "events")

    @property
    def is_status(self) -> bool:
        """Whether it wrote a status."""
        return self.subresource == "status" and self.is_write

    @property
    def shape(self) -> str:
        """What kind of request it was, to compare two sides by."""
        return f"{self.verb} {self.resource}/{self.subresource}?{self.uri.partition('?')[2]}"


def _request(entry: dict[str, Any]) -> Request:
    target = entry.get("objectRef") or {}
    return Request(
        verb=entry["verb"],
        user=entry["user"].get("username", ""),
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        uri=entry["requestURI"],
        code=(entry.get("responseStatus") or {}).get("code", 0),
        received=datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp(),
        completed=datetime.fromisoformat(entry["stageTimestamp"]).timestamp(),
    )


class Tail:
    """The finished requests of some users, from the moment at which this was made, read as the log grows."""

    def __init__(self, log: Path, *users: str) -> None:
        self.requests: list[Request] = []
        self._log = log
        self._users = [f'"username":"{user}"'.encode() for user in users]
        self._offset = log.stat().st_size if log.exists() else 0
        self._rest = b""

    def poll(self) -> list[Request]:
        """What is new; also appended to `requests`."""
        with self._log.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        self._offset += len(content)
        *lines, self._rest = (self._rest + content).split(b"\n")
        new = [
            _request(entry)
            for line in lines
            if any(user in line for user in self._users)
            and (entry := orjson.loads(line))["stage"] == "ResponseComplete"
        ]
        self.requests += new
        return new

    def until(self, done: Callable[[list[Request]], bool], seconds: float, what: str, pause: float = 0.1) -> None:
        """Poll until `done(requests)`; RuntimeError, with what was seen, after `seconds`."""
        deadline = time.monotonic() + seconds
        self.poll()
        while not done(self.requests):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not happen within {seconds:.0f} s; seen: {summary(self.requests)}")
            time.sleep(pause)
            self.poll()

    def quiet(self, seconds: float, limit: float) -> None:
        """Wait until no write was seen for `seconds`; RuntimeError after `limit`."""
        last, deadline = time.monotonic(), time.monotonic() + limit
        while time.monotonic() - last < seconds:
            if time.monotonic() > deadline:
                raise RuntimeError(f"still writing after {limit:.0f} s; seen: {summary(self.requests)}")
            time.sleep(0.2)
            if any(request.is_write for request in self.poll()):
                last = time.monotonic()


def summary(requests: Iterable[Request]) -> dict[str, int]:
    """How many of which, for people."""
    counts = Counter(
        f"{each.verb} {each.resource}{'/' if each.subresource else ''}{each.subresource} {each.code}"
        for each in requests
    )
    return dict(counts.most_common())


def span(requests: Iterable[Request]) -> tuple[float, float]:
    """From the first received to the last completed."""
    found = list(requests)
    return min(each.received for each in found), max(each.completed for each in found)
