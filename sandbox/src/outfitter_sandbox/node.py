"""The node stand-in: `python -m outfitter_sandbox.node --url ... --authority ... --certificate ... --key ... --gpus 16`

Scheduler, kubelet, provisioner and load balancer of a control plane without machines. No container ever runs: pods are
bound to one made-up node and get the status that `behaviours.py` describes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import itertools
import logging
from typing import Any

from outfitter.errors import AlreadyExists, ApiError, NotFound
from outfitter_sandbox import behaviours, scheduling
from outfitter_sandbox.volumes import Volumes
from outfitter_sandbox.watching import Client, Key, Passes

Object = dict[str, Any]
log = logging.getLogger(__name__)
NAME = "sandbox"
HEARTBEAT_SECONDS = 10  # the controller-manager loses patience after 40
FINISHED = ("Succeeded", "Failed")


class Node:
    """One made-up node and every pod on it."""

    def __init__(self, client: Client, capacity: dict[str, str]) -> None:
        self.client = client
        self.capacity = capacity
        self.labels = {"kubernetes.io/hostname": NAME, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        self.pods: dict[Key, Object] = {}
        self.namespaces: dict[str, Object] = {}
        self.reserved: dict[str, scheduling.Amounts] = {}  # pod uid -> what it takes, from before its binding is sent
        self.bound_at: dict[str, float] = {}
        self.shown: dict[str, str] = {}  # pod uid -> the stage last written
        self.addresses = itertools.count(1)
        self.balancers = itertools.count(100)
        self.passes = Passes(self._settle)
        self.volumes = Volumes(client, self.namespaces, self._consumed, self._claim_changed)

    async def run(self) -> None:
        """For ever."""
        await self.volumes.create_class()
        await self._register()
        async with asyncio.TaskGroup() as tasks:
            for each in (self._watch_namespaces, self._watch_pods, self._watch_services, self._beat):
                tasks.create_task(each())
            for each in (self.volumes.watch_classes, self.volumes.watch_claims):
                tasks.create_task(each())

    async def _register(self) -> None:
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": NAME, "labels": self.labels},
            "status": self._status(),
        }
        with contextlib.suppress(AlreadyExists):
            await self.client.request("POST", "/api/v1/nodes", node)
        self.labels = (await self.client.patch(f"/api/v1/nodes/{NAME}/status", {"status": self._status()}))["metadata"][
            "labels"
        ]

    def _status(self) -> Object:
        now = _now()
        return {
            "capacity": self.capacity,
            "allocatable": self.capacity,
            "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": NAME}],
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "node stand-in",
                 "lastHeartbeatTime": now, "lastTransitionTime": now}
            ],
            "nodeInfo": dict.fromkeys(
                ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion",
                 "kubeProxyVersion"), ""
            ) | {"kubeletVersion": "v0.0.0-stand-in", "operatingSystem": "linux", "architecture": "amd64"},
        }  # fmt: skip

    async def _beat(self) -> None:
        """Renew the node's Lease, which is what the controller-manager looks at, and learn labels set by hand."""
        leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        while True:
            renewed = {"holderIdentity": NAME, "leaseDurationSeconds": 40, "renewTime": _now(micro=True)}
            try:
                await self.client.patch(f"{leases}/{NAME}", {"spec": renewed})
            except NotFound:
                lease = {"metadata": {"name": NAME}, "spec": renewed}
                with contextlib.suppress(ApiError):
                    await self.client.request("POST", leases, lease)
            except ApiError as error:
                log.warning("lease: %s", error)  # the next beat tries again
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _watch_namespaces(self) -> None:
        async for kind, item in self.client.watch("/api/v1/namespaces"):
            name = item["metadata"]["name"]
            if kind == "DELETED":
                self.namespaces.pop(name, None)
                continue
            self.namespaces[name] = item
            for key in [each for each in self.pods if each[0] == name]:
                self.passes.add(key)
            self.volumes.recheck(name)

    async def _watch_pods(self) -> None:
        async for kind, pod in self.client.watch("/api/v1/pods"):
            key, uid = (pod["metadata"]["namespace"], pod["metadata"]["name"]), pod["metadata"]["uid"]
            if kind == "DELETED":
                self.pods.pop(key, None)
            else:
                self.pods[key] = pod
                if pod["spec"].get("nodeName") == NAME:
                    self.reserved.setdefault(uid, scheduling.requests_of(pod))
                self.passes.add(key)
            if kind == "DELETED" or pod.get("status", {}).get("phase") in FINISHED:
                self._release(uid)

    def _release(self, uid: str) -> None:
        """Its resources are free again: waiting pods may fit now."""
        self.bound_at.pop(uid, None)
        self.shown.pop(uid, None)
        if self.reserved.pop(uid, None):
            for key, pod in self.pods.items():
                if not pod["spec"].get("nodeName"):
                    self.passes.add(key)

    async def _watch_services(self) -> None:
        async for kind, item in self.client.watch("/api/v1/services"):
            if (
                kind == "DELETED"
                or item["spec"].get("type") != "LoadBalancer"
                or item["status"]["loadBalancer"].get("ingress")
            ):
                continue
            address = f"192.0.2.{100 + next(self.balancers) % 150}"
            path = f"/api/v1/namespaces/{item['metadata']['namespace']}/services/{item['metadata']['name']}/status"
            try:
                await self.client.patch(path, {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}})
            except ApiError as error:
                log.warning("service: %s", error)  # gone meanwhile, or the next list brings it again

    def _consumed(self, claim: Key) -> bool:
        return any(key[0] == claim[0] and claim[1] in scheduling.claims_of(pod) for key, pod in self.pods.items())

    def _claim_changed(self, claim: Key) -> None:
        for key, pod in self.pods.items():
            if key[0] == claim[0] and not pod["spec"].get("nodeName") and claim[1] in scheduling.claims_of(pod):
                self.passes.add(key)

    async def _settle(self, key: Key) -> None:
        """One look at a pod: finish its deletion, bind it, or show its next stage."""
        pod = self.pods.get(key)
        if pod is None or pod["spec"].get("nodeName", NAME) != NAME:
            return
        if key[0] not in self.namespaces:
            return  # its watch lags behind; it asks again, and until then the behaviour is unknown
        path = f"/api/v1/namespaces/{key[0]}/pods/{key[1]}"
        meta, status = pod["metadata"], pod.get("status", {})
        if meta.get("deletionTimestamp"):
            if pod["spec"].get("nodeName"):
                await self.client.request(
                    "DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
                )
        elif status.get("phase") in FINISHED:
            return
        elif not pod["spec"].get("nodeName"):
            if not pod["spec"].get("schedulingGates"):
                await self._bind(key, path, pod)
        else:
            await self._show(key, path, pod)

    async def _bind(self, key: Key, path: str, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self.reserved:
            return  # sent; the watch will show it
        claims = [(key[0], name) for name in scheduling.claims_of(pod)]
        for claim in claims:
            self.volumes.passes.add(claim)  # it may have waited for its first consumer
        why = next(filter(None, map(self.volumes.why_not, claims)), "")
        why = why or scheduling.why_not(pod, self.labels, self.capacity, self.reserved.values())
        if why:
            said: Object = next(
                (each for each in pod["status"].get("conditions") or () if each["type"] == "PodScheduled"), {}
            )
            if said.get("message") != why:
                await self.client.patch(f"{path}/status", {"status": behaviours.unschedulable(pod, why, _now())})
            return
        self.reserved[uid] = scheduling.requests_of(pod)
        target = {"apiVersion": "v1", "kind": "Node", "name": NAME}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": key[1], "uid": uid}, "target": target}
        try:
            await self.client.request("POST", f"{path}/binding", body)
        except Exception:
            self._release(uid)
            raise

    async def _show(self, key: Key, path: str, pod: Object) -> None:
        uid, now = pod["metadata"]["uid"], asyncio.get_running_loop().time()
        since = self.bound_at.setdefault(uid, now)
        behaviour = behaviours.behaviour_of(pod, self.namespaces[key[0]])
        stage, wait = behaviours.stage_of(pod, behaviour, now - since)
        if wait:
            self.passes.add_later(key, wait)
        if self.shown.get(uid) == stage:
            return
        number = next(self.addresses)
        address = pod.get("status", {}).get("podIP") or f"10.244.{number // 250 % 250}.{number % 250 + 1}"
        log = behaviours.log_of(pod, self.namespaces[key[0]])
        status = behaviours.status_of(pod, stage, _now(), address, log)
        # The uid keeps the patch from a pod that took this name meanwhile.
        await self.client.patch(f"{path}/status", {"metadata": {"uid": uid}, "status": status})
        self.shown[uid] = stage


def _now(*, micro: bool = False) -> str:
    now = datetime.datetime.now(datetime.UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


async def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description="Node stand-in of the Outfitter sandbox")
    for name in ("url", "authority", "certificate", "key"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--gpus", type=int, default=16)
    parser.add_argument("--mig-slices", type=int, default=8)
    parser.add_argument("--mig", action="append", default=[], metavar="PROFILE=COUNT")
    chosen = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s")
    capacity = {
        "cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "1000",
        "nvidia.com/gpu": str(chosen.gpus), "nvidia.com/mig-1g.5gb": str(chosen.mig_slices),
        **{f"nvidia.com/mig-{profile}": count for profile, _, count in (each.partition("=") for each in chosen.mig)},
    }  # fmt: skip
    async with Client(chosen.url, chosen.authority, chosen.certificate, chosen.key) as client:
        await Node(client, capacity).run()


if __name__ == "__main__":
    asyncio.run(main())
