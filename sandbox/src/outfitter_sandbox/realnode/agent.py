"""The agent that runs in addition to the kubelet.

`python -m outfitter_sandbox.realnode.agent --kubeconfig FILE --volumes FOLDER`

Provides local volumes for claims, simulated GPUs, and the RBAC rights of CoreDNS.
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
from outfitter_sandbox.key_queue import Key
from outfitter_sandbox.object_api import ObjectApi, connected
from outfitter_sandbox.provisioner import VOLUMES, Provisioner
from outfitter_sandbox.realnode.configs import NODE_NAME

Object = dict[str, Any]
_log = logging.getLogger(__name__)
NODE = f"/api/v1/nodes/{NODE_NAME}"
SELECTED = "volume.kubernetes.io/selected-node"  # kube-scheduler sets it for the first pod that mounts the claim
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


class LocalProvisioner(Provisioner):
    """A folder for every claim. Its size is not enforced; fsGroup works on it."""

    storage_class = STORAGE_CLASS

    def __init__(self, api: ObjectApi, namespaces: dict[str, Object], folder: Path) -> None:
        super().__init__(api, namespaces, self._node_selected, lambda claim: None)
        self.folder = folder

    async def volume_source(self, uid: str, storage_class: Object) -> Object:
        """Make the folder, owned by root as a new file system is."""
        path = self.folder / f"pvc-{uid}"
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.chmod(0o755)  # mkdir applies the umask
        this_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}
        affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [this_node]}]}}
        policy = storage_class.get("reclaimPolicy", "Delete")
        return {"persistentVolumeReclaimPolicy": policy, "local": {"path": str(path)}, "nodeAffinity": affinity}

    async def watch_volumes(self) -> None:
        """Remove volumes of deleted claims, unless their policy is Retain."""
        async for change, volume in self.api.watch(VOLUMES):
            spec = volume["spec"]
            path = Path((spec.get("local") or {}).get("path", "/"))
            if change == "DELETED" or path.parent != self.folder:
                continue
            if volume["status"].get("phase") == "Released" and spec["persistentVolumeReclaimPolicy"] == "Delete":
                await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
                with contextlib.suppress(NotFound):
                    await self.api.request("DELETE", f"{VOLUMES}/{volume['metadata']['name']}")

    def _node_selected(self, claim: Key) -> bool:
        return SELECTED in (self.claims[claim]["metadata"].get("annotations") or {})


class Agent:
    """Runs beside the kubelet of one real node."""

    def __init__(self, api: ObjectApi, volumes: Path, resources: dict[str, str]) -> None:
        self.api = api
        self.resources = resources
        self.namespaces: dict[str, Object] = {}
        self.provisioner = LocalProvisioner(api, self.namespaces, volumes)

    async def run(self) -> None:
        """Run until cancelled."""
        for path, body in DNS_RIGHTS.items():
            with contextlib.suppress(AlreadyExists):
                await self.api.request("POST", path, body)
        await self.provisioner.create_class()
        async with asyncio.TaskGroup() as tasks:
            for loop in (
                self._watch_namespaces, self._watch_node, self.provisioner.watch_classes,
                self.provisioner.watch_claims, self.provisioner.watch_volumes,
            ):  # fmt: skip
                tasks.create_task(loop())

    async def _watch_namespaces(self) -> None:
        async for change, namespace in self.api.watch("/api/v1/namespaces"):
            name = namespace["metadata"]["name"]
            if change == "DELETED":
                self.namespaces.pop(name, None)
            else:
                self.namespaces[name] = namespace
                self.provisioner.reconcile_namespace(name)

    async def _watch_node(self) -> None:
        """Advertise the extended resources.

        The kubelet sets them to zero whenever it starts.
        """
        if not self.resources:
            return
        async for change, node in self.api.watch("/api/v1/nodes"):
            capacity = node["status"].get("capacity") or {}
            if change == "DELETED" or all(capacity.get(name) == count for name, count in self.resources.items()):
                continue
            try:
                status = {"capacity": self.resources, "allocatable": self.resources}
                await self.api.patch(f"{NODE}/status", {"status": status})
            except ApiError as error:
                _log.warning("node: %s", error)  # deleted or changed meanwhile; the watch reports it


async def main() -> None:
    """Parse the command line and run the agent."""
    parser = argparse.ArgumentParser(description="Agent beside the kubelet in the Outfitter sandbox")
    parser.add_argument("--kubeconfig", required=True, type=Path)
    parser.add_argument("--volumes", required=True, type=Path)
    parser.add_argument("--resource", action="append", default=[], metavar="NAME=COUNT")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s")
    resources = dict(item.split("=", 1) for item in arguments.resource)
    async with connected(arguments.kubeconfig) as api:
        await Agent(api, arguments.volumes, resources).run()


if __name__ == "__main__":
    asyncio.run(main())
