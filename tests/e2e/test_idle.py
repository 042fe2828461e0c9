"""A workspace that nobody uses, seen by the kernel of a real pod: stopped then, and never while somebody is there."""

from __future__ import annotations

import contextlib

from integration.harness.client import Object, condition, eventually, ready
from outfitter.errors import ApiError

from .harness.images import WEB
from .harness.team import SECONDS, Team, running

PORT = 8080
LIMIT = 60  # the shortest
VISITS, VISIT = 4, 20  # together longer than the limit; a command has half a minute
HEALTH = {"readiness": {"periodSeconds": 1, "handler": {"httpGet": {"path": "/health", "port": PORT}}}}
WATCHER = "outfitter-activity"
STAY = f"import socket, time; tab = socket.create_connection(('127.0.0.1', {PORT})); time.sleep({VISIT})"
"""An open connection from the pod itself, as `kubectl port-forward` makes it."""

END = "import os, signal; os.kill(1, signal.SIGTERM)"


def stopped(item: Object) -> bool:
    return ready(item) and item["status"]["phase"] == "Stopped"


def watcher(team: Team) -> Object:
    """The state of the container that watches."""
    pod = team.need("Pod", "w-0")
    found: Object = next(item for item in pod["status"]["containerStatuses"] if item["name"] == WATCHER)
    return found


def ended(team: Team, begun: Object) -> bool:
    """End a watcher that started then, which has a handler for the signal after a second; whether it has ended."""
    with contextlib.suppress(ApiError):  # the end of the container also ends the command
        team.run("w-0", "python", "-c", END, container=WATCHER)
    return bool(watcher(team)["state"].get("running") != begun)


def test_stopped_when_nobody_is_there(team: Team) -> None:
    """The kubelet checks the port each second, and that is no use; one open connection is."""
    spec = {"image": WEB, "probes": HEALTH, "ports": [{"container": PORT}], "idleTimeoutSeconds": LIMIT}
    team.make("Workspace", "w", spec)
    team.ready("Workspace", "w")
    assert team.http("w", PORT, "/hello")["host"] == "w-0"
    team.wait("Pod", "w-0", lambda pod: all(each["ready"] for each in pod["status"]["containerStatuses"]))
    for _ in range(VISITS):
        team.output("w-0", "python", "-c", STAY, container=WATCHER)
    assert team.need("Workspace", "w")["status"]["phase"] == "Running"
    assert watcher(team)["restartCount"] == 0
    item = team.wait("Workspace", "w", stopped, 2 * LIMIT + 60)
    assert condition(item, "Ready")["reason"] == "Idle"
    assert item["status"]["halted"]["reason"] == "Idle"
    assert f"for {LIMIT} seconds, as idleTimeoutSeconds allows" in item["status"]["message"]
    team.gone("Pod", "w-0")
    team.annotate("Workspace", "w", restartedAt="1")
    team.wait("Workspace", "w", lambda found: ready(found) and found["status"]["phase"] == "Running")
    assert team.http("w", PORT, "/hello")["host"] == "w-0"
    assert watcher(team)["restartCount"] == 0


def test_a_watcher_that_fails_stops_nothing(team: Team) -> None:
    """The pod is not ready while it waits for its next start, and the workspace is: ready, running and reachable."""
    team.make("Workspace", "w", {"image": WEB, "ports": [{"container": PORT}], "idleTimeoutSeconds": 3600})
    team.ready("Workspace", "w")
    for _ in range(3):
        team.wait("Pod", "w-0", lambda pod: all(each["ready"] for each in pod["status"]["containerStatuses"]))
        begun = watcher(team)["state"]["running"]
        eventually(lambda begun=begun: ended(team, begun), bool, SECONDS)
    team.wait("Pod", "w-0", lambda pod: not running(pod))
    assert team.http("w", PORT, "/hello")["host"] == "w-0"
    assert not running(team.need("Pod", "w-0"))
    item = team.need("Workspace", "w")
    assert (ready(item), item["status"]["phase"]) == (True, "Running")
    team.wait("Pod", "w-0", running)
    assert team.need("Workspace", "w")["status"]["phase"] == "Running"
