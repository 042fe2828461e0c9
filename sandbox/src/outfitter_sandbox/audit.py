"""Typed entries of the API server's audit log (JSON lines)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

POLICY: dict[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One request; fields of an object are empty for a request without one.

    `code` is the HTTP status, `received` is RFC 3339 with microseconds.
    """

    stage: str
    verb: str
    user: str
    groups: tuple[str, ...]
    uri: str
    api_group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    received: str

    @property
    def is_write(self) -> bool:
        """Whether the request is a write, also a rejected one (see `code`)."""
        return self.verb in WRITES

    @classmethod
    def parse(cls, line: bytes) -> AuditEntry:
        """Parse one line of the log."""
        entry = orjson.loads(line)
        target = entry.get("objectRef") or {}
        return cls(
            stage=entry["stage"],
            verb=entry["verb"],
            user=entry["user"].get("username", ""),
            groups=tuple(entry["user"].get("groups", ())),
            uri=entry["requestURI"],
            api_group=target.get("apiGroup", ""),
            resource=target.get("resource", ""),
            subresource=target.get("subresource", ""),
            namespace=target.get("namespace", ""),
            name=target.get("name", ""),
            code=(entry.get("responseStatus") or {}).get("code", 0),
            received=entry["requestReceivedTimestamp"],
        )


def read(log: Path, since: int = 0) -> list[AuditEntry]:
    """Entries after the byte offset `since`.

    An incomplete last line is left for the next call.
    """
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(since)
        complete, _, _ = file.read().rpartition(b"\n")
    return [AuditEntry.parse(line) for line in complete.splitlines()]


def mark(log: Path) -> int:
    """The offset after the last complete line, for `read(since=...)`."""
    if not log.exists():
        return 0
    with log.open("rb") as file:
        start = max(0, file.seek(0, 2) - 262_144)  # more than one line
        file.seek(start)
        return start + file.read().rfind(b"\n") + 1
