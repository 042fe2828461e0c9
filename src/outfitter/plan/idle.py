"""How long a NimCache that was made on demand has had no user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from outfitter.api.v1alpha1.nimcache import NimCache
from outfitter.naming import LABEL_ON_DEMAND
from outfitter.snapshot import Reader, Resource
from outfitter.status import timestamp

_SETTLING = 60.0  # seconds until the first user of a new cache is counted


def instant(text: str | None, default: datetime) -> datetime:
    """Return the time of an RFC 3339 text, or the default without one."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else default


@dataclass(frozen=True)
class IdleTimer:
    """How long a cache on demand has had no user."""

    since: str | None = None
    over: bool = False
    requeue: float | None = None

    @classmethod
    def of(cls, reader: Reader, resource: Resource) -> IdleTimer:
        """Return the timer of a NimCache; one without an end where it is kept, or has users."""
        meta = resource.body["metadata"]
        assert isinstance(resource.model, NimCache)
        if reader.users or resource.model.spec.retain or LABEL_ON_DEMAND not in (meta.get("labels") or {}):
            return cls()
        previous = resource.body.get("status") or {}
        if not previous:
            return cls(requeue=_SETTLING)  # new: its first user is not counted yet
        since = previous.get("unusedSince") or timestamp(reader.now)
        left = reader.settings.nim_cache_grace_seconds - (reader.now - instant(since, reader.now)).total_seconds()
        return cls(since, left <= 0, max(left, 1.0))
