"""How many pods an Inference has: its own `replicas`, `kubectl scale`, and autoscalers, each at its time."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.cluster.client import path_of
from outfitter.errors import ApiError, Invalid

from .conftest import Stack
from .harness.client import MERGE, Object, eventually, message, ready, resource_of, stalls
from .harness.space import Space
from .test_artifacts import groups
from .test_inference import PLAIN, running

SCALING = {"minReplicas": 2, "maxReplicas": 5, "metric": "cpu", "metricThreshold": 80}
COMPUTE = {"cpuCoreRequest": 0.1}


def scale(space: Space, kind: str, name: str, replicas: int, manager: str = "kubectl") -> None:
    """What `kubectl scale` and autoscalers do."""
    path = f"{path_of(resource_of(kind), space.name, name)}/scale?fieldManager={manager}"
    space.api.connection.request("PATCH", path, {"spec": {"replicas": replicas}}, MERGE)


def scaled_to(count: int) -> Any:
    """A Deployment with so many pods, all ready."""
    return lambda item: item["spec"]["replicas"] == count and item["status"].get("readyReplicas", 0) == count


def owners(item: Object) -> set[tuple[str, str]]:
    """Who owns the number of pods of a Deployment, and how it was written."""
    return {
        (entry["manager"], entry["operation"])
        for entry in item["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }


def writes(stack: Stack, space: Space, since: int) -> list[tuple[str, str, str]]:
    stack.operator.quiet()
    found = [entry for entry in stack.writes(since) if entry.namespace == space.name]
    return [(entry.verb, entry.resource, entry.subresource) for entry in found]


def test_scaled_through_the_scale_subresource(stack: Stack, space: Space) -> None:
    item = running(space)
    revision = item["status"]["revision"]
    shown = space.api.connection.request("GET", path_of(resource_of("Inference"), space.name, "echo") + "/scale")
    assert (shown["spec"], shown["status"]["replicas"]) == ({"replicas": 1}, 1)
    selected = space.list("Pod", labelSelector=shown["status"]["selector"])
    assert len(selected) == 1
    assert space.get("PodDisruptionBudget", "echo") is None
    stack.operator.quiet()
    since = stack.mark()
    scale(space, "Inference", "echo", 3)
    space.wait("Deployment", "echo", scaled_to(3))
    item = space.wait("Inference", "echo", lambda item: ready(item) and item["status"]["readyReplicas"] == 3)
    assert item["status"]["revision"] == revision  # no new pin, and no pod was replaced
    assert selected[0]["metadata"]["name"] in {each["metadata"]["name"] for each in space.list("Pod")}
    made = [each for each in writes(stack, space, since) if each[2] != "status"]
    assert sorted(set(made)) == [("create", "poddisruptionbudgets", ""), ("patch", "deployments", "")]
    # A budget only where there is more than one pod; zero stops.
    scale(space, "Inference", "echo", 1)
    space.gone("PodDisruptionBudget", "echo")
    scale(space, "Inference", "echo", 0)
    space.wait("Inference", "echo", lambda item: ready(item) and item["status"]["phase"] == "Stopped")
    assert space.need("Deployment", "echo")["spec"]["replicas"] == 0
    scale(space, "Inference", "echo", 2)
    item = space.wait("Inference", "echo", lambda item: ready(item) and item["status"]["readyReplicas"] == 2)
    assert item["status"]["revision"] == revision


def test_who_scales_the_deployment_instead_is_put_right(stack: Stack, space: Space) -> None:
    running(space, **PLAIN, replicas=2)
    scale(space, "Deployment", "echo", 5)
    found = space.wait("Deployment", "echo", scaled_to(2))
    assert owners(found) == {("outfitter", "Apply")}
    space.ready("Inference", "echo")


def test_replicas_of_an_artifact_that_runs(space: Space) -> None:
    space.make("Artifact", "scorer", {"containerGroups": groups(), "run": {}})
    space.ready("Artifact", "scorer")
    scale(space, "Artifact", "scorer", 2)
    space.wait("Deployment", "scorer", scaled_to(2))
    space.wait("Artifact", "scorer", lambda item: ready(item) and item["status"]["readyReplicas"] == 2)
    # Of one that does not run there is no number to read, and none to set.
    space.make("Artifact", "idle", {"containerGroups": groups()})
    space.ready("Artifact", "idle")
    with pytest.raises(ApiError, match=r"spec\.run\.replicas"):
        space.api.connection.request("GET", path_of(resource_of("Artifact"), space.name, "idle") + "/scale")
    space.make("Environment", "resting", {"image": "registry.example.com/echo:1"})
    for kind, name in (("Artifact", "idle"), ("Environment", "resting")):
        with pytest.raises(Invalid, match=rf"The {kind} does not run, so it cannot be scaled"):
            scale(space, kind, name, 1)
        assert "run" not in space.need(kind, name)["spec"]
        space.spec(kind, name, run={})
        space.ready(kind, name)
        scale(space, kind, name, 0)
        space.wait(kind, name, lambda item: item["status"]["replicas"] == 0)


def test_an_autoscaler_reads_one_of_several_groups(space: Space) -> None:
    """Two groups follow `replicas`: the scale subresource shows the pods of the first, and the number of each group."""
    both = [{**groups()[0], "name": name} for name in ("front", "rear")]
    space.make("Artifact", "pair", {"containerGroups": both, "run": {}})
    space.ready("Artifact", "pair")
    scale(space, "Artifact", "pair", 2)
    space.wait("Artifact", "pair", lambda item: ready(item) and item["status"]["readyReplicas"] == 2)
    path = path_of(resource_of("Artifact"), space.name, "pair") + "/scale"
    found = space.api.connection.request("GET", path)
    assert (found["spec"]["replicas"], found["status"]["replicas"]) == (2, 2)
    assert len(space.list("Pod", labelSelector=found["status"]["selector"])) == 2
    assert len(space.list("Pod")) == 4


def test_an_autoscaler_and_a_user_do_not_fight(stack: Stack, space: Space) -> None:
    """The autoscaler sets the number, the user's is kept for later, and nobody writes more than once."""
    running(space, **PLAIN, compute=COMPUTE, replicas=4)
    # The number that there is stays, when the autoscaler takes over and also before it first writes.
    space.spec("Inference", "echo", autoscaling=SCALING)
    taken = space.wait("Deployment", "echo", lambda item: "outfitter.dev/scaled" in item["metadata"]["annotations"])
    assert taken["spec"]["replicas"] == 4
    assert owners(taken) == {("outfitter-replicas", "Apply")}
    space.wait("HorizontalPodAutoscaler", "echo", bool)
    space.ready("Inference", "echo")
    scale(space, "Deployment", "echo", 3, manager="kube-controller-manager")
    found = space.wait("Deployment", "echo", scaled_to(3))
    assert owners(found) == {("kube-controller-manager", "Update")}
    space.wait("Inference", "echo", lambda item: ready(item) and item["status"]["readyReplicas"] == 3)
    # The user scales the Inference: noted, and of no effect while the autoscaler is there.
    stack.operator.quiet()
    since = stack.mark()
    scale(space, "Inference", "echo", 1)
    space.wait("Inference", "echo", lambda item: ready(item) and item["spec"]["replicas"] == 1)
    assert set(writes(stack, space, since)) <= {("patch", "inferences", "status")}
    assert space.need("Deployment", "echo")["spec"]["replicas"] == 3
    # A rollout leaves the number alone as well.
    space.spec("Inference", "echo", image="registry.example.com/echo:2")
    found = space.wait(
        "Deployment", "echo", lambda item: item["metadata"]["generation"] > found["metadata"]["generation"]
    )
    assert (found["spec"]["replicas"], owners(found)) == (3, {("kube-controller-manager", "Update")})
    # Without autoscaling the user's number counts again.
    space.spec("Inference", "echo", autoscaling=None)
    found = space.wait("Deployment", "echo", scaled_to(1))
    assert owners(found) == {("outfitter", "Apply")}
    space.gone("HorizontalPodAutoscaler", "echo")
    space.gone("PodDisruptionBudget", "echo")


def test_an_autoscaler_of_the_users_own(space: Space) -> None:
    """It scales the Inference, and whoever applies the manifest again does not take the number back."""
    meta = {"name": "echo", "namespace": space.name}
    given = {"kind": "Inference", "metadata": meta, "spec": {**PLAIN, "compute": COMPUTE}}
    space.api.apply(given)
    space.ready("Inference", "echo")
    target = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "Inference", "name": "echo"}
    use = {"type": "Utilization", "averageUtilization": 80}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": use}}]
    bounds = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3, "metrics": metrics}
    space.native("HorizontalPodAutoscaler", "mine", spec=bounds)
    space.wait("Inference", "echo", lambda item: item["spec"]["replicas"] == 2, 90)
    space.wait("Deployment", "echo", scaled_to(2))
    space.api.apply(given)
    item = space.wait("Inference", "echo", lambda item: ready(item) and item["status"]["readyReplicas"] == 2)
    assert item["spec"]["replicas"] == 2
    space.delete("HorizontalPodAutoscaler", "mine")
    scale(space, "Inference", "echo", 1)
    space.wait("Deployment", "echo", scaled_to(1))


def test_a_number_that_nothing_follows_is_noted(space: Space) -> None:
    """The scale subresource accepts it, from a user or an autoscaler; the status says that it has no effect."""
    own = [{"name": "default", "replicas": 1}]
    space.make("Artifact", "scorer", {"containerGroups": groups()})
    space.make("Inference", "echo", {"artifact": {"name": "scorer"}, "containerGroups": own})
    space.ready("Inference", "echo")
    scale(space, "Inference", "echo", 4)
    item = space.wait("Inference", "echo", lambda item: noted(item) and ready(item))
    assert "Change containerGroups" in noted(item)
    assert space.need("Deployment", "echo")["spec"]["replicas"] == 1
    scale(space, "Inference", "echo", 1)
    space.wait("Inference", "echo", lambda item: ready(item) and not noted(item))
    target = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "Inference", "name": "echo"}
    space.native("HorizontalPodAutoscaler", "mine", spec={"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3})
    space.wait("Inference", "echo", lambda item: noted(item) and ready(item), 90)
    assert space.need("Deployment", "echo")["spec"]["replicas"] == 1


def noted(item: Object) -> str:
    """The note about `replicas` in a status, "" for none."""
    issues = (item.get("status") or {}).get("issues", ())
    return next((each["message"] for each in issues if each["message"].startswith("spec.replicas: ")), "")


def test_made_with_an_autoscaler(stack: Stack, space: Space) -> None:
    """The cluster's own autoscaler raises it to the least number; looking again writes nothing."""
    running(space, **PLAIN, compute=COMPUTE, autoscaling=SCALING)
    found = space.wait("Deployment", "echo", scaled_to(2), 90)  # it looks every 15 seconds
    assert {manager for manager, _ in owners(found)} == {"kube-controller-manager"}
    assert space.get("PodDisruptionBudget", "echo") is not None
    space.wait("Inference", "echo", lambda item: ready(item) and item["status"]["readyReplicas"] == 2)
    passes = stack.operator.quiet()
    since = stack.mark()
    space.touch("Inference", "echo", "again")
    eventually(stack.operator.passes, lambda now: now > passes)
    stack.operator.quiet()
    assert set(writes(stack, space, since)) <= {("patch", "inferences", "status")}  # the news of the autoscaler
    # Stopped is stopped: no autoscaler starts it again.
    space.spec("Inference", "echo", suspend=True)
    space.wait("Inference", "echo", lambda item: ready(item) and item["status"]["phase"] == "Stopped")
    space.gone("HorizontalPodAutoscaler", "echo")
    assert space.need("Deployment", "echo")["spec"]["replicas"] == 0
    space.spec("Inference", "echo", suspend=False)
    space.wait("HorizontalPodAutoscaler", "echo", bool)
    space.wait("Inference", "echo", lambda item: ready(item) and item["status"]["phase"] == "Running")


def test_scaling_to_zero_is_refused(space: Space) -> None:
    scaling = {"minReplicas": 0, "maxReplicas": 3, "metric": "concurrency", "metricThreshold": 10}
    space.make("Inference", "echo", {**PLAIN, "autoscaling": scaling})
    said = space.wait("Inference", "echo", stalls("ScaleToZeroUnsupported"))
    assert "spec.autoscaling.minReplicas" in message(said)
    assert "Set 1 or more" in message(said)
    assert space.get("Deployment", "echo") is None
    # Said of what runs already, it changes nothing there.
    space.spec("Inference", "echo", autoscaling=None)
    space.ready("Inference", "echo")
    space.spec("Inference", "echo", autoscaling=scaling)
    space.wait("Inference", "echo", stalls("ScaleToZeroUnsupported"))
    found = space.need("Deployment", "echo")
    assert (found["spec"]["replicas"], found["status"]["readyReplicas"]) == (1, 1)
    space.spec("Inference", "echo", autoscaling={**SCALING, "minReplicas": 1}, compute=COMPUTE)
    space.ready("Inference", "echo")
    assert space.need("HorizontalPodAutoscaler", "echo")["spec"]["minReplicas"] == 1


def test_cpu_is_measured_against_what_is_requested(space: Space) -> None:
    space.make("Inference", "echo", {**PLAIN, "autoscaling": SCALING})
    said = space.wait("Inference", "echo", stalls("InvalidSpec"))
    assert "Metric cpu needs cpuCoreRequest" in message(said)
    space.spec("Inference", "echo", compute=COMPUTE)
    space.wait("HorizontalPodAutoscaler", "echo", bool)
