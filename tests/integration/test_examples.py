"""Every file of deploy/examples, applied as users apply it, reaches the state that its readers expect."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Stack
from .harness.client import Object, current, ready
from .harness.rights import SYSTEM
from .harness.space import GROUP

FILES = sorted((Path(__file__).parents[2] / "deploy" / "examples").glob("*.yaml"))
TEAM = "team-a"


def documents(path: Path) -> list[Object]:
    with io.StringIO(path.read_text()) as text:
        return [item for item in yaml.safe_load_all(text) if item]


@pytest.fixture(scope="module")
def applied(stack: Stack) -> Iterator[dict[tuple[str, str, str], Object]]:
    """All files, in the order of their names, twice: applying again changes nothing."""
    found: dict[tuple[str, str, str], Object] = {}
    for path in FILES:
        for item in documents(path):
            made = stack.api.apply(item)
            stack.api.apply(item)
            if item["kind"] == "Namespace" and item["metadata"]["name"] != SYSTEM:
                stack.api.wait("ServiceAccount", item["metadata"]["name"], "default", bool)
            if item["apiVersion"].startswith(GROUP):
                found[item["kind"], item["metadata"]["namespace"], item["metadata"]["name"]] = made
    yield found
    for kind, namespace, name in found:
        if namespace == SYSTEM:
            stack.api.delete(kind, namespace, name)
    for path in FILES:
        for item in documents(path):
            if item["kind"] in ("Secret", "ConfigMap") and item["metadata"]["namespace"] == SYSTEM:
                stack.api.delete(item["kind"], SYSTEM, item["metadata"]["name"])
    stack.api.delete("Namespace", "", TEAM)


def test_there_are_examples() -> None:
    assert len(FILES) >= 3


def test_every_example_becomes_ready(stack: Stack, applied: dict[tuple[str, str, str], Object]) -> None:
    for kind, namespace, name in applied:
        status = stack.api.wait(kind, namespace, name, ready)["status"]
        assert status["syncStatus"] == "No issues found", (kind, name, status)


def test_the_statuses_that_the_documentation_shows(stack: Stack, applied: dict[tuple[str, str, str], Object]) -> None:
    def status(kind: str, namespace: str, name: str) -> Any:
        return stack.api.wait(kind, namespace, name, lambda item: ready(item) and current(item))["status"]

    notebook = status("Environment", TEAM, "jupyter")
    assert (notebook["phase"], notebook["readyReplicas"]) == ("Running", 1)
    assert notebook["connections"][0]["url"] == f"https://jupyter-lab-{TEAM}.apps.example.com"
    ngc = status("Credential", TEAM, "ngc")
    assert (ngc["secretName"], ngc["pullSecretName"]) == ("cred-ngc", "cred-ngc-pull")
    registry = status("Credential", SYSTEM, "registry")
    assert registry["targets"] == {"desired": 1, "synced": 1}
    imagenet = status("DataSource", TEAM, "imagenet")
    assert (imagenet["type"], imagenet["claimName"]) == ("pvc", "imagenet")
    alice = status("Workspace", TEAM, "alice")
    assert (alice["phase"], alice["replicas"], alice["readyReplicas"]) == ("Running", 1, 1)
    connections = {each["name"]: each for each in alice["connections"]}
    assert connections["board"]["nodePort"] == 30600
    assert connections["wandb"]["url"] == "https://wandb.ai/research/imagenet"

    def users(item: Object | None) -> list[Object]:
        return ((item or {}).get("status", {}).get("usedBy") or {}).get("workspaces", [])  # type: ignore[no-any-return]

    running = [{"namespace": TEAM, "name": "alice", "phase": "Running"}]
    stack.api.wait("ComputeResource", SYSTEM, "one-gpu", lambda item: users(item) == running)
    pod = stack.api.need("StatefulSet", TEAM, "alice")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["resources"]["requests"]["cpu"] == "2"
    assert container["args"] == ["-u", "train.py", "--epochs", "10"]
    assert {each["name"] for each in pod["imagePullSecrets"]} == {"cred-registry", "cred-ngc-pull"}
    names = {each["name"] for each in container["env"]}
    assert "OMP_NUM_THREADS" not in names
    assert {"TEAM_TOKEN", "AWS_ACCESS_KEY_ID", "CONFIG", "NODE"} <= names


def test_the_statuses_of_artifacts(stack: Stack, applied: dict[tuple[str, str, str], Object]) -> None:
    """What the API's example shows: a draft with its cache, a locked version, an Inference that runs it."""

    def status(kind: str, name: str) -> Any:
        return stack.api.wait(kind, TEAM, name, lambda item: ready(item) and current(item))["status"]

    llama = status("Artifact", "llama")
    assert (llama["phase"], llama["syncStatus"], llama["repository"]) == ("Draft", "No issues found", "llama")
    assert "version" not in llama
    assert (llama["readyReplicas"], llama["url"]) == (1, f"http://llama.{TEAM}.svc:8000")
    cache = llama["nimCache"]
    assert re.fullmatch(r"nim-[0-9a-f]{8,}", cache["name"])
    assert (cache["claimName"], cache["phase"]) == (cache["name"], "Ready")
    running = [{"namespace": TEAM, "name": "llama", "phase": "Running"}]
    stack.api.wait("NimCache", TEAM, cache["name"], lambda item: item["status"]["usedBy"].get("artifacts") == running)

    scorer = status("Artifact", "scorer")
    assert (scorer["phase"], scorer["version"], scorer["repository"]) == ("Locked", 3, "scorer")
    assert scorer["syncStatus"] == "No issues found"
    versions = status("ArtifactRepository", "scorer")["versions"]
    assert [(item["version"], item["name"], item["locked"]) for item in versions] == [(3, "scorer", True)]
    following = status("Artifact", "scorer-next")
    assert (following["phase"], following["repository"]) == ("Draft", "scorer")
    assert following["clonedFrom"]["name"] == "scorer"

    scoring = status("Inference", "scoring")
    assert (scoring["phase"], scoring["replicas"], scoring["readyReplicas"]) == ("Running", 2, 2)
    assert (scoring["url"], scoring["syncStatus"]) == (f"http://scoring.{TEAM}.svc:8080", "No issues found")
    assert scoring["revision"].startswith("scoring-")
    groups = stack.api.need("Deployment", TEAM, "scoring")["spec"]["template"]["spec"]["containers"]
    assert [item["name"] for item in groups] == ["web", "sidecar"]
    assert groups[0]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
