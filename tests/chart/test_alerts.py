"""The alerts and the dashboard of the chart: every series exists, every alert has a runbook, and fires when it should.

promtool of Prometheus evaluates the expressions over time, where it is on the PATH.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.pages import DOCS, anchors
from outfitter.cluster.store import Caches
from outfitter.operator.metrics import EngineGauges, Metrics
from outfitter.operator.object_metrics import object_registry
from outfitter.operator.queue import WorkQueue
from outfitter.snapshot import CachedObject

from .conftest import CHART, Helm, Manifest

HERE = Path(__file__).parent
PAGE = DOCS / "guide" / "monitoring.md"
OF_PROMETHEUS = {"up": {"job", "namespace", "instance"}}
OF_THE_TARGET = {"job", "namespace", "instance", "pod"}
DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text(encoding="utf-8"))


async def exposed() -> dict[str, set[str]]:
    """Labels by the name of each series, of an operator that has done everything once."""
    caches, metrics = Caches(), Metrics()
    body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "Workspace", "metadata": {"name": "lab", "namespace": "a"}}
    caches.put(CachedObject.of(body))
    metrics.request("GET", 200)
    metrics.reconciled("Workspace", "Ready", 0.1)
    metrics.unreadable("Workspace")
    metrics.wrote("Workspace", "status", "Succeeded")
    metrics.registry.register(EngineGauges(WorkQueue(), caches, (_Watch(),), ("Workspace",), lambda: True))
    metrics.objects = object_registry(caches, ("Workspace",), lambda: True)
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", (await metrics.text()).decode(), re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


class _Watch:
    kind, idle = "Pod", 0.0


def series(expression: str) -> list[tuple[str, set[str]]]:
    """The series of an expression, each with the labels that it selects by."""
    found = re.findall(r"([a-z_]+)\{([^}]*)\}", expression)
    assert len(found) == expression.count("{"), expression
    return [(name, set(re.findall(r"(\w+)[=!]", selectors))) for name, selectors in found]


async def check(expression: str, metrics: dict[str, set[str]]) -> None:
    for name, labels in series(expression):
        assert name in metrics, f"{name} does not exist: {expression}"
        assert labels <= metrics[name] | OF_THE_TARGET, f"{name} has no label {labels - metrics[name]}: {expression}"
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        labels = set(grouped.split(", "))
        assert any(labels <= metrics[name] | {"le"} for name, _ in series(expression)), expression


def rendered(helm: Helm, *settings: str) -> Manifest:
    on = ("metrics.prometheusRule.enabled=true", *settings)
    return next(item for item in helm.template(*on) if item["kind"] == "PrometheusRule")


def rules(helm: Helm, *settings: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rendered(helm, *settings)["spec"]["groups"][0]["rules"]
    return found


@pytest.mark.parametrize("objects", ["true", "false"])
async def test_every_alert_selects_series_that_exist(helm: Helm, objects: str) -> None:
    metrics = await exposed() | OF_PROMETHEUS
    for rule in rules(helm, f"settings.objectMetrics={objects}"):
        await check(rule["expr"], metrics)
        # A summary names labels that the alert has.
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert any(label in metrics[name] | OF_THE_TARGET for name, _ in series(rule["expr"])), rule["alert"]


def test_every_alert_has_a_runbook(helm: Helm) -> None:
    """Its section exists, and names the threshold's reason and the remedy; nothing else is a section."""
    alerts = rules(helm, "metrics.prometheusRule.runbookUrl=https://docs.example.com/monitoring/")
    sections = dict(re.findall(r"^### (Outfitter\w+)\n(.*?)(?=^##|\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    assert set(sections) == {rule["alert"] for rule in alerts}
    for rule in alerts:
        anchor = rule["annotations"]["runbook"].removeprefix("docs/guide/monitoring.md#")
        assert anchor in anchors(PAGE)
        assert rule["annotations"]["runbook_url"] == f"https://docs.example.com/monitoring/#{anchor}"
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        section = sections[rule["alert"]]
        assert "**Why this threshold.**" in section
        assert "**Do.**" in section
    assert all("runbook_url" not in rule["annotations"] for rule in rules(helm))


async def test_every_panel_draws_series_that_exist() -> None:
    metrics = await exposed()
    for panel in DASHBOARD["panels"]:
        (target,) = panel["targets"]
        await check(target["expr"], metrics)
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
            name = series(target["expr"])[0][0]
            assert label in metrics[name] | OF_THE_TARGET, panel["title"]


def test_panels_do_not_overlap() -> None:
    """Each square of the grid belongs to one panel at most."""
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in DASHBOARD["panels"]):
        squares = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not squares & taken
        assert max(x for x, _ in squares) < 24
        taken |= squares


def test_the_dashboard_arrives_as_it_is(helm: Helm) -> None:
    """Grafana's own braces are not those of Helm."""
    manifests = helm.template("metrics.dashboard.enabled=true", "metrics.dashboard.labelValue=yes")
    found = next(item for item in manifests if item["metadata"]["name"] == "outfitter-dashboard")
    assert json.loads(found["data"]["outfitter.json"]) == DASHBOARD
    assert found["metadata"]["labels"]["grafana_dashboard"] == "yes"
    assert not any(item["metadata"]["name"] == "outfitter-dashboard" for item in helm.template())


def test_numbers_show_the_present() -> None:
    """A range query would show the last value of an operator that has ended."""
    numbers = [panel for panel in DASHBOARD["panels"] if panel["type"] == "stat"]
    assert numbers
    for panel in numbers:
        (target,) = panel["targets"]
        assert (target["instant"], target["range"]) == (True, False), panel["title"]


FAILED = 'outfitter_objects{sync_status="Failed"'
READY = 'outfitter_objects_ready{status="True"'
UNREADY = 'outfitter_objects_ready{status="False"'


@pytest.mark.parametrize(
    ("leader", "objects", "numbers"),
    [
        pytest.param(1, {UNREADY: 3, FAILED: 3}, {"Ready": 0, "Failed": 3, "With issues": 0}, id="all failed"),
        pytest.param(1, {READY: 3, UNREADY: 1}, {"Ready": 0.75, "Failed": 0, "With issues": 0}, id="one not ready"),
        pytest.param(1, {}, {"Ready": None, "Failed": 0, "With issues": 0}, id="no objects"),
        pytest.param(0, {READY: 3, FAILED: 3}, {"Ready": None, "Failed": None, "With issues": None}, id="no leader"),
    ],
)
def test_numbers_are_zero_only_while_a_replica_leads(
    tmp_path: Path, leader: int, objects: dict[str, int], numbers: dict[str, float | None]
) -> None:
    """The operator exports no series for a count of 0."""
    target = 'job="a",instance="b"'
    series = {f"outfitter_leader{{{target}": leader} | {f"{name},{target}": count for name, count in objects.items()}
    expressions = {panel["title"]: panel["targets"][0]["expr"].replace("$job", "a") for panel in DASHBOARD["panels"]}
    case = {
        "input_series": [{"series": f"{name}}}", "values": str(value)} for name, value in series.items()],
        "promql_expr_test": [
            {"expr": expressions[title], "exp_samples": [] if value is None else [{"labels": "{}", "value": value}]}
            for title, value in numbers.items()
        ],
    }
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump({"tests": [case]}))
    promtool(tmp_path, "test", "rules", "cases.yaml")


def promtool(folder: Path, *arguments: str) -> None:
    """Run promtool, which must succeed."""
    if (program := shutil.which("promtool")) is None:
        pytest.skip("promtool is not on the PATH: it is part of Prometheus")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("cases", "objects"), [("alerts", "false"), ("alerts_by_object", "true")])
def test_alerts_fire_when_they_should(helm: Helm, tmp_path: Path, cases: str, objects: str) -> None:
    spec = rendered(helm, f"settings.objectMetrics={objects}")["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    (tmp_path / "cases.yaml").write_text((HERE / f"{cases}.yaml").read_text())
    promtool(tmp_path, "check", "rules", "--lint-fatal", "rules.yaml")
    promtool(tmp_path, "test", "rules", "cases.yaml")
