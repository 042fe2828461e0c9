"""Every exception of Outfitter, in one tree.

OutfitterError
├── ConfigurationError      a setting or command line argument is wrong; the message says which and what to do
├── LeadershipLost          another replica holds the Lease: stop writing at once
└── ApiError                the API server said no, or did not answer
    ├── NotFound            404
    ├── AlreadyExists       409 on create
    ├── Conflict            409 on change: another writer was first: read it again
    ├── Forbidden           403: RBAC, Pod Security, quota or an admission policy
    ├── Invalid             400, 413 or 422: the server refuses this manifest, retrying the same will not help
    │   └── TooLarge        413, or a 500 of etcd: the object is larger than the server stores
    ├── Gone                410: the watch or list position is too old
    ├── Throttled           429: slow down, `retry_after` says for how long
    └── Unavailable         5xx, timeout, connection refused or dropped: retry with backoff
"""

from __future__ import annotations

import re
from typing import Final

# etcd refuses a large request, or its client library does; the API server answers with 500 then.
_TOO_LARGE: Final = re.compile(r"request is too large|message larger than max|Request entity too large")


class OutfitterError(Exception):
    """Base of all errors that Outfitter raises on purpose."""


class ConfigurationError(OutfitterError):
    """A setting or argument is wrong."""


class LeadershipLost(OutfitterError):
    """This process may not write any more."""


class ApiError(OutfitterError):
    """An answer of the API server that is not success; `message` is the server's own text."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class NotFound(ApiError):
    """404."""


class AlreadyExists(ApiError):
    """409 on create."""


class Conflict(ApiError):
    """409 on change."""


class Forbidden(ApiError):
    """403."""


class Invalid(ApiError):
    """400, 413 or 422."""


class TooLarge(Invalid):
    """413, or a 5xx because etcd does not take an object of this size."""


class Gone(ApiError):
    """410."""


class Throttled(ApiError):
    """429."""


class Unavailable(ApiError):
    """5xx, timeout or broken connection."""


def api_error(status: int, reason: str, message: str, retry_after: float | None = None) -> ApiError:
    """The exception for an HTTP status and the `reason` of the server's Status object."""
    by_status: dict[int, type[ApiError]] = {
        400: Invalid,
        403: Forbidden,
        404: NotFound,
        409: AlreadyExists if reason == "AlreadyExists" else Conflict,
        410: Gone,
        413: TooLarge,
        422: Invalid,
        429: Throttled,
    }
    kind = by_status.get(status, Unavailable if status >= 500 else ApiError)
    if kind is Unavailable and _TOO_LARGE.search(message):
        kind = TooLarge
    return kind(message, status=status, reason=reason, retry_after=retry_after)
