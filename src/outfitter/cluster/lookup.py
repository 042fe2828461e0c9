"""The caches as a pass reads them, with an index of the hosts that our Ingresses serve."""

from __future__ import annotations

from collections.abc import Iterable

from outfitter.cluster.base import Change
from outfitter.cluster.store import Caches
from outfitter.snapshot import Live


class CacheLookup:
    """The caches as a View reads them, with an index of the hosts that our Ingresses serve."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._hosts: dict[str, dict[str, Live]] = {}
        caches.listen(self._ingress)
        caches.listen_written(self._ingress)

    def get(self, kind: str, namespace: str, name: str) -> Live | None:
        """One object."""
        return self._caches[kind].get(namespace, name)

    def owned(self, uid: str) -> Iterable[Live]:
        """Objects of any kind whose owner-uid label is `uid`."""
        return [live for kind in self._caches for live in self._caches[kind].owned(uid)]

    def in_namespace(self, kind: str, namespace: str) -> Iterable[Live]:
        """Objects of one kind in one namespace."""
        return self._caches[kind].in_namespace(namespace)

    def all(self, kind: str) -> Iterable[Live]:
        """All objects of one kind."""
        return self._caches[kind].all()

    def claimants(self, host: str) -> Iterable[Live]:
        """Ingresses of ours that serve a host."""
        return list(self._hosts.get(host, {}).values())

    def _ingress(self, change: Change) -> None:
        if change.kind != "Ingress":
            return
        for live, add in ((change.old, False), (change.new, True)):
            for host in _hosts(live) if live else ():
                if add and live:
                    self._hosts.setdefault(host, {})[live.uid] = live
                elif live:
                    self._hosts.get(host, {}).pop(live.uid, None)


def _hosts(live: Live) -> list[str]:
    return [rule["host"] for rule in (live.body.get("spec") or {}).get("rules") or () if rule.get("host")]
