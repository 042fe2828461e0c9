"""Inferences: which artifact they run, how they are replaced and scaled, and what is repaired."""

from __future__ import annotations

from typing import Any

import pytest
from test_artifacts import IMAGE, artifact

from outfitter.naming import FIELD_MANAGER
from outfitter.plan.workload.rollout import REPLICAS_MANAGER
from outfitter.plan.writes import Apply
from world import TEAM, World, asset, issues, reason

LOCAL = {"container": 8080, "clusterLocalAccessOnly": True}


def inference(name: str = "i", **spec: Any) -> dict[str, Any]:
    """An Inference."""
    return asset("Inference", name, spec)


def image(world: World, name: str = "i") -> str:
    """What the first container of a Deployment runs."""
    return str(world.get("Deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"])


def locked(name: str, tag: int) -> dict[str, Any]:
    """A locked artifact of repository r."""
    return artifact(name, locked=True, repositoryRef={"name": "r"}, image=f"registry.example.com/s:{tag}")


async def test_another_version_is_rolled_in() -> None:
    world = World(locked("one", 1), locked("two", 2), inference(artifact={"repository": "r", "version": 1}))
    await world.settle()
    assert image(world).endswith(":1")
    world.edit("Inference", "i", artifact={"repository": "r", "version": 2})
    await world.settle()
    assert image(world).endswith(":2")
    assert world.status("Inference", "i")["artifact"]["version"] == 2
    strategy = world.get("Deployment", "i")["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


async def test_locked_is_replaced_by_locked_only() -> None:
    world = World(
        locked("one", 1), artifact("draft", image="registry.example.com/s:9"), inference(artifact={"name": "one"})
    )
    await world.settle()
    world.edit("Inference", "i", artifact={"name": "draft"})
    await world.settle()
    assert image(world).endswith(":1")
    assert reason(world.status("Inference", "i")) == "DraftForbidden"
    world.edit("Artifact", "draft", locked=True)
    await world.settle()
    assert image(world).endswith(":9")


async def test_a_draft_runs_with_a_note_and_its_edits_wait_for_a_restart() -> None:
    world = World(artifact("draft"), inference(artifact={"name": "draft"}))
    await world.settle()
    status = world.status("Inference", "i")
    assert (status["phase"], issues(status)) == ("Running", ["Draft"])
    world.edit("Artifact", "draft", containerGroups=[{"containers": [{"imageUri": "r.example.com/s:2", "port": 8080}]}])
    await world.settle()
    assert image(world) == IMAGE
    assert world.status("Inference", "i")["outdated"][0]["name"] == "draft"
    world.annotate("Inference", "i", restartedAt="now")
    await world.settle()
    assert image(world) == "r.example.com/s:2"


async def test_a_version_that_is_not_there_is_waited_for() -> None:
    world = World(locked("one", 1), inference(artifact={"repository": "r", "version": 2}))
    await world.settle()
    assert reason(world.status("Inference", "i")) == "VersionNotFound"
    world.cluster.user_apply(locked("two", 2))
    await world.settle()
    assert world.status("Inference", "i")["phase"] == "Running"


async def test_a_deleted_version_keeps_running() -> None:
    world = World(locked("one", 1), locked("two", 2), inference(artifact={"repository": "r", "version": 1}))
    await world.settle()
    world.cluster.user_delete("Artifact", TEAM, "one")
    await world.settle()
    assert image(world).endswith(":1")
    assert world.status("Inference", "i")["outdated"][0]["reason"] == "Deleted"
    world.annotate("Inference", "i", restartedAt="now")
    await world.settle()
    world.tick(11)  # what was ready gets a moment to recover
    await world.settle()
    assert image(world).endswith(":1")
    assert reason(world.status("Inference", "i")) == "VersionNotFound"


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("same", [False, True])
async def test_a_number_means_one_content_for_good(same: bool, restart: bool) -> None:
    """Version and repository are deleted by force, and the number is taken again: only the same content may run."""
    world = World(locked("one", 1), inference(artifact={"repository": "r", "version": 1}))
    await world.settle()
    for kind, name in (("Artifact", "one"), ("ArtifactRepository", "r")):
        world.cluster.user_delete(kind, TEAM, name)
    await world.settle()
    world.load([locked("another", 1 if same else 7)])
    await world.settle()
    assert world.status("Artifact", "another")["version"] == 1
    if restart:
        world.annotate("Inference", "i", restartedAt="2026-11-29T00:00:00Z")
    else:
        world.edit("Inference", "i", environmentVariables=[{"name": "A", "value": "b"}])
    await world.settle()
    assert image(world).endswith(":1")
    assert (reason(world.status("Inference", "i")) == "VersionChanged") is not same
    world.load([locked("next", 7)])
    world.edit("Inference", "i", artifact={"repository": "r", "version": 2})
    await world.settle()
    assert image(world).endswith(":7")


async def test_scale_to_zero_by_load_is_refused() -> None:
    scaling = {"minReplicas": 0, "maxReplicas": 3, "metric": "cpu", "metricThreshold": 70}
    world = World(inference(image=IMAGE, servingPort=LOCAL, compute={"cpuCoreRequest": 1}, autoscaling=scaling))
    await world.settle()
    assert reason(world.status("Inference", "i")) == "ScaleToZeroUnsupported"
    assert world.find("Deployment", "i") is None
    world.edit("Inference", "i", autoscaling={**scaling, "minReplicas": 1})
    await world.settle()
    assert world.get("HorizontalPodAutoscaler", "i")["spec"]["minReplicas"] == 1


async def test_replicas_are_the_autoscalers_business() -> None:
    """What it sets is neither put back, nor lost when it takes over, nor when it goes."""
    scaling = {"minReplicas": 1, "maxReplicas": 9, "metric": "cpu", "metricThreshold": 70}
    world = World(inference(image=IMAGE, servingPort=LOCAL, compute={"cpuCoreRequest": 1}, replicas=4))
    await world.settle()
    world.edit("Inference", "i", autoscaling=scaling)
    before = len(world.cluster.writes)
    plan = world.plan("Inference", "i")
    applied = [write for write in sorted(plan.writes, key=lambda write: write.phase) if isinstance(write, Apply)]
    assert [op.manager for op in applied] == [REPLICAS_MANAGER, FIELD_MANAGER]
    await world.settle()
    assert world.get("Deployment", "i")["spec"]["replicas"] == 4
    deployment = world.get("Deployment", "i")
    deployment["spec"]["replicas"] = 6
    deployment.pop("status")
    world.cluster.user_apply(deployment, "kube-controller-manager")
    world.edit("Inference", "i", image="registry.example.com/s:2")
    await world.settle()
    assert world.get("Deployment", "i")["spec"]["replicas"] == 6
    assert len(world.cluster.writes) > before
    world.edit("Inference", "i", autoscaling=None, replicas=2)
    await world.settle()
    assert world.get("Deployment", "i")["spec"]["replicas"] == 2
    assert world.find("HorizontalPodAutoscaler", "i") is None


async def test_a_user_who_scales_the_deployment_is_put_right() -> None:
    """Without an autoscaler the object says how many there are: `kubectl scale` it, not its Deployment."""
    world = World(inference(image=IMAGE, servingPort=LOCAL, replicas=2))
    await world.settle()
    deployment = world.get("Deployment", "i")
    deployment["spec"]["replicas"] = 5
    deployment.pop("status")
    world.cluster.user_apply(deployment)
    await world.settle()
    assert world.get("Deployment", "i")["spec"]["replicas"] == 2
    world.edit("Inference", "i", replicas=3)
    await world.settle()
    assert world.get("Deployment", "i")["spec"]["replicas"] == 3
    assert len(world.all("ControllerRevision")) == 1


async def test_zero_replicas_stop_it() -> None:
    world = World(inference(image=IMAGE, replicas=2, servingPort=LOCAL))
    await world.settle()
    assert world.find("PodDisruptionBudget", "i") is not None
    world.edit("Inference", "i", replicas=0)
    await world.settle()
    assert world.status("Inference", "i")["phase"] == "Stopped"
    assert world.find("PodDisruptionBudget", "i") is None
    world.edit("Inference", "i", replicas=1)
    await world.settle()
    assert world.status("Inference", "i")["phase"] == "Running"


async def test_drift_is_mended() -> None:
    world = World(inference(image=IMAGE, servingPort=LOCAL))
    await world.settle()
    deployment, service = world.get("Deployment", "i"), world.get("Service", "i")
    deployment.pop("status")
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "evil:1"
    service["spec"]["selector"]["outfitter.dev/owner-name"] = "other"
    world.cluster.user_apply(deployment)
    world.cluster.user_apply(service)
    await world.settle()
    assert image(world) == IMAGE
    assert world.get("Service", "i")["spec"]["selector"]["outfitter.dev/owner-name"] == "i"


async def test_pods_that_cannot_be_made_are_told_of() -> None:
    """A Deployment says so itself: no Event is needed."""
    world = World(inference(image=IMAGE, servingPort=LOCAL), pods=False)
    await world.settle()
    message = 'Error creating: pods "i-x" is forbidden: exceeded quota: gpus'
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    status = {**world.get("Deployment", "i")["status"], "conditions": [condition]}
    world.cluster.user_status("Deployment", TEAM, "i", status)
    await world.once("Inference", "i")
    assert reason(world.status("Inference", "i")) == "QuotaExceeded"


async def test_a_connection_cannot_have_the_service_of_a_group() -> None:
    """Both would be one object, written back and forth without end."""
    made = artifact("a")
    made["spec"]["containerGroups"].append({"name": "side", "containers": [{"imageUri": IMAGE, "port": 9090}]})
    port = {"toolType": "custom", "connectionType": "NodePort", "containerPort": 9090}
    world = World(made, inference(artifact={"name": "a"}, connections=[{"name": "side", **port}]))
    await world.settle()
    assert reason(world.status("Inference", "i")) == "Conflict"
    assert "spec.connections[side]" in world.status("Inference", "i")["message"]
    world.edit("Inference", "i", connections=[{"name": "other", **port}])
    await world.settle()
    assert {world.get("Service", name)["spec"]["type"] for name in ("i-side", "i-other")} == {"ClusterIP", "NodePort"}


async def test_a_host_belongs_to_whoever_had_it_first() -> None:
    one = inference("a-b", image=IMAGE, servingPort={"container": 8080})
    other = asset("Inference", "a", {"image": IMAGE, "servingPort": {"container": 8080}}, "b-team-a")
    taken = asset("Inference", "a-b", {"image": IMAGE, "servingPort": {"container": 8080}}, TEAM)
    assert one == taken
    world = World(one, settings={"domain": "apps.example.com"})
    await world.settle()
    world.cluster.user_apply({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "b-team-a"}})
    world.cluster.user_apply(other)
    await world.settle()
    assert world.status("Inference", "a-b")["url"] == "https://a-b-team-a.apps.example.com"
    assert issues(world.status("Inference", "a", "b-team-a")) == ["HostTaken"]
    assert world.find("Ingress", "a", "b-team-a") is None
