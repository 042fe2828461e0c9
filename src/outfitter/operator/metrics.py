"""The metrics of the operator, in a registry of their own: tests run several operators in one process."""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from platform import python_version
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from outfitter import __version__
from outfitter.cluster.sources import Source
from outfitter.cluster.store import Caches
from outfitter.operator.queue import WorkQueue
from outfitter.snapshot import Key

NO_STATUS: Final = "No status"
"""The label of a custom resource that has no status yet."""
_BUCKETS = (0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """The counters and histograms that the engine updates."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "outfitter_api_requests",
            "Requests to the API server",
            ("verb", "code"),
            registry=self.registry,
        )
        self._reconciliations = Histogram(
            "outfitter_pass_seconds",
            "Duration of reconciliations",
            ("kind", "outcome"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._unreadable = Counter(
            "outfitter_unreadable_objects",
            "Objects that were ignored because they cannot be read",
            ("kind",),
            registry=self.registry,
        )
        self._writes = Counter(
            "outfitter_writes",
            "Writes of objects: child objects, statuses, Events",
            ("kind", "action", "result"),
            registry=self.registry,
        )
        self._acts = Counter(
            "outfitter_acts",
            "Acts of the log: changes of users, repairs, refusals and the like",
            ("kind", "action"),
            registry=self.registry,
        )
        self._process()
        self.objects: CollectorRegistry | None = None
        """The series per custom resource, where a setting asks for them."""
        self._counted: dict[tuple[object, ...], Callable[[], None]] = {}

    def request(self, verb: str, code: int) -> None:
        """Count a request by verb and HTTP status; `code` is 0 if there was no response."""
        self._count(self._requests, verb, code)

    def reconciled(self, kind: str, outcome: str, seconds: float) -> None:
        """Record the duration of a reconciliation."""
        self._reconciliations.labels(kind, outcome).observe(seconds)

    def unreadable(self, kind: str) -> None:
        """Count an object that cannot be read."""
        self._count(self._unreadable, kind)

    def wrote(self, kind: str, action: str, result: str) -> None:
        """Count a write of an object of `kind`; `result` is `Succeeded` or the name of the error."""
        self._count(self._writes, kind, action, result)

    def acted(self, kind: str, action: str) -> None:
        """Count an act about an object of `kind`."""
        self._count(self._acts, kind, action)

    def _count(self, metric: Counter, *labels: object) -> None:
        """Add one to a counter. The library looks its labels up each time, which costs more than all the rest."""
        place = (metric, *labels)
        count = self._counted.get(place)
        if count is None:
            count = self._counted[place] = metric.labels(*map(str, labels)).inc
        count()

    async def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        text = generate_latest(self.registry)
        if self.objects is not None:
            # Ten thousand series take a good tenth of a second, in which the event loop goes on.
            text += await asyncio.to_thread(generate_latest, self.objects)
        return text

    def _process(self) -> None:
        """Add the version, and CPU, memory and garbage collection of this process."""
        build = Info("outfitter_build", "Version of the operator and of Python", registry=self.registry)
        build.info({"version": __version__, "python": python_version()})
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)


class EngineGauges(Collector):
    """Gauges that are computed for each request of /metrics: queue, watches, custom resources and leadership."""

    def __init__(
        self,
        queue: WorkQueue[Key],
        caches: Caches,
        sources: Iterable[Source],
        kinds: Iterable[str],
        leading: Callable[[], bool],
    ) -> None:
        self._queue = queue
        self._caches = caches
        self._sources = tuple(sources)
        self._kinds = tuple(kinds)
        self._leading = leading

    def collect(self) -> Iterator[Metric]:
        """Compute the gauges."""
        yield GaugeMetricFamily(
            "outfitter_queue_depth",
            "Custom resources that wait for a worker",
            value=len(self._queue),
        )
        yield GaugeMetricFamily(
            "outfitter_queue_age_seconds",
            "Age of the custom resource that waits longest",
            value=self._queue.oldest,
        )
        yield GaugeMetricFamily(
            "outfitter_leader",
            "1 if this replica holds the Lease, else 0",
            value=float(self._leading()),
        )
        idle = GaugeMetricFamily(
            "outfitter_watch_idle_seconds",
            "Time since the last response or event of a watch",
            labels=("kind",),
        )
        for kind, seconds in self._idle().items():
            idle.add_metric((kind,), seconds)
        yield idle
        yield from self._objects()

    def _objects(self) -> Iterator[Metric]:
        synced = GaugeMetricFamily("outfitter_objects", "Custom resources", labels=("kind", "sync_status"))
        ready = GaugeMetricFamily(
            "outfitter_objects_ready", "Custom resources by their condition Ready", labels=("kind", "status")
        )
        for kind in self._kinds:
            lives = self._caches[kind].all()
            for status, count in Tally(live.sync_status or NO_STATUS for live in lives).items():
                synced.add_metric((kind, status), count)
            for status, count in Tally(live.ready or NO_STATUS for live in lives).items():
                ready.add_metric((kind, status), count)
        yield synced
        yield ready

    def _idle(self) -> Mapping[str, float]:
        ages: dict[str, float] = {}
        for source in self._sources:
            ages[source.kind] = max(ages.get(source.kind, 0.0), source.idle)
        return ages
