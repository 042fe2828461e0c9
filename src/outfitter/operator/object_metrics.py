"""One series per custom resource, in a registry of its own: a thread renders it beside the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from outfitter.cluster.store import Caches
from outfitter.operator.metrics import NO_STATUS


def object_registry(caches: Caches, kinds: Iterable[str], leading: Callable[[], bool]) -> CollectorRegistry:
    """Return a registry with the series of all custom resources. Only the leader has them."""
    registry = CollectorRegistry(auto_describe=False)  # registration collects nothing
    registry.register(_ObjectStatus(caches, kinds, leading))
    return registry


class _ObjectStatus(Collector):
    def __init__(self, caches: Caches, kinds: Iterable[str], leading: Callable[[], bool]) -> None:
        self._caches = caches
        self._kinds = tuple(kinds)
        self._leading = leading

    def collect(self) -> Iterator[Metric]:
        """Return the series. Each cached object is immutable, and `all` is a copy, so any thread may call this."""
        family = GaugeMetricFamily(
            "outfitter_object_status",
            "1 for each custom resource; the leader alone has these series",
            labels=("kind", "namespace", "name", "sync_status", "ready"),
        )
        if self._leading():
            for kind in self._kinds:
                for live in self._caches[kind].all():
                    state = (live.sync_status or NO_STATUS, live.ready or NO_STATUS)
                    family.add_metric((kind, live.namespace, live.name, *state), 1.0)
        yield family
