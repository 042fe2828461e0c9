"""The metrics page lists what the operator exposes: names, types and labels, and the alerts of the chart."""

from __future__ import annotations

import re

from outfitter.cluster.store import Caches
from outfitter.operator.metrics import EngineGauges, Metrics
from outfitter.operator.object_metrics import object_registry
from outfitter.operator.queue import WorkQueue

from .pages import DOCS, ROOT

PAGE = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
ALERTS = (ROOT / "deploy" / "chart" / "templates" / "alerts.yaml").read_text(encoding="utf-8")


async def exposed() -> set[tuple[str, str, tuple[str, ...]]]:
    """Name as it is scraped, type and labels of every metric."""
    metrics = Metrics()
    metrics.registry.register(EngineGauges(WorkQueue(), Caches(), (), (), lambda: True))
    registries = (metrics.registry, object_registry(Caches(), (), lambda: True))
    found = set()
    for collector in (one for registry in registries for one in registry._collector_to_names):
        for family in collector.collect():
            name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
            kind = "gauge" if family.type == "info" else family.type
            labels = getattr(collector, "_labelnames", None) or getattr(family, "_labelnames", None) or ()
            labels = labels or {label for sample in family.samples for label in sample.labels}
            found.add((name, kind, tuple(sorted(labels))))
    return found


async def test_every_metric_is_listed_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z]+_\w+)` \| (\w+) \| ([^|]*)\|", PAGE, re.MULTILINE)
    listed = {(name, kind, tuple(sorted(re.findall(r"`(\w+)`", labels)))) for name, kind, labels in rows}
    assert listed == await exposed()


def test_every_alert_is_listed_and_no_other() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", ALERTS))
    assert alerts
    assert set(re.findall(r"^\| `(Outfitter\w+)` \|", PAGE, re.MULTILINE)) == alerts
