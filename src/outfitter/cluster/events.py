"""Kubernetes Events about custom resources."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from outfitter.cluster.resources import api_resource
from outfitter.naming import FIELD_MANAGER, short_hash
from outfitter.snapshot import CachedObject

_SAME_SECONDS: Final = 300.0  # the same warning about the same object is not repeated within this time
_NAMESPACE: Final = (25.0, 1.0)  # Events of one type: at once, then per second
_CLUSTER: Final = (50.0, 5.0)  # the same for all namespaces together: an Event costs as much as a child object
_REMEMBERED: Final = 2048
EVENT_LIMIT: Final = 1024  # of the API server, for the message of an Event


def event(regarding: CachedObject, *, type_: str, reason: str, message: str, action: str) -> dict[str, Any]:
    """The manifest of an Event. The name of a warning is derived from its content: a repetition has the same name."""
    now = datetime.now(UTC)
    namespace = regarding.namespace or "default"
    moment = "" if type_ == "Warning" else now.isoformat()
    digest = short_hash(f"{regarding.uid}/{type_}/{reason}/{message}/{moment}", 12)
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{regarding.name[:200]}.{digest}",
            "namespace": namespace,
        },
        "involvedObject": {
            "apiVersion": api_resource(regarding.kind).api_version,
            "kind": regarding.kind,
            "namespace": regarding.namespace,
            "name": regarding.name,
            "uid": regarding.uid,
            "resourceVersion": str(regarding.resource_version),
        },
        "type": type_,
        "reason": reason,
        "message": message[:EVENT_LIMIT],
        "action": action,
        "count": 1,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "reportingInstance": FIELD_MANAGER,
    }


class _Bucket:
    """A token bucket: `burst` tokens at once, then `rate` per second."""

    def __init__(self, burst: float, rate: float, now: float) -> None:
        self._burst = burst
        self._rate = rate
        self._tokens = burst
        self._refilled = now

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        self._tokens = min(self._burst, self._tokens + (now - self._refilled) * self._rate)
        self._refilled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class EventLimit:
    """Buckets for each type of Event, of each namespace and of all, and a record of the recent warnings.

    A burst of news delays no warning, and many Events of one namespace none of another.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all = {type_: _Bucket(*_CLUSTER, clock()) for type_ in ("Normal", "Warning")}
        self._namespaces: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()
        self._recent: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def admits(self, namespace: str, uid: str, type_: str, reason: str, message: str) -> bool:
        """Whether this Event may be written now. A warning is not repeated; each piece of news is another act."""
        now = self._clock()
        key = (uid, reason, message)
        if type_ == "Warning" and now - self._recent.get(key, float("-inf")) < _SAME_SECONDS:
            return False
        own = self._namespaces.setdefault((namespace, type_), _Bucket(*_NAMESPACE, now))
        self._namespaces.move_to_end((namespace, type_))
        if len(self._namespaces) > _REMEMBERED:
            self._namespaces.popitem(last=False)
        if not (own.take(now) and self._all[type_].take(now)):
            return False
        if type_ == "Warning":
            self._recent[key] = now
            self._recent.move_to_end(key)
            while len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return True
