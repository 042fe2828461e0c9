"""Imitates the cluster's own controllers: StatefulSets, Deployments, Jobs, claims and Services."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from datetime import datetime
from typing import Any, Final, Literal, Self

from outfitter.naming import ANNOTATION_BUILD_SOURCE, BUILD_CONTAINER, short_hash
from outfitter.simulator.cluster import SimulatedCluster
from outfitter.simulator.manifests import Body, copied
from outfitter.simulator.volumes import known_volume

Binding = bool | Literal["known"]
_FIRST_NODE_PORT: Final = 30001
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_CLUSTER_IP: Final = "10.0.0.1"
_CLAIM_PROTECTION: Final = "kubernetes.io/pvc-protection"
_VOLUME_PROTECTION: Final = "kubernetes.io/pv-protection"
_LOAD_BALANCER_IP: Final = "192.0.2.1"


class Controllers:
    """The controllers of a simulated cluster. Each run brings every object to its final state at once.

    pods: whether the pods of StatefulSets and Deployments become ready.
    binding: whether claims are bound. `known`: only to volumes that exist or that an existing StorageClass creates.
    jobs: `Running`, or how Jobs end: `Complete`, or the end of the failed pod's log; empty where they have no status.
    pod_objects: whether StatefulSets also get Pod objects; the status alone is enough for most uses.
    """

    def __init__(
        self,
        cluster: SimulatedCluster,
        clock: Callable[[], datetime],
        *,
        pods: bool = True,
        binding: Binding = True,
        jobs: str = "Complete",
        pod_objects: bool = False,
    ) -> None:
        self.pods = pods
        self.binding = binding
        self.jobs = jobs
        self.jobs_by_name: dict[str, str] = {}  # the same for single Jobs
        self.pod_objects = pod_objects
        self._cluster = cluster
        self._clock = clock
        self._node_port = _FIRST_NODE_PORT - 1

    def fork(self, cluster: SimulatedCluster, clock: Callable[[], datetime]) -> Self:
        """The same controllers for another cluster."""
        other = copy(self)
        other._cluster, other._clock = cluster, clock
        return other

    def run(self) -> bool:
        """Run every controller once. Returns whether any object changed."""
        before = self._cluster.version
        for body in self._cluster.objects("StatefulSet"):
            self._run_stateful_set(body)
        for body in self._cluster.objects("Deployment"):
            body["spec"].setdefault("replicas", 1)
            self._write_status(self._cluster.user_replace(body), deployment_status)
        for body in self._cluster.objects("Job"):
            self._run_job(body)
        for body in self._cluster.objects("PersistentVolumeClaim"):
            if self.binding == "known":
                self._bind_known(body)
            elif self.binding:
                self._bind(body)
        for body in self._cluster.objects("Service"):
            self._cluster.user_replace(self._allocated(body))
        self._protect_claims()
        self._protect_volumes()
        return self._cluster.version != before

    def _bind(self, body: Body) -> None:
        """Bind a claim: to the volume that it names, unless that is reserved for another claim; else to nothing."""
        meta, name = body["metadata"], body["spec"].get("volumeName")
        volume = self._cluster.find("PersistentVolume", "", name) if name else None
        reserved = {"kind": body["kind"], "apiVersion": "v1", "namespace": meta["namespace"], "name": meta["name"]}
        if volume is not None:
            holder = volume["spec"].get("claimRef") or reserved
            if any(holder.get(key, value) != value for key, value in {**reserved, "uid": meta["uid"]}.items()):
                self._cluster.user_replace({**body, "status": {"phase": "Pending"}})
                return
            volume["spec"]["claimRef"] = {**reserved, "uid": meta["uid"]}
            self._cluster.user_replace({**volume, "status": {"phase": "Bound"}})
        self._cluster.user_replace({**body, "status": claim_status(body)})

    def _bind_known(self, body: Body) -> None:
        if name := known_volume(self._cluster, body):
            body["spec"]["volumeName"] = name
            self._bind(body)

    def _protect_claims(self) -> None:
        """Keep deleted claims while pods mount them."""
        mounted = {place for pod in self._cluster.objects("Pod") for place in mounted_claims(pod)}
        for body in self._cluster.objects("PersistentVolumeClaim"):
            place = (body["metadata"]["namespace"], body["metadata"]["name"])
            self._protect(body, _CLAIM_PROTECTION, needed=place in mounted)

    def _protect_volumes(self) -> None:
        """Keep deleted volumes while a protected claim is bound to them."""
        claims = self._cluster.objects("PersistentVolumeClaim")
        bound = {body["metadata"]["uid"] for body in claims if body["metadata"].get("finalizers")}
        for body in self._cluster.objects("PersistentVolume"):
            holder = (body["spec"].get("claimRef") or {}).get("uid")
            self._protect(body, _VOLUME_PROTECTION, needed=holder in bound)

    def _protect(self, body: Body, finalizer: str, *, needed: bool) -> None:
        meta = body["metadata"]
        present = finalizer in meta.get("finalizers", ())
        if needed and not present and "deletionTimestamp" not in meta:
            meta["finalizers"] = [*meta.get("finalizers", ()), finalizer]
        elif present and not needed:
            meta["finalizers"].remove(finalizer)
        else:
            return
        self._cluster.user_replace(body)

    def _write_status(self, body: Body, status: Callable[[Mapping[str, Any], int], Body]) -> None:
        ready = int(body["spec"].get("replicas", 1)) if self.pods else 0
        self._cluster.user_replace({**body, "status": status(body, ready)})

    def _run_stateful_set(self, body: Body) -> None:
        if self.pod_objects:
            self._run_pods(body)
        self._write_status(body, stateful_set_status)

    def _run_pods(self, body: Body) -> None:
        """Replace the pods of another revision, remove those in excess, and create the missing ones."""
        namespace, name, uid = (body["metadata"][key] for key in ("namespace", "name", "uid"))
        wanted = {f"{name}-{ordinal}" for ordinal in range(body["spec"].get("replicas", 1))}
        revision = template_revision(body)
        for pod in self._cluster.objects("Pod"):
            if not any(ref["uid"] == uid for ref in pod["metadata"].get("ownerReferences") or ()):
                continue
            pod_name = pod["metadata"]["name"]
            if pod_name in wanted and pod["metadata"]["labels"]["controller-revision-hash"] == revision:
                wanted.remove(pod_name)
            else:
                self._cluster.user_delete("Pod", namespace, pod_name)
        for pod_name in sorted(wanted):
            self._cluster.user_apply(running_pod(body, pod_name, self._clock().strftime(_TIME)))

    def _run_job(self, body: Body) -> None:
        """Suspend a Job, or let it run or end, unless it has ended."""
        status = body.get("status") or {}
        if {item["type"] for item in status.get("conditions") or ()} & {"Complete", "Failed"}:
            return
        time = self._clock().strftime(_TIME)
        way = self.jobs_by_name.get(body["metadata"]["name"], self.jobs)
        done = {name: status[name] for name in ("succeeded", "failed") if name in status}
        if body["spec"].get("suspend"):
            status = {**done, "conditions": [{"type": "Suspended", "status": "True"}]}
        elif way == "Running":
            pods = body["spec"].get("parallelism", 1)
            ready = pods if self.pods else 0
            status = {**done, "startTime": status.get("startTime", time), "active": pods, "ready": ready}
        elif way:
            if way != "Complete":
                self._cluster.user_apply(failed_pod(body, way))
            elif body["spec"]["template"]["spec"]["containers"][0]["name"] == BUILD_CONTAINER:
                self._cluster.user_apply(built_pod(body))
            status = job_status(way, time, body["spec"].get("completions", 1))
        self._cluster.user_replace({**body, "status": status})

    def _allocated(self, body: Body) -> Body:
        """The Service with its addresses and ports, as the API server and a load balancer controller set them."""
        spec, kind = body["spec"], body["spec"].get("type")
        spec.setdefault("clusterIP", _CLUSTER_IP)
        for port in spec["ports"] if kind in ("NodePort", "LoadBalancer") else ():
            if "nodePort" not in port:
                self._node_port += 1
                port["nodePort"] = self._node_port
        if kind == "LoadBalancer":
            body["status"] = {"loadBalancer": {"ingress": [{"ip": _LOAD_BALANCER_IP}]}}
        return body


def mounted_claims(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Namespace and name of each claim that a pod mounts; none of a pod that ended."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            yield pod["metadata"]["namespace"], volume["persistentVolumeClaim"]["claimName"]


def template_revision(body: Mapping[str, Any]) -> str:
    """The revision of a StatefulSet's pod template."""
    return f"rev-{short_hash(repr(body['spec']['template']))}"


def stateful_set_status(body: Mapping[str, Any], ready: int) -> Body:
    """The status of a StatefulSet whose rollout has ended with `ready` ready pods."""
    revision = template_revision(body)
    return {
        "observedGeneration": body["metadata"]["generation"],
        "replicas": body["spec"].get("replicas", 1),
        "readyReplicas": ready,
        "currentRevision": revision,
        "updateRevision": revision,
    }


def deployment_status(body: Mapping[str, Any], ready: int) -> Body:
    """The status of a Deployment whose rollout has ended with `ready` ready pods."""
    replicas = body["spec"].get("replicas", 1)
    return {
        "observedGeneration": body["metadata"]["generation"],
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": ready,
        "availableReplicas": ready,
    }


def claim_status(body: Mapping[str, Any]) -> Body:
    """The status of a claim that is bound to a volume of the requested size."""
    return {"phase": "Bound", "capacity": body["spec"]["resources"]["requests"]}


def job_status(end: str, time: str, completions: int = 1) -> Body:
    """The status of a finished Job. `end` is `Complete`, `DeadlineExceeded`, or the end of a failed pod's log."""
    if end == "Complete":
        conditions = [{"type": "Complete", "status": "True", "lastTransitionTime": time}]
        return {"startTime": time, "completionTime": time, "succeeded": completions, "conditions": conditions}
    reason = "DeadlineExceeded" if end == "DeadlineExceeded" else "BackoffLimitExceeded"
    conditions = [{"type": "Failed", "status": "True", "reason": reason, "lastTransitionTime": time}]
    return {"startTime": time, "failed": 1, "conditions": conditions}


def running_pod(stateful_set: Mapping[str, Any], name: str, time: str = "2026-01-01T00:00:00Z") -> Body:
    """A ready pod of a StatefulSet, which started at `time`."""
    template = copied(stateful_set["spec"]["template"])
    labels = {**template["metadata"].get("labels", {}), "controller-revision-hash": template_revision(stateful_set)}
    status = {
        "phase": "Running",
        "startTime": time,
        "conditions": [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Ready")],
        "containerStatuses": [{"name": item["name"], "ready": True} for item in template["spec"]["containers"]],
    }
    pod = _pod(stateful_set, name, labels, {**template["spec"], "nodeName": "memory"}, status)
    if "annotations" in template["metadata"]:
        pod["metadata"]["annotations"] = template["metadata"]["annotations"]
    return pod


def failed_pod(job: Mapping[str, Any], message: str) -> Body:
    """A failed pod of a Job, with the end of its log."""
    return ended_pod(job, 1, message)


def built_pod(job: Mapping[str, Any]) -> Body:
    """The pod of a build that has pushed its image, whose digest is that of its source."""
    source = job["metadata"]["annotations"][ANNOTATION_BUILD_SOURCE]
    return ended_pod(job, 0, f"digest sha256:{short_hash(source, 64)}\nexporting to image")


def ended_pod(job: Mapping[str, Any], code: int, message: str) -> Body:
    """A pod of a Job that has ended, with the message that its container left."""
    name = job["metadata"]["name"]
    labels = {**job["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": name}
    ended = {"terminated": {"exitCode": code, "message": message}}
    container = job["spec"]["template"]["spec"]["containers"][0]["name"]
    status = {
        "phase": "Failed" if code else "Succeeded",
        "containerStatuses": [{"name": container, "state": ended}],
    }
    return _pod(job, f"{name}-x", labels, {}, status)


def _pod(owner: Mapping[str, Any], name: str, labels: Body, spec: Body, status: Body) -> Body:
    meta = owner["metadata"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": labels,
            "ownerReferences": [reference],
        },
        "spec": spec,
        "status": status,
    }
