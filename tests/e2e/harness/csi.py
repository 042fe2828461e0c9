"""A CSI driver on the real node whose volumes are folders: built with Go from the module that lies beside."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration.harness.client import Api, Object, eventually
from outfitter_sandbox import binaries, sources
from outfitter_sandbox.processes import bound_command
from outfitter_sandbox.realnode.names import KUBELET
from outfitter_sandbox.realnode.parts import Group

NAME = "folders.csi.outfitter.dev"
GROUP = Group("csi-folders", Path(__file__).parents[1] / "csi", {"folders": "outfitter.dev/tests/csi"})
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Driver:
    """The running driver. `folder` holds a folder for each volume."""

    api: Api
    folder: Path

    def volume(self, handle: str, namespace: str, claim: str, **spec: Any) -> str:
        """Create a folder and a PersistentVolume for a claim, as a provisioner would. Returns the volume's name."""
        path = self.folder / handle
        path.mkdir(parents=True)
        path.chmod(0o777)
        fields = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": namespace, "name": claim},
            "csi": {"driver": NAME, "volumeHandle": handle},
            **spec,
        }
        self.api.create({"kind": "PersistentVolume", "metadata": {"name": handle}, "spec": fields})
        return handle


@contextmanager
def running(api: Api, node: str, folder: Path, progress: Progress) -> Iterator[Driver]:
    """Start the driver beside the kubelet; the API server knows it when this returns."""
    cache, go = binaries.cache_root(), sources.go_version()
    program = GROUP.cached(cache, go)
    if program is None:
        assert go is not None, "the real node is built with Go too"
        program = binaries.install(
            cache / GROUP.key(go), lambda partial: GROUP.build(partial, progress), progress, ("folders",)
        )
    volumes = folder / "volumes"
    volumes.mkdir(parents=True)
    driver = {"attachRequired": False, "podInfoOnMount": False, "fsGroupPolicy": "None"}
    manifest = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": NAME}, "spec": driver}
    api.connection.request("POST", "/apis/storage.k8s.io/v1/csidrivers", manifest)
    command = [str(program / "folders"), NAME, node, str(KUBELET), str(volumes)]
    with (folder / "csi.log").open("wb") as log:
        process = subprocess.Popen(bound_command(command, os.getpid()), stdout=log, stderr=log)
        try:
            eventually(lambda: _known(api, node), seconds=60, what=f"{NAME} is not registered")
            yield Driver(api, volumes)
            # Without its driver the kubelet cannot unmount: such a pod would be Terminating for ever.
            eventually(lambda: not _users(api), seconds=120, what=f"Pods use volumes of {NAME}")
        finally:
            process.terminate()
            process.wait(20)


def _users(api: Api) -> list[str]:
    """Pods that mount volumes of the driver, also those on their way out."""
    ours = {each["metadata"]["name"] for each in api.list("PersistentVolume") if _driver(each) == NAME}
    claims = {
        (each["metadata"]["namespace"], each["metadata"]["name"])
        for each in api.list("PersistentVolumeClaim")
        if each["spec"].get("volumeName") in ours
    }
    return [
        each["metadata"]["name"]
        for each in api.list("Pod")
        for volume in each["spec"].get("volumes", ())
        if (each["metadata"]["namespace"], volume.get("persistentVolumeClaim", {}).get("claimName")) in claims
    ]


def _driver(volume: Object) -> str:
    return str(volume["spec"].get("csi", {}).get("driver", ""))


def _known(api: Api, node: str) -> bool:
    code, answer = api.connection.answer("GET", f"/apis/storage.k8s.io/v1/csinodes/{node}")
    drivers = (answer["spec"].get("drivers") or ()) if code == 200 else ()
    return any(item["name"] == NAME for item in drivers)
