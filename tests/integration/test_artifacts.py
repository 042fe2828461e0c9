"""Artifacts: what the server refuses, drafts that run, locks that fail and are repaired, and clones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from outfitter.errors import Invalid

from .conftest import Stack
from .harness.client import Object, condition, current, eventually, message, ready, stalls, waits
from .harness.space import Space

IMAGE = "registry.example.com/scorer:1"
WEB = {"name": "web", "imageUri": IMAGE, "port": 8080}
TAIL = {"name": "tail", "imageUri": "registry.example.com/tail:2"}
BUILD = {"imageBuildConfig": {"codeRef": {"git": {"url": "https://git.example.com/a"}}}, "port": 8080}
NIM = {"imageUri": "nvcr.io/nim/meta/llama:1", "port": 8000}


def groups(*containers: Any, image: str = IMAGE) -> list[Object]:
    """One container group; without containers, one with a single container."""
    return [{"containers": list(containers) or [{"imageUri": image, "port": 8080}]}]


def image(item: Object | None) -> str:
    """What the first container of a Deployment runs."""
    return str(item["spec"]["template"]["spec"]["containers"][0]["image"]) if item else ""


def locked(number: int) -> Callable[[Any], object]:
    """It is version `number`, and Ready."""
    return lambda item: ready(item) and (item["status"]["phase"], item["status"].get("version")) == ("Locked", number)


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        pytest.param(
            {"containerGroups": groups({**WEB, "primary": True}, {**WEB, "name": "b", "primary": True})},
            "A container group needs exactly one primary container",
            id="two-primaries",
        ),
        pytest.param(
            {"containerGroups": groups(TAIL, {**TAIL, "name": "other"})},
            "exactly one primary container",
            id="no-primary",
        ),
        pytest.param(
            {"containerGroups": groups({**WEB, "primary": True}, {**TAIL, "port": 9000})},
            "Only the primary container has a port",
            id="other-with-port",
        ),
        pytest.param({"containerGroups": groups(TAIL)}, "The primary container has no port", id="primary-without-port"),
        pytest.param({"containerGroups": groups({**WEB, "port": 80})}, "1024", id="port-80"),
        pytest.param({"containerGroups": groups({"port": 8080})}, "needs imageUri", id="no-image-and-no-build"),
        pytest.param({"containerGroups": groups(WEB) + groups(WEB)}, "Two container groups", id="same-group-twice"),
        pytest.param(
            {"type": "nim", "containerGroups": groups(NIM), "storage": {"pvcSize": "150GB"}}, "pvcSize", id="pvc-size"
        ),
        pytest.param(
            {"type": "nim", "containerGroups": groups(NIM), "storage": {"mode": "nimCache", "pvcSize": "150Gi"}},
            "pvcSize is valid only for mode dedicatedPvc",
            id="pvc-size-with-cache",
        ),
        pytest.param(
            {"containerGroups": groups(WEB), "storage": {}}, "storage is valid only for type nim", id="storage"
        ),
        pytest.param({"locked": True}, "The Artifact has no containers to lock", id="lock-nothing"),
        pytest.param(
            {"locked": True, "containerGroups": groups({"imageBuildConfig": {}, "port": 8080})},
            "Set imageUri, or imageBuildConfig with codeRef, in each container",
            id="lock-without-image",
        ),
        pytest.param({"run": {}}, "The Artifact has no containers to run", id="run-nothing"),
        pytest.param(
            {"version": 3, "containerGroups": groups(WEB)}, "version is the number of a locked", id="draft-version"
        ),
        pytest.param({"cloneFrom": {"name": "bad"}}, "cannot be cloned from itself", id="clone-of-itself"),
    ],
)
def test_refused_by_the_server(space: Space, spec: Any, what: str) -> None:
    with pytest.raises(Invalid, match=what):
        space.make("Artifact", "bad", spec)


def test_all_that_is_wrong_is_told_at_once(space: Space) -> None:
    both = groups({**WEB, "primary": True}, {**TAIL, "primary": True})
    spec = {"containerGroups": both + both, "storage": {"mode": "nimCache", "pvcSize": "1Gi"}, "templateId": "t"}
    with pytest.raises(Invalid) as refused:
        space.make("Artifact", "bad", spec)
    for what in (
        "exactly one primary container",
        "Two container groups",
        "storage is valid only",
        "templateId is valid only",
        "pvcSize",
    ):
        assert what in str(refused.value)


def test_a_repository_is_made_on_demand_and_goes_with_its_last_artifact(space: Space) -> None:
    for name in ("one", "two"):
        space.make("Artifact", name, {"containerGroups": groups(), "repositoryRef": {"name": "shared"}})
    for name in ("one", "two"):
        assert space.ready("Artifact", name)["status"]["repository"] == "shared"
    made = space.wait("ArtifactRepository", "shared", lambda item: item["status"]["numArtifacts"] == 2)
    assert made["metadata"]["labels"] == {"outfitter.dev/made-by-operator": "true"}
    assert "ownerReferences" not in made["metadata"]
    space.delete("Artifact", "one")
    space.wait("ArtifactRepository", "shared", lambda item: item["status"]["numArtifacts"] == 1)
    # A draft that moves on leaves an empty repository behind, too.
    space.spec("Artifact", "two", repositoryRef={"name": "other"})
    space.gone("ArtifactRepository", "shared")
    space.wait("Artifact", "two", lambda item: ready(item) and item["status"]["repository"] == "other")
    space.delete("Artifact", "two")
    space.gone("ArtifactRepository", "other")
    # What a user wrote never goes.
    space.make("ArtifactRepository", "mine", {})
    space.make("Artifact", "three", {"containerGroups": groups(), "repositoryRef": {"name": "mine"}})
    space.wait("ArtifactRepository", "mine", lambda item: item["status"]["numArtifacts"] == 1)
    space.delete("Artifact", "three")
    space.wait("ArtifactRepository", "mine", lambda item: item["status"]["numArtifacts"] == 0)


def test_the_type_must_fit_the_repository(space: Space) -> None:
    space.make("ArtifactRepository", "models", {"type": "nim"})
    space.make("Artifact", "scorer", {"containerGroups": groups(), "repositoryRef": {"name": "models"}})
    said = space.wait("Artifact", "scorer", stalls("TypeMismatch"))
    assert "ArtifactRepository models holds type nim, and the Artifact has type service" in message(said)
    assert said["status"]["phase"] == "Draft"
    space.spec("Artifact", "scorer", locked=True)
    said = space.wait("Artifact", "scorer", stalls("TypeMismatch"))
    assert (said["status"]["phase"], said["status"].get("version")) == ("LockFailed", None)
    # It is no version yet, so it can be put right.
    space.spec("Artifact", "scorer", repositoryRef={"name": "services"})
    space.wait("Artifact", "scorer", locked(1))
    with pytest.raises(Invalid, match="type cannot change after creation"):
        space.spec("ArtifactRepository", "models", type="service")


def test_a_lock_that_cannot_be_is_told_and_taken_back(space: Space) -> None:
    space.make("Artifact", "scorer", {"locked": True, "containerGroups": groups(BUILD)})
    said = space.wait("Artifact", "scorer", stalls("BuildFailed"))
    assert said["status"]["phase"] == "LockFailed"
    assert "imageBuildConfig" in message(said)
    assert "has no repository to push to" in message(said)
    space.spec("Artifact", "scorer", locked=False)
    space.wait("Artifact", "scorer", lambda item: item["status"]["phase"] == "Draft")
    space.spec("Artifact", "scorer", containerGroups=groups(), locked=True)
    space.wait("Artifact", "scorer", locked(1))
    eventually(lambda: space.list("ImageBuild"), lambda found: found == [])  # what never started goes


def test_a_version_is_frozen_but_for_how_it_runs(space: Space) -> None:
    space.make("Artifact", "scorer", {"locked": True, "containerGroups": groups()})
    space.wait("Artifact", "scorer", locked(1))
    for fields, what in (
        ({"containerGroups": groups(image="registry.example.com/scorer:2")}, "containerGroups cannot change"),
        ({"description": "another"}, "description cannot change"),
        ({"tags": [{"name": "a", "value": "b"}]}, "tags cannot change"),
        ({"repositoryRef": {"name": "other"}}, "repositoryRef cannot change"),
        ({"locked": False}, "cannot become a draft again"),
        ({"locked": None}, "cannot become a draft again"),
        ({"version": 7}, "version must stay"),
        ({"cloneFrom": {"name": "other"}}, "cloneFrom"),
    ):
        with pytest.raises(Invalid, match=what):
            space.spec("Artifact", "scorer", **fields)
    # GitOps may write down what was chosen; running is never frozen.
    space.spec("Artifact", "scorer", version=1, run={"replicas": 2})
    item = space.wait("Artifact", "scorer", lambda item: ready(item) and item["status"].get("readyReplicas") == 2)
    assert (item["status"]["phase"], item["status"]["runPhase"]) == ("Locked", "Running")
    space.spec("Artifact", "scorer", run=None)
    space.gone("Deployment", "scorer")
    space.wait("Artifact", "scorer", lambda item: locked(1)(item) and "runPhase" not in item["status"])


def test_a_draft_runs_and_its_edits_roll_it(space: Space) -> None:
    side = {"name": "side", "containers": [{"imageUri": "registry.example.com/side:1", "port": 9090}]}
    space.make("Artifact", "scorer", {"containerGroups": [*groups(WEB), side], "run": {"servingPort": {}}})
    item = space.ready("Artifact", "scorer")
    assert (item["status"]["phase"], item["status"]["runPhase"]) == ("Draft", "Running")
    assert item["status"]["url"] == f"https://scorer-{space.name}.apps.example.com"
    pods = {each["name"]: (each["deployment"], each["readyReplicas"]) for each in item["status"]["containerGroups"]}
    assert pods == {"default": ("scorer", 1), "side": ("scorer-side", 1)}
    for name, port in (("scorer", 8080), ("scorer-side", 9090)):
        service = space.need("Service", name)["spec"]
        assert [each["port"] for each in service["ports"]] == [port]
        pod = space.need("Deployment", name)["spec"]["template"]["metadata"]["labels"]
        assert service["selector"].items() <= pod.items()
    # An edit rolls it, and a group that goes takes its children along.
    space.spec("Artifact", "scorer", containerGroups=groups({**WEB, "imageUri": "registry.example.com/scorer:2"}))
    space.wait("Deployment", "scorer", lambda item: image(item).endswith(":2"))
    space.gone("Deployment", "scorer-side")
    space.gone("Service", "scorer-side")
    space.ready("Artifact", "scorer")
    # Locking what runs restarts nothing, and gives it its number.
    made = space.need("Deployment", "scorer")["metadata"]
    space.spec("Artifact", "scorer", locked=True)
    space.wait("Artifact", "scorer", locked(1))
    assert space.need("Deployment", "scorer")["metadata"]["generation"] == made["generation"]
    # Its children go with it.
    space.delete("Artifact", "scorer")
    for kind, name in (("Deployment", "scorer"), ("Service", "scorer"), ("Ingress", "scorer")):
        space.gone(kind, name)


def test_a_clone_waits_for_its_source_and_keeps_what_it_took(space: Space) -> None:
    space.make("Artifact", "next", {"cloneFrom": {"name": "base"}, "run": {}})
    said = space.wait("Artifact", "next", waits("ReferenceNotFound"))
    assert f"Artifact {space.name}/base does not exist" in message(said)
    space.make("Artifact", "base", {"containerGroups": groups(), "repositoryRef": {"name": "scorers"}})
    item = space.ready("Artifact", "next")
    assert item["status"]["repository"] == "scorers"
    assert item["status"]["clonedFrom"]["name"] == "base"
    assert image(space.need("Deployment", "next")) == IMAGE
    # Taken once: neither edits nor the end of the source matter.
    space.spec("Artifact", "base", containerGroups=groups(image="registry.example.com/scorer:9"))
    space.ready("Artifact", "base")
    space.delete("Artifact", "base")
    space.spec("Artifact", "next", locked=True)
    space.wait("Artifact", "next", locked(1))
    assert image(space.need("Deployment", "next")) == IMAGE
    # A clone of a clone; what it says itself wins.
    mine = groups(image="registry.example.com/scorer:3")
    space.make("Artifact", "third", {"cloneFrom": {"name": "next"}, "containerGroups": mine, "locked": True})
    space.wait("Artifact", "third", locked(2))
    with pytest.raises(Invalid, match="cloneFrom"):
        space.spec("Artifact", "next", cloneFrom=None)


def test_clones_of_each_other_wait_and_say_so(stack: Stack, space: Space) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        space.make("Artifact", name, {"cloneFrom": {"name": other}})
    for name in ("one", "two"):
        said = space.wait("Artifact", name, waits("SourceNotReady"))
        assert "Artifacts one, two clone each other in a circle" in message(said)
    stack.operator.quiet()
    since = stack.mark()
    space.touch("Artifact", "one", "again")
    stack.operator.quiet()
    assert [entry.uri for entry in stack.writes(since) if entry.namespace == space.name] == []


def test_a_draft_in_a_restricted_namespace_cannot_elevate(space: Space) -> None:
    """Whoever wrote the artifact: the assembled pod is judged."""
    add = {"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}
    space.make("Artifact", "scorer", {"containerGroups": groups({**WEB, **add}), "run": {}})
    said = space.wait("Artifact", "scorer", stalls("ElevationForbidden"))
    assert "SYS_PTRACE" in message(said)
    assert space.get("Deployment", "scorer") is None
    space.spec("Artifact", "scorer", containerGroups=groups(WEB))
    item = space.wait("Artifact", "scorer", lambda item: current(item) and ready(item))
    assert not condition(item, "Stalled")
    template = space.need("Deployment", "scorer")["spec"]["template"]["spec"]
    assert template["automountServiceAccountToken"] is False
    assert template["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
