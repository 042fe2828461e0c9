"""Trainings on a real API server with the real Job controller; the node is simulated, so pods end on demand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from outfitter.errors import Invalid, NotFound

from .conftest import Stack
from .harness.client import Object, condition, eventually, message, ready
from .harness.process import Operator
from .harness.space import Space

IMAGE = "registry.example.com/train:1"
PODS = "sandbox.outfitter.dev/pods"
LOG = "sandbox.outfitter.dev/log"


def training(space: Space, name: str = "t", *, pods: str = "", log: str = "", **spec: Any) -> Object:
    """A training whose pods behave as told."""
    given = [{"name": key, "value": value} for key, value in ((PODS, pods), (LOG, log)) if value]
    return space.make("Training", name, {"image": IMAGE, "annotations": given, **spec})


def phase(expected: str) -> Callable[[Object], bool]:
    def holds(item: Object) -> bool:
        status = item["status"]
        return bool(status["phase"] == expected and status["observedGeneration"] == item["metadata"]["generation"])

    return holds


def why(item: Object) -> str:
    return str(condition(item, "Ready").get("reason", ""))


def restart(space: Space, value: str, name: str = "t") -> None:
    space.edit("Training", name, {"metadata": {"annotations": {"outfitter.dev/restartedAt": value}}})


def made(stack: Stack, since: int, space: Space) -> list[str]:
    """The Jobs that the operator created there."""
    return [
        entry.name
        for entry in stack.writes(since)
        if (entry.verb, entry.code, entry.resource, entry.namespace) == ("create", 201, "jobs", space.name)
    ]


def test_six_pods_two_at_a_time(stack: Stack, operator: Operator, space: Space) -> None:
    since = stack.mark()
    training(space, completions=6, parallelism=2)
    item = space.wait("Training", "t", phase("Completed"), 60)
    assert ready(item)
    assert item["status"]["progress"] == {"completions": 6, "active": 0, "succeeded": 6, "failed": 0}
    assert item["status"]["startTime"] <= item["status"]["completionTime"]
    spec = space.need("Job", "t")["spec"]
    assert (spec["completionMode"], spec["backoffLimit"], spec["podReplacementPolicy"]) == ("Indexed", 6, "Failed")
    assert spec["template"]["spec"]["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"
    operator.quiet()
    still = stack.mark()
    space.touch("Training", "t", "1")
    operator.stop()
    operator.start()
    operator.quiet()
    assert [(entry.verb, entry.uri) for entry in stack.writes(still) if entry.namespace == space.name] == []
    assert made(stack, since, space) == ["t"]


def test_a_failure_shows_the_last_words_and_can_be_tried_again(stack: Stack, space: Space) -> None:
    since = stack.mark()
    training(space, pods="fail", log="loading\nValueError: no such file data.bin", backoffLimit=0)
    item = space.wait("Training", "t", phase("Failed"), 60)
    assert condition(item, "Stalled")["status"] == "True"
    assert "exit code 1" in message(item)
    assert '"ValueError: no such file data.bin"' in message(item)
    space.spec("Training", "t", annotations=[{"name": PODS, "value": "complete"}], suspend=True)
    space.wait("Training", "t", phase("Stopped"), 30)
    space.gone("Job", "t", 30)
    space.spec("Training", "t", suspend=False)
    space.wait("Training", "t", phase("Completed"), 60)
    assert made(stack, since, space) == ["t", "t"]


def test_out_of_memory_is_told_with_the_fix(space: Space) -> None:
    training(space, pods="oom", backoffLimit=0, compute={"cpuMemoryLimit": "1Gi"})
    item = space.wait("Training", "t", phase("Failed"), 60)
    assert why(item) == "OOMKilled"
    assert "Raise compute.cpuMemoryLimit" in message(item)


def test_a_stopped_job_changes_in_place_and_a_running_one_does_not(space: Space) -> None:
    training(space, pods="ready", completions=4, parallelism=1)
    space.wait("Training", "t", phase("Running"), 30)
    uid = space.need("Job", "t")["metadata"]["uid"]
    space.spec("Training", "t", parallelism=2, backoffLimit=1)
    job = space.wait("Job", "t", lambda item: item["spec"]["parallelism"] == 2 and item["spec"]["backoffLimit"] == 1)
    assert job["metadata"]["uid"] == uid
    space.spec("Training", "t", compute={"cpuCoreRequest": 2}, nodeType="big")
    item = space.wait("Training", "t", lambda item: why(item) == "RestartRequired")
    assert condition(item, "Stalled")["status"] == "True"
    space.spec("Training", "t", suspend=True)
    space.wait("Training", "t", phase("Stopped"), 30)
    space.spec("Training", "t", suspend=False, tolerations=[{"name": "all", "operator": "Exists"}])
    job = space.wait("Job", "t", lambda item: not item["spec"]["suspend"], 30)
    assert job["metadata"]["uid"] == uid
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["requests"] == {"cpu": "2"}
    assert (pod["nodeSelector"], pod["tolerations"]) == ({"outfitter.dev/node-type": "big"}, [{"operator": "Exists"}])


def test_suspended_from_the_start_and_during_the_start(stack: Stack, space: Space) -> None:
    training(space, suspend=True)
    space.wait("Training", "t", phase("Stopped"), 30)
    assert space.get("Job", "t") is None
    space.spec("Training", "t", suspend=False, annotations=[{"name": PODS, "value": "slow"}])
    space.wait("Job", "t", bool, 30)
    space.spec("Training", "t", suspend=True)
    space.wait("Training", "t", phase("Stopped"), 30)
    assert space.need("Job", "t")["spec"]["suspend"] is True
    space.spec("Training", "t", suspend=False, annotations=[])
    space.wait("Training", "t", phase("Completed"), 60)


def test_a_job_deleted_by_hand(stack: Stack, space: Space) -> None:
    """While it runs and after it completed: it is not made again until a restart asks for it."""
    since = stack.mark()
    training(space, "running", pods="ready")
    training(space, "done")
    space.wait("Training", "running", phase("Running"), 30)
    before = space.wait("Training", "done", phase("Completed"), 60)
    for name in ("running", "done"):
        space.delete("Job", name, propagationPolicy="Background")
    item = space.wait("Training", "running", phase("Failed"), 30)
    assert why(item) == "JobDeleted"
    space.touch("Training", "done", "1")
    after = space.need("Training", "done")
    assert (after["status"]["phase"], after["status"]["run"]) == ("Completed", before["status"]["run"])
    assert sorted(made(stack, since, space)) == ["done", "running"]
    restart(space, "1", "running")
    space.wait("Training", "running", phase("Running"), 30)
    assert sorted(made(stack, since, space)) == ["done", "running", "running"]


def test_finished_while_the_operator_was_down(stack: Stack, operator: Operator, space: Space) -> None:
    since = stack.mark()
    training(space, pods="slow", autoDeletionTimeAfterCompletionSeconds=0)
    space.wait("Training", "t", phase("Running"), 30)
    operator.kill()
    pod = next(item for item in space.list("Pod"))
    space.edit("Pod", pod["metadata"]["name"], {"metadata": {"annotations": {PODS: "complete"}}})
    space.wait("Job", "t", lambda item: item["status"].get("succeeded"), 30)
    operator.start()
    item = space.wait("Training", "t", phase("Completed"), 60)
    assert item["status"]["progress"]["succeeded"] == 1
    space.gone("Job", "t", 30)  # at once after the end, as asked; the result stays
    assert space.need("Training", "t")["status"]["phase"] == "Completed"
    assert made(stack, since, space) == ["t"]


def test_preempted(space: Space) -> None:
    """The pod costs no attempt; with terminateAfterPreemption the training stops and says how to start it."""
    training(space, "goes-on", pods="ready", backoffLimit=0)
    training(space, "stops", pods="ready", backoffLimit=0, terminateAfterPreemption=True)
    for name in ("goes-on", "stops"):
        space.wait("Training", name, phase("Running"), 30)
        (pod,) = [item for item in space.list("Pod") if item["metadata"]["labels"]["outfitter.dev/owner-name"] == name]
        took = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "preempted"}
        took["lastTransitionTime"] = space.need("Job", name)["status"]["startTime"]
        place = pod["metadata"]["name"]
        given = {"status": {"conditions": [took]}}
        space.api.patch("Pod", space.name, place, given, sub="status", type_=STRATEGIC)
        if name == "goes-on":
            space.delete("Pod", place)
            continue

        def halted(place: str = place, given: Object = given) -> object:
            """The simulated node may write the status of the pod back; a kubelet leaves such a condition alone."""
            if found := space.need("Training", "stops")["status"].get("halted"):
                return found
            with contextlib.suppress(NotFound):  # the stop took it
                space.api.patch("Pod", space.name, place, given, sub="status", type_=STRATEGIC)
            return None

        eventually(halted, bool, 30)
    item = space.wait("Training", "stops", phase("Stopped"), 30)
    assert (why(item), item["status"]["halted"]["reason"]) == ("Preempted", "Preempted")
    restart(space, "1", "stops")
    space.wait("Training", "stops", phase("Running"), 30)
    assert "halted" not in space.need("Training", "stops")["status"]
    space.wait("Training", "goes-on", phase("Running"), 30)


STRATEGIC = "application/strategic-merge-patch+json"


def test_a_workspace_that_ends(space: Space) -> None:
    space.make("Workspace", "w", {"image": IMAGE, "restartPolicy": "OnFailure"})
    item = space.wait("Workspace", "w", phase("Completed"), 60)
    assert item["status"]["progress"]["succeeded"] == 1
    spec = space.need("Job", "w")["spec"]
    assert (spec["template"]["spec"]["restartPolicy"], "podFailurePolicy" in spec) == ("OnFailure", False)
    assert space.get("StatefulSet", "w") is None


def test_a_workspace_has_a_longest_time(space: Space) -> None:
    space.make("Workspace", "w", {"image": IMAGE, "maxRuntimeSeconds": 2})
    item = space.wait("Workspace", "w", phase("Stopped"), 30)
    assert (why(item), item["status"]["halted"]["reason"]) == ("RuntimeExceeded", "RuntimeExceeded")
    assert space.need("StatefulSet", "w")["spec"]["replicas"] == 0
    space.edit("Workspace", "w", {"metadata": {"annotations": {"outfitter.dev/restartedAt": "1"}}})
    space.wait("Workspace", "w", phase("Running"), 30)


def test_a_workspace_that_nobody_uses(space: Space) -> None:
    """Its watcher reports it, and the pod of the next start begins anew."""
    space.running("w", ports=[{"container": 8888}], idleTimeoutSeconds=3600)
    assert [item["name"] for item in space.template("w")["containers"]] == ["main", "outfitter-activity"]
    space.edit("Pod", "w-0", {"metadata": {"annotations": {PODS: "idle"}}})
    item = space.wait("Workspace", "w", phase("Stopped"), 30)
    assert (why(item), item["status"]["halted"]["reason"]) == ("Idle", "Idle")
    assert "for 3600 seconds, as idleTimeoutSeconds allows" in item["status"]["message"]
    assert space.need("StatefulSet", "w")["spec"]["replicas"] == 0
    space.edit("Workspace", "w", {"metadata": {"annotations": {"outfitter.dev/restartedAt": "1"}}})
    item = space.wait("Workspace", "w", phase("Running"), 30)
    assert "halted" not in item["status"]


def test_an_idle_time_that_is_too_short(space: Space) -> None:
    with pytest.raises(Invalid, match="idleTimeoutSeconds"):
        space.make("Workspace", "w", {"image": IMAGE, "idleTimeoutSeconds": 59})


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"completions": 2, "parallelism": 3}, "parallelism is above completions"),
        ({"restartPolicy": "Always"}, "restartPolicy"),
        ({"completions": 0}, "completions"),
        ({"backoffLimit": -1}, "backoffLimit"),
    ],
)
def test_bad_input_is_refused_at_once(space: Space, spec: Object, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        training(space, **spec)


def test_parallelism_without_completions(space: Space) -> None:
    """A template or policy could have set completions, so the operator says it."""
    training(space, parallelism=3)
    item = space.wait("Training", "t", lambda item: why(item) == "InvalidSpec")
    assert "parallelism is above completions" in message(item)
