"""Every file of deploy/examples, applied as users apply it, reaches its status by real probes, and answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from integration.harness.client import Object
from integration.harness.space import GROUP
from outfitter.naming import ANNOTATION_FORCE_DELETE
from outfitter_sandbox import example_sizes

from .conftest import SYSTEM, Stage
from .harness.team import SECONDS, Team

FILES = sorted((Path(__file__).parents[2] / "deploy" / "examples").glob("*.yaml"))
TEAM = "team-a"
NAMESPACES = (TEAM,)
LONG = 300.0


@pytest.fixture(scope="module")
def applied(stage: Stage, say: Callable[[str], None]) -> Iterator[list[tuple[str, str, str]]]:
    fits = example_sizes.fits(each["status"]["allocatable"] for each in stage.api.list("Node"))
    if not fits:
        say(
            "examples: CPU and memory made smaller, no node here has "
            f"{example_sizes.CORES} cores and {example_sizes.MEMORY_GIB} GiB"
        )
    found, others = [], []
    for path in FILES:
        for written in filter(None, yaml.safe_load_all(path.read_text())):
            item = written if fits else example_sizes.smaller(written)
            stage.api.apply(item)
            kind, meta = item["kind"], item["metadata"]
            if kind == "Namespace":
                stage.api.wait("ServiceAccount", meta["name"], "default", bool, SECONDS)
            else:
                (found if item["apiVersion"].startswith(GROUP) else others).append(
                    (kind, meta["namespace"], meta["name"])
                )
    yield found
    stage.api.delete("Namespace", "", TEAM)
    stage.api.gone("Namespace", "", TEAM, LONG)
    for kind, namespace, name in [*found, *others]:
        if namespace == SYSTEM:
            if kind != "Secret":  # objects of other scenarios can use a shared asset
                force = {"metadata": {"annotations": {ANNOTATION_FORCE_DELETE: "true"}}}
                stage.api.patch(kind, namespace, name, force)
            stage.api.delete(kind, namespace, name)


@pytest.fixture
def team(stage: Stage, applied: list[tuple[str, str, str]]) -> Team:
    return Team(stage.api, TEAM, stage.cluster.connection())


def test_every_example_becomes_ready(stage: Stage, team: Team, applied: list[tuple[str, str, str]]) -> None:
    def well(item: Object | None) -> bool:
        status = (item or {}).get("status") or {}
        ready = next((each["status"] for each in status.get("conditions") or () if each["type"] == "Ready"), "")
        # The node has no metrics API, which an autoscaler says after some minutes.
        found = {issue["issue"] for issue in status.get("issues") or ()} - {"AutoscalingFailed"}
        return ready == "True" and (status["syncStatus"] == "No issues found" or not found)

    for kind, namespace, name in applied:
        Team(stage.api, namespace, team.connection).wait(kind, name, well, LONG)


def test_they_answer(team: Team) -> None:
    assert team.http("jupyter", 8888)["host"] == "jupyter-0"
    assert team.http("alice-board", 6006)["host"] == "alice-0"
    assert "ready" in str(team.http("llama", 8000, "/v1/health/ready")).lower()
    for name in ("scoring", "echo"):
        port = team.need("Service", name)["spec"]["ports"][0]["port"]
        assert team.http(name, port)["host"].startswith(f"{name}-")


def test_what_alice_sees(team: Team) -> None:
    names = ("ENTITY", "AWS_ACCESS_KEY_ID", "CONFIG", "TEAM_TOKEN", "NGC_API_KEY")
    told = team.output("alice-0", "env", *names).splitlines()
    assert told == ["research", "not-a-real-id", "fast", "abc", "not-a-real-key"]
    assert team.run("alice-0", "env", "OMP_NUM_THREADS").code == 1
    assert '"directory":"/workspace"' in re.sub(r"\s", "", team.output("alice-0", "id"))
    team.output("alice-0", "write", "/data/note", "by alice")
