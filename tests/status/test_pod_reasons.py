"""Each kind that runs pods shows why they are not ready, and every phase of its life."""

from __future__ import annotations

from typing import Any

import pytest
from reason_cases import NAME, POD_STATUSES, RUNNING, add_pod, controller_kind, suspend, workload

from outfitter.problems import quoted
from outfitter.status import is_stalled
from world import TEAM, World, asset, complete, issues, reason

GRACE = 60  # seconds, longer than a loss of readiness is held back


async def unready(kind: str, *more: dict[str, Any], **spec: Any) -> World:
    """A workload whose controller exists, but has no ready pods."""
    world = World(workload(kind, **spec), *more)
    await world.settle()
    world.controllers.pods = False
    world.controllers.run()
    return world


async def reconcile(world: World, kind: str) -> dict[str, Any]:
    """Reconcile the workload until the grace period of a loss of readiness is over."""
    for _ in range(2):
        await world.once(kind, NAME)
        world.tick(GRACE)
    return world.status(kind, NAME)


@pytest.mark.parametrize("expected", POD_STATUSES)
@pytest.mark.parametrize("kind", RUNNING)
async def test_failures_of_pods(kind: str, expected: str) -> None:
    """From the status of a pod."""
    world = await unready(kind)
    add_pod(world, kind, POD_STATUSES[expected])
    assert reason(await reconcile(world, kind)) == expected


REFUSALS = [
    ("exceeded quota: q, requested: pods=1", "QuotaExceeded"),
    ('violates PodSecurity "restricted:latest": runAsNonRoot', "PodSecurityViolation"),
    ("admission webhook denied the request", "PodRefused"),
]


def refuse_pods(world: World, kind: str, message: str) -> None:
    """Let the API server reject the pods of a workload's controller."""
    controller = controller_kind(kind)
    body = world.get(controller, NAME)
    prefix = (
        "Error creating: "
        if controller == "Deployment"
        else f"create Pod {NAME}-0 in StatefulSet {NAME} failed error: "
    )
    message = f'{prefix}pods "{NAME}-0" is forbidden: {message}'
    if controller == "Deployment":
        failure = {"type": "ReplicaFailure", "status": "True", "message": message}
        world.cluster.user_status(controller, TEAM, NAME, {**body["status"], "replicas": 0, "conditions": [failure]})
        return
    world.cluster.user_status(controller, TEAM, NAME, {**body["status"], "replicas": 0})
    about = {"kind": controller, "name": NAME, "namespace": TEAM, "uid": body["metadata"]["uid"]}
    event = {"kind": "Event", "metadata": {"name": "e"}, "involvedObject": about, "reason": "FailedCreate"}
    world.cluster.user_apply(complete({**event, "message": message, "lastTimestamp": "2026-01-01T00:00:00Z"}))


@pytest.mark.parametrize(("message", "expected"), REFUSALS)
@pytest.mark.parametrize("kind", RUNNING)
async def test_rejected_pods(kind: str, message: str, expected: str) -> None:
    """From an Event about a StatefulSet, and from the condition of a Deployment, without the controller's prefix."""
    world = await unready(kind)
    refuse_pods(world, kind, message)
    status = await reconcile(world, kind)
    assert reason(status) == issues(status)[0] == expected
    answer = quoted(f'pods "{NAME}-0" is forbidden: {message}')
    assert status["message"].startswith(f"The API server rejected a pod: {answer}.")
    assert is_stalled(status) == (expected != "QuotaExceeded")


@pytest.mark.parametrize("kind", ["Inference", "Artifact"])
async def test_deadline_of_a_rollout(kind: str) -> None:
    """A Deployment reports it; a StatefulSet has none."""
    world = await unready(kind)
    status = world.get("Deployment", NAME)["status"]
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    world.cluster.user_status("Deployment", TEAM, NAME, {**status, "conditions": [late]})
    assert reason(await reconcile(world, kind)) == "InitializationTimeout"


def start_deletion(world: World, kind: str, name: str) -> None:
    """Delete an object that a finalizer of another tool holds."""
    body = world.get(kind, name)
    body["metadata"]["finalizers"] = ["example.com/hold"]
    world.cluster.user_replace(body)
    world.cluster.user_delete(kind, TEAM, name)


@pytest.mark.parametrize("kind", RUNNING)
async def test_children_in_the_way(kind: str) -> None:
    """A child that is being deleted, and another object with the name of a child."""
    world = World(workload(kind))
    await world.settle()
    start_deletion(world, controller_kind(kind), NAME)
    assert "Replacing" in issues(await reconcile(world, kind))
    other = {"kind": controller_kind(kind), "metadata": {"name": NAME}, "spec": {"template": {}}}
    world = World(workload(kind), complete(other))
    await world.settle()
    assert "NameTaken" in issues(world.status(kind, NAME))


LIFE = [
    ("Creating", "Progressing"),
    ("Pending", "Progressing"),
    ("Initializing", "Progressing"),
    ("Running", "Running"),
    ("Degraded", "Progressing"),
    ("Updating", "Updating"),
    ("Running", "Running"),
    ("Stopping", "Stopping"),
    ("Stopped", "Stopped"),
    ("Resuming", "Updating"),
    ("Running", "Running"),
]


@pytest.mark.parametrize("kind", RUNNING)
async def test_phases_and_reasons_of_a_life(kind: str) -> None:
    """From the creation through a loss of readiness, an edit, a stop and a start."""
    field = "runPhase" if kind == "Artifact" else "phase"
    world = World(workload(kind))
    seen: list[tuple[str, str]] = []

    async def look(pods: bool | None = None) -> None:
        if pods is not None:
            world.controllers.pods = pods
            world.controllers.run()
        status = await reconcile(world, kind)
        seen.append((status[field], reason(status)))

    await look()
    await look(pods=False)
    add_pod(world, kind, {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]})
    await look()
    await look(pods=True)
    await look(pods=False)
    change_image(world, kind)
    await look()
    await look(pods=True)
    suspend(world, kind, True)
    await world.once(kind, NAME)
    show_pods_of_newest_generation(world, controller_kind(kind))
    await look()
    await look(pods=True)
    suspend(world, kind, False)
    await look()
    await look(pods=True)
    assert seen == LIFE


def change_image(world: World, kind: str) -> None:
    """Edit what the pods run."""
    image = "registry.example.com/u:2"
    if kind == "Artifact":
        world.edit(kind, NAME, containerGroups=[{"containers": [{"imageUri": image, "port": 8080}]}])
    else:
        world.edit(kind, NAME, image=image)


def show_pods_of_newest_generation(world: World, controller: str) -> None:
    """Let a controller report the newest template while an old pod still runs."""
    body = world.get(controller, NAME)
    status = {**body["status"], "observedGeneration": body["metadata"]["generation"], "replicas": 1}
    world.cluster.user_status(controller, TEAM, NAME, status)


@pytest.mark.parametrize("kind", RUNNING)
async def test_a_workload_that_never_started(kind: str) -> None:
    """It fails where the user must fix something, and is pending where something is missing."""
    field = "runPhase" if kind == "Artifact" else "phase"
    half = {"gpuDevicesRequest": 1, "gpuRequestType": "portion", "gpuPortionRequest": 0.5}
    world = World(workload(kind, compute="c"), asset("ComputeResource", "c", half))
    status = await reconcile(world, kind)
    assert (status[field], reason(status)) == ("Failed", "FractionsUnsupported")
    status = await reconcile(World(workload(kind, compute="nowhere")), kind)
    assert (status[field], reason(status)) == ("Pending", "ReferenceNotFound")


@pytest.mark.parametrize("kind", RUNNING)
async def test_a_workload_that_a_finalizer_holds(kind: str) -> None:
    """Outfitter changes nothing any more, and says so."""
    world = World(workload(kind))
    await world.settle()
    start_deletion(world, kind, NAME)
    status = await reconcile(world, kind)
    assert (status["phase"], reason(status)) == ("Deleting", "Deleting")
