"""What /metrics shows. Own registry, so that several operators may live in one process."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from outfitter.cluster.informer import Informer
from outfitter.cluster.store import Caches
from outfitter.operator.queue import WorkQueue
from outfitter.snapshot import Key

_BUCKETS = (0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """Counters that the engine feeds, and gauges that are read from it when somebody asks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "outfitter_api_requests",
            "Requests to the API server",
            ("verb", "code"),
            registry=self.registry,
        )
        self._passes = Histogram(
            "outfitter_pass_seconds",
            "Duration of passes",
            ("kind", "outcome"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._unreadable = Counter(
            "outfitter_unreadable_objects",
            "Times an object was left out because it cannot be read",
            ("kind",),
            registry=self.registry,
        )
        self._counted: dict[tuple[str, int], Callable[[], None]] = {}

    def request(self, verb: str, code: int) -> None:
        """A request was answered; `code` is 0 where it was not."""
        count = self._counted.get((verb, code))
        if count is None:
            count = self._counted[(verb, code)] = self._requests.labels(verb, str(code)).inc
        count()

    def passed(self, kind: str, outcome: str, seconds: float) -> None:
        """A pass ended."""
        self._passes.labels(kind, outcome).observe(seconds)

    def unreadable(self, kind: str) -> None:
        """An object could not be taken into the caches."""
        self._unreadable.labels(kind).inc()

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self.registry)


class EngineGauges(Collector):
    """Depth and age of the queue, age of the watches, objects by kind and sync status, leadership."""

    def __init__(
        self,
        queue: WorkQueue[Key],
        caches: Caches,
        informers: Iterable[Informer],
        kinds: Iterable[str],
        leading: Callable[[], bool],
    ) -> None:
        self._queue = queue
        self._caches = caches
        self._informers = tuple(informers)
        self._kinds = tuple(kinds)
        self._leading = leading
        self._parsed: dict[str, tuple[int, str]] = {}

    def collect(self) -> Iterator[Metric]:
        """The gauges, read now."""
        yield GaugeMetricFamily(
            "outfitter_queue_depth",
            "Keys that wait for a worker",
            value=len(self._queue),
        )
        yield GaugeMetricFamily(
            "outfitter_queue_age_seconds",
            "Age of the longest waiting key",
            value=self._queue.oldest,
        )
        yield GaugeMetricFamily(
            "outfitter_leader",
            "1 where this replica may write",
            value=float(self._leading()),
        )
        idle = GaugeMetricFamily(
            "outfitter_watch_idle_seconds",
            "Time since a watch last said anything",
            labels=("kind",),
        )
        for kind, seconds in self._idle().items():
            idle.add_metric((kind,), seconds)
        yield idle
        objects = GaugeMetricFamily("outfitter_objects", "Custom resources", labels=("kind", "sync_status"))
        for kind in self._kinds:
            for status, count in self._statuses(kind).items():
                objects.add_metric((kind, status), count)
        yield objects

    def _idle(self) -> Mapping[str, float]:
        ages: dict[str, float] = {}
        for informer in self._informers:
            kind = informer.kind
            ages[kind] = max(ages.get(kind, 0.0), informer.idle)
        return ages

    def _statuses(self, kind: str) -> Mapping[str, int]:
        tally: Tally[str] = Tally()
        lives = self._caches[kind].all()
        for live in lives:
            known = self._parsed.get(live.uid)
            if known is None or known[0] != live.resource_version:
                status = (live.body.get("status") or {}).get("syncStatus") or "No status"
                known = self._parsed[live.uid] = (live.resource_version, status)
            tally[known[1]] += 1
        if len(self._parsed) > 2 * sum(len(self._caches[each]) for each in self._kinds) + 100:
            self._parsed.clear()
        return tally
