"""Another version is rolled in without a failed request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from integration.harness.client import Object, eventually, ready

from .harness.images import WEB, WEB2
from .harness.team import Team

_PATIENCE = "15"  # seconds: a busy machine answers late, a pod that is gone never


def version(number: int, image: str) -> dict[str, Any]:
    container = {
        "name": "web", "imageUri": image, "port": 8080, "readinessProbe": {"path": "/health", "periodSeconds": 1},
    }  # fmt: skip
    group = {"containers": [container]}
    return {"repositoryRef": {"name": "scorer"}, "locked": True, "version": number, "containerGroups": [group]}


class Asking:
    """Requests through a Service, one after the other, until told to stop."""

    def __init__(self, team: Team, url: str) -> None:
        self.answers: list[str] = []
        self.failures: list[str] = []
        self.slowest = 0.0
        self._stop = threading.Event()
        self._team, self._url, self._who = team, url, team.client()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            done = self._team.run(self._who, "get", "--timeout", _PATIENCE, self._url)
            self.slowest = max(self.slowest, time.monotonic() - begun)
            if done.code == 0:
                self.answers.append(json.loads(done.out)["message"])
            else:
                self.failures.append(f"{datetime.now(UTC):%H:%M:%S} {done.err}")


def test_a_version_is_rolled_in_without_a_failed_request(team: Team, say: Callable[[str], None]) -> None:
    team.make("ArtifactRepository", "scorer", {"type": "service"})
    for number, image in ((1, WEB), (2, WEB2)):
        team.make("Artifact", f"v{number}", version(number, image))
        team.ready("Artifact", f"v{number}")
    team.make("Inference", "scoring", {"artifact": {"repository": "scorer", "version": 1}, "replicas": 2})
    team.ready("Inference", "scoring")
    port = team.need("Service", "scoring")["spec"]["ports"][0]["port"]
    assert team.http("scoring", port)["message"] == "1"

    def rolled(item: Object) -> bool:
        return ready(item) and item["status"]["phase"] == "Running" and item["status"]["readyReplicas"] == 2

    with Asking(team, f"http://scoring:{port}/") as asking:
        team.spec("Inference", "scoring", artifact={"repository": "scorer", "version": 2})
        team.wait("Inference", "scoring", rolled)
        team.wait("Deployment", "scoring", lambda item: item["status"].get("replicas") == 2)
        # Old pods that end answer until the proxy of the node knows it.
        eventually(lambda: asking.answers[-10:], lambda last: set(last) == {"2"} or bool(asking.failures))
    say(
        f"rolled in a version: {len(asking.answers)} requests, {len(asking.failures)} failed, "
        f"the slowest took {asking.slowest:.1f} s"
    )
    assert asking.failures == []
    assert {"1", "2"} == set(asking.answers)
