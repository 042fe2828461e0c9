"""Distributed trainings over the simulator: what is rendered, attempts of the whole group, and that nothing is lost."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from doors import Deadly, Door, Killed, Refusing

from outfitter.errors import ApiError, Conflict, Throttled, Unavailable
from outfitter.naming import owner_labels
from world import Body, World, asset, complete, condition, issues, reason

KIND = "DistributedTraining"
IMAGE = "registry.example.com/train:1"
MASTER = {"image": "registry.example.com/master:1"}
WAITS = 400  # seconds: longer than any pause before the next attempt


def training(**spec: Any) -> Body:
    given = {"image": IMAGE, "distributedFramework": "PyTorch", "numWorkers": 3, "backend": "native", **spec}
    if given["distributedFramework"] != "JAX" and "masterSpec" not in given:
        given["masterSpecSameAsWorker"] = True
    return asset(KIND, "d", given)


async def running(*others: Body, **spec: Any) -> World:
    world = World(*others, training(**spec), jobs="Running")
    await world.settle()
    status = world.status(KIND, "d")
    assert status["phase"] == "Running", status
    return world


def status(world: World) -> Body:
    return world.status(KIND, "d")


def names(world: World, kind: str = "Job") -> list[str]:
    return [item["metadata"]["name"] for item in world.all(kind)]


def made(world: World, name: str) -> int:
    return sum((write.verb, write.kind, write.name) == ("create", "Job", name) for write in world.cluster.writes)


def environment(body: Body) -> dict[str, str]:
    """The variables of a pod template; of one that reads a label, the name of the label."""
    found = {}
    for item in body["spec"]["containers"][0]["env"]:
        field = item.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
        found[item["name"]] = item.get("value", field.removeprefix("metadata.labels['").removesuffix("']"))
    return found


async def failed_once(world: World, job: str = "d-worker-1") -> None:
    """One pod fails, and the pause before the next attempt passes."""
    world.controllers.jobs_by_name = {job: "out of luck"}
    world.controllers.run()
    world.controllers.jobs_by_name = {}
    await world.settle()
    world.tick(WAITS)
    await world.settle()


async def test_equal_pods_have_one_job() -> None:
    world = await running()
    (job,) = world.all("Job")
    spec = job["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (4, 4, "Indexed")
    assert spec["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}
    assert spec["backoffLimit"] == 0
    seen = environment(spec["template"])
    assert (seen["MASTER_ADDR"], seen["WORLD_SIZE"]) == ("d-0.d", "4")
    assert seen["RANK"] == seen["PET_NODE_RANK"] == "batch.kubernetes.io/job-completion-index"
    assert world.get("Service", "d")["spec"]["publishNotReadyAddresses"] is True


async def test_a_master_of_its_own_has_a_job_for_each_rank() -> None:
    world = await running(masterSpec=MASTER)
    assert names(world) == ["d-master", "d-worker-0", "d-worker-1", "d-worker-2"]
    labels = [item["spec"]["template"]["metadata"]["labels"] for item in world.all("Job")]
    assert [each["outfitter.dev/rank"] for each in labels] == ["0", "1", "2", "3"]
    images = [item["spec"]["template"]["spec"]["containers"][0]["image"] for item in world.all("Job")]
    assert images == [MASTER["image"], IMAGE, IMAGE, IMAGE]
    assert {environment(item["spec"]["template"])["MASTER_ADDR"] for item in world.all("Job")} == {"d-master-0.d"}
    found = status(world)
    assert (found["master"]["desired"], found["worker"]["desired"], found["replicas"]) == (1, 3, 4)


async def test_a_policy_that_concerns_the_master_alone_makes_it_differ() -> None:
    rules = {"defaults": {"master": {"environmentVariables": {"instances": [{"name": "ROLE", "value": "m"}]}}}}
    policy = asset("WorkloadPolicy", "p", {"workloadType": "distributed", **rules})
    world = await running(policy)
    assert names(world) == ["d-master", "d-worker-0", "d-worker-1", "d-worker-2"]
    roles = [environment(item["spec"]["template"]).get("ROLE") for item in world.all("Job")]
    assert roles == ["m", None, None, None]


@pytest.mark.parametrize(
    ("section", "field"), [("worker", "spec.compute.gpuDevicesRequest"), ("master", "spec.compute.gpuDevicesRequest")]
)
async def test_a_section_of_a_policy_is_judged(section: str, field: str) -> None:
    rules = {section: {"compute": {"gpuDevicesRequest": {"max": 1}}}}
    policy = asset("WorkloadPolicy", "p", {"workloadType": "distributed", "rules": rules})
    world = World(policy, training(compute={"gpuDevicesRequest": 2}), jobs="Running")
    await world.settle()
    found = status(world)
    assert reason(found) == "PolicyViolation"
    assert found["violations"][0]["field"] == f"{section}.compute.gpuDevicesRequest"
    assert field in found["message"]
    assert names(world) == []


async def test_a_policy_on_the_spec_of_the_master_names_its_field() -> None:
    rules = {"master": {"image": {"options": [{"value": "registry.example.com/other:1"}]}}}
    policy = asset("WorkloadPolicy", "p", {"workloadType": "distributed", "rules": rules})
    world = World(policy, training(masterSpec=MASTER), jobs="Running")
    await world.settle()
    assert "spec.masterSpec.image" in status(world)["message"]


@pytest.mark.parametrize(
    ("framework", "wanted"),
    [
        ("TF", {"TF_TASK_INDEX": "batch.kubernetes.io/job-completion-index"}),
        ("XGBoost", {"DMLC_TRACKER_URI": "d-0.d", "DMLC_NUM_WORKER": "4", "WORKER_ADDRS": "d-1.d,d-2.d,d-3.d"}),
        ("JAX", {"COORDINATOR_ADDRESS": "d-0.d", "COORDINATOR_PORT": "6666", "NUM_PROCESSES": "3"}),
    ],
)
async def test_variables_of_the_other_frameworks(framework: str, wanted: dict[str, str]) -> None:
    world = await running(distributedFramework=framework)
    seen = environment(world.get("Job", "d")["spec"]["template"])
    assert {name: seen[name] for name in wanted} == wanted


async def test_tensorflow_tells_each_pod_who_it_is() -> None:
    world = await running(distributedFramework="TF", masterSpec=MASTER, numWorkers=2)
    chief, worker = (environment(world.get("Job", name)["spec"]["template"]) for name in ("d-master", "d-worker-1"))
    cluster = {"chief": ["d-master-0.d:2222"], "worker": ["d-worker-0-0.d:2222", "d-worker-1-0.d:2222"]}
    first = json.loads(chief["TF_CONFIG"])
    assert (first["cluster"], first["task"]) == (cluster, {"type": "chief", "index": 0})
    second = json.loads(worker["TF_CONFIG"].replace("$(TF_TASK_INDEX)", "1"))
    assert (second["cluster"], second["task"]) == (cluster, {"type": "worker", "index": 1})


async def test_an_elastic_training_has_no_ranks_and_goes_on_without_a_pod() -> None:
    world = await running(minReplicas=1, maxReplicas=4)
    spec = world.get("Job", "d")["spec"]
    seen = environment(spec["template"])
    assert (seen["PET_NNODES"], seen["PET_RDZV_ENDPOINT"]) == ("2:5", "d-0.d:23456")
    assert "RANK" not in seen
    assert (spec["parallelism"], spec["backoffLimit"]) == (5, 6)


async def test_a_variable_of_the_framework_cannot_be_set() -> None:
    world = World(training(environmentVariables=[{"name": "RANK", "value": "0"}]), jobs="Running")
    await world.settle()
    assert reason(status(world)) == "Conflict"
    assert "RANK" in status(world)["message"]


async def test_a_failed_pod_has_all_start_again() -> None:
    """After a pause that doubles; the status says which attempt it is, and why the last one failed."""
    world = await running(masterSpec=MASTER, backoffLimit=2)
    uids = {item["metadata"]["uid"] for item in world.all("Job")}
    world.controllers.jobs_by_name = {"d-worker-1": "out of luck"}
    world.controllers.run()
    world.controllers.jobs_by_name = {}
    await world.settle()
    found = status(world)
    assert "out of luck" in found["message"]
    assert "out of luck" in found["run"]["message"]
    assert {item["metadata"]["uid"] for item in world.all("Job")} == uids, "the pause has not passed"
    world.tick(11)
    await world.settle()
    found = status(world)
    assert (found["phase"], found["run"]["attempt"]) == ("Running", 2)
    assert found["run"]["message"].startswith("The last attempt failed: ")
    assert uids.isdisjoint(item["metadata"]["uid"] for item in world.all("Job"))
    await failed_once(world)
    assert status(world)["run"]["attempt"] == 3
    await failed_once(world)
    found = status(world)
    assert (found["phase"], found["run"]["result"], reason(found)) == ("Failed", "Failed", "PodFailed")
    assert condition(found, "Stalled")
    assert [made(world, name) for name in ("d-master", "d-worker-2")] == [3, 3]


async def test_in_place_restarts_are_the_kubelets() -> None:
    world = await running(restartPolicy="OnFailure", backoffLimit=4)
    spec = world.get("Job", "d")["spec"]
    assert (spec["backoffLimit"], "podFailurePolicy" in spec) == (4, False)
    world.controllers.jobs = "out of luck"
    await world.settle()
    assert status(world)["phase"] == "Failed"


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        (None, ["d-master"]),
        ("Running", ["d-master"]),
        ("All", []),
        ("None", ["d-master", "d-worker-0", "d-worker-1", "d-worker-2"]),
    ],
)
async def test_what_stays_after_the_end(policy: str | None, left: list[str]) -> None:
    world = await running(masterSpec=MASTER, **({"cleanPodPolicy": policy} if policy else {}))
    world.controllers.jobs_by_name = {"d-master": "Complete"}
    await world.settle()
    found = status(world)
    assert (found["phase"], found["run"]["result"]) == ("Completed", "Completed")
    assert names(world) == left
    mark = len(world.cluster.writes)
    await world.round()
    assert world.writes(mark) == []


async def test_a_job_that_was_deleted_fails_the_group() -> None:
    world = await running(masterSpec=MASTER)
    world.cluster.user_delete("Job", "team-a", "d-worker-0")
    await world.settle()
    assert (status(world)["phase"], reason(status(world))) == ("Failed", "JobDeleted")
    assert made(world, "d-worker-0") == 1
    world.annotate(KIND, "d", restartedAt="1")
    await world.settle()
    assert status(world)["phase"] == "Running"
    assert made(world, "d-worker-0") == 2


async def test_stop_and_start_keep_the_jobs() -> None:
    world = await running(masterSpec=MASTER)
    uids = {item["metadata"]["uid"] for item in world.all("Job")}
    world.edit(KIND, "d", suspend=True)
    await world.settle()
    assert status(world)["phase"] == "Stopped"
    assert all(item["spec"]["suspend"] for item in world.all("Job"))
    world.edit(KIND, "d", suspend=False)
    await world.settle()
    assert status(world)["phase"] == "Running"
    assert {item["metadata"]["uid"] for item in world.all("Job")} == uids


async def test_stopped_between_two_attempts() -> None:
    world = await running(masterSpec=MASTER)
    world.controllers.jobs_by_name = {"d-worker-1": "out of luck"}
    world.controllers.run()
    await world.settle()
    world.edit(KIND, "d", suspend=True)
    world.tick(WAITS)
    await world.settle()
    assert status(world)["phase"] in ("Stopped", "Failed")
    world.controllers.jobs_by_name = {}
    world.edit(KIND, "d", suspend=False)
    world.tick(WAITS)
    await world.settle()
    assert status(world)["phase"] == "Running"
    world.controllers.jobs_by_name = {"d-master": "Complete"}
    await world.settle()
    assert status(world)["phase"] == "Completed"


async def test_kueue_owns_the_start_of_a_job_set() -> None:
    world = World(training(backend="jobset", queue="q"), settings={"queue_backend": "kueue"}, jobs="Running")
    await world.settle()
    made = world.get("JobSet", "d")
    assert (made["spec"]["suspend"], made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"]) == (True, "q")
    assert reason(status(world)) == "Queued"
    made["spec"]["suspend"] = False
    world.cluster.user_replace(made)
    await world.settle()
    assert world.get("JobSet", "d")["spec"]["suspend"] is False


@pytest.mark.parametrize(
    ("spec", "least", "why"),
    [
        ({}, "4", "GangScheduled"),
        ({"minReplicas": 2}, "3", "GangScheduled"),
        ({"masterSpec": MASTER}, None, "GangScheduled"),
    ],
)
async def test_kai_places_all_pods_or_none(spec: Body, least: str | None, why: str) -> None:
    world = World(training(**spec), settings={"queue_backend": "kai"}, jobs="Running")
    await world.settle()
    for item in world.all("Job"):
        assert item["metadata"]["annotations"].get("kai.scheduler/batch-min-member") == least
        labels = item["spec"]["template"]["metadata"]["labels"]
        assert (labels["kai.scheduler/queue"], labels["kai.scheduler/preemptibility"]) == (
            "default-queue",
            "preemptible",
        )
    found = condition(status(world), "GangScheduled")
    assert found
    assert found["reason"] == why


@pytest.mark.parametrize(("spec", "least"), [({}, 4), ({"minReplicas": 2, "maxReplicas": 3}, 3)])
async def test_pods_with_a_job_each_are_one_group_of_kai(spec: Body, least: int) -> None:
    """KAI would take each Job for a group of its own, so that Outfitter makes their group."""
    given = training(masterSpec=MASTER, preemptibility="non-preemptible", **spec)
    world = World(given, settings={"queue_backend": "kai", "default_queue": "q"}, jobs="Running")
    await world.settle()
    (group,) = world.all("PodGroup")
    made = group["spec"]
    assert (made["minMember"], made["queue"], made["preemptibility"]) == (least, "q", "non-preemptible")
    name = group["metadata"]["name"]
    for job in world.all("Job"):
        found = job["spec"]["template"]["metadata"]["annotations"]
        assert (found["pod-group-name"], found["kai.scheduler/skip-podgrouper"]) == (name, "true")
    pods = world.all("Job")[0]["spec"]["template"]["spec"]
    assert made.get("priorityClassName") == pods.get("priorityClassName")
    world.cluster.user_delete("PodGroup", group["metadata"]["namespace"], name)
    await world.settle()
    assert world.all("PodGroup"), "it is created again"


@pytest.mark.parametrize("name", ["pod-group-name", "kai.scheduler/skip-podgrouper", "kai.scheduler/batch-min-member"])
async def test_users_choose_no_group_of_kai(name: str) -> None:
    """Their pods would join the group of others, past queue and priority."""
    given = training(annotations=[{"name": name, "value": "others"}])
    world = World(given, settings={"queue_backend": "kai"}, jobs="Running")
    await world.settle()
    for job in world.all("Job"):
        template = job["spec"]["template"]["metadata"].get("annotations") or {}
        assert "others" not in (template.get(name), job["metadata"]["annotations"].get(name))


async def test_without_the_api_of_kai_nothing_waits_for_a_group() -> None:
    world = World(training(masterSpec=MASTER), settings={"queue_backend": "kai"}, jobs="Running")
    world.caches.set_served("PodGroup", False)
    await world.settle()
    assert (names(world), reason(status(world))) == ([], "Unsupported")
    world.caches.set_served("PodGroup", True)
    await world.settle()
    assert len(names(world)) == 4


async def test_the_backend_is_decided_at_the_start() -> None:
    """JobSet where it is served; one that is installed later moves nothing that runs."""
    world = World(training(backend="auto"), jobs="Running")
    world.caches.set_served("JobSet", False)
    await world.settle()
    assert (status(world)["backend"], names(world)) == ("native", ["d"])
    world.caches.set_served("JobSet", True)
    await world.settle()
    assert (names(world), names(world, "JobSet")) == (["d"], [])
    world.annotate(KIND, "d", restartedAt="1")
    await world.settle()
    assert (status(world)["backend"], names(world), names(world, "JobSet")) == ("jobset", [], ["d"])


async def test_an_asset_for_another_framework_is_refused() -> None:
    environment = asset("Environment", "e", {"image": IMAGE, "distributedFramework": "TF"})
    world = World(environment, training(image=None, assets={"environment": {"name": "e"}}), jobs="Running")
    await world.settle()
    assert issues(status(world)) == ["TypeNotSupported"]
    assert "is for TF, not PyTorch" in status(world)["message"]


async def test_a_controller_that_does_not_look_is_told() -> None:
    world = World(training(backend="jobset"), jobs="Running")
    await world.settle()
    assert status(world)["phase"] == "Creating"
    made = world.get("JobSet", "d")
    made["metadata"]["creationTimestamp"] = "2025-12-31T23:00:00Z"
    world.cluster.user_replace(made)
    await world.settle()
    assert reason(status(world)) == "ControllerMissing"


async def _story(world: World) -> None:
    """One pod fails, the group starts again, and the master completes."""
    await world.settle()
    world.controllers.jobs_by_name = {"d-worker-1": "out of luck"}
    world.controllers.run()
    world.controllers.jobs_by_name = {}
    await world.settle()
    world.tick(WAITS)
    await world.settle()
    world.controllers.jobs_by_name = {"d-master": "Complete"}
    await world.settle()


@pytest.mark.parametrize("answered", [True, False], ids=["after-the-write", "before-the-write"])
@pytest.mark.parametrize("policy", ["Running", "All"])
async def test_killed_at_every_write(policy: str, answered: bool) -> None:
    """Wherever the operator dies, the run has the same end, and no Job ran more often than it should."""
    number = 1
    while True:
        world = World(training(masterSpec=MASTER, cleanPodPolicy=policy), jobs="Running")
        await world.restart(Deadly(world.cluster, number, answered=answered))
        try:
            await _story(world)
            break
        except Killed:
            await world.restart()
            await world.settle()
        run = status(world).get("run", {})
        if not run.get("result") and "attempt" not in run:
            await _story(world)
        world.tick(WAITS)
        await world.settle()
        world.controllers.jobs_by_name = {"d-master": "Complete"}
        await world.settle()
        assert status(world)["run"]["result"] == "Completed", f"killed at write {number}"
        assert made(world, "d-master") <= 2
        number += 1
    assert number > 10


EVENTS = ("edit", "suspend", "resume", "delete job", "delete revision", "tick", "fail", "service")


async def happens(world: World, event: str, number: int) -> None:
    match event:
        case "edit":
            world.edit(KIND, "d", args=f"-{number}")
        case "suspend" | "resume":
            world.edit(KIND, "d", suspend=event == "suspend")
        case "delete job":
            for item in world.all("Job")[number % 3 : number % 3 + 1]:
                world.cluster.user_delete("Job", "team-a", item["metadata"]["name"])
        case "delete revision":
            for item in world.all("ControllerRevision"):
                world.cluster.user_delete("ControllerRevision", "team-a", item["metadata"]["name"])
        case "tick":
            world.tick(number * 86400)
        case "fail":
            world.controllers.jobs_by_name = {"d-worker-1": "out of luck"}
            world.controllers.run()
            world.controllers.jobs_by_name = {"d-master": "Complete"}
        case "service":
            world.cluster.user_delete("Service", "team-a", "d") if world.find("Service", "d") else None


@pytest.mark.parametrize("policy", ["Running", "All", "None"])
@pytest.mark.parametrize("seed", range(12))
async def test_what_completed_is_never_run_again_by_any_event(seed: int, policy: str) -> None:
    source = random.Random(seed)
    world = await running(masterSpec=MASTER, cleanPodPolicy=policy)
    if source.random() < 0.5:
        await failed_once(world)
    before = made(world, "d-master")
    world.controllers.jobs_by_name = {"d-master": "Complete"}
    world.controllers.run()
    await world.settle()
    assert status(world)["phase"] == "Completed"
    for number, event in enumerate(source.choices(EVENTS, k=8), 1):
        await happens(world, event, number)
        if source.random() < 0.7:
            await world.settle()
    await world.settle()
    assert made(world, "d-master") == before
    assert status(world)["phase"] == "Completed"


async def test_a_template_gives_the_workers() -> None:
    given = {"workloadType": "distributed", "distributedFramework": "JAX", "numWorkers": 5, "image": IMAGE}
    template = asset("WorkloadTemplate", "jax", {**given, "backend": "native"})
    workload = asset(KIND, "d", {"template": {"name": "jax"}, "numWorkers": 2})
    world = World(template, workload, jobs="Running")
    await world.settle()
    assert (status(world)["phase"], status(world)["worker"]["desired"]) == ("Running", 2)
    assert world.status("WorkloadTemplate", "jax")["runnable"]["isRunnable"] is True


async def test_a_template_without_a_master_needs_one() -> None:
    template = asset(
        "WorkloadTemplate",
        "torch",
        {"workloadType": "distributed", "distributedFramework": "PyTorch", "image": IMAGE, "backend": "native"},
    )
    lacking = asset(KIND, "d", {"template": {"name": "torch"}})
    world = World(template, lacking, jobs="Running")
    await world.settle()
    assert "needs a master" in status(world)["message"]
    world.edit(KIND, "d", masterSpecSameAsWorker=True)
    await world.settle()
    assert status(world)["phase"] == "Running"


# -- a group changes as a whole ----------------------------------------------------------------------------------------


def group(world: World) -> set[str]:
    """The digests of the groups that exist."""
    return {item["metadata"]["annotations"]["outfitter.dev/group"] for item in world.all("Job")}


CHANGES: dict[str, Body] = {
    "the workers": {"args": "-x"},
    "the master": {"masterSpec": {**MASTER, "args": "-x"}},
    "more workers": {"numWorkers": 5},
    "fewer workers": {"numWorkers": 1},
    "pods that are alike": {"masterSpec": None, "masterSpecSameAsWorker": True},
    "another framework": {"distributedFramework": "TF"},
    "resources": {"compute": {"cpuCoreRequest": 2}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("pending", [False, True], ids=["stopped", "pending"])
async def test_a_change_concerns_all_pods(change: Body, pending: bool) -> None:
    """Also one that only a role needs: no pod of the old start meets one of the new."""
    world = World(training(masterSpec=MASTER), jobs="Running", pods=not pending)
    await world.settle()
    before = {item["metadata"]["uid"] for item in world.all("Job")}
    if pending:
        world.edit(KIND, "d", **change)
    else:
        world.edit(KIND, "d", suspend=True)
        await world.settle()
        world.edit(KIND, "d", suspend=False, **change)
    await world.settle()
    assert status(world)["phase"] in ("Running", "Pending")
    assert before.isdisjoint(item["metadata"]["uid"] for item in world.all("Job"))
    assert len(group(world)) == 1


@pytest.mark.parametrize("answered", [True, False], ids=["after-the-write", "before-the-write"])
@pytest.mark.parametrize("change", [*CHANGES.values(), {"backend": "jobset"}], ids=[*CHANGES, "another backend"])
async def test_killed_while_a_group_changes(change: Body, answered: bool) -> None:
    number = 1
    while True:
        world = await running(masterSpec=MASTER)
        world.edit(KIND, "d", suspend=True)
        await world.settle()
        await world.restart(Deadly(world.cluster, number, answered=answered))
        try:
            world.edit(KIND, "d", suspend=False, **change)
            await world.settle()
            break
        except Killed:
            await world.restart()
            await world.settle()
        assert status(world)["phase"] in ("Running", "Creating"), f"killed at write {number}"
        assert "result" not in status(world)["run"]
        assert len(group(world)) <= 1
        number += 1
    assert number > 4


@pytest.mark.parametrize("change", [*CHANGES.values(), {"backend": "jobset"}], ids=[*CHANGES, "another backend"])
async def test_what_runs_stays_whole_without_its_revision(change: Body) -> None:
    """Nobody knows what it was made from, so that it neither grows nor shrinks; a stop still ends all of it."""
    world = await running(masterSpec=MASTER)
    before = {item["metadata"]["uid"] for item in world.all("Job")}
    for item in world.all("ControllerRevision"):
        world.cluster.user_delete("ControllerRevision", "team-a", item["metadata"]["name"])
    world.edit(KIND, "d", **change)
    await world.settle()
    assert {item["metadata"]["uid"] for item in world.all("Job")} == before
    assert not any(item["spec"].get("suspend") for item in world.all("Job"))
    assert "RestartRequired" in issues(status(world))
    world.edit(KIND, "d", suspend=True)
    await world.settle()
    assert status(world)["phase"] == "Stopped"
    assert all(item["spec"]["suspend"] for item in world.all("Job"))


async def test_a_rank_that_had_ended_before_a_stop_starts_again_with_the_others() -> None:
    world = await running(masterSpec=MASTER)
    world.controllers.jobs_by_name = {"d-worker-0": "Complete"}
    await world.settle()
    world.controllers.jobs_by_name = {}
    world.edit(KIND, "d", suspend=True)
    await world.settle()
    before = {item["metadata"]["uid"] for item in world.all("Job")}
    world.edit(KIND, "d", suspend=False)
    await world.settle()
    assert status(world)["phase"] == "Running"
    assert before.isdisjoint(item["metadata"]["uid"] for item in world.all("Job"))


async def test_rank_0_that_completes_between_the_record_and_the_deletion() -> None:
    world = await running(masterSpec=MASTER)
    world.controllers.jobs_by_name = {"d-worker-1": "out of luck"}
    world.controllers.run()
    await world.settle()
    world.tick(WAITS)
    await world.once(KIND, "d")
    assert status(world)["run"]["attempt"] == 2
    world.controllers.jobs_by_name = {"d-master": "Complete"}
    world.controllers.run()
    await world.settle()
    assert (status(world)["phase"], made(world, "d-master")) == ("Completed", 1)


async def test_rank_0_that_completes_with_the_last_failure_of_a_worker() -> None:
    world = await running(masterSpec=MASTER, backoffLimit=0)
    world.controllers.jobs_by_name = {"d-worker-1": "out of luck"}
    world.controllers.run()
    await world.settle()
    world.controllers.jobs_by_name = {"d-master": "Complete"}
    await world.settle()
    assert status(world)["phase"] == "Completed"


async def test_a_pod_with_copied_labels_is_no_reason_to_stop() -> None:
    world = await running(masterSpec=MASTER)
    labels = world.get("Job", "d-master")["spec"]["template"]["metadata"]["labels"]
    meta = {"name": "copy", "namespace": "team-a", "labels": labels}
    world.cluster.user_apply({"kind": "Pod", "apiVersion": "v1", "metadata": meta, "status": {"phase": "Running"}})
    before = {item["metadata"]["uid"] for item in world.all("Job")}
    await world.settle()
    assert (status(world)["phase"], {item["metadata"]["uid"] for item in world.all("Job")}) == ("Running", before)


async def test_a_name_that_is_taken_starts_no_rank() -> None:
    world = World(asset("Training", "d-worker-1", {"image": IMAGE}), jobs="Running")
    await world.settle()
    world.load([training(masterSpec=MASTER)])
    await world.settle()
    assert (reason(status(world)), names(world)) == ("NameTaken", ["d-worker-1"])
    mark = len(world.cluster.writes)
    await world.round()
    assert world.writes(mark) == []


def of_others(kind: str, name: str) -> Body:
    """An object without our labels, which no cache holds."""
    spec: Body = {"Job": {"template": {"spec": {}}, "suspend": True}, "Service": {"ports": [{"port": 80}]}}.get(
        kind, {}
    )
    return complete({"kind": kind, "metadata": {"name": name, "labels": {"app": "other"}}, "spec": spec})


OF_OTHERS = [
    ({"masterSpec": MASTER}, {}, "Job", "d-worker-1"),
    ({"masterSpec": MASTER}, {}, "Job", "d-master"),
    ({"masterSpec": MASTER}, {}, "Service", "d"),
    ({"masterSpec": MASTER}, {"queue_backend": "kai"}, "PodGroup", "d"),
    ({}, {}, "Job", "d"),
    ({}, {}, "Service", "d"),
    ({"backend": "jobset"}, {}, "JobSet", "d"),
]


@pytest.mark.parametrize(("spec", "settings", "kind", "name"), OF_OTHERS)
async def test_no_rank_runs_while_an_object_of_others_has_a_name(
    spec: Body, settings: Body, kind: str, name: str
) -> None:
    """None is created, not even for a moment, also after a restart; all are, once the name is free."""
    other = of_others(kind, name)
    world = World(other, settings=settings, jobs="Running")
    world.load([training(**spec)])
    for _ in range(2):
        await world.settle()
        assert reason(status(world)) == issues(status(world))[0] == "NameTaken"
        assert f"{kind} team-a/{name} exists" in status(world)["message"]
        assert [item for item in world.cluster.writes if item.kind in ("Job", "JobSet", "PodGroup")] == []
        await world.restart()
    assert world.get(kind, name)["metadata"]["labels"] == {"app": "other"}
    world.cluster.user_delete(kind, "team-a", name)
    world.tick(61)
    await world.settle()
    assert status(world)["phase"] == ("Creating" if kind == "JobSet" else "Running")
    assert reason(status(world)) != "NameTaken"


async def test_an_address_of_others_keeps_no_rank_from_running() -> None:
    """Users cannot reach it, and its pods find each other."""
    ports = [{"name": "web", "container": 8080, "serviceType": "LoadBalancer", "external": 80}]
    spec = {"masterSpec": {**MASTER, "ports": ports}}
    first = await running(**spec)
    (address,) = [name for name in names(first, "Service") if name != "d"]
    world = World(of_others("Service", address), training(**spec), jobs="Running")
    await world.settle()
    assert issues(status(world))[0] == "NameTaken"
    assert len(names(world)) == 4


class Faster(Door):
    """Creates an object of others just before ours of the same name."""

    def __init__(self, cluster: Any, other: Body) -> None:
        super().__init__(cluster)
        self.other: Body | None = other

    def before(self, verb: str, kind: str, name: str) -> None:
        """Be faster."""
        if self.other is not None and (verb, kind, name) == ("create", "Job", self.other["metadata"]["name"]):
            other, self.other = self.other, None
            self.cluster.user_apply(other)  # type: ignore[attr-defined]


@pytest.mark.parametrize("known", [True, False], ids=["labelled", "unlabelled"])
async def test_ranks_that_exist_go_when_a_name_is_taken_meanwhile(known: bool) -> None:
    """Somebody takes the name of a rank while the group is created."""
    other = of_others("Job", "d-worker-1")
    if known:
        other["metadata"]["labels"] = owner_labels("Training", "d-worker-1", "x")
    world = World(training(masterSpec=MASTER), jobs="Running")
    world.connect(Faster(world.cluster, other))
    await world.settle()
    assert made(world, "d-worker-2") == 1
    assert (reason(status(world)), names(world)) == ("NameTaken", ["d-worker-1"])
    await world.restart()
    await world.settle()
    assert made(world, "d-worker-2") == 1
    world.cluster.user_delete("Job", "team-a", "d-worker-1")
    world.tick(61)
    await world.settle()
    assert (status(world)["phase"], len(names(world))) == ("Running", 4)


async def test_an_object_of_others_beside_a_group_that_runs_changes_nothing() -> None:
    """It lost its Service: the pods that run have found each other."""
    world = await running(masterSpec=MASTER)
    before = {item["metadata"]["uid"] for item in world.all("Job")}
    world.cluster.user_delete("Service", "team-a", "d")
    world.cluster.user_apply(of_others("Service", "d"))
    await world.settle()
    assert issues(status(world))[0] == "NameTaken"
    assert {item["metadata"]["uid"] for item in world.all("Job")} == before


async def test_a_kind_that_is_not_served_for_a_while_is_no_loss() -> None:
    world = World(training(backend="jobset"), jobs="Running")
    await world.settle()
    body = world.get("JobSet", "d")
    body["status"] = {"replicatedJobsStatus": [{"name": "worker", "ready": 1, "active": 1}]}
    world.cluster.user_replace(body)
    await world.settle()
    assert status(world)["phase"] == "Running"
    uid = status(world)["run"]["uid"]
    world.caches.remove(world.caches["JobSet"].get("team-a", "d"))
    world.caches.set_served("JobSet", False)
    await world.once(KIND, "d")
    world.tick(60)  # a loss of readiness is held back for a while
    await world.once(KIND, "d")
    found = status(world)
    assert (reason(found), found["run"]["uid"], "result" in found["run"]) == ("ControllerMissing", uid, False)


async def test_a_drained_pod_costs_no_attempt() -> None:
    """All pods start again, because one rank alone finds no peers."""
    world = await running(masterSpec=MASTER, backoffLimit=0)
    rule = world.get("Job", "d-worker-1")["spec"]["podFailurePolicy"]["rules"][0]
    assert rule["action"] == "FailJob"
    body = world.get("Job", "d-worker-1")
    time = world.time().strftime("%Y-%m-%dT%H:%M:%SZ")
    failed = {"type": "Failed", "status": "True", "reason": "PodFailurePolicy", "lastTransitionTime": time}
    body["status"] = {"startTime": time, "failed": 1, "conditions": [failed]}
    world.cluster.user_replace(body)
    await world.settle()
    world.tick(WAITS)
    await world.settle()
    found = status(world)
    assert (found["phase"], found["run"]["attempt"], found["run"]["disruptions"]) == ("Running", 2, 1)
    await failed_once(world)
    assert status(world)["phase"] == "Failed"


async def test_the_queue_and_the_restarts_are_those_of_the_workers() -> None:
    """Whatever the master says: the group is one."""
    own = {**MASTER, "queue": "other", "restartPolicy": "Never"}
    world = World(
        training(masterSpec=own, queue="q", restartPolicy="OnFailure"),
        settings={"queue_backend": "kueue"},
        jobs="Running",
    )
    await world.settle()
    queues = {item["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] for item in world.all("Job")}
    policies = {item["spec"]["template"]["spec"]["restartPolicy"] for item in world.all("Job")}
    assert (queues, policies) == ({"q"}, {"OnFailure"})
    assert "NotEnforced" in issues(status(world))


async def test_an_elastic_training_runs_with_the_fewest_pods() -> None:
    world = World(training(minReplicas=1, maxReplicas=4), jobs="Running", pods=False)
    await world.settle()
    body = world.get("Job", "d")
    body["status"] = {**body["status"], "ready": 2}
    world.cluster.user_replace(body)
    await world.once(KIND, "d")
    assert status(world)["phase"] == "Running"


@pytest.mark.parametrize(
    "error",
    [
        Conflict("changed", status=409, reason="Conflict"),
        Throttled("slow down", status=429, retry_after=1.0),
        Unavailable("connection reset"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("verb", ["create", "apply", "delete", "status"])
@pytest.mark.parametrize("late", [False, True], ids=["refused", "answer-lost"])
async def test_refused_writes_lose_and_double_nothing(verb: str, error: ApiError, late: bool) -> None:
    """In the middle of a start, of an attempt that gives way to the next one, and of the end."""
    world = World(training(masterSpec=MASTER), jobs="Running")
    for step in ("start", "fail", "again", "complete"):
        if step == "fail":
            world.controllers.jobs_by_name = {"d-worker-1": "out of luck"}
            world.controllers.run()
            world.controllers.jobs_by_name = {}
        elif step == "again":
            world.tick(WAITS)
        elif step == "complete":
            world.controllers.jobs_by_name = {"d-master": "Complete"}
        world.connect(Refusing(world.cluster, verb, error, times=2, late=late))
        await world.settle()
        world.tick(60)
        await world.settle()
    assert status(world)["run"]["result"] == "Completed"
    assert status(world)["phase"] == "Completed"
    assert made(world, "d-master") == 2


async def test_a_new_mpijob_waits_for_the_pods_of_the_old_one() -> None:
    """They have the names of the new ones."""
    world = World(training(distributedFramework="MPI", backend="auto"), jobs="Running")
    await world.settle()
    old = world.get("MPIJob", "d")["metadata"]["uid"]
    labels = world.get("MPIJob", "d")["spec"]["mpiReplicaSpecs"]["Worker"]["template"]["metadata"]["labels"]
    owner = {"apiVersion": "kubeflow.org/v2beta1", "kind": "MPIJob", "name": "d", "uid": old, "controller": True}
    meta = {"name": "d-worker-0", "namespace": "team-a", "labels": labels, "ownerReferences": [owner]}
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "status": {"phase": "Running"}}
    world.cluster.user_apply({**pod, "metadata": {**meta, "finalizers": ["example.com/hold"]}})
    world.annotate(KIND, "d", restartedAt="1")
    await world.settle()
    assert names(world, "MPIJob") == []
    held = world.get("Pod", "d-worker-0")
    held["metadata"].pop("finalizers")
    world.cluster.user_replace(held)
    if world.find("Pod", "d-worker-0"):
        world.cluster.user_delete("Pod", "team-a", "d-worker-0")
    await world.settle()
    assert names(world, "MPIJob") == ["d"]
    assert world.get("MPIJob", "d")["metadata"]["uid"] != old
