"""Builds of images on a real server: their states, their end, and an operator that dies meanwhile."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from .conftest import Stack
from .harness.client import Object, eventually, message, stalls
from .harness.process import OUTFITTER, Operator
from .harness.space import Space

DIGEST = f"sha256:{'5' * 64}"
REPOSITORY = "registry.example.com/scorer"
GIT = {"git": {"url": "https://git.example.com/scorer.git", "revision": "main"}}
DONE = f"digest {DIGEST}\nexporting to image"


def artifact(space: Space, name: str = "scorer", uri: str = REPOSITORY, **spec: Any) -> Object:
    """An Artifact whose image is built from a repository."""
    container = {"port": 8080, "imageUri": uri, "imageBuildConfig": {"codeRef": GIT}}
    return space.make("Artifact", name, {"containerGroups": [{"containers": [container]}], **spec})


def build(space: Space, name: str = "b", of: str = "scorer", **spec: Any) -> Object:
    return space.make("ImageBuild", name, {"artifact": {"name": of}, **spec})


def state(*states: str) -> Any:
    return lambda item: item.get("status", {}).get("state") in states


def phase(word: str) -> Any:
    return lambda item: item.get("status", {}).get("phase") == word


@pytest.mark.parametrize("locked", [False, True], ids=["draft", "lock"])
def test_built_and_served(space: Space, locked: bool) -> None:
    """A draft by its number, a version by its lock; the digest is in no spec."""
    space.pods("complete", message=DONE)
    artifact(space, **({"locked": True} if locked else {"buildRequest": 1}))
    item = space.wait(
        "Artifact",
        "scorer",
        lambda found: (
            "image" in found["status"]["containerGroups"][0]["containers"][0]
            if found.get("status", {}).get("containerGroups")
            else False
        ),
        60,
    )
    (row,) = item["status"]["containerGroups"][0]["containers"]
    assert row["image"] == f"{REPOSITORY}@{DIGEST}"
    (made,) = space.list("ImageBuild")
    assert made["status"]["logTail"] == "exporting to image"
    assert made["metadata"]["ownerReferences"][0]["uid"] == item["metadata"]["uid"]
    if locked:
        space.wait("Artifact", "scorer", phase("Locked"), 60)
    space.pods("ready")
    space.make("Inference", "serving", {"artifact": {"name": "scorer"}})
    space.ready("Inference", "serving")
    (container,) = space.need("Deployment", "serving")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == row["image"]
    assert DIGEST not in str(space.need("Artifact", "scorer")["spec"])
    space.delete("Artifact" if not locked else "Inference", "scorer" if not locked else "serving")


def test_states_and_cancel(space: Space) -> None:
    """A pod that runs, then the end of it; the Job goes, the record stays."""
    space.pods("hang")
    artifact(space)
    build(space)
    item = space.wait("ImageBuild", "b", state("IN_PROGRESS"), 60)
    assert item["status"]["job"] == "b"
    space.spec("ImageBuild", "b", cancel=True)
    space.wait("ImageBuild", "b", state("CANCELLED"), 60)
    space.gone("Job", "b")
    with pytest.raises(Exception, match="does not go on"):
        space.spec("ImageBuild", "b", cancel=False)


def test_a_failure_with_its_words(space: Space) -> None:
    space.pods("fail", log="failed build-failed RUN make: exit code 2\nmake: no rule to make target")
    artifact(space)
    build(space)
    item = space.wait("ImageBuild", "b", stalls("BuildFailed"), 60)
    assert "exit code 2" in message(item)
    assert (item["status"]["state"], item["status"]["logTail"]) == ("FAILED", "make: no rule to make target")


def test_deleted_while_it_runs(space: Space) -> None:
    """Job and pod go with the build. A Job that somebody deletes leaves no second one."""
    space.pods("hang")
    artifact(space)
    build(space, "one")
    build(space, "two")
    for name in ("one", "two"):
        space.wait("ImageBuild", name, state("IN_PROGRESS"), 60)
    space.delete("ImageBuild", "one")
    space.gone("Job", "one")
    eventually(lambda: space.list("Pod"), lambda found: len(found) == 1, 60)
    space.delete("Job", "two", propagationPolicy="Background")
    item = space.wait("ImageBuild", "two", state("UNKNOWN"), 60)
    assert "deleted before Outfitter saw its result" in message(item)
    assert space.list("Job") == []


def test_thirty_builds_and_room_for_three(space: Space) -> None:
    """No moment with more than three Jobs that have not ended; all are built in the end."""
    space.pods("hang")
    for number in range(30):
        build(space, f"b{number:02}")
    artifact(space)  # all of them can start at once

    def counted() -> tuple[int, int]:
        return len(space.list("Job")), sum(map(waits_for_room, space.list("ImageBuild")))

    eventually(counted, lambda found: found == (3, 27), 120)
    space.pods("complete", message=DONE)
    for pod in space.list("Pod"):
        marks = {"sandbox.outfitter.dev/pods": "complete"}
        space.edit("Pod", pod["metadata"]["name"], {"metadata": {"annotations": marks}})
    most = 0

    def states() -> set[str]:
        nonlocal most
        most = max(most, sum(not item.get("status", {}).get("conditions") for item in space.list("Job")))
        return {item.get("status", {}).get("state") for item in space.list("ImageBuild")}

    eventually(states, lambda found: found == {"COMPLETED"}, 300)
    assert most <= 3


def waits_for_room(item: Object) -> bool:
    return any(each["reason"] == "BuildWaits" for each in item.get("status", {}).get("conditions", ()))


def test_it_ends_while_no_operator_runs(space: Space, operator: Operator) -> None:
    space.pods("hang")
    artifact(space)
    build(space)
    space.wait("ImageBuild", "b", state("IN_PROGRESS"), 60)
    operator.kill()
    (pod,) = space.list("Pod")
    marks = {"sandbox.outfitter.dev/pods": "complete", "sandbox.outfitter.dev/message": DONE}
    space.edit("Pod", pod["metadata"]["name"], {"metadata": {"annotations": marks}})
    eventually(lambda: space.need("Job", "b"), lambda job: bool(job["status"].get("succeeded")), 60)
    operator.start()
    item = space.wait("ImageBuild", "b", state("COMPLETED"), 90)
    assert item["status"]["image"] == f"{REPOSITORY}@{DIGEST}"


def test_two_artifacts_of_one_source(space: Space) -> None:
    """Each has a build and an image of its own: its repository and its rights may differ."""
    space.pods("complete", message=DONE)
    for name in ("one", "two"):
        artifact(space, name, buildRequest=1)
    eventually(
        lambda: [item.get("status", {}).get("state") for item in space.list("ImageBuild")],
        lambda found: found == ["COMPLETED"] * 2,
        60,
    )
    assert {item["spec"]["artifact"]["name"] for item in space.list("ImageBuild")} == {"one", "two"}


def test_a_digest_that_is_missing(space: Space) -> None:
    space.pods("complete", message="nothing that is a digest")
    artifact(space)
    build(space)
    item = space.wait("ImageBuild", "b", state("FAILED"), 60)
    assert "no digest" in message(item)


def test_logs_without_rights_and_without_a_pod(space: Space, stack: Stack) -> None:
    """The end of the log in the status; the exit code says that the build failed."""
    space.pods("fail", log="failed other no luck\nthe last line")
    artifact(space)
    build(space)
    space.wait("ImageBuild", "b", state("FAILED"), 60)
    space.native(
        "Role",
        "reads",
        rules=[
            {"apiGroups": ["outfitter.dev"], "resources": ["imagebuilds"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        ],
    )
    group = "rbac.authorization.k8s.io"
    space.native(
        "RoleBinding",
        "ann-reads",
        subjects=[{"kind": "User", "name": "ann", "apiGroup": group}],
        roleRef={"kind": "Role", "name": "reads", "apiGroup": group},
    )
    kubeconfig = stack.sandbox.kubeconfig_for("ann")
    command = [str(OUTFITTER), "build", "logs", "b", "-n", space.name, "--kubeconfig", str(kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (1, "the last line\n")
    assert "pods/log" in done.stderr or "pods" in done.stderr
