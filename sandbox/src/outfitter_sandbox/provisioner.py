"""The storage of a sandbox node: a StorageClass, and volumes for claims."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from outfitter.api.quantities import parse_quantity
from outfitter.errors import AlreadyExists
from outfitter_sandbox.key_queue import Key, KeyQueue
from outfitter_sandbox.object_api import ObjectApi

Object = dict[str, Any]
ANNOTATION = "sandbox.outfitter.dev/volumes"  # on a namespace; `hang` leaves its claims pending
STORAGE_CLASS: Object = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "sandbox.outfitter.dev/none",
    "reclaimPolicy": "Retain",
    "volumeBindingMode": "Immediate",
    "allowVolumeExpansion": True,
}
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
VOLUMES = "/api/v1/persistentvolumes"


class Provisioner:
    """Provisions the claims of its StorageClass; kube-controller-manager binds them.

    `has_consumer` reports whether a pod mounts a claim. `claim_changed` is called with each added, bound or deleted
    claim. A subclass with another StorageClass makes real folders.
    """

    storage_class: Object = STORAGE_CLASS

    def __init__(
        self,
        api: ObjectApi,
        namespaces: dict[str, Object],
        has_consumer: Callable[[Key], bool],
        claim_changed: Callable[[Key], None],
    ) -> None:
        self.api = api
        self.namespaces = namespaces
        self.has_consumer = has_consumer
        self.claim_changed = claim_changed
        self.claims: dict[Key, Object] = {}
        self.classes: dict[str, Object] = {}
        self.queue = KeyQueue(self._reconcile)

    async def create_class(self) -> None:
        """Create the default StorageClass unless it exists."""
        with contextlib.suppress(AlreadyExists):
            await self.api.request("POST", CLASSES, self.storage_class)

    async def watch_classes(self) -> None:
        """Keep `classes` current; claims may wait for a new one."""
        async for change, storage_class in self.api.watch(CLASSES):
            if change == "DELETED":
                self.classes.pop(storage_class["metadata"]["name"], None)
            else:
                self.classes[storage_class["metadata"]["name"]] = storage_class
                for key in list(self.claims):
                    self.queue.add(key)

    async def watch_claims(self) -> None:
        """Keep `claims` current and reconcile each change."""
        async for change, claim in self.api.watch("/api/v1/persistentvolumeclaims"):
            key = (claim["metadata"]["namespace"], claim["metadata"]["name"])
            if change == "DELETED":
                self.claims.pop(key, None)
            else:
                self.claims[key] = claim
                self.queue.add(key)
            self.claim_changed(key)

    def reconcile_namespace(self, namespace: str) -> None:
        """Reconcile every claim of a namespace, whose annotation may have changed."""
        for key in list(self.claims):
            if key[0] == namespace:
                self.queue.add(key)

    def scheduling_obstacle(self, key: Key) -> str:
        """Why a pod that mounts this claim cannot be bound, as kube-scheduler words it.

        Empty when it can.
        """
        claim = self.claims.get(key)
        if claim is None:
            return f'0/1 nodes are available: persistentvolumeclaim "{key[1]}" not found. not found'
        if claim.get("status", {}).get("phase") != "Bound":
            return "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
        return ""

    async def volume_source(self, uid: str, storage_class: Object) -> Object:
        """The members of a volume's spec for its place and reclaim policy.

        A simulated node never mounts it.
        """
        del storage_class
        path = f"/nonexistent/outfitter-sandbox/{uid}"
        return {"persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": path}}

    async def _reconcile(self, key: Key) -> None:
        claim = self.claims.get(key)
        if claim is None or claim["metadata"].get("deletionTimestamp") or key[0] not in self.namespaces:
            return
        storage_class = self.classes.get(claim["spec"].get("storageClassName") or "")
        if storage_class is None or storage_class["provisioner"] != self.storage_class["provisioner"]:
            return
        annotations = self.namespaces[key[0]]["metadata"].get("annotations") or {}
        if annotations.get(ANNOTATION) == "hang":
            return
        phase = claim.get("status", {}).get("phase", "Pending")
        if phase == "Bound":
            await self._expand(key, claim)
        elif phase == "Pending" and not claim["spec"].get("volumeName"):
            if storage_class.get("volumeBindingMode") == "WaitForFirstConsumer" and not self.has_consumer(key):
                return
            await self._provision(key, claim, storage_class)

    async def _provision(self, key: Key, claim: Object, storage_class: Object) -> None:
        """Create a volume with a reference to the claim.

        The volume controller binds the two.
        """
        uid = claim["metadata"]["uid"]
        provisioner = storage_class["provisioner"]
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"pvc-{uid}", "annotations": {"pv.kubernetes.io/provisioned-by": provisioner}},
            "spec": {
                "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
                "accessModes": claim["spec"]["accessModes"],
                "volumeMode": claim["spec"].get("volumeMode", "Filesystem"),
                "storageClassName": storage_class["metadata"]["name"],
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": key[0],
                    "name": key[1],
                    "uid": uid,
                },
                **await self.volume_source(uid, storage_class),
            },
        }
        with contextlib.suppress(AlreadyExists):
            await self.api.request("POST", VOLUMES, volume)

    async def _expand(self, key: Key, claim: Object) -> None:
        """Expand as a CSI resizer does: the volume first, then the claim's capacity."""
        wanted = claim["spec"]["resources"]["requests"]["storage"]
        capacity = claim["status"].get("capacity", {}).get("storage", "0")
        if parse_quantity(wanted) <= parse_quantity(capacity):
            return
        await self.api.patch(f"{VOLUMES}/{claim['spec']['volumeName']}", {"spec": {"capacity": {"storage": wanted}}})
        path = f"/api/v1/namespaces/{key[0]}/persistentvolumeclaims/{key[1]}/status"
        await self.api.patch(path, {"status": {"capacity": {"storage": wanted}}})
