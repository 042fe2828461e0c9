"""Inferences: which artifact they run, how one version replaces another, and what is repaired."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.errors import Invalid

from .conftest import Stack
from .harness.client import Object, condition, eventually, message, ready, stalls, waits
from .harness.space import Space
from .test_artifacts import groups, image, locked

PLAIN = {"image": "registry.example.com/echo:1", "servingPort": {"container": 8080}}
ANNOTATION_SCALED = {"minReplicas": 2, "maxReplicas": 5, "metric": "cpu", "metricThreshold": 80}
ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
JSON = "application/json-patch+json"


def version(space: Space, number: int, **spec: Any) -> None:
    """Version `number` of repository scorers, with an image of that tag."""
    content = groups(image=f"registry.example.com/scorer:{number}")
    given = {"containerGroups": content, "repositoryRef": {"name": "scorers"}, "locked": True, "version": number}
    space.make("Artifact", f"scorer-{number}", {**given, **spec})
    space.wait("Artifact", f"scorer-{number}", locked(number))


def at(number: int) -> dict[str, Any]:
    """How an Inference refers to a version."""
    return {"repository": "scorers", "version": number}


def running(space: Space, name: str = "echo", **spec: Any) -> Object:
    """An Inference that runs."""
    space.make("Inference", name, spec or PLAIN)
    return space.ready("Inference", name)


def test_another_version_is_rolled_in_without_a_gap(space: Space) -> None:
    for number in (1, 2):
        version(space, number)
    item = running(space, "scoring", artifact=at(1), replicas=2)
    assert item["status"]["artifact"] == {"name": "scorer-1", "repository": "scorers", "version": 1, "generation": 1}
    assert item["status"]["url"] == f"http://scoring.{space.name}.svc:8080"
    assert space.need("Deployment", "scoring")["spec"]["strategy"] == ROLLING
    old = {each["metadata"]["name"] for each in space.list("Pod")}
    # The new pods never get ready: the old ones stay, and keep serving.
    for name in old:
        space.edit("Pod", name, {"metadata": {"annotations": {"sandbox.outfitter.dev/pods": "ready"}}})
    space.pods("hang")
    space.spec("Inference", "scoring", artifact=at(2))
    space.wait(
        "Deployment", "scoring", lambda item: image(item).endswith(":2") and item["status"]["unavailableReplicas"]
    )
    assert space.need("Deployment", "scoring")["status"]["readyReplicas"] == 2
    assert old <= {each["metadata"]["name"] for each in space.list("Pod")}
    space.pods("ready")
    item = space.wait("Inference", "scoring", lambda item: ready(item) and item["status"]["artifact"]["version"] == 2)
    assert item["status"]["readyReplicas"] == 2
    users = [{"namespace": space.name, "name": "scoring", "phase": "Running"}]
    space.wait("Artifact", "scorer-2", lambda item: item["status"]["usedBy"].get("inferences") == users)
    space.wait("Artifact", "scorer-1", lambda item: item["status"]["usedBy"]["total"] == 0)


def test_locked_is_replaced_by_locked_only(space: Space) -> None:
    version(space, 1)
    space.make("Artifact", "draft", {"containerGroups": groups(image="registry.example.com/draft:1")})
    running(space, "scoring", artifact={"name": "scorer-1"})
    space.spec("Inference", "scoring", artifact={"name": "draft"})
    said = space.wait("Inference", "scoring", stalls("DraftForbidden"))
    assert "Artifact draft is a draft and cannot replace Artifact scorer-1, which is locked" in message(said)
    assert image(space.need("Deployment", "scoring")).endswith("scorer:1")
    space.spec("Artifact", "draft", locked=True)
    space.wait("Inference", "scoring", lambda item: ready(item) and item["status"]["artifact"]["name"] == "draft")
    assert image(space.need("Deployment", "scoring")).endswith("draft:1")


def test_a_draft_runs_with_a_note_and_is_pinned(space: Space) -> None:
    space.make("Artifact", "draft", {"containerGroups": groups(image="registry.example.com/draft:1")})
    item = running(space, "trial", artifact={"name": "draft"})
    assert [each["issue"] for each in item["status"]["issues"]] == ["Draft"]
    assert "Lock the Artifact to run a fixed version" in item["status"]["message"]
    space.spec("Artifact", "draft", containerGroups=groups(image="registry.example.com/draft:2"))
    item = space.wait("Inference", "trial", lambda item: item["status"].get("outdated"))
    assert [(each["kind"], each["reason"]) for each in item["status"]["outdated"]] == [("Artifact", "Edited")]
    assert image(space.need("Deployment", "trial")).endswith("draft:1")
    space.annotate("Inference", "trial", restartedAt="2026-11-21T12:00:00Z")
    space.wait("Deployment", "trial", lambda item: image(item).endswith("draft:2"))
    # Locked while it runs: nothing restarts, and the note goes.
    made = space.wait("Inference", "trial", lambda item: ready(item) and "outdated" not in item["status"])
    generation = space.need("Deployment", "trial")["metadata"]["generation"]
    space.spec("Artifact", "draft", locked=True)
    item = space.wait("Inference", "trial", lambda item: ready(item) and item["status"]["artifact"].get("version") == 1)
    assert not [each for each in item["status"].get("issues", []) if each["issue"] == "Draft"]
    assert item["status"]["revision"] == made["status"]["revision"]
    assert space.need("Deployment", "trial")["metadata"]["generation"] == generation


def test_a_version_that_is_not_there_and_one_that_goes(space: Space) -> None:
    space.make("Inference", "scoring", {"artifact": at(1)})
    said = space.wait("Inference", "scoring", waits("ReferenceNotFound"))
    assert f"ArtifactRepository {space.name}/scorers does not exist" in message(said)
    version(space, 2)
    words = "has no version 1. Use one of its versions: 2."  # once the version has its number
    space.wait("Inference", "scoring", lambda item: waits("VersionNotFound")(item) and words in message(item))
    version(space, 1)
    item = space.ready("Inference", "scoring")
    revision = item["status"]["revision"]
    space.delete("Artifact", "scorer-1")
    item = space.wait("Inference", "scoring", lambda item: item["status"].get("outdated"))
    assert [(each["name"], each["reason"]) for each in item["status"]["outdated"]] == [("scorer-1", "Deleted")]
    assert ready(item)
    # What runs is kept equal to its pin also now; only a restart would need what is gone.
    space.delete("Deployment", "scoring")
    space.wait("Deployment", "scoring", lambda item: image(item).endswith(":1"))
    space.annotate("Inference", "scoring", restartedAt="2026-11-21T12:00:00Z")
    said = space.wait("Inference", "scoring", lambda item: condition(item, "Ready").get("reason") == "VersionNotFound")
    assert said["status"]["revision"] == revision
    assert image(space.need("Deployment", "scoring")).endswith(":1")
    space.spec("Inference", "scoring", artifact=at(2))
    space.wait("Inference", "scoring", lambda item: ready(item) and item["status"]["artifact"]["version"] == 2)


def test_what_an_artifact_says_already_is_refused(space: Space) -> None:
    for spec, what in (
        ({"artifact": {"name": "a"}, "image": "i"}, "The Artifact sets image"),
        ({"artifact": {"name": "a", "repository": "r", "version": 1}}, "either name, or repository and version"),
        ({"artifact": {"repository": "r"}}, "repository and version need each other"),
        (
            {"artifact": {"name": "a"}, "servingPort": {"container": 1}},
            "The primary container of the Artifact sets the port",
        ),
        (
            {**PLAIN, "containerGroups": [{"name": "default"}]},
            "containerGroups sets sizes for the groups of an Artifact",
        ),
        ({**PLAIN, "terminal": True}, "unknown field"),
        ({**PLAIN, "security": {"hostNetwork": True}}, 'unknown field "spec.security.hostNetwork"'),
    ):
        with pytest.raises(Invalid, match=what):
            space.make("Inference", "bad", spec)
    version(space, 1)
    sizes = [{"name": "other", "replicas": 2}, {"name": "default", "containers": [{"name": "web"}]}]
    space.make("Inference", "scoring", {"artifact": at(1), "containerGroups": sizes})
    said = space.wait("Inference", "scoring", stalls("InvalidSpec"))
    text = " ".join(each["message"] for each in said["status"]["issues"])
    assert "has no container group other. Use one of its groups: default." in text
    assert "has no container web. Use one of its containers: main." in text


def test_strategy_by_volumes_and_gpus(space: Space) -> None:
    running(space)
    assert space.need("Deployment", "echo")["spec"]["strategy"] == ROLLING
    # Two pods cannot have one GPU, nor one volume that only one node may mount.
    space.spec("Inference", "echo", compute={"gpuDevicesRequest": 1})
    space.wait("Deployment", "echo", lambda item: item["spec"]["strategy"] == {"type": "Recreate"})
    space.spec("Inference", "echo", compute=None)
    space.wait("Deployment", "echo", lambda item: item["spec"]["strategy"] == ROLLING)
    claim = {"path": "/data", "claimInfo": {"size": "1Gi"}}
    space.make("DataSource", "one", {"pvc": claim})
    wide = {"size": "1Gi", "accessModes": {"readWriteMany": True}}
    space.make("DataSource", "many", {"pvc": {"path": "/data", "claimInfo": wide}})
    for name, strategy in (("one", {"type": "Recreate"}), ("many", ROLLING)):
        space.spec("Inference", "echo", assets={"dataSources": [{"name": name}]})
        space.wait(
            "Deployment", "echo",
            lambda item, strategy=strategy, name=name: item["spec"]["strategy"] == strategy
            and f"'claimName': '{name}'" in str(item["spec"]["template"]),
        )  # fmt: skip


def test_deleted_children_come_back(space: Space) -> None:
    running(space, **PLAIN, compute={"cpuCoreRequest": 0.1}, autoscaling=ANNOTATION_SCALED)
    for kind in ("Service", "Ingress", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Deployment"):
        old = space.need(kind, "echo")["metadata"]["uid"]
        space.delete(kind, "echo")
        space.wait(kind, "echo", lambda item, old=old: item and item["metadata"]["uid"] != old)
    space.ready("Inference", "echo")


def test_what_somebody_edits_is_put_right(stack: Stack, space: Space) -> None:
    running(space, **PLAIN, compute={"cpuCoreRequest": 0.1}, autoscaling=ANNOTATION_SCALED)
    wanted = image(space.need("Deployment", "echo"))
    path = "/spec/template/spec/containers/0"
    evil = [{"op": "replace", "path": f"{path}/image", "value": "evil.example.com/x:1"}]
    space.api.patch("Deployment", space.name, "echo", evil, type_=JSON)
    space.wait("Deployment", "echo", lambda item: image(item) == wanted)
    selector = space.need("Service", "echo")["spec"]["selector"]
    steal = [{"op": "replace", "path": "/spec/selector", "value": {"app": "elsewhere"}}]
    space.api.patch("Service", space.name, "echo", steal, type_=JSON)
    space.wait("Service", "echo", lambda item: item["spec"]["selector"] == selector)
    space.edit("Service", "echo", {"spec": {"selector": {"app": "elsewhere"}}})
    space.wait("Service", "echo", lambda item: item["spec"]["selector"] == selector)
    space.edit("HorizontalPodAutoscaler", "echo", {"spec": {"maxReplicas": 50}})
    space.wait("HorizontalPodAutoscaler", "echo", lambda item: item["spec"]["maxReplicas"] == 5)
    space.edit("PodDisruptionBudget", "echo", {"spec": {"maxUnavailable": "100%"}})
    space.wait("PodDisruptionBudget", "echo", lambda item: item["spec"]["maxUnavailable"] == 1)
    rules = [{"op": "replace", "path": "/spec/rules/0/host", "value": "evil.example.com"}]
    space.api.patch("Ingress", space.name, "echo", rules, type_=JSON)
    host = f"echo-{space.name}.apps.example.com"
    space.wait("Ingress", "echo", lambda item: item["spec"]["rules"][0]["host"] == host)
    # Once it is right nothing more is written, but for the news of the autoscaler, which looks every 15 seconds.
    space.ready("Inference", "echo")
    passes = stack.operator.quiet()
    since = stack.mark()
    space.touch("Inference", "echo", "again")
    eventually(stack.operator.passes, lambda now: now > passes)
    stack.operator.quiet()
    made = [entry for entry in stack.writes(since) if entry.namespace == space.name]
    assert [entry.uri for entry in made if entry.subresource != "status"] == []


def test_children_that_lost_their_label_are_found_again(space: Space) -> None:
    running(space, **PLAIN, compute={"cpuCoreRequest": 0.1}, autoscaling=ANNOTATION_SCALED)
    label = "outfitter.dev/owner-uid"
    for kind in ("Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"):
        uid = space.need(kind, "echo")["metadata"]["uid"]
        space.edit(kind, "echo", {"metadata": {"labels": {label: None}}})
        found = space.wait(kind, "echo", lambda item: item and item["metadata"]["labels"].get(label))
        assert found["metadata"]["uid"] == uid


def test_names_that_are_taken(space: Space) -> None:
    """An artifact that runs, and whatever else has the name, keeps it; two names that meet in one object are told."""
    side = {"name": "side", "containers": [{"imageUri": "registry.example.com/side:1", "port": 9090}]}
    space.make("Artifact", "scorer", {"containerGroups": [*groups(), side], "run": {}})
    space.ready("Artifact", "scorer")
    for name in ("scorer", "scorer-side"):
        space.make("Inference", name, PLAIN)
        said = space.wait("Inference", name, stalls("NameTaken"))
        assert f"{space.name}/{name} belongs to Artifact scorer. Choose another name for your object." in message(said)
        space.delete("Inference", name)
    port = {"name": "side", "toolType": "custom", "connectionType": "NodePort", "containerPort": 9090}
    space.make("Inference", "twice", {"artifact": {"name": "scorer"}, "connections": [port]})
    said = space.wait("Inference", "twice", stalls("Conflict"))
    assert "needs Service twice-side, which belongs to container group side" in message(said)
    assert space.get("Deployment", "twice") is None
    space.spec("Inference", "twice", connections=[{**port, "name": "other"}])
    space.ready("Inference", "twice")


def test_pods_that_cannot_be_made_or_started(space: Space) -> None:
    space.pods("image")
    space.make("Inference", "echo", PLAIN)
    said = space.wait("Inference", "echo", lambda item: condition(item, "Ready").get("reason") == "ImagePullFailed")
    assert "registry.example.com/echo:1" in message(said)
    space.pods("ready")
    space.ready("Inference", "echo")
    space.native("ResourceQuota", "none", spec={"hard": {"pods": "0"}})
    space.wait("ResourceQuota", "none", lambda item: item and (item.get("status") or {}).get("hard"))
    space.make("Inference", "other", PLAIN)
    said = space.wait("Inference", "other", lambda item: condition(item, "Ready").get("reason") == "QuotaExceeded")
    assert "exceeded quota: none" in message(said)
    space.delete("ResourceQuota", "none")
    space.ready("Inference", "other", 90)


def test_deleting_takes_everything_along(space: Space) -> None:
    item = running(space, **PLAIN, compute={"cpuCoreRequest": 0.1}, autoscaling=ANNOTATION_SCALED)
    assert "finalizers" not in item["metadata"]
    space.delete("Inference", "echo")
    kinds = ("Deployment", "Service", "Ingress", "PodDisruptionBudget", "HorizontalPodAutoscaler")
    for kind in kinds:
        space.gone(kind, "echo")
    space.gone("ControllerRevision", item["status"]["revision"])
    eventually(lambda: space.list("Pod"), lambda pods: not pods, what="pods are left")
