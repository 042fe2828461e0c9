"""deploy/chart/files/dashboard.json: the Grafana dashboard of the operator.

One module, because it is one table of panels with its layout.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
    decimals: int | None = None
    """Decimals of the axis; 0 keeps fractions off the axis of a count."""
    stacked: bool = False
    steps: bool = False
    """Draw steps instead of slopes between the values."""
    soft_max: float | None = None
    """Upper end of the axis while no value is higher. Without it, the axis of zeros ends at 100."""
    colors: Mapping[str, str] = field(default_factory=dict)
    """Color by legend."""
    table: bool = False
    """Show many series: the legend as a table beside the graph, highest maximum first, and no points."""
    number: bool = False
    """Show the value at the end of the time range alone, as a number."""
    thresholds: Sequence[tuple[float | None, str]] = ((None, "text"),)
    """Colors of a number, each with the value from which it holds. The first, without a value, is that of no data."""
    text: bool = False
    """Show the legend instead of the value."""
    width: int = 12

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in units of the grid."""
        return (4, 4) if self.number else (self.width, 8)


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
_OBJECTS: Final = _led("outfitter_objects_ready")
_FAILED: Final = _led("outfitter_objects", 'sync_status="Failed",')
_ISSUES: Final = _led("outfitter_objects", 'sync_status="Issues found",')
_ZERO: Final = f"0 * sum({_all('outfitter_leader')} == 1)"
"""0 while a replica leads, else no data. The operator exports no series for a count of 0."""
_STATES: Final = {
    "No issues found": "green",
    "Issues found": "orange",
    "Failed": "red",
    "No status": "text",
    "Creating": "blue",
    "Updating": "light-blue",
    "Deleting": "dark-purple",
}
_OUTCOMES: Final = {
    "Ready": "green",
    "Progressing": "blue",
    "Waiting": "yellow",
    "Stalled": "orange",
    "Error": "red",
    "Deleting": "dark-purple",
    "Gone": "light-purple",
}

PANELS: Final = (
    Panel(
        "Leaders",
        "Replicas that hold the Lease: 1.",
        f"sum({_all('outfitter_leader')})",
        number=True,
        thresholds=((None, "red"), (1, "green")),
    ),
    Panel(
        "Version",
        "Versions of the operator that run.",
        f"count by (version) ({_all('outfitter_build_info')})",
        "{{version}}",
        number=True,
        text=True,
    ),
    Panel(
        "Ready",
        "Share of the objects whose condition Ready is True.",
        f"(sum({_READY_OBJECTS}) or {_ZERO}) / sum({_OBJECTS})",
        unit="percentunit",
        number=True,
    ),
    Panel(
        "Failed",
        "Objects that wait for a user.",
        f"sum({_FAILED}) or {_ZERO}",
        number=True,
        thresholds=((None, "text"), (0, "green"), (1, "red")),
    ),
    Panel(
        "With issues",
        "Objects with issues.",
        f"sum({_ISSUES}) or {_ZERO}",
        number=True,
        thresholds=((None, "text"), (0, "green"), (1, "orange")),
    ),
    Panel("Queue", "Objects that wait for a worker.", f"max({_led('outfitter_queue_depth')})", number=True),
    Panel(
        "Objects by state",
        "Custom resources by status.syncStatus.",
        f"sum by (sync_status) ({_led('outfitter_objects')})",
        "{{sync_status}}",
        decimals=0,
        stacked=True,
        colors=_STATES,
    ),
    Panel(
        "Objects that are not ready",
        "Custom resources whose condition Ready is not True, by kind.",
        f"sum by (kind) ({_UNREADY_OBJECTS}) or 0 * sum by (kind) ({_OBJECTS})",
        "{{kind}}",
        decimals=0,
        stacked=True,
        soft_max=1,
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
        colors=_OUTCOMES,
    ),
    Panel("Duration, median", "Median by kind, of reconciliations.", _duration(0.5), "{{kind}}", unit="s"),
    Panel("Duration, p99", "99th percentile by kind, of reconciliations.", _duration(0.99), "{{kind}}", unit="s"),
    Panel(
        "Queue depth",
        "Custom resources that wait for a worker of the leader.",
        f"max({_led('outfitter_queue_depth')})",
        "waiting",
        decimals=0,
        soft_max=10,
    ),
    Panel(
        "Queue age",
        "Age of the custom resource that waits longest.",
        f"max({_led('outfitter_queue_age_seconds')})",
        "oldest",
        unit="s",
        soft_max=10,
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
        table=True,
        width=24,
    ),
    Panel(
        "Leader",
        "1 in the replica that holds the Lease.",
        _all("outfitter_leader"),
        _REPLICA,
        decimals=0,
        steps=True,
        soft_max=1,
        width=8,
    ),
    Panel("Memory", "Resident memory.", _all("process_resident_memory_bytes"), _REPLICA, unit="bytes", width=8),
    Panel("CPU", "CPU cores in use.", _rate("process_cpu_seconds_total"), _REPLICA, unit="suffix:cores", width=8),
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
    shared = {"title": panel.title, "description": panel.description, "datasource": _SOURCE}
    if panel.number:
        # A range query would show the last value of an operator that has ended, and versions of earlier pods.
        return {"type": "stat", **shared, "targets": [target | {"instant": True, "range": False}], **_number(panel)}
    return {"type": "timeseries", **shared, "targets": [target], **_graph(panel)}


def _number(panel: Panel) -> dict[str, Any]:
    steps = [{"color": color, "value": value} for value, color in panel.thresholds]
    return {
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


def _graph(panel: Panel) -> dict[str, Any]:
    custom: dict[str, Any] = {
        "fillOpacity": 30 if panel.stacked else 0,
        "stacking": {"mode": "normal" if panel.stacked else "none"},
    }
    if panel.table:
        custom["showPoints"] = "never"
    if panel.steps:
        custom["lineInterpolation"] = "stepAfter"
    if panel.soft_max is not None:
        custom["axisSoftMax"] = panel.soft_max
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "custom": custom}
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    legend: dict[str, Any] = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
    if panel.table:
        legend |= {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"]}
        legend |= {"sortBy": "Max", "sortDesc": True}
    return {
        "fieldConfig": {"defaults": defaults, "overrides": [_color(*pair) for pair in panel.colors.items()]},
        "options": {"legend": legend, "tooltip": {"mode": "multi"}},
    }


def _color(legend: str, color: str) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": legend},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
    }
