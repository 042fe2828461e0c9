"""Environments: definitions that check themselves, and with `run` a workspace out of one file."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.errors import Invalid

from .conftest import Stack
from .harness.client import condition, message, ready, stalls, waits
from .harness.rights import SYSTEM
from .harness.space import Space

IMAGE = "registry.example.com/box:1"
LAB = {"name": "lab", "toolType": "jupyter-notebook", "connectionType": "ExternalUrl", "containerPort": 8888}


def test_one_file_gives_one_reachable_notebook(space: Space) -> None:
    space.make("ComputeResource", "small", {"cpuCoreRequest": 0.5})
    space.make("Environment", "jupyter", {"image": IMAGE, "connections": [LAB], "run": {"compute": {"name": "small"}}})
    status = space.ready("Environment", "jupyter")["status"]
    assert (status["syncStatus"], status["phase"], status["readyReplicas"]) == ("No issues found", "Running", 1)
    assert status["revision"].startswith("jupyter-")
    assert status["connections"] == [{**LAB, "url": f"https://jupyter-lab-{space.name}.apps.example.com"}]
    owner = space.need("StatefulSet", "jupyter")["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["controller"]) == ("Environment", True)


def test_a_service_of_its_run_that_somebody_deletes_is_back(space: Space) -> None:
    space.make("Environment", "box", {"image": IMAGE, "run": {}})
    space.ready("Environment", "box")
    before = space.need("Service", "box")["metadata"]["uid"]
    space.delete("Service", "box")
    space.wait("Service", "box", lambda item: item["metadata"]["uid"] != before)


def test_run_stops_starts_and_ends(space: Space) -> None:
    space.make("Environment", "box", {"image": IMAGE, "connections": [LAB], "run": {}})
    space.ready("Environment", "box")
    # The scale subresource stops it, as `kubectl scale` would.
    space.edit("Environment", "box", {"spec": {"replicas": 0}}, sub="scale")
    space.wait("Environment", "box", lambda item: ready(item) and item["status"]["phase"] == "Stopped")
    space.edit("Environment", "box", {"spec": {"replicas": 1}}, sub="scale")
    space.wait("Environment", "box", lambda item: ready(item) and item["status"]["phase"] == "Running")
    # Without run it is only a definition again, and nothing is left running.
    space.spec("Environment", "box", run=None)
    for kind, name in (("StatefulSet", "box"), ("Service", "box"), ("Ingress", "box-lab")):
        space.gone(kind, name)
    space.gone("Pod", "box-0")
    item = space.ready("Environment", "box")
    assert "phase" not in item["status"]
    space.spec("Environment", "box", run={})
    space.wait("Environment", "box", lambda item: ready(item) and item["status"].get("phase") == "Running")


def test_a_definition_checks_its_own_references(space: Space) -> None:
    variables: list[Any] = [
        {"name": "A", "credential": {"name": "bucket", "key": "SecretKey"}},
        {"name": "B", "configMap": {"name": "conf", "key": "mode"}},
    ]
    space.make("Environment", "base", {"image": IMAGE, "environmentVariables": variables})
    item = space.wait("Environment", "base", lambda item: len((item.get("status") or {}).get("issues", [])) == 2)
    assert {each["issue"] for each in item["status"]["issues"]} == {"ReferenceNotFound", "NotCreated"}
    space.native("ConfigMap", "conf", data={"mode": "x"})
    space.secret("source", AccessKeyId="a", SecretKey="b")
    space.make("Credential", "bucket", {"type": "accessKey", "secretRef": {"name": "source"}})
    space.ready("Environment", "base")
    used = space.wait("Credential", "bucket", lambda item: item["status"]["usedBy"]["total"] == 1)["status"]["usedBy"]
    assert used["environments"] == [{"namespace": space.name, "name": "base"}]


def test_unbalanced_quotes(space: Space) -> None:
    with pytest.raises(Invalid, match=r"spec\.command"):
        space.make("Environment", "base", {"image": IMAGE, "command": "python -c 'oops"})
    space.make("Environment", "base", {"image": IMAGE, "command": "python -c 'fine'"})
    space.make("Workspace", "box", {"assets": {"environment": {"name": "base"}}})
    space.ready("Workspace", "box")
    assert space.template()["containers"][0]["command"] == ["python", "-c", "fine"]


def test_security_reaches_the_pod(space: Space) -> None:
    security = {
        "uidGidSource": "custom", "runAsUid": 1000, "runAsGid": 2000, "supplementalGroups": "10,20",
        "overrideUidGidInWorkspace": True, "readOnlyRootFilesystem": True,
    }  # fmt: skip
    space.make("Environment", "base", {"image": IMAGE, "security": security})
    space.running("box", {"image": None, "assets": {"environment": {"name": "base"}}, "security": {"runAsUid": 1234}})
    template = space.template()
    assert template["securityContext"]["supplementalGroups"] == [10, 20]
    container = template["containers"][0]
    assert (container["securityContext"]["runAsUser"], container["securityContext"]["runAsGroup"]) == (1234, 2000)
    # With a user of its own it gets a home.
    assert {"name": "HOME", "value": "/home/outfitter"} in container["env"]


def test_uid_may_be_overridden_only_where_allowed(space: Space) -> None:
    space.make("Environment", "base", {"image": IMAGE, "security": {"uidGidSource": "custom", "runAsUid": 1000}})
    body = {"assets": {"environment": {"name": "base"}}, "security": {"runAsUid": 1234}}
    space.make("Workspace", "box", body)
    assert "overrideUidGidInWorkspace" in message(space.wait("Workspace", "box", stalls("OverrideForbidden")))


def test_run_is_refused_on_a_shared_environment(stack: Stack, space: Space) -> None:
    home = Space(stack.api, SYSTEM)
    home.make("Environment", "wide", {"image": IMAGE, "run": {}})
    try:
        said = home.wait("Environment", "wide", stalls("ScopeForbidden"))
        assert "Create a Workspace" in message(said)
        assert home.get("StatefulSet", "wide") is None
    finally:
        home.delete("Environment", "wide")
    with pytest.raises(Invalid, match="A shared Environment cannot run"):
        space.make("Environment", "wide", {"image": IMAGE, "scope": {"type": "cluster"}, "run": {}})


def test_two_kinds_of_one_name_do_not_fight(space: Space) -> None:
    """An Environment that runs and a Workspace of that name want the same StatefulSet: the first keeps it."""
    space.make("Environment", "box", {"image": IMAGE, "run": {}})
    space.ready("Environment", "box")
    made = space.need("StatefulSet", "box")["metadata"]
    space.make("Workspace", "box", {"image": IMAGE})
    said = space.wait("Workspace", "box", stalls("NameTaken"))
    assert "StatefulSet" in message(said)
    after = space.need("StatefulSet", "box")["metadata"]
    assert (after["uid"], after["generation"]) == (made["uid"], made["generation"])
    assert ready(space.need("Environment", "box"))
    space.delete("Environment", "box")
    space.wait("Workspace", "box", ready)
    assert space.need("StatefulSet", "box")["metadata"]["ownerReferences"][0]["kind"] == "Workspace"


def test_a_missing_compute_resource_is_waited_for(space: Space) -> None:
    space.make("Environment", "box", {"image": IMAGE, "run": {"compute": {"name": "late"}}})
    said = space.wait("Environment", "box", waits("ReferenceNotFound"))
    assert "spec.run.compute" in message(said)
    assert not condition(said, "Stalled")
    space.make("ComputeResource", "late", {"cpuCoreRequest": 1})
    space.ready("Environment", "box")
