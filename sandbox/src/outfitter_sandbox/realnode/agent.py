"""What a real node needs beside the kubelet: `python -m outfitter_sandbox.realnode.agent --url ... --volumes FOLDER`

Local volumes for claims, GPUs that are not there, and the rights of the name server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import shutil
from pathlib import Path
from typing import Any

from outfitter.errors import AlreadyExists, ApiError, NotFound
from outfitter_sandbox.realnode.configs import NODE_NAME
from outfitter_sandbox.volumes import VOLUMES, Volumes
from outfitter_sandbox.watching import Client, Key

Object = dict[str, Any]
log = logging.getLogger(__name__)
NODE = f"/api/v1/nodes/{NODE_NAME}"
SELECTED = "volume.kubernetes.io/selected-node"  # set by the scheduler when the first pod wants the claim
STORAGE_CLASS: Object = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "sandbox.outfitter.dev/local",
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "WaitForFirstConsumer",
    "allowVolumeExpansion": True,
}
RBAC = "/apis/rbac.authorization.k8s.io/v1"
DNS_RIGHTS: dict[str, Object] = {
    f"{RBAC}/clusterroles": {
        "metadata": {"name": "outfitter-dns"},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ],
    },
    f"{RBAC}/clusterrolebindings": {
        "metadata": {"name": "outfitter-dns"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "outfitter-dns"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "outfitter-dns"}],
    },
}


class LocalVolumes(Volumes):
    """A folder for every claim, of the size that the claim asks for (which nobody enforces); fsGroup works on it."""

    storage_class = STORAGE_CLASS

    def __init__(self, client: Client, namespaces: dict[str, Object], folder: Path) -> None:
        super().__init__(client, namespaces, self._selected, lambda claim: None)
        self.folder = folder

    async def source(self, uid: str, storage_class: Object) -> Object:
        """Make the folder: owned by root, as a fresh file system would be."""
        path = self.folder / f"pvc-{uid}"
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.chmod(0o755)  # whatever the umask is
        here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}
        affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}}
        policy = storage_class.get("reclaimPolicy", "Delete")
        return {"persistentVolumeReclaimPolicy": policy, "local": {"path": str(path)}, "nodeAffinity": affinity}

    async def watch_volumes(self) -> None:
        """Remove volumes whose claim is gone, with their data, unless their policy says Retain."""
        async for kind, item in self.client.watch(VOLUMES):
            spec = item["spec"]
            path = Path((spec.get("local") or {}).get("path", "/"))
            if kind == "DELETED" or path.parent != self.folder:
                continue
            if item["status"].get("phase") == "Released" and spec["persistentVolumeReclaimPolicy"] == "Delete":
                await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
                with contextlib.suppress(NotFound):
                    await self.client.request("DELETE", f"{VOLUMES}/{item['metadata']['name']}")

    def _selected(self, claim: Key) -> bool:
        return SELECTED in (self.claims[claim]["metadata"].get("annotations") or {})


class Agent:
    """One per real node."""

    def __init__(self, client: Client, volumes: Path, resources: dict[str, str]) -> None:
        self.client = client
        self.resources = resources
        self.namespaces: dict[str, Object] = {}
        self.volumes = LocalVolumes(client, self.namespaces, volumes)

    async def run(self) -> None:
        """For ever."""
        for path, body in DNS_RIGHTS.items():
            with contextlib.suppress(AlreadyExists):
                await self.client.request("POST", path, body)
        await self.volumes.create_class()
        async with asyncio.TaskGroup() as tasks:
            for each in (self._watch_namespaces, self._watch_node, self.volumes.watch_classes):
                tasks.create_task(each())
            for each in (self.volumes.watch_claims, self.volumes.watch_volumes):
                tasks.create_task(each())

    async def _watch_namespaces(self) -> None:
        async for kind, item in self.client.watch("/api/v1/namespaces"):
            name = item["metadata"]["name"]
            if kind == "DELETED":
                self.namespaces.pop(name, None)
            else:
                self.namespaces[name] = item
                self.volumes.recheck(name)

    async def _watch_node(self) -> None:
        """Advertise the extended resources, again whenever the kubelet has set them to zero: it does when it starts."""
        if not self.resources:
            return
        async for kind, item in self.client.watch("/api/v1/nodes"):
            capacity = item["status"].get("capacity") or {}
            if kind == "DELETED" or all(capacity.get(name) == count for name, count in self.resources.items()):
                continue
            try:
                status = {"capacity": self.resources, "allocatable": self.resources}
                await self.client.patch(f"{NODE}/status", {"status": status})
            except ApiError as error:
                log.warning("node: %s", error)  # gone or changed meanwhile, of which the watch tells us


async def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description="Companion of the kubelet in the Outfitter sandbox")
    for name in ("url", "authority", "certificate", "key"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--volumes", required=True, type=Path)
    parser.add_argument("--resource", action="append", default=[], metavar="NAME=COUNT")
    chosen = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s")
    resources = dict(each.split("=", 1) for each in chosen.resource)
    async with Client(chosen.url, chosen.authority, chosen.certificate, chosen.key) as client:
        await Agent(client, chosen.volumes, resources).run()


if __name__ == "__main__":
    asyncio.run(main())
