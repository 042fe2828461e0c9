"""The simulated node on a control plane: pods, volumes, load balancers."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Cluster, condition, eventually, pod_spec


def deployment(replicas: int = 2) -> dict[str, Any]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": pod_spec()}
    return {
        "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def claim(size: str = "1Gi", **spec: Any) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}} | spec
    return {"metadata": {"name": "data"}, "spec": spec}


def ready(pod: dict[str, Any]) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def waiting(pod: dict[str, Any]) -> str:
    state = pod["status"].get("containerStatuses", [{"state": {}}])[0]["state"]
    return str(state.get("waiting", {}).get("reason", ""))


def test_a_deployment_becomes_available(cluster: Cluster) -> None:
    cluster.create(cluster.path("deployments"), deployment())
    seen = eventually(
        lambda: cluster.get("deployments", "web"), lambda each: each["status"].get("availableReplicas") == 2
    )
    assert condition(seen, "Available")["status"] == "True"
    pods = cluster.connection.request("GET", cluster.path("pods"))["items"]
    assert len({each["status"]["podIP"] for each in pods}) == 2
    assert {each["spec"]["nodeName"] for each in pods} == {"sandbox"}
    assert all(
        condition(each, kind)["status"] == "True"
        for each in pods
        for kind in ("Initialized", "ContainersReady", "PodScheduled")
    )


def test_a_job_completes(cluster: Cluster) -> None:
    cluster.create(
        cluster.path("jobs"),
        {"metadata": {"name": "train"}, "spec": {"template": {"spec": pod_spec(restartPolicy="Never")}}},
    )
    seen = eventually(lambda: cluster.get("jobs", "train"), lambda each: condition(each, "Complete"))
    assert seen["status"]["succeeded"] == 1


def test_a_job_with_behaviour_fail_fails(cluster: Cluster) -> None:
    cluster.annotate(pods="fail")
    spec = {"backoffLimit": 0, "template": {"spec": pod_spec(restartPolicy="Never")}}
    cluster.create(cluster.path("jobs"), {"metadata": {"name": "train"}, "spec": spec})
    eventually(lambda: cluster.get("jobs", "train"), lambda each: condition(each, "Failed").get("status") == "True")


@pytest.mark.parametrize(
    ("behaviour", "reason"), [("crash", "CrashLoopBackOff"), ("oom", "CrashLoopBackOff"), ("image", "ImagePullBackOff")]
)
def test_waiting_containers(cluster: Cluster, behaviour: str, reason: str) -> None:
    cluster.pod(behaviour=behaviour)
    seen = cluster.await_pod("pod", lambda pod: waiting(pod) == reason)
    assert condition(seen, "Ready")["reason"] == "ContainersNotReady"
    status = seen["status"]["containerStatuses"][0]
    if behaviour == "image":
        assert seen["status"]["phase"] == "Pending"
        assert "registry.example/app:1" in status["state"]["waiting"]["message"]
    else:
        assert status["restartCount"] > 0
        assert status["lastState"]["terminated"]["exitCode"] == (137 if behaviour == "oom" else 1)
        assert status["lastState"]["terminated"]["reason"] == ("OOMKilled" if behaviour == "oom" else "Error")


@pytest.mark.parametrize(
    ("behaviour", "policy", "phase"),
    [("fail", "Always", "Failed"), ("complete", "Never", "Succeeded"), ("oom", "Never", "Failed")],
)
def test_finished_pods(cluster: Cluster, behaviour: str, policy: str, phase: str) -> None:
    cluster.pod(behaviour=behaviour, restartPolicy=policy)
    cluster.await_pod("pod", lambda pod: pod["status"]["phase"] == phase)


def test_hang_then_ready_follows_the_namespace(cluster: Cluster) -> None:
    cluster.annotate(pods="hang")
    cluster.pod()
    seen = cluster.await_pod("pod", lambda pod: condition(pod, "Ready").get("status") == "False")
    assert (seen["spec"]["nodeName"], seen["status"]["phase"]) == ("sandbox", "Running")
    cluster.annotate(pods="ready")
    cluster.await_pod("pod", ready)
    cluster.annotate(pods="crash")
    cluster.await_pod("pod", lambda pod: waiting(pod) == "CrashLoopBackOff")


def test_slow_is_first_not_ready_then_ready(cluster: Cluster) -> None:
    cluster.pod(behaviour="slow")
    cluster.await_pod("pod", lambda pod: condition(pod, "Ready").get("status") == "False")
    cluster.await_pod("pod", ready)


def test_the_pods_annotation_wins(cluster: Cluster) -> None:
    cluster.annotate(pods="crash")
    cluster.pod(behaviour="ready")
    cluster.await_pod("pod", ready)


def test_init_containers_and_sidecars(cluster: Cluster) -> None:
    initial = [{"name": "git", "image": "git"}, {"name": "proxy", "image": "proxy", "restartPolicy": "Always"}]
    cluster.pod(initContainers=initial)
    first, second = cluster.await_pod("pod", ready)["status"]["initContainerStatuses"]
    assert first["state"]["terminated"]["exitCode"] == 0
    assert "running" in second["state"]


def test_gpus_run_out_and_come_back(cluster: Cluster) -> None:
    gpus = {"resources": {"limits": {"nvidia.com/gpu": "16"}}}
    cluster.pod("first", container=gpus)
    cluster.await_pod("first", ready)
    cluster.pod("second", container=gpus)
    seen = cluster.await_pod("second", lambda pod: condition(pod, "PodScheduled").get("reason") == "Unschedulable")
    assert "1 Insufficient nvidia.com/gpu" in condition(seen, "PodScheduled")["message"]
    assert seen["status"]["phase"] == "Pending"
    cluster.connection.request("DELETE", cluster.path("pods", "first"))
    cluster.await_pod("second", ready)


def test_a_selector_that_no_node_has(cluster: Cluster) -> None:
    cluster.pod(nodeSelector={"disk": "ssd"})
    seen = cluster.await_pod("pod", lambda pod: condition(pod, "PodScheduled").get("reason") == "Unschedulable")
    assert "didn't match Pod's node affinity/selector" in condition(seen, "PodScheduled")["message"]


def test_claims_are_bound_and_grow(cluster: Cluster) -> None:
    cluster.create(cluster.path("persistentvolumeclaims"), claim())
    seen = eventually(
        lambda: cluster.get("persistentvolumeclaims", "data"), lambda each: each["status"]["phase"] == "Bound"
    )
    assert seen["spec"]["storageClassName"] == "standard"
    volume = cluster.connection.request("GET", f"/api/v1/persistentvolumes/{seen['spec']['volumeName']}")
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    bigger = {"spec": {"resources": {"requests": {"storage": "5Gi"}}}}
    cluster.connection.request(
        "PATCH", cluster.path("persistentvolumeclaims", "data"), bigger, "application/merge-patch+json"
    )
    eventually(
        lambda: cluster.get("persistentvolumeclaims", "data"),
        lambda each: each["status"]["capacity"]["storage"] == "5Gi",
    )


def test_a_hanging_claim_holds_its_pod(cluster: Cluster) -> None:
    cluster.annotate(volumes="hang")
    cluster.create(cluster.path("persistentvolumeclaims"), claim())
    cluster.pod(volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])
    seen = cluster.await_pod("pod", lambda pod: condition(pod, "PodScheduled").get("reason") == "Unschedulable")
    assert "unbound immediate PersistentVolumeClaims" in condition(seen, "PodScheduled")["message"]
    cluster.annotate(volumes="")
    cluster.await_pod("pod", ready)


def test_a_claim_may_wait_for_its_first_consumer(cluster: Cluster) -> None:
    storage_class = {"metadata": {"name": cluster.namespace}, "provisioner": "sandbox.outfitter.dev/none"}
    cluster.create(
        "/apis/storage.k8s.io/v1/storageclasses", storage_class | {"volumeBindingMode": "WaitForFirstConsumer"}
    )
    cluster.create(cluster.path("persistentvolumeclaims"), claim(storageClassName=cluster.namespace))
    events = cluster.path("events") + "?fieldSelector=reason=WaitForFirstConsumer"
    eventually(lambda: cluster.connection.request("GET", events)["items"])
    assert cluster.get("persistentvolumeclaims", "data")["status"]["phase"] == "Pending"
    cluster.pod(volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])
    cluster.await_pod("pod", ready)
    assert cluster.get("persistentvolumeclaims", "data")["status"]["phase"] == "Bound"


def test_load_balancers_get_an_address(cluster: Cluster) -> None:
    cluster.create(
        cluster.path("services"),
        {"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}},
    )
    seen = eventually(
        lambda: cluster.get("services", "web"), lambda each: each["status"]["loadBalancer"].get("ingress")
    )
    assert seen["status"]["loadBalancer"]["ingress"][0]["ip"].startswith("192.0.2.")


def test_deleted_pods_go_at_once(cluster: Cluster) -> None:
    cluster.pod()
    cluster.await_pod("pod", ready)
    cluster.connection.request("DELETE", cluster.path("pods", "pod"))
    eventually(lambda: cluster.connection.answer("GET", cluster.path("pods", "pod"))[0] == 404, seconds=5)


def test_a_restarted_node_continues(cluster: Cluster) -> None:
    cluster.pod("before", container={"resources": {"limits": {"nvidia.com/gpu": "16"}}})
    cluster.await_pod("before", ready)
    cluster.sandbox.stop_component("node", kill=True)
    cluster.pod("after", container={"resources": {"limits": {"nvidia.com/gpu": "1"}}})
    cluster.sandbox.start_component("node")
    cluster.await_pod("after", lambda pod: condition(pod, "PodScheduled").get("reason") == "Unschedulable")
    cluster.connection.request("DELETE", cluster.path("pods", "before"))
    cluster.await_pod("after", ready)
