"""Workloads that end: their progress, their result, and that nothing runs twice."""

from __future__ import annotations

import random
from typing import Any

import pytest

from outfitter.errors import Invalid
from world import Body, World, asset, condition, issues, reason

IMAGE = "registry.example.com/train:1"
FAILURE = "Traceback:\n  File train.py\nRuntimeError: token=abcdefgh12345678 is not for CUDA"


def training(**spec: Any) -> Body:
    return asset("Training", "t", {"image": IMAGE, **spec})


def job(world: World) -> Body:
    return world.get("Job", "t")


def jobs_made(world: World) -> int:
    return sum(write.verb == "create" and write.kind == "Job" for write in world.cluster.writes)


async def running(**spec: Any) -> World:
    world = World(training(**spec), jobs="Running")
    await world.settle()
    assert world.status("Training", "t")["phase"] == "Running"
    return world


async def ended(result: str = "Complete", **spec: Any) -> World:
    world = await running(**spec)
    world.controllers.jobs = result
    await world.settle()
    return world


async def test_a_life() -> None:
    """From the first pod to the end: each phase, the progress, and nothing written at rest."""
    world = World(training(completions=6, parallelism=2), jobs="")
    await world.settle()
    status = world.status("Training", "t")
    assert (status["phase"], reason(status)) == ("Creating", "Progressing")
    want = {"parallelism": 2, "completions": 6, "completionMode": "Indexed", "backoffLimit": 6, "suspend": False}
    made = job(world)["spec"]
    assert {name: made[name] for name in want} == want
    world.controllers.jobs = "Running"
    await world.settle()
    status = world.status("Training", "t")
    assert (status["phase"], reason(status)) == ("Running", "Running")
    assert status["progress"] == {"completions": 6, "active": 2, "succeeded": 0, "failed": 0}
    world.tick(3661)
    world.controllers.jobs = "Complete"
    await world.settle()
    status = world.status("Training", "t")
    assert (status["phase"], reason(status), status["syncStatus"]) == ("Completed", "Completed", "No issues found")
    assert status["progress"] == {"completions": 6, "active": 0, "succeeded": 6, "failed": 0}
    assert status["run"] == {
        "revision": status["revision"],
        "uid": job(world)["metadata"]["uid"],
        "result": "Completed",
    }
    before = len(world.cluster.writes)
    await world.round()
    assert world.writes(before) == []


async def test_a_failed_pod_leaves_its_last_words() -> None:
    """What may be a key is left out. A stop and a start run it again; the failed Job goes at the stop."""
    world = await ended(FAILURE)
    status = world.status("Training", "t")
    assert (status["phase"], reason(status)) == ("Failed", "PodFailed")
    assert condition(status, "Stalled") is not None
    (issue,) = issues(status)
    text = status["issues"][0]["message"]
    assert issue == "PodFailed"
    assert "ended with exit code 1" in text
    assert '"RuntimeError: token=*** is not for CUDA"' in text
    assert "kubectl -n team-a annotate training t --overwrite outfitter.dev/restartedAt" in text
    world.cluster.user_delete("Pod", "team-a", "t-x")  # the reason is known without its pod
    await world.round()
    assert world.status("Training", "t")["issues"] == status["issues"]
    world.edit("Training", "t", suspend=True)
    await world.settle()
    assert world.status("Training", "t")["phase"] == "Stopped"
    assert world.find("Job", "t") is None
    world.controllers.jobs = "Complete"
    world.edit("Training", "t", suspend=False)
    await world.settle()
    assert world.status("Training", "t")["phase"] == "Completed"
    assert jobs_made(world) == 2


async def test_a_failure_whose_pods_come_later() -> None:
    """The Job says that it failed before the pods say why, and may say it at length."""
    world = await running()
    late = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "x" * 9000}
    late["lastTransitionTime"] = world.time().strftime("%Y-%m-%dT%H:%M:%SZ")
    world.cluster.user_status("Job", "team-a", "t", {"failed": 1, "conditions": [late]})
    await world.settle()
    status = world.status("Training", "t")
    assert (status["phase"], reason(status)) == ("Failed", "RunFailed")
    assert "The Job failed, and no pod is left that says why." in status["message"]
    meta = {"name": "t-x", "namespace": "team-a", "labels": job(world)["spec"]["template"]["metadata"]["labels"]}
    ended_with = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    pod = {"phase": "Failed", "containerStatuses": [{"name": "main", "state": ended_with}]}
    meta["ownerReferences"] = [owner(job(world))]
    world.cluster.user_apply({"kind": "Pod", "metadata": meta, "spec": {}, "status": pod})
    await world.settle()
    assert reason(world.status("Training", "t")) == "OOMKilled"


async def test_stop_and_start() -> None:
    """The same Job goes on, with what can change while it is stopped; other changes make another one."""
    world = await running()
    uid = job(world)["metadata"]["uid"]
    world.edit("Training", "t", suspend=True)
    await world.settle()
    assert (world.status("Training", "t")["phase"], job(world)["spec"]["suspend"]) == ("Stopped", True)
    world.edit("Training", "t", suspend=False, compute={"cpuCoreRequest": 2}, nodeType="big")
    await world.settle()
    assert world.status("Training", "t")["phase"] == "Running"
    pod = job(world)["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["requests"] == {"cpu": "2"}
    assert pod["nodeSelector"] == {"outfitter.dev/node-type": "big"}
    assert job(world)["metadata"]["uid"] == uid
    world.edit("Training", "t", suspend=True)
    await world.settle()
    world.edit("Training", "t", suspend=False, args="other")
    await world.settle()
    assert world.status("Training", "t")["phase"] == "Running"
    assert job(world)["metadata"]["uid"] != uid


async def test_what_a_running_job_can_and_cannot_change() -> None:
    world = await running(completions=4, parallelism=1)
    uid = job(world)["metadata"]["uid"]
    world.edit("Training", "t", parallelism=3, backoffLimit=2)
    await world.settle()
    assert (job(world)["spec"]["parallelism"], job(world)["spec"]["backoffLimit"]) == (3, 2)
    assert reason(world.status("Training", "t")) == "Running"
    world.edit("Training", "t", image="registry.example.com/train:2")
    await world.settle()
    status = world.status("Training", "t")
    assert reason(status) == "RestartRequired"
    assert condition(status, "Stalled") is not None
    assert job(world)["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE
    world.annotate("Training", "t", restartedAt="1")  # from the beginning, whatever is running
    await world.settle()
    assert reason(world.status("Training", "t")) == "Running"
    assert job(world)["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":2")
    assert job(world)["metadata"]["uid"] != uid


async def test_a_job_deleted_by_hand_is_not_made_again() -> None:
    world = await running()
    world.cluster.user_delete("Job", "team-a", "t")
    await world.settle()
    status = world.status("Training", "t")
    assert (status["phase"], reason(status)) == ("Failed", "JobDeleted")
    assert world.find("Job", "t") is None
    world.annotate("Training", "t", restartedAt="1")
    await world.settle()
    assert world.status("Training", "t")["phase"] == "Running"
    assert jobs_made(world) == 2


async def test_an_edit_after_the_end_runs_nothing() -> None:
    world = await ended()
    world.edit("Training", "t", image="registry.example.com/train:2")
    await world.settle()
    status = world.status("Training", "t")
    assert (status["phase"], issues(status)) == ("Completed", ["RestartRequired"])
    assert jobs_made(world) == 1
    world.annotate("Training", "t", restartedAt="1")
    await world.settle()
    assert (world.status("Training", "t")["phase"], issues(world.status("Training", "t"))) == ("Completed", [])
    assert jobs_made(world) == 2


async def test_children_go_after_a_while_and_the_result_stays() -> None:
    world = await ended(
        autoDeletionTimeAfterCompletionSeconds=60,
        ports=[{"container": 6006}],
        storage={"pvc": [{"name": "d", "path": "/d", "claimInfo": {"size": "1Gi"}}]},
    )
    world.tick(59)
    await world.settle()
    assert world.find("Job", "t") is not None
    before = world.status("Training", "t")
    world.tick(1)
    await world.settle()
    assert (world.find("Job", "t"), world.all("Service")) == (None, [])
    assert len(world.all("PersistentVolumeClaim")) == 1  # data of the user
    after = world.status("Training", "t")
    assert (after["phase"], after["run"], after["progress"]) == ("Completed", before["run"], before["progress"])
    assert (after["completionTime"], after["duration"]) == (before["completionTime"], before["duration"])


async def test_stopped_after_a_preemption() -> None:
    """Only where it is asked for, until a restart, and not once more for the pod of before."""
    world = await running(terminateAfterPreemption=True)
    took = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    pod: Body = {
        "kind": "Pod",
        "metadata": {
            "name": "t-1",
            "namespace": "team-a",
            "labels": job(world)["spec"]["template"]["metadata"]["labels"],
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": "t",
                    "uid": job(world)["metadata"]["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": {},
        "status": {
            "phase": "Failed",
            "conditions": [{**took, "lastTransitionTime": world.time().strftime("%Y-%m-%dT%H:%M:%SZ")}],
        },
    }
    world.cluster.user_apply(pod)
    await world.settle()
    status = world.status("Training", "t")
    assert (status["phase"], reason(status), status["halted"]["reason"]) == ("Stopped", "Preempted", "Preempted")
    assert job(world)["spec"]["suspend"] is True
    assert "kubectl -n team-a annotate training t" in status["message"]
    world.tick(60)
    world.annotate("Training", "t", restartedAt="1")
    await world.settle()
    status = world.status("Training", "t")
    assert (status["phase"], "halted" in status) == ("Running", False)


async def test_kueue_decides_when_a_job_starts() -> None:
    """It is created suspended, and never written back once Kueue has started it. A stop deletes it."""
    world = World(training(completions=4), jobs="Running", settings={"queue_backend": "kueue", "default_queue": "q"})
    await world.settle()
    status = world.status("Training", "t")
    assert (status["phase"], reason(status), job(world)["spec"]["suspend"]) == ("Pending", "Queued", True)
    body = job(world)
    body["spec"]["suspend"] = False
    world.cluster.user_apply(body)
    before = len(world.cluster.writes)
    await world.settle()
    assert world.status("Training", "t")["phase"] == "Running"
    assert [write for write in world.writes(before) if write[1] == "Job"] == []
    world.edit("Training", "t", parallelism=2)
    await world.settle()
    assert (job(world)["spec"]["parallelism"], job(world)["spec"]["suspend"]) == (2, False)
    world.edit("Training", "t", suspend=True)
    await world.settle()
    assert (world.status("Training", "t")["phase"], world.find("Job", "t")) == ("Stopped", None)
    world.edit("Training", "t", suspend=False)
    await world.settle()
    assert (reason(world.status("Training", "t")), job(world)["spec"]["suspend"]) == ("Queued", True)


async def test_the_record_outlives_a_restart() -> None:
    """What was restarted is as final as what was not."""
    world = await ended(autoDeletionTimeAfterCompletionSeconds=60)
    world.annotate("Training", "t", restartedAt="1")
    await world.settle()
    assert world.status("Training", "t")["run"]["restartedAt"] == "1"
    world.tick(61)
    await world.settle()
    world.cluster.user_delete("ControllerRevision", "team-a", world.status("Training", "t")["revision"])
    await world.settle()
    assert (world.status("Training", "t")["phase"], jobs_made(world)) == ("Completed", 2)
    world.annotate("Training", "t", restartedAt="")  # the annotation is removed: nothing is asked for
    await world.settle()
    assert (world.status("Training", "t")["phase"], jobs_made(world)) == ("Completed", 2)


async def test_a_job_that_others_changed_is_left_alone() -> None:
    """A policy rewrites the image, Kueue adds a node selector: the run goes on, and a stop still stops it."""
    world = await running(nodeType="big")
    body = job(world)
    uid = body["metadata"]["uid"]
    pod = body["spec"]["template"]["spec"]
    pod["containers"][0]["image"] = "mirror.example.com/train:1"
    pod["nodeSelector"]["flavor"] = "spot"
    world.cluster.user_apply(body)
    await world.settle()
    before = len(world.cluster.writes)
    await world.round()
    assert (world.writes(before), job(world)["metadata"]["uid"]) == ([], uid)
    world.edit("Training", "t", suspend=True)
    await world.settle()
    assert world.status("Training", "t")["phase"] == "Stopped"
    assert job(world)["spec"]["template"]["spec"]["containers"][0]["image"] == "mirror.example.com/train:1"
    world.edit("Training", "t", suspend=False)
    await world.settle()
    assert (world.status("Training", "t")["phase"], job(world)["metadata"]["uid"]) == ("Running", uid)


async def test_a_refused_restart_runs_nothing() -> None:
    """Neither the new run, which is not allowed, nor the one before."""
    world = await ended()
    world.cluster.user_delete("Job", "team-a", "t")
    await world.settle()
    world.edit("Training", "t", assets={"compute": {"name": "gone"}})
    world.annotate("Training", "t", restartedAt="1")
    await world.settle()
    assert (reason(world.status("Training", "t")), world.find("Job", "t")) == ("ReferenceNotFound", None)
    world.load([asset("ComputeResource", "gone", {"cpuCoreRequest": 1})])
    await world.settle()
    assert (world.status("Training", "t")["phase"], jobs_made(world)) == ("Completed", 2)


async def test_a_removed_field_makes_another_job() -> None:
    world = await running(args="one", compute={"cpuCoreRequest": 1})
    uid = job(world)["metadata"]["uid"]
    world.edit("Training", "t", suspend=True)
    await world.settle()
    world.edit("Training", "t", suspend=False, args=None, compute=None)
    await world.settle()
    container = job(world)["spec"]["template"]["spec"]["containers"][0]
    assert "args" not in container
    assert job(world)["metadata"]["uid"] != uid


async def test_a_server_that_changes_no_resources_gets_another_job() -> None:
    """Kubernetes before 1.36."""
    world = await running()
    uid = job(world)["metadata"]["uid"]
    world.edit("Training", "t", suspend=True)
    await world.settle()
    world.cluster.fail_next("patch", "Job", Invalid("spec.template: Invalid value: field is immutable", status=422))
    world.edit("Training", "t", suspend=False, compute={"cpuCoreRequest": 2})
    await world.settle()
    assert world.status("Training", "t")["phase"] == "Running"
    assert job(world)["metadata"]["uid"] != uid


@pytest.mark.parametrize("lost", ["status", "revision", "both"])
async def test_a_run_goes_on_without_its_status_and_revision(lost: str) -> None:
    """Also where an asset changed meanwhile."""
    world = World(
        asset("ComputeResource", "small", {"cpuCoreRequest": 1}),
        training(assets={"compute": {"name": "small"}}),
        jobs="Running",
    )
    await world.settle()
    uid = job(world)["metadata"]["uid"]
    world.load([asset("ComputeResource", "small", {"cpuCoreRequest": 2})])
    if lost in ("revision", "both"):
        for item in world.all("ControllerRevision"):
            world.cluster.user_delete("ControllerRevision", "team-a", item["metadata"]["name"])
    if lost in ("status", "both"):
        world.cluster.user_status("Training", "team-a", "t", {})
    await world.settle()
    assert (job(world)["metadata"]["uid"], jobs_made(world)) == (uid, 1)
    assert world.status("Training", "t")["phase"] == "Running"


async def test_one_pod_that_cannot_start_beside_others() -> None:
    """The training is ready, and says what keeps the pod."""
    world = await running(completions=3, parallelism=2)
    labels = job(world)["spec"]["template"]["metadata"]["labels"]
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    meta = {"name": "t-1", "namespace": "team-a", "labels": labels, "ownerReferences": [owner(job(world))]}
    status = {"phase": "Pending", "containerStatuses": [{"name": "main", "image": IMAGE, "state": state}]}
    world.cluster.user_apply({"kind": "Pod", "metadata": meta, "spec": {}, "status": status})
    world.tick(60)
    await world.settle()
    found = world.status("Training", "t")
    assert (found["phase"], issues(found)) == ("Running", ["ImagePullFailed"])


async def test_a_workspace_never_runs_twice_at_once() -> None:
    """The Job waits for the pod of the StatefulSet, and the other way round."""
    world = World(asset("Workspace", "w", {"image": IMAGE}), pod_objects=True, jobs="Running")
    await world.settle()
    kept = world.get("Pod", "w-0")
    world.edit("Workspace", "w", restartPolicy="Never")
    await world.once("Workspace", "w")
    assert (world.find("StatefulSet", "w"), world.find("Job", "w")) == (None, None)
    if world.find("Pod", "w-0") is None:  # the garbage collector takes longer
        world.cluster.user_apply(kept)
    await world.once("Workspace", "w")
    assert world.find("Job", "w") is None
    world.cluster.user_delete("Pod", "team-a", "w-0")
    await world.settle()
    assert world.find("Job", "w") is not None
    assert world.status("Workspace", "w")["phase"] == "Running"


def owner(item: Body) -> Body:
    meta = item["metadata"]
    return {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}


async def test_a_workspace_that_ran_for_as_long_as_it_may() -> None:
    """It stops, says why, and starts again for as long; a restart begins a new time."""
    world = World(asset("Workspace", "w", {"image": IMAGE, "maxRuntimeSeconds": 3600}), pod_objects=True)
    await world.settle()
    first = world.status("Workspace", "w")["startTime"]
    world.tick(3000)
    world.annotate("Workspace", "w", restartedAt="1")
    await world.settle()
    assert world.status("Workspace", "w")["startTime"] > first
    before = len(world.cluster.writes)
    world.tick(3599)
    await world.round()
    assert (world.status("Workspace", "w")["phase"], world.writes(before)) == ("Running", [])
    world.tick(1)
    await world.settle()
    status = world.status("Workspace", "w")
    assert (status["phase"], reason(status), status["halted"]["reason"]) == (
        "Stopped",
        "RuntimeExceeded",
        "RuntimeExceeded",
    )
    assert "kubectl -n team-a annotate workspace w --overwrite outfitter.dev/restartedAt" in status["message"]
    assert world.get("StatefulSet", "w")["spec"]["replicas"] == 0
    world.tick(86400)
    await world.settle()
    assert world.status("Workspace", "w")["phase"] == "Stopped"
    world.annotate("Workspace", "w", restartedAt="2")
    await world.settle()
    status = world.status("Workspace", "w")
    assert (status["phase"], "halted" in status) == ("Running", False)
    world.tick(3600)
    await world.settle()
    assert world.status("Workspace", "w")["phase"] == "Stopped"
    world.edit("Workspace", "w", suspend=True)
    await world.settle()
    world.edit("Workspace", "w", suspend=False)
    await world.settle()
    assert world.status("Workspace", "w")["phase"] == "Running"


async def test_a_preemption_counts_although_its_pod_goes_at_once() -> None:
    """The Job controller deletes the pod while the operator is still writing the stop."""
    world = await running(terminateAfterPreemption=True)
    took = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    took["lastTransitionTime"] = world.time().strftime("%Y-%m-%dT%H:%M:%SZ")
    meta = {"name": "t-1", "namespace": "team-a", "labels": job(world)["spec"]["template"]["metadata"]["labels"]}
    meta["ownerReferences"] = [owner(job(world))]
    world.cluster.user_apply({"kind": "Pod", "metadata": meta, "spec": {}, "status": {"conditions": [took]}})
    stopped = world.cluster.apply

    async def apply(*arguments: Any) -> Body:
        world.cluster.user_delete("Pod", "team-a", "t-1")
        return await stopped(*arguments)

    world.cluster.apply = apply  # type: ignore[method-assign]
    await world.once("Training", "t")
    world.cluster.apply = stopped  # type: ignore[method-assign]
    await world.settle()
    status = world.status("Training", "t")
    assert (status["phase"], status["halted"]["reason"]) == ("Stopped", "Preempted")


EVENTS = ("edit", "suspend", "resume", "delete job", "delete revision", "asset", "lose status", "tick", "service")


async def happens(world: World, event: str, number: int) -> None:
    match event:
        case "edit":
            world.edit("Training", "t", args=f"-{number}")
        case "suspend" | "resume":
            world.edit("Training", "t", suspend=event == "suspend")
        case "delete job":
            if world.find("Job", "t"):
                world.cluster.user_delete("Job", "team-a", "t")
        case "delete revision":
            for item in world.all("ControllerRevision"):
                world.cluster.user_delete("ControllerRevision", "team-a", item["metadata"]["name"])
        case "asset":
            world.load([asset("ComputeResource", "small", {"cpuCoreRequest": number + 1})])
        case "lose status":
            pass  # replaced below where the Job is still there
        case "tick":
            world.tick(number * 86400)
        case "service":
            for item in world.all("Service"):
                world.cluster.user_delete("Service", "team-a", item["metadata"]["name"])


@pytest.mark.parametrize("seed", range(40))
async def test_what_completed_is_never_run_again_by_any_event(seed: int) -> None:
    """Any events in any order, each with or without a reconciliation after it."""
    source = random.Random(seed)
    world = World(
        asset("ComputeResource", "small", {"cpuCoreRequest": 1}),
        training(assets={"compute": {"name": "small"}}, ports=[{"container": 80}]),
        jobs="Running",
    )
    await world.settle()
    for number, event in enumerate(source.choices(("asset", "service", "tick"), k=2)):
        await happens(world, event, number)
    await world.settle()
    world.controllers.jobs = "Complete"
    world.controllers.run()  # the operator has not seen it yet
    if source.random() < 0.5:
        await happens(world, source.choice(("edit", "suspend", "asset", "delete revision")), 0)
    await world.settle()
    assert world.status("Training", "t")["phase"] == "Completed"
    made = jobs_made(world)
    for number, event in enumerate(source.choices([each for each in EVENTS if each != "lose status"], k=8), 1):
        await happens(world, event, number)
        if source.random() < 0.7:
            await world.settle()
    await world.settle()
    assert jobs_made(world) == made == 1
    assert world.status("Training", "t")["phase"] == "Completed"
