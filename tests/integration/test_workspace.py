"""Workspaces: connections, variables, stop and start, pins and what makes them outdated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .conftest import Stack
from .harness.client import condition, eventually, message, ready, stalls, waits
from .harness.rights import SYSTEM
from .harness.space import Space

IMAGE = "registry.example.com/box:1"


def connections(item: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in item["status"]["connections"]}


def test_connections_of_every_type(space: Space) -> None:
    space.create("connections.yaml")
    item = space.wait("Workspace", "box", lambda item: ready(item) and "url" in connections(item).get("out", {}))
    found = connections(item)
    assert found["lab"]["url"] == f"https://box-lab-{space.name}.apps.example.com"
    assert found["mine"]["url"] == "https://mine.apps.example.com/x"
    assert 30000 <= found["auto"]["nodePort"] <= 32767
    assert found["fixed"]["nodePort"] == 31007
    assert found["out"]["url"].endswith(":9002")
    assert found["wandb"]["url"] == "https://wandb.example.com/a/${NOBODY}"
    assert "NOBODY" in found["wandb"]["message"]
    services = {each["metadata"]["name"]: each["spec"] for each in space.list("Service")}
    assert {name: spec["type"] for name, spec in services.items()} == {
        "box": "ClusterIP",
        "box-auto": "NodePort",
        "box-fixed": "NodePort",
        "box-out": "LoadBalancer",
    }
    assert services["box"]["clusterIP"] != "None"
    assert {port["name"]: port["port"] for port in services["box"]["ports"]} == {"lab": 8888, "mine": 8889}
    rule = space.need("Ingress", "box-mine")["spec"]["rules"][0]
    assert rule["host"] == "mine.apps.example.com"
    assert rule["http"]["paths"][0]["path"] == "/x"
    # A connection that goes takes its port and Ingress along; the other Services are not touched.
    kept = space.need("Service", "box-auto")["metadata"]["resourceVersion"]
    left = [each for each in item["spec"]["connections"] if each["name"] != "mine"]
    space.spec("Workspace", "box", connections=left)
    space.gone("Ingress", "box-mine")
    space.wait("Service", "box", lambda item: [port["name"] for port in item["spec"]["ports"]] == ["lab"])
    assert space.need("Service", "box-auto")["metadata"]["resourceVersion"] == kept


def test_a_host_belongs_to_the_oldest_claimant(spaces: Callable[..., Space]) -> None:
    first, second = spaces(), spaces()
    spec = {
        "name": "web",
        "toolType": "custom",
        "connectionType": "ExternalUrl",
        "containerPort": 80,
        "customUrl": True,
    }
    for space in (first, second):
        body = {"image": IMAGE, "connections": [{**spec, "externalUrl": "https://shared.apps.example.com"}]}
        space.make("Workspace", "box", body)
        space.wait("Workspace", "box", lambda item: condition(item, "Ready"))
        if space is first:
            space.ready("Workspace", "box")
    said = second.wait("Workspace", "box", lambda item: condition(item, "Ready").get("reason") == "HostTaken")
    assert "Host shared.apps.example.com belongs to another workload" in message(said)
    assert first.name not in message(said)  # whose it is, is not everybody's business
    assert second.get("Ingress", "box-web") is None
    first.delete("Workspace", "box")
    second.ready("Workspace", "box")
    assert second.get("Ingress", "box-web") is not None


def test_prompts_excludes_and_overrides(space: Space) -> None:
    space.create("prompts.yaml")
    space.ready("Environment", "base")
    # An unanswered prompt is told, and does not stop the workspace.
    status = space.ready("Workspace", "box")["status"]
    assert [(each["issue"], "Paste the token" in each["message"]) for each in status["issues"]] == [
        ("PromptUnset", True)
    ]
    assert status["syncStatus"] == "Issues found"
    env = {each["name"]: each.get("value", each.get("valueFrom")) for each in space.template()["containers"][0]["env"]}
    assert env == {
        "KEPT": "env", "CHANGED": "sub", "EMPTY": None,
        "NODE": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}},
    }  # fmt: skip
    answered = [
        {"name": "CHANGED", "value": "sub"}, {"name": "DROPPED", "exclude": True}, {"name": "TOKEN", "value": "t"},
    ]  # fmt: skip
    space.spec("Workspace", "box", environmentVariables=answered)
    space.wait("Workspace", "box", lambda item: ready(item) and "issues" not in item["status"])


def test_suspend_and_resume(space: Space) -> None:
    first = space.running("box")
    pod = space.need("Pod", "box-0")["metadata"]["uid"]
    space.spec("Workspace", "box", suspend=True)
    stopped = space.wait("Workspace", "box", lambda item: ready(item) and item["status"]["phase"] == "Stopped")
    assert condition(stopped, "Ready")["reason"] == "Stopped"
    assert stopped["status"]["readyReplicas"] == 0
    assert space.get("Pod", "box-0") is None
    space.spec("Workspace", "box", suspend=False)
    again = space.wait("Workspace", "box", lambda item: ready(item) and item["status"]["phase"] == "Running")
    assert space.need("Pod", "box-0")["metadata"]["uid"] != pod
    # Nothing changed meanwhile, so resuming made no new pin.
    assert again["status"]["revision"] == first["status"]["revision"]


def test_made_stopped_and_started_later(space: Space) -> None:
    space.make("Workspace", "box", {"image": IMAGE, "suspend": True})
    item = space.ready("Workspace", "box")
    assert (item["status"]["phase"], condition(item, "Ready")["reason"]) == ("Stopped", "Stopped")
    assert space.get("StatefulSet", "box") is None
    space.spec("Workspace", "box", suspend=False)
    space.wait("Workspace", "box", lambda item: ready(item) and item["status"]["phase"] == "Running")


def test_edits_of_assets_touch_nothing_until_a_restart(space: Space) -> None:
    space.make("Environment", "base", {"image": IMAGE})
    space.make("ComputeResource", "shape", {"cpuCoreRequest": 1})
    before = space.running(
        "box", {"image": None, "assets": {"environment": {"name": "base"}, "compute": {"name": "shape"}}}
    )
    stateful_set = space.need("StatefulSet", "box")["metadata"]
    space.spec("Environment", "base", image="registry.example.com/box:2")
    space.spec("ComputeResource", "shape", cpuCoreRequest=2)
    item = space.wait("Workspace", "box", lambda item: len(item["status"].get("outdated", [])) == 2)
    assert ready(item)
    changed = {"usedGeneration": 1, "generation": 2, "reason": "Edited", "namespace": space.name}
    assert sorted(item["status"]["outdated"], key=lambda each: str(each["kind"])) == [
        {"kind": "ComputeResource", "name": "shape", **changed},
        {"kind": "Environment", "name": "base", **changed},
    ]
    assert space.need("StatefulSet", "box")["metadata"]["generation"] == stateful_set["generation"]
    # An edit of the workspace itself is judged again, and takes everything up. So would a restart.
    space.annotate("Workspace", "box", restartedAt="2026-11-21T12:00:00Z")
    item = space.wait("Workspace", "box", lambda item: ready(item) and "outdated" not in item["status"])
    assert item["status"]["revision"] != before["status"]["revision"]
    container = space.template()["containers"][0]
    assert container["image"] == "registry.example.com/box:2"
    assert container["resources"]["requests"]["cpu"] == "2"
    space.wait(
        "Pod", "box-0", lambda pod: pod and pod["spec"]["containers"][0]["image"] == "registry.example.com/box:2"
    )
    # Deleted and replaced assets are told apart.
    space.delete("ComputeResource", "shape")
    space.wait(
        "Workspace", "box", lambda item: [each["reason"] for each in item["status"].get("outdated", [])] == ["Deleted"]
    )
    space.make("ComputeResource", "shape", {"cpuCoreRequest": 2})
    space.wait(
        "Workspace", "box", lambda item: [each["reason"] for each in item["status"].get("outdated", [])] == ["Replaced"]
    )


def test_old_pins_are_removed(space: Space) -> None:
    names: list[str] = [space.running("box")["status"]["revision"]]
    for number in range(4):
        space.annotate("Workspace", "box", restartedAt=f"2026-11-21T12:00:0{number}Z")
        item = space.wait("Workspace", "box", lambda item: ready(item) and item["status"]["revision"] not in names)
        names.append(item["status"]["revision"])

    def kept() -> set[str]:
        revisions = [each["metadata"] for each in space.list("ControllerRevision")]
        return {meta["name"] for meta in revisions if meta["ownerReferences"][0]["kind"] == "Workspace"}

    eventually(kept, lambda seen: seen == set(names[-2:]), what=f"other pins than {names[-2:]}")


def test_a_return_to_a_former_spec_takes_its_pin_up_again(space: Space) -> None:
    first = space.running("box")["status"]["revision"]
    space.spec("Workspace", "box", image="registry.example.com/box:2")
    second = space.wait("Workspace", "box", lambda item: ready(item) and item["status"]["revision"] != first)
    space.spec("Workspace", "box", image=IMAGE)
    back = space.wait("Workspace", "box", lambda item: ready(item) and item["status"]["revision"] == first)
    numbers = {
        name: space.need("ControllerRevision", name)["revision"] for name in (first, second["status"]["revision"])
    }
    assert numbers == {first: 3, second["status"]["revision"]: 2}
    assert back["status"]["observedGeneration"] == 3


def test_a_pod_of_an_old_revision_that_cannot_start_is_replaced(space: Space) -> None:
    space.pods("image")
    space.make("Workspace", "box", {"image": "registry.example.com/typo:1"})
    said = space.wait("Workspace", "box", lambda item: condition(item, "Ready").get("reason") == "ImagePullFailed")
    assert "registry.example.com/typo:1" in message(said)
    stuck = space.need("Pod", "box-0")["metadata"]["uid"]
    space.pods("ready")
    space.pods("image")
    space.spec("Workspace", "box", image=IMAGE)
    # A StatefulSet waits without end for a pod that never was ready: the operator deletes it.
    space.wait("Pod", "box-0", lambda pod: pod and pod["metadata"]["uid"] != stuck)
    space.pods("ready")
    space.ready("Workspace", "box")


def test_what_pods_say_reaches_the_status(spaces: Callable[..., Space]) -> None:
    for behaviour, reason, words in (
        ("crash", "CrashLoopBackOff", "kubectl logs"),
        ("oom", "OOMKilled", "compute.cpuMemoryLimit"),
    ):
        space = spaces()
        space.pods(behaviour)
        space.make("Workspace", "box", {"image": IMAGE})
        said = space.wait(
            "Workspace", "box", lambda item, reason=reason: condition(item, "Ready").get("reason") == reason
        )
        assert words in message(said)
        assert not condition(said, "Stalled")
        space.pods("ready")
        space.ready("Workspace", "box")


def test_running_then_broken_is_degraded(space: Space) -> None:
    space.running("box")
    space.pods("crash")
    space.delete("Pod", "box-0")
    said = space.wait("Workspace", "box", lambda item: condition(item, "Ready").get("reason") == "CrashLoopBackOff")
    assert said["status"]["phase"] == "Degraded"
    space.pods("ready")
    space.wait("Workspace", "box", lambda item: ready(item) and item["status"]["phase"] == "Running")


def test_inline_volumes(space: Space) -> None:
    space.create("inline-volumes.yaml")
    space.ready("Workspace", "box")
    mounts = {each["mountPath"] for each in space.template()["containers"][0]["volumeMounts"]}
    assert mounts == {"/work", "/scratch", "/s", "/c"}
    (name,) = space.claims()
    assert name.startswith("box-work")
    claim = space.need("PersistentVolumeClaim", name)
    assert claim["metadata"]["labels"]["outfitter.dev/retained"] == "true"
    # User data outlives the workspace, and the next one of that name takes it up.
    space.delete("Workspace", "box")
    space.gone("StatefulSet", "box")
    volume = {"name": "work", "path": "/work", "claimInfo": {"size": "1Gi"}}
    space.running("box", storage={"pvc": [volume]})
    assert space.need("PersistentVolumeClaim", name)["metadata"]["uid"] == claim["metadata"]["uid"]


def test_pods_are_restricted_and_mount_no_token(space: Space) -> None:
    space.running("box")
    template = space.template()
    assert template["automountServiceAccountToken"] is False
    assert template["enableServiceLinks"] is False
    assert template["securityContext"]["runAsNonRoot"] is True
    pod = space.need("Pod", "box-0")
    assert not [each for each in pod["spec"].get("volumes", []) if "projected" in each]


def test_environments_from_the_platform(stack: Stack, spaces: Callable[..., Space]) -> None:
    """Shared by the system namespace: used without a copy, its own references looked up where it is used."""
    home, space = Space(stack.api, SYSTEM), spaces()
    variables = [{"name": "MODE", "configMap": {"name": "train", "key": "mode"}}]
    home.make(
        "Environment", "platform", {"image": IMAGE, "environmentVariables": variables, "supportedTypes": ["training"]}
    )
    try:
        home.ready("Environment", "platform")
        space.make("Workspace", "box", {"assets": {"environment": {"name": "platform", "scope": "cluster"}}})
        space.wait("Workspace", "box", stalls("TypeNotSupported"))
        home.spec("Environment", "platform", supportedTypes=["workspace"])
        said = space.wait("Workspace", "box", waits("NotCreated"))
        assert f"ConfigMap {space.name}/train" in message(said)
        space.native("ConfigMap", "train", data={"other": "1"})
        space.wait("Workspace", "box", waits("KeyNotFound"))
        space.edit("ConfigMap", "train", {"data": {"mode": "fast"}})
        space.ready("Workspace", "box")
    finally:
        home.delete("Environment", "platform")
    gone = space.wait("Workspace", "box", lambda item: item["status"].get("outdated"))
    assert gone["status"]["outdated"][0]["reason"] == "Deleted"
    assert ready(gone)
