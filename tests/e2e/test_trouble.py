"""Whatever keeps a pod from running is told in the status, in words that say what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integration.harness.client import Object, Predicate, condition, message, ready

from .harness.images import WEB, WEB_ROOT
from .harness.team import Team

HEALTH = {"readiness": {"periodSeconds": 1, "handler": {"httpGet": {"path": "/health", "port": 8080}}}}


def told(reason: str) -> Predicate:
    """Not Ready for this reason, or an issue of this name."""

    def check(item: Object | None) -> bool:
        status = (item or {}).get("status") or {}
        issues = [each["issue"] for each in status.get("issues") or ()]
        found = condition(item, "Ready")
        return found.get("status") == "False" and (found.get("reason") == reason or reason in issues)

    return check


def words(item: Object) -> str:
    issues = (item["status"].get("issues")) or ()
    return " | ".join([message(item), *(each["message"] for each in issues)])


CASES: list[Any] = [
    pytest.param(
        {"image": WEB, "args": "serve --eat-mib 200", "compute": {"cpuMemoryLimit": "64Mi"}},
        "OOMKilled", ["memory", "cpuMemoryLimit"], id="out-of-memory",
    ),
    pytest.param(
        {"image": WEB, "args": "serve --crash-after-seconds 1 --crash-code 3"},
        "CrashLoopBackOff", ["exit code 3", "kubectl logs"], id="crash-loop",
    ),
    pytest.param(
        {"image": "registry.example.com/not-there:1"},
        "ImagePullFailed", ["registry.example.com/not-there:1", "dockerRegistry Credential"], id="image",
    ),
    pytest.param({"image": WEB, "command": "/no/such/program"}, "ContainerStartFailed", ["command"], id="program"),
    pytest.param({"image": WEB_ROOT}, "RunsAsRoot", ["runAsUid", "runAsNonRoot"], id="image-of-root"),
    pytest.param(
        {"image": WEB, "compute": {"gpuDevicesRequest": 64}}, "Unschedulable", ["nvidia.com/gpu"], id="too-many-gpus",
    ),
    pytest.param(
        {"image": WEB, "environmentVariables": [{"name": "A", "secret": {"name": "absent", "key": "k"}}]},
        "", ["absent"], id="missing-secret",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "reason", "fix"), CASES)
def test_trouble_is_told_with_the_fix(
    team: Team, spec: Any, reason: str, fix: list[str], say: Callable[[str], None]
) -> None:
    team.make("Workspace", "box", {"probes": HEALTH, **spec})
    check = told(reason) if reason else lambda item: all(each in words(item) for each in fix)
    seen = team.wait("Workspace", "box", check)
    say(f"{reason or condition(seen, 'Ready')['reason']}: {words(seen)}")
    assert [each for each in fix if each not in words(seen)] == [], words(seen)


def test_a_quota_that_refuses_and_then_does_not(team: Team) -> None:
    team.native("ResourceQuota", "small", spec={"hard": {"requests.memory": "64Mi"}})
    team.wait("ResourceQuota", "small", lambda item: "hard" in (item or {}).get("status", {}))
    team.make("Workspace", "box", {"image": WEB, "compute": {"cpuMemoryRequest": "128Mi"}})
    seen = team.wait("Workspace", "box", told("QuotaExceeded"))
    assert "Free some of the quota" in words(seen)
    assert "requests.memory" in words(seen)
    team.edit("ResourceQuota", "small", {"spec": {"hard": {"requests.memory": "1Gi"}}})
    team.ready("Workspace", "box")


def test_pod_security_that_refuses(team: Team) -> None:
    security = {"uidGidSource": "custom", "runAsUid": 0, "runAsGid": 0, "runAsNonRoot": False}
    team.make("Workspace", "box", {"image": WEB, "security": security})
    seen = team.wait("Workspace", "box", told("PodSecurityViolation"))
    assert "runAsNonRoot" in words(seen)
    assert "pod-security.kubernetes.io/enforce" in words(seen)
    team.spec("Workspace", "box", security=None)
    team.ready("Workspace", "box")


def test_a_corrected_workspace_recovers(team: Team) -> None:
    """A StatefulSet alone would wait without end for a pod of the old revision that never becomes ready."""
    team.make("Workspace", "box", {"image": WEB, "probes": HEALTH, "args": "serve --crash-after-seconds 1"})
    team.wait("Workspace", "box", told("CrashLoopBackOff"))
    team.spec("Workspace", "box", args="serve")
    assert ready(team.ready("Workspace", "box"))
    assert team.output("box-0", "get", "http://127.0.0.1:8080/health") == "ok"
