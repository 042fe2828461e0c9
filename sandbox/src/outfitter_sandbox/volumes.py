"""The node stand-in's storage: a default StorageClass, a volume for every claim, growth."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from outfitter.api.quantities import parse_quantity
from outfitter.errors import AlreadyExists
from outfitter_sandbox.watching import Client, Key, Passes

Object = dict[str, Any]
ANNOTATION = "sandbox.outfitter.dev/volumes"  # on a namespace; `hang` leaves its claims pending
PROVISIONER = "sandbox.outfitter.dev/none"
STORAGE_CLASS: Object = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": PROVISIONER,
    "reclaimPolicy": "Retain",
    "volumeBindingMode": "Immediate",
    "allowVolumeExpansion": True,
}
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
VOLUMES = "/api/v1/persistentvolumes"


class Volumes:
    """Provisions claims of classes whose provisioner is ours; the controller-manager binds.

    `changed` is called with a claim that appeared, was bound or went. Subclasses have another class and real folders.
    """

    storage_class: Object = STORAGE_CLASS

    def __init__(
        self,
        client: Client,
        namespaces: dict[str, Object],
        consumed: Callable[[Key], bool],
        changed: Callable[[Key], None],
    ) -> None:
        self.client = client
        self.namespaces = namespaces
        self.consumed = consumed
        self.changed = changed
        self.claims: dict[Key, Object] = {}
        self.classes: dict[str, Object] = {}
        self.passes = Passes(self._settle)

    async def create_class(self) -> None:
        """The default StorageClass, unless it is there."""
        with contextlib.suppress(AlreadyExists):
            await self.client.request("POST", CLASSES, self.storage_class)

    async def watch_classes(self) -> None:
        """Keep `classes`; a new one may be what a claim waits for."""
        async for kind, item in self.client.watch(CLASSES):
            if kind == "DELETED":
                self.classes.pop(item["metadata"]["name"], None)
            else:
                self.classes[item["metadata"]["name"]] = item
                for key in list(self.claims):
                    self.passes.add(key)

    async def watch_claims(self) -> None:
        """Keep `claims` and settle each change."""
        async for kind, item in self.client.watch("/api/v1/persistentvolumeclaims"):
            key = (item["metadata"]["namespace"], item["metadata"]["name"])
            if kind == "DELETED":
                self.claims.pop(key, None)
            else:
                self.claims[key] = item
                self.passes.add(key)
            self.changed(key)

    def recheck(self, namespace: str) -> None:
        """Settle every claim of a namespace again: its annotation changed."""
        for key in list(self.claims):
            if key[0] == namespace:
                self.passes.add(key)

    def why_not(self, key: Key) -> str:
        """Why a pod that mounts this claim cannot be bound, in the scheduler's words; empty when it can."""
        claim = self.claims.get(key)
        if claim is None:
            return f'0/1 nodes are available: persistentvolumeclaim "{key[1]}" not found. not found'
        if claim.get("status", {}).get("phase") != "Bound":
            return "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
        return ""

    async def source(self, uid: str, storage_class: Object) -> Object:
        """The members of a volume's spec that say where it is, and what becomes of it; here nothing ever mounts it."""
        del storage_class
        path = f"/nonexistent/outfitter-sandbox/{uid}"
        return {"persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": path}}

    async def _settle(self, key: Key) -> None:
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
            await self._grow(key, claim)
        elif phase == "Pending" and not claim["spec"].get("volumeName"):
            if storage_class.get("volumeBindingMode") == "WaitForFirstConsumer" and not self.consumed(key):
                return
            await self._provision(key, claim, storage_class)

    async def _provision(self, key: Key, claim: Object, storage_class: Object) -> None:
        """A volume reserved for this claim; the volume controller sees the reservation and binds the two."""
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
                **await self.source(uid, storage_class),
            },
        }
        with contextlib.suppress(AlreadyExists):
            await self.client.request("POST", VOLUMES, volume)

    async def _grow(self, key: Key, claim: Object) -> None:
        """What a resizer does: the volume first, then the claim's capacity."""
        wanted = claim["spec"]["resources"]["requests"]["storage"]
        have = claim["status"].get("capacity", {}).get("storage", "0")
        if parse_quantity(wanted) <= parse_quantity(have):
            return
        await self.client.patch(f"{VOLUMES}/{claim['spec']['volumeName']}", {"spec": {"capacity": {"storage": wanted}}})
        path = f"/api/v1/namespaces/{key[0]}/persistentvolumeclaims/{key[1]}/status"
        await self.client.patch(path, {"status": {"capacity": {"storage": wanted}}})
