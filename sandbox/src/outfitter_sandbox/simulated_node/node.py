"""One simulated node: scheduler, kubelet and load balancer.

No container runs: pods are bound to the node and get the status that `pod_status.py` describes.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import itertools
import logging
from typing import Any

from outfitter.errors import AlreadyExists, ApiError, NotFound
from outfitter_sandbox.key_queue import Key, KeyQueue
from outfitter_sandbox.object_api import ObjectApi
from outfitter_sandbox.provisioner import Provisioner
from outfitter_sandbox.simulated_node import pod_status, scheduling

Object = dict[str, Any]
NAME = "sandbox"
ADDRESS = "192.0.2.1"
HEARTBEAT_SECONDS = 10  # kube-controller-manager marks a node as lost after 40
FINISHED = ("Succeeded", "Failed")
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_log = logging.getLogger(__name__)


class SimulatedNode:
    """The node and every pod on it."""

    def __init__(self, api: ObjectApi, capacity: dict[str, str]) -> None:
        self.api = api
        self.capacity = capacity
        self.labels = {"kubernetes.io/hostname": NAME, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        self.pods: dict[Key, Object] = {}
        self.namespaces: dict[str, Object] = {}
        self.reserved: dict[str, scheduling.Amounts] = {}  # pod uid -> its requests, from before its binding is sent
        self.bound_at: dict[str, float] = {}
        self.written: dict[str, str] = {}  # pod uid -> the stage of its last status
        self.addresses = itertools.count(1)
        self.balancers = itertools.count(100)
        self.queue = KeyQueue(self._reconcile)
        self.provisioner = Provisioner(api, self.namespaces, self._has_consumer, self._claim_changed)

    async def run(self) -> None:
        """Register the node and run until cancelled."""
        await self.provisioner.create_class()
        await self._register()
        async with asyncio.TaskGroup() as tasks:
            for loop in (
                self._watch_namespaces, self._watch_pods, self._watch_services, self._renew_lease,
                self.provisioner.watch_classes, self.provisioner.watch_claims,
            ):  # fmt: skip
                tasks.create_task(loop())

    async def _register(self) -> None:
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": NAME, "labels": self.labels},
            "status": self._status(),
        }
        with contextlib.suppress(AlreadyExists):
            await self.api.request("POST", "/api/v1/nodes", node)
        stored = await self.api.patch(f"/api/v1/nodes/{NAME}/status", {"status": self._status()})
        self.labels = stored["metadata"]["labels"]

    def _status(self) -> Object:
        now = _now()
        return {
            "capacity": self.capacity,
            "allocatable": self.capacity,
            "addresses": [{"type": "InternalIP", "address": ADDRESS}, {"type": "Hostname", "address": NAME}],
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "simulated node",
                 "lastHeartbeatTime": now, "lastTransitionTime": now}
            ],
            "nodeInfo": dict.fromkeys(
                ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion",
                 "kubeProxyVersion"), ""
            ) | {"kubeletVersion": "v0.0.0-simulated", "operatingSystem": "linux", "architecture": "amd64"},
        }  # fmt: skip

    async def _renew_lease(self) -> None:
        """Renew the node's Lease for kube-controller-manager."""
        while True:
            renewed = {"holderIdentity": NAME, "leaseDurationSeconds": 40, "renewTime": _now(micro=True)}
            try:
                await self.api.patch(f"{LEASES}/{NAME}", {"spec": renewed})
            except NotFound:
                with contextlib.suppress(ApiError):
                    await self.api.request("POST", LEASES, {"metadata": {"name": NAME}, "spec": renewed})
            except ApiError as error:
                _log.warning("lease: %s", error)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _watch_namespaces(self) -> None:
        async for change, namespace in self.api.watch("/api/v1/namespaces"):
            name = namespace["metadata"]["name"]
            if change == "DELETED":
                self.namespaces.pop(name, None)
                continue
            self.namespaces[name] = namespace
            for key in [key for key in self.pods if key[0] == name]:
                self.queue.add(key)
            self.provisioner.reconcile_namespace(name)

    async def _watch_pods(self) -> None:
        async for change, pod in self.api.watch("/api/v1/pods"):
            key, uid = (pod["metadata"]["namespace"], pod["metadata"]["name"]), pod["metadata"]["uid"]
            if change == "DELETED":
                self.pods.pop(key, None)
            else:
                self.pods[key] = pod
                if pod["spec"].get("nodeName") == NAME:
                    self.reserved.setdefault(uid, scheduling.requests_of(pod))
                self.queue.add(key)
            if change == "DELETED" or pod.get("status", {}).get("phase") in FINISHED:
                self._release(uid)

    def _release(self, uid: str) -> None:
        """Free the resources of a pod, and reconcile the pods that wait for resources."""
        self.bound_at.pop(uid, None)
        self.written.pop(uid, None)
        if self.reserved.pop(uid, None):
            for key, pod in self.pods.items():
                if not pod["spec"].get("nodeName"):
                    self.queue.add(key)

    async def _watch_services(self) -> None:
        """Give every LoadBalancer Service an address."""
        async for change, service in self.api.watch("/api/v1/services"):
            if (
                change == "DELETED"
                or service["spec"].get("type") != "LoadBalancer"
                or service["status"]["loadBalancer"].get("ingress")
            ):
                continue
            address = f"192.0.2.{100 + next(self.balancers) % 150}"
            meta = service["metadata"]
            path = f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}/status"
            try:
                await self.api.patch(path, {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}})
            except ApiError as error:
                _log.warning("service: %s", error)  # deleted meanwhile, or the next list brings it again

    def _has_consumer(self, claim: Key) -> bool:
        return any(key[0] == claim[0] and claim[1] in scheduling.claims_of(pod) for key, pod in self.pods.items())

    def _claim_changed(self, claim: Key) -> None:
        for key, pod in self.pods.items():
            if key[0] == claim[0] and not pod["spec"].get("nodeName") and claim[1] in scheduling.claims_of(pod):
                self.queue.add(key)

    async def _reconcile(self, key: Key) -> None:
        """Finish a pod's deletion, bind it, or write its next status."""
        pod = self.pods.get(key)
        if pod is None or pod["spec"].get("nodeName", NAME) != NAME:
            return
        if key[0] not in self.namespaces:
            return  # the namespace watch is behind; its event adds the pod again
        path = f"/api/v1/namespaces/{key[0]}/pods/{key[1]}"
        meta, status = pod["metadata"], pod.get("status", {})
        if meta.get("deletionTimestamp"):
            if pod["spec"].get("nodeName"):
                if meta.get("finalizers") and status.get("phase") not in FINISHED:
                    # The Job controller counts a pod of its own, and lets it go, only once it has ended.
                    await self.api.patch(f"{path}/status", {"status": {"phase": "Failed"}})
                options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
                await self.api.request("DELETE", path, options)
        elif status.get("phase") in FINISHED:
            return
        elif not pod["spec"].get("nodeName"):
            if not pod["spec"].get("schedulingGates"):
                await self._bind(key, path, pod)
        else:
            await self._write_status(key, path, pod)

    async def _bind(self, key: Key, path: str, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self.reserved:
            return  # the binding is sent; the watch will show it
        claims = [(key[0], name) for name in scheduling.claims_of(pod)]
        for claim in claims:
            self.provisioner.queue.add(claim)  # it may have waited for its first consumer
        obstacle = next(filter(None, map(self.provisioner.scheduling_obstacle, claims)), "")
        obstacle = obstacle or scheduling.scheduling_obstacle(pod, self.labels, self.capacity, self.reserved.values())
        if obstacle:
            conditions = pod["status"].get("conditions") or ()
            scheduled: Object = next((item for item in conditions if item["type"] == "PodScheduled"), {})
            if scheduled.get("message") != obstacle:
                await self.api.patch(f"{path}/status", {"status": pod_status.unschedulable(pod, obstacle, _now())})
            return
        self.reserved[uid] = scheduling.requests_of(pod)
        target = {"apiVersion": "v1", "kind": "Node", "name": NAME}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": key[1], "uid": uid}, "target": target}
        try:
            await self.api.request("POST", f"{path}/binding", body)
        except Exception:
            self._release(uid)
            raise

    async def _write_status(self, key: Key, path: str, pod: Object) -> None:
        uid, now = pod["metadata"]["uid"], asyncio.get_running_loop().time()
        since = self.bound_at.setdefault(uid, now)
        behaviour = pod_status.behaviour_of(pod, self.namespaces[key[0]])
        stage, wait = pod_status.stage_of(pod, behaviour, now - since)
        if wait:
            self.queue.add_later(key, wait)
        if self.written.get(uid) == stage:
            return
        number = next(self.addresses)
        address = pod.get("status", {}).get("podIP") or f"10.244.{number // 250 % 250}.{number % 250 + 1}"
        namespace = self.namespaces[key[0]]
        words = pod_status.words_of(pod, namespace, failed=stage != "succeeded")
        digest = pod_status.digest_of(pod, namespace)
        status = pod_status.status_of(pod, stage, _now(), address, words, digest)
        # With the uid the API server rejects the patch for a new pod of the same name.
        await self.api.patch(f"{path}/status", {"metadata": {"uid": uid}, "status": status})
        self.written[uid] = stage


def _now(*, micro: bool = False) -> str:
    now = datetime.datetime.now(datetime.UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")
