"""deploy/chart/files/dashboard.json: the Grafana dashboard of the operator."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

_COLUMNS: Final = 24
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_REPLICA: Final = "{{pod}} {{instance}}"


@dataclass(frozen=True)
class Panel:
    """One panel of the dashboard."""

    title: str
    description: str
    expression: str
    legend: str = ""
    unit: str = "short"
    stacked: bool = False
    number: bool = False
    """Show the last value alone, as a number."""
    alarm: float | None = None
    """Value from which a number is red."""
    text: bool = False
    """Show the legend instead of the value."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in units of the grid."""
        return (4, 4) if self.number else (12, 8)


def _all(name: str, selector: str = "") -> str:
    """Return the series of all replicas."""
    return f'{name}{{{selector}job="$job"}}'


def _led(name: str, selector: str = "") -> str:
    """Return the series of the leader: a standby replica counts the same objects, and its queue only grows."""
    return f"{_all(name, selector)} and on (instance) {_all('outfitter_leader')} == 1"


def _rate(name: str) -> str:
    return f"rate({_all(name)}[$__rate_interval])"


def _duration(share: float) -> str:
    return f"histogram_quantile({share}, sum by (le, kind) ({_rate('outfitter_pass_seconds_bucket')}))"


_READY_OBJECTS: Final = _led("outfitter_objects_ready", 'status="True",')
_UNREADY_OBJECTS: Final = _led("outfitter_objects_ready", 'status!="True",')
_FAILED: Final = _led("outfitter_objects", 'sync_status="Failed",')
_ISSUES: Final = _led("outfitter_objects", 'sync_status="Issues found",')

PANELS: Final = (
    Panel("Leaders", "Replicas that hold the Lease: 1.", f"sum({_all('outfitter_leader')})", number=True),
    Panel("Version", "Version of the operator.", _all("outfitter_build_info"), "{{version}}", number=True, text=True),
    Panel(
        "Ready",
        "Share of the objects whose condition Ready is True.",
        f"sum({_READY_OBJECTS}) / sum({_led('outfitter_objects_ready')})",
        unit="percentunit",
        number=True,
    ),
    Panel(
        "Failed",
        "Objects that wait for a user.",
        f"sum({_FAILED}) or vector(0)",
        number=True,
        alarm=1,
    ),
    Panel(
        "With issues",
        "Objects with issues.",
        f"sum({_ISSUES}) or vector(0)",
        number=True,
    ),
    Panel("Queue", "Objects that wait for a worker.", f"max({_led('outfitter_queue_depth')})", number=True),
    Panel(
        "Objects by state",
        "Custom resources by status.syncStatus.",
        f"sum by (sync_status) ({_led('outfitter_objects')})",
        "{{sync_status}}",
        stacked=True,
    ),
    Panel(
        "Objects that are not ready",
        "Custom resources whose condition Ready is not True, by kind.",
        f"sum by (kind) ({_UNREADY_OBJECTS})",
        "{{kind}}",
        stacked=True,
    ),
    Panel(
        "Reconciliations",
        "Reconciliations per second, by kind.",
        f"sum by (kind) ({_rate('outfitter_pass_seconds_count')})",
        "{{kind}}",
        unit="ops",
        stacked=True,
    ),
    Panel(
        "Outcomes",
        "Reconciliations per second, by outcome.",
        f"sum by (outcome) ({_rate('outfitter_pass_seconds_count')})",
        "{{outcome}}",
        unit="ops",
        stacked=True,
    ),
    Panel("Duration, median", "Median by kind, of reconciliations.", _duration(0.5), "{{kind}}", unit="s"),
    Panel("Duration, p99", "99th percentile by kind, of reconciliations.", _duration(0.99), "{{kind}}", unit="s"),
    Panel(
        "Queue depth",
        "Custom resources that wait for a worker of the leader.",
        f"max({_led('outfitter_queue_depth')})",
        "waiting",
    ),
    Panel(
        "Queue age",
        "Age of the custom resource that waits longest.",
        f"max({_led('outfitter_queue_age_seconds')})",
        "oldest",
        unit="s",
    ),
    Panel(
        "API requests",
        "Requests to the API server per second, by HTTP status. 0: no response.",
        f"sum by (code) ({_rate('outfitter_api_requests_total')})",
        "{{code}}",
        unit="reqps",
        stacked=True,
    ),
    Panel(
        "Writes",
        "Writes per second, by action and result.",
        f"sum by (action, result) ({_rate('outfitter_writes_total')})",
        "{{action}} {{result}}",
        unit="wps",
        stacked=True,
    ),
    Panel(
        "Silence of watches",
        "Time since the last event or bookmark of a watch. Up to a minute is usual, and six for custom resources.",
        f"max by (kind) ({_all('outfitter_watch_idle_seconds')})",
        "{{kind}}",
        unit="s",
    ),
    Panel("Leader", "1 in the replica that holds the Lease.", _all("outfitter_leader"), _REPLICA),
    Panel("Memory", "Resident memory.", _all("process_resident_memory_bytes"), _REPLICA, unit="bytes"),
    Panel("CPU", "CPU cores in use.", _rate("process_cpu_seconds_total"), _REPLICA),
)


def dashboard() -> str:
    """Return the JSON of the dashboard."""
    model = {
        "uid": "outfitter-operator",
        "title": "Outfitter",
        "description": "The operator and the objects that it reconciles.",
        "tags": ["outfitter"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_DATASOURCE, _JOB]},
        "panels": list(_placed(PANELS)),
    }
    return json.dumps(model, indent=1) + "\n"


_DATASOURCE: Final = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
_JOB: Final = {
    "name": "job",
    "label": "Job",
    "type": "query",
    "datasource": _SOURCE,
    "query": {"query": "label_values(outfitter_leader, job)", "refId": "job"},
    "refresh": 2,
    "sort": 1,
}


def _placed(panels: Sequence[Panel]) -> Iterator[dict[str, Any]]:
    """Yield the panels from left to right, row by row."""
    left = top = 0
    for number, panel in enumerate(panels, 1):
        width, height = panel.size
        yield {"id": number, "gridPos": {"x": left, "y": top, "w": width, "h": height}, **_body(panel)}
        left += width
        if left >= _COLUMNS:
            left, top = 0, top + height


def _body(panel: Panel) -> dict[str, Any]:
    target = {"refId": "A", "datasource": _SOURCE, "expr": panel.expression, "legendFormat": panel.legend}
    shared = {
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "targets": [target],
    }
    if panel.number:
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        steps += [{"color": "red", "value": panel.alarm}] if panel.alarm is not None else []
        return {
            "type": "stat",
            **shared,
            "fieldConfig": {
                "defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}},
                "overrides": [],
            },
            "options": {
                "reduceOptions": {"calcs": ["lastNotNull"]},
                "textMode": "name" if panel.text else "value",
                "graphMode": "none",
            },
        }
    custom = {"fillOpacity": 30 if panel.stacked else 0, "stacking": {"mode": "normal" if panel.stacked else "none"}}
    return {
        "type": "timeseries",
        **shared,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    }
