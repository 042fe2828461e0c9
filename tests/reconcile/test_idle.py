"""Workspaces that nobody uses: their watcher reports it in the status of the pod, and Outfitter stops them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from outfitter.idleness import Report, Verdict
from outfitter.naming import ACTIVITY
from world import TEAM, Body, World, asset, condition, issues, reason

IMAGE = "registry.example.com/notebook:1"
SETTINGS = {"activity_image": "registry.example.com/outfitter:1"}
PORTS = [{"container": 8888}]


async def running(**spec: Any) -> World:
    """A workspace that runs, with a limit of an hour."""
    fields = {"image": IMAGE, "idleTimeoutSeconds": 3600, "ports": PORTS, **spec}
    world = World(asset("Workspace", "w", fields), settings=SETTINGS, pod_objects=True)
    await world.settle()
    assert world.status("Workspace", "w")["phase"] == "Running"
    world.tick(86400)
    return world


def watcher(world: World, **state: Any) -> None:
    """Set the state of the watcher's container, as the kubelet does; the tool runs since the start of its pod."""
    pod = world.get("Pod", "w-0")
    tools = [item for item in pod["status"]["containerStatuses"] if item["name"] != ACTIVITY]
    tools = [{**item, "ready": True, "state": {"running": {"startedAt": pod["status"]["startTime"]}}} for item in tools]
    pod["status"]["containerStatuses"] = [
        *tools,
        {"name": ACTIVITY, "ready": "running" in state.get("state", {}), **state},
    ]
    world.cluster.user_replace(pod)


def ended(world: World, verdict: Verdict = Verdict.IDLE, seconds: int = 3600, **more: Any) -> Body:
    """How a watcher ends with a report."""
    time = world.time().strftime("%Y-%m-%dT%H:%M:%SZ")
    end = {"exitCode": 0, "reason": "Completed", "message": Report(verdict, seconds).text(), "finishedAt": time}
    return {"terminated": {**end, **more}}


def replicas(world: World) -> int:
    return int(world.get("StatefulSet", "w")["spec"]["replicas"])


def containers(world: World) -> dict[str, Body]:
    """The containers of the pod template by their names."""
    template = world.get("StatefulSet", "w")["spec"]["template"]
    return {item["name"]: item for item in template["spec"]["containers"]}


async def test_idle_stopped_and_started_again() -> None:
    world = await running()
    before = len(world.cluster.writes)
    world.tick(86400)
    await world.settle()
    assert world.writes(before) == []  # no time stops it, only a report
    watcher(world, state=ended(world))
    await world.settle()
    status = world.status("Workspace", "w")
    assert (status["phase"], reason(status), status["halted"]["reason"]) == ("Stopped", "Idle", "Idle")
    assert condition(status, "Ready")["status"] == "True"  # type: ignore[index]
    assert "It was not used for 3600 seconds, as idleTimeoutSeconds allows." in status["message"]
    assert "kubectl -n team-a annotate workspace w --overwrite outfitter.dev/restartedAt" in status["message"]
    assert replicas(world) == 0
    before = len(world.cluster.writes)
    world.tick(86400)
    await world.settle()
    assert (world.status("Workspace", "w")["phase"], world.writes(before)) == ("Stopped", [])
    world.annotate("Workspace", "w", restartedAt="1")
    await world.settle()
    status = world.status("Workspace", "w")
    assert (status["phase"], "halted" in status) == ("Running", False)
    world.tick(3600)
    watcher(world, state=ended(world))
    await world.settle()
    assert world.status("Workspace", "w")["phase"] == "Stopped"
    for suspend in (True, False):
        world.edit("Workspace", "w", suspend=suspend)
        await world.settle()
    assert (world.status("Workspace", "w")["phase"], replicas(world)) == ("Running", 1)


async def test_the_operator_was_away() -> None:
    """The kubelet has started the watcher again; its last report still holds."""
    world = await running()
    watcher(world, state={"running": {}}, lastState=ended(world), restartCount=1)
    world.tick(7200)
    await world.restart()
    await world.settle()
    assert world.status("Workspace", "w")["phase"] == "Stopped"


async def test_somebody_came_back_while_the_operator_was_away() -> None:
    world = await running()
    before = len(world.cluster.writes)
    watcher(world, state={"running": {}}, lastState=ended(world, Verdict.USED), restartCount=2)
    await world.settle()
    watcher(world, state=ended(world, Verdict.USED), lastState=ended(world), restartCount=1)
    await world.settle()
    assert (world.status("Workspace", "w")["phase"], world.writes(before)) == ("Running", [])


@pytest.mark.parametrize(
    "end",
    [
        {"exitCode": 137, "reason": "OOMKilled"},
        {"exitCode": 0, "reason": "Completed"},
        {"exitCode": 0, "message": "idle"},
        {"exitCode": 1, "message": Report(Verdict.IDLE, 3600).text()},
        {"exitCode": 0, "message": Report(Verdict.IDLE, 3600).text(), "finishedAt": None},
        {"exitCode": 0, "message": json.dumps({"verdict": "idle"}), "finishedAt": "2026-01-01T00:00:00Z"},
    ],
)
async def test_only_a_report_stops_it(end: Body) -> None:
    world = await running()
    for state in ({"state": {"terminated": end}}, {"state": {"running": {}}, "lastState": {"terminated": end}}):
        watcher(world, **state)
        await world.settle()
        assert (world.status("Workspace", "w")["phase"], replicas(world)) == ("Running", 1)


async def test_a_report_of_the_tool_is_none() -> None:
    """Only the container of Outfitter reports, and what runs in the workspace cannot write for it."""
    world = await running()
    pod = world.get("Pod", "w-0")
    pod["status"]["containerStatuses"] = [{"name": "main", "ready": True, "lastState": ended(world)}]
    world.cluster.user_replace(pod)
    await world.settle()
    assert world.status("Workspace", "w")["phase"] == "Running"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"state": {"waiting": {"reason": "ImagePullBackOff"}}}, "ImagePullBackOff"),
        ({"state": {"waiting": {"reason": "CreateContainerConfigError"}}}, "CreateContainerConfigError"),
        (
            {
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1, "message": "no table"}},
            },
            "exit code 1",
        ),
        ({"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}, "exit code 137"),
    ],
)
async def test_a_watcher_that_fails_stops_nothing(state: Body, words: str) -> None:
    """The pod is not ready then, and the workspace is: with a note, with an address, and for any time."""
    world = await running()
    world.controllers.pods = False
    watcher(world, **state)
    await world.settle()
    for _ in range(2):
        status = world.status("Workspace", "w")
        assert (status["phase"], reason(status), issues(status)) == ("Running", "Running", ["ActivityUnknown"])
        assert words in status["issues"][0]["message"]
        assert (replicas(world), status["readyReplicas"]) == (1, 1)
        world.tick(86400)
        await world.settle()
    assert world.get("Service", "w")["spec"]["publishNotReadyAddresses"] is True
    world.controllers.pods = True
    watcher(world, state={"running": {}})
    await world.settle()
    assert issues(world.status("Workspace", "w")) == []


async def test_a_tool_that_is_not_ready_is_not_hidden() -> None:
    world = await running()
    world.controllers.pods = False
    watcher(world, state={"waiting": {"reason": "ImagePullBackOff"}})
    pod = world.get("Pod", "w-0")
    pod["status"]["containerStatuses"][0] |= {"ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    world.cluster.user_replace(pod)
    await world.settle()
    world.tick(60)
    await world.settle()
    status = world.status("Workspace", "w")
    assert condition(status, "Ready")["status"] == "False"  # type: ignore[index]
    assert "CrashLoopBackOff" in status["message"]


async def test_a_pod_that_is_replaced_begins_anew() -> None:
    """A report is about one pod: a drained node takes it along."""
    world = await running()
    watcher(world, state=ended(world))
    world.cluster.user_delete("Pod", TEAM, "w-0")
    await world.settle()
    assert (world.status("Workspace", "w")["phase"], replicas(world)) == ("Running", 1)


async def test_a_pod_that_ends_reports_nothing() -> None:
    world = await running()
    pod = world.get("Pod", "w-0")
    pod["metadata"]["finalizers"] = ["example.com/slow"]
    world.cluster.user_replace(pod)
    watcher(world, state=ended(world))
    world.cluster.user_delete("Pod", TEAM, "w-0")
    await world.once("Workspace", "w")
    assert replicas(world) == 1


async def test_a_restart_is_not_undone_by_the_pod_before_it() -> None:
    world = await running()
    watcher(world, state=ended(world))
    world.annotate("Workspace", "w", restartedAt="1")
    await world.settle()
    assert (world.status("Workspace", "w")["phase"], replicas(world)) == ("Running", 1)


async def test_another_limit_does_not_end_what_runs() -> None:
    """A longer one counts at once, measured from the report; a shorter one from the next start on."""
    world = await running()
    template = world.get("StatefulSet", "w")["spec"]["template"]
    world.edit("Workspace", "w", idleTimeoutSeconds=7200)
    await world.settle()
    assert world.get("StatefulSet", "w")["spec"]["template"] == template
    watcher(world, state=ended(world, seconds=3600))
    await world.settle()
    world.tick(3599)
    await world.settle()
    assert world.status("Workspace", "w")["phase"] == "Running"
    world.tick(1)
    await world.settle()
    status = world.status("Workspace", "w")
    assert (status["phase"], status["halted"]["reason"]) == ("Stopped", "Idle")
    assert "for 7200 seconds" in status["message"]
    world.annotate("Workspace", "w", restartedAt="1")
    await world.settle()
    assert "--seconds=7200" in containers(world)[ACTIVITY]["args"]
    world.edit("Workspace", "w", idleTimeoutSeconds=None)
    await world.settle()
    watcher(world, state=ended(world, seconds=7200))
    await world.settle()
    assert world.status("Workspace", "w")["phase"] == "Running"
    world.annotate("Workspace", "w", restartedAt="2")
    await world.settle()
    assert [*containers(world)] == ["main"]


async def test_somebody_came_back_before_the_longer_limit() -> None:
    world = await running()
    world.edit("Workspace", "w", idleTimeoutSeconds=7200)
    watcher(world, state={"running": {}}, lastState=ended(world))
    await world.settle()
    world.tick(3000)
    watcher(world, state={"running": {}}, lastState=ended(world, Verdict.USED))
    world.tick(86400)
    await world.settle()
    assert world.status("Workspace", "w")["phase"] == "Running"


async def test_an_edit_of_the_tool_takes_the_new_watcher_along() -> None:
    world = await running()
    world.edit("Workspace", "w", idleTimeoutSeconds=7200, image=f"{IMAGE}.1")
    await world.settle()
    found = containers(world)
    assert (found["main"]["image"], "--seconds=7200" in found[ACTIVITY]["args"]) == (f"{IMAGE}.1", True)


async def test_a_workspace_from_before_keeps_running_without_a_watcher() -> None:
    """A policy that comes later changes nothing that runs, nor does a new version of Outfitter."""
    world = World(asset("Workspace", "w", {"image": IMAGE, "ports": PORTS}), settings=SETTINGS, pod_objects=True)
    await world.settle()
    template = world.get("StatefulSet", "w")["spec"]["template"]
    policy = {"workloadType": "workspace", "defaults": {"idleTimeoutSeconds": 600}}
    world.load([asset("WorkloadPolicy", "limits", policy)])
    await world.settle()
    world.tick(86400)
    await world.settle()
    assert world.get("StatefulSet", "w")["spec"]["template"] == template
    assert world.status("Workspace", "w")["phase"] == "Running"
    world.annotate("Workspace", "w", restartedAt="1")
    await world.settle()
    assert "--seconds=600" in containers(world)[ACTIVITY]["args"]


async def test_a_newer_operator_keeps_the_pod() -> None:
    """Its image of the watcher joins at the next start, also if the spec is edited before."""
    world = await running()
    template = world.get("StatefulSet", "w")["spec"]["template"]
    world.settings = world.settings.model_copy(update={"activity_image": "registry.example.com/outfitter:2"})
    await world.restart()
    await world.settle()
    world.edit("Workspace", "w", maxRuntimeSeconds=86400)
    await world.settle()
    assert world.get("StatefulSet", "w")["spec"]["template"] == template
    world.annotate("Workspace", "w", restartedAt="1")
    await world.settle()
    assert containers(world)[ACTIVITY]["image"] == "registry.example.com/outfitter:2"


async def test_a_stop_that_was_not_written_down_is_made_again() -> None:
    """The operator is killed after the status and before the StatefulSet, or the other way round."""
    world = await running()
    watcher(world, state=ended(world))
    await world.once("Workspace", "w")
    body = world.get("StatefulSet", "w")
    body["spec"]["replicas"] = 1
    world.cluster.user_apply(body)
    await world.settle()
    assert (world.status("Workspace", "w")["phase"], replicas(world)) == ("Stopped", 0)


async def test_the_clock_of_the_node_differs() -> None:
    """The watcher measures by itself, so that a report counts whatever its time."""
    for hours in (-10, 10):
        world = await running()
        time = (world.time() + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
        watcher(world, state=ended(world, finishedAt=time))
        await world.settle()
        assert world.status("Workspace", "w")["phase"] == "Stopped"


async def test_with_a_token_the_message_says_what_counted() -> None:
    world = await running()
    message = Report(Verdict.IDLE, 3600, by_connections=True).text()
    watcher(world, state=ended(world, message=message))
    await world.settle()
    text = world.status("Workspace", "w")["message"]
    assert "No connection was open for 3600 seconds" in text
    assert "Jupyter does not report its kernels without a token" in text


async def refused(settings: Body | None = None, **spec: Any) -> Body:
    """The status of a workspace that cannot have its limit."""
    world = World(
        asset("Workspace", "w", {"image": IMAGE, "idleTimeoutSeconds": 60, **spec}),
        settings=SETTINGS if settings is None else settings,
    )
    await world.settle()
    assert world.find("StatefulSet", "w") is None
    return world.status("Workspace", "w")


async def test_without_a_port_nothing_shows_use() -> None:
    status = await refused()
    assert issues(status) == ["InvalidSpec"]
    assert status["message"].startswith("spec.idleTimeoutSeconds: The workspace has no port")


async def test_without_an_image_nothing_watches() -> None:
    status = await refused({}, ports=PORTS)
    assert issues(status) == ["Unsupported"]
    assert "set activityImage" in status["message"]


async def test_a_workspace_that_ends_by_itself_has_no_watcher() -> None:
    fields = {"image": IMAGE, "idleTimeoutSeconds": 60, "restartPolicy": "Never"}
    world = World(asset("Workspace", "w", fields), settings=SETTINGS, jobs="Running")
    await world.settle()
    template = world.get("Job", "w")["spec"]["template"]
    assert [item["name"] for item in template["spec"]["containers"]] == ["main"]
    assert issues(world.status("Workspace", "w")) == ["NotEnforced"]


async def test_an_environment_that_runs_has_no_watcher() -> None:
    """Its status could not keep the stop."""
    policy = {"workloadType": "workspace", "defaults": {"idleTimeoutSeconds": 60}}
    world = World(
        asset("WorkloadPolicy", "limits", policy),
        asset("Environment", "e", {"image": IMAGE, "run": {}}),
        settings=SETTINGS,
    )
    await world.settle()
    template = world.get("StatefulSet", "e")["spec"]["template"]
    assert [item["name"] for item in template["spec"]["containers"]] == ["main"]
    assert "NotEnforced" in issues(world.status("Environment", "e"))


async def test_what_is_watched() -> None:
    """Each port once; what probes and load balancers check, and the path of Jupyter."""
    connections = [
        {
            "name": "lab",
            "toolType": "jupyter-notebook",
            "connectionType": "ExternalUrl",
            "containerPort": 8888,
            "customUrl": True,
            "externalUrl": "https://lab.apps.example.com/team/lab",
        },
        {"name": "board", "toolType": "tensorboard", "connectionType": "LoadBalancer", "containerPort": 6006},
        {"name": "runs", "toolType": "wandb", "externalUrl": "https://wandb.example.com"},
    ]
    probe = {"readiness": {"handler": {"httpGet": {"port": 9000, "path": "/"}}}}
    world = World(
        asset(
            "Workspace",
            "w",
            {
                "image": IMAGE,
                "idleTimeoutSeconds": 60,
                "connections": connections,
                "ports": [{"container": 9000}, {"container": 9000, "external": 81, "name": "again"}],
                "probes": probe,
            },
        ),
        settings={**SETTINGS, "domain": "apps.example.com"},
    )
    await world.settle()
    assert containers(world)[ACTIVITY]["args"] == [
        "--seconds=60",
        "--jupyter=8888/team/lab",
        "--port=6006",
        "--checked=6006",
        "--port=9000",
        "--checked=9000",
        "--mark=/run/outfitter/idle",
    ]


@pytest.mark.parametrize("seconds", [0, 3599])
async def test_a_tool_that_did_not_run_all_the_time_is_not_idle(seconds: int) -> None:
    """It waited for its image, or failed and was started again: the time of the watcher is not its own."""
    world = await running()
    pod = world.get("Pod", "w-0")
    start = (world.time() - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    pod["status"]["startTime"] = start
    world.cluster.user_replace(pod)
    watcher(world, state=ended(world))
    await world.settle()
    world.tick(86400)
    await world.settle()
    assert world.status("Workspace", "w")["phase"] == "Running"
    watcher(world, state={"running": {}}, lastState=ended(world))  # the report of the next hours
    await world.settle()
    assert world.status("Workspace", "w")["phase"] == "Stopped"


async def test_a_tool_that_cannot_start_is_not_stopped() -> None:
    world = await running()
    world.controllers.pods = False
    watcher(world, state=ended(world))
    pod = world.get("Pod", "w-0")
    pod["status"]["containerStatuses"][0] |= {"ready": False, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    world.cluster.user_replace(pod)
    await world.settle()
    world.tick(86400)
    await world.settle()
    status = world.status("Workspace", "w")
    assert (reason(status), replicas(world)) == ("ImagePullFailed", 1)


@pytest.mark.parametrize(("grace", "waits"), [(None, True), (60, True), (3, False), (0, False)])
async def test_the_watcher_ends_within_the_grace_period(grace: int | None, *, waits: bool) -> None:
    world = await running(**({} if grace is None else {"terminationGracePeriodSeconds": grace}))
    assert ("lifecycle" in containers(world)[ACTIVITY]) is waits


async def test_a_shorter_limit_waits_for_the_next_start() -> None:
    """And the status says so until then."""
    world = await running()
    world.edit("Workspace", "w", idleTimeoutSeconds=600)
    await world.settle()
    status = world.status("Workspace", "w")
    assert (status["phase"], issues(status)) == ("Running", ["NotEnforced"])
    assert status["issues"][0]["message"].startswith("spec.idleTimeoutSeconds: The limit of 600 seconds applies from")
    world.annotate("Workspace", "w", restartedAt="1")
    await world.settle()
    assert issues(world.status("Workspace", "w")) == []
    assert "--seconds=600" in containers(world)[ACTIVITY]["args"]
