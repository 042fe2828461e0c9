"""`render` and `explain` over files: volumes that several namespaces mount."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Invoke

DRIVER = "files.csi.example.com"
ALLOWED = {"OUTFITTER_STATIC_PV_DRIVERS": DRIVER}
Object = dict[str, Any]


def ours(kind: str, namespace: str, name: str, spec: Object) -> Object:
    return {
        "apiVersion": "outfitter.dev/v1alpha1",
        "kind": kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": spec,
    }


def project(name: str) -> Object:
    labels = {"outfitter.dev/project": name, "outfitter.dev/department": "research"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def user(name: str, source: str) -> Object:
    return ours("Workspace", "team-b", name, {"image": "a:1", "assets": {"dataSources": [{"name": source}]}})


PROJECTS = [project("team-a"), project("team-b")]
SETS = ours(
    "DataSource",
    "team-a",
    "sets",
    {
        "dataVolume": {
            "originPvcName": "images",
            "mountPath": "/sets",
            "sharedScopes": [{"type": "project", "name": "team-b"}],
        }
    },
)
READER = user("reader", "sets")
SCRATCH = ours(
    "DataSource",
    "outfitter-system",
    "scratch",
    {
        "scope": {"type": "department", "name": "research"},
        "pvc": {
            "path": "/scratch",
            "dataSharing": True,
            "claimInfo": {"size": "2Ti", "storageClass": "files", "accessModes": {"readWriteMany": True}},
        },
    },
)
WRITER = user("writer", "scratch")


def claim(**spec: Any) -> Object:
    """The claim with the data, as it is in a repository of manifests."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "images", "namespace": "team-a"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "10Gi"}}, **spec},
    }


def exported() -> tuple[Object, Object]:
    """The claim and its volume as kubectl prints them."""
    bound = claim(volumeName="pv-7", storageClassName="files")
    bound["metadata"]["uid"] = "0c1d"
    bound["status"] = {"phase": "Bound", "capacity": {"storage": "10Gi"}}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "pv-7", "uid": "0c1e"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "capacity": {"storage": "10Gi"},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": "team-a",
                "name": "images",
                "uid": "0c1d",
                "resourceVersion": "7",
            },
            "csi": {"driver": DRIVER, "volumeHandle": "vol-7"},
        },
        "status": {"phase": "Bound"},
    }
    return bound, volume


def created_again() -> Object:
    """A claim of the same name as one that had the volume."""
    body = claim(storageClassName="files")
    body["metadata"]["uid"] = "0d00"
    return body


def storage_class(**fields: Any) -> Object:
    meta: Object = {"name": "files"}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": meta,
        "provisioner": DRIVER,
        **fields,
    }


def saved(folder: Path, *objects: Object) -> Path:
    file = folder / "all.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    return file


def rendered(invoke: Invoke, file: Path) -> list[Object]:
    seen = invoke("render", "-f", file, "-o", "json", env=ALLOWED)
    assert (seen.exit_code, seen.stderr) == (0, "")
    items: list[Object] = json.loads(seen.stdout)["items"]
    return items


def volumes(items: list[Object]) -> list[Object]:
    return [item for item in items if item["kind"] == "PersistentVolume"]


def test_a_volume_from_a_cluster_is_shared_in_files(invoke: Invoke, tmp_path: Path) -> None:
    """Its claim has another uid in the simulation, as every object."""
    file = saved(tmp_path, *PROJECTS, SETS, READER, *exported())
    items = rendered(invoke, file)
    (volume,) = volumes(items)
    assert volume["spec"]["csi"] == {"driver": DRIVER, "volumeHandle": "vol-7", "readOnly": True}
    assert volume["spec"]["claimRef"]["namespace"] == "team-b"
    pods = [item["spec"]["template"]["spec"] for item in items if item["kind"] == "StatefulSet"]
    assert [pod["volumes"][0]["persistentVolumeClaim"]["claimName"] for pod in pods] == [
        volume["spec"]["claimRef"]["name"]
    ]
    seen = invoke("explain", "wsp/reader", "-n", "team-b", "-f", file, "-o", "json", env=ALLOWED)
    assert seen.exit_code == 0, seen.stderr
    (row,) = [item for item in json.loads(seen.stdout)["values"] if item["field"] == "volumeMounts[/sets]"]
    assert row["origin"] == "DataSource sets"
    assert row["value"].startswith("PersistentVolumeClaim outfitter-ro-sets-")


@pytest.mark.parametrize("named", ["volume", "claim"])
def test_a_volume_that_is_not_bound_yet_is_bound(invoke: Invoke, tmp_path: Path, named: str) -> None:
    """As in a repository of manifests, where the claim names the volume, or the volume the claim."""
    _, volume = exported()
    spec = {"volumeName": "pv-7"} if named == "volume" else {}
    if named == "volume":
        del volume["spec"]["claimRef"]
    else:
        volume["spec"]["claimRef"] = {"namespace": "team-a", "name": "images"}
    file = saved(tmp_path, *PROJECTS, SETS, READER, claim(storageClassName="", **spec), volume)
    assert [item["spec"]["csi"]["volumeHandle"] for item in volumes(rendered(invoke, file))] == ["vol-7"]


def test_a_storage_class_stands_for_the_volumes_that_it_would_create(invoke: Invoke, tmp_path: Path) -> None:
    """Their handles are invented; the claim of a dataSharing is one of Outfitter's own."""
    default = storage_class(mountOptions=["nolock"])
    default["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    file = saved(tmp_path, *PROJECTS, SETS, READER, SCRATCH, WRITER, claim(), default)
    items = rendered(invoke, file)
    found = {item["spec"]["capacity"]["storage"]: item["spec"] for item in volumes(items)}
    assert {size: spec["csi"] for size, spec in found.items()} == {
        "10Gi": {"driver": DRIVER, "volumeHandle": "(of the driver)", "readOnly": True},
        "2Ti": {"driver": DRIVER, "volumeHandle": "(of the driver)"},
    }
    assert [spec["mountOptions"] for spec in found.values()] == [["nolock"]] * 2
    assert {item["metadata"]["name"] for item in items if item["kind"] == "StatefulSet"} == {"reader", "writer"}


UNKNOWN = "The volume of DataSource team-a/sets is not known. Add its PersistentVolumeClaim to the files"
FOREIGN = "uses CSI driver files.csi.example.com, which is not in staticPvDrivers"
MISSING: dict[str, tuple[list[Object], dict[str, str], str]] = {
    "no-driver": (
        [*PROJECTS, *exported()],
        {},
        "Volumes of several namespaces need OUTFITTER_STATIC_PV_DRIVERS: the operator's setting staticPvDrivers.",
    ),
    "another-driver": ([*PROJECTS, *exported()], {"OUTFITTER_STATIC_PV_DRIVERS": "other"}, FOREIGN),
    "no-claim": ([*PROJECTS], ALLOWED, UNKNOWN),
    "no-volume": ([*PROJECTS, exported()[0]], ALLOWED, UNKNOWN),
    "no-class": ([*PROJECTS, claim(storageClassName="files")], ALLOWED, UNKNOWN),
    "another-class": ([*PROJECTS, claim(storageClassName="disks"), storage_class()], ALLOWED, UNKNOWN),
    "static-class": (
        [*PROJECTS, claim(storageClassName="files"), storage_class(provisioner="kubernetes.io/no-provisioner")],
        ALLOWED,
        UNKNOWN,
    ),
    "volume-of-a-former-claim": ([*PROJECTS, created_again(), exported()[1]], ALLOWED, UNKNOWN),
    "no-namespace": (
        [PROJECTS[0], *exported()],
        ALLOWED,
        "Namespace team-b has no label outfitter.dev/project in the files, so it uses nothing that other namespaces",
    ),
}


@pytest.mark.parametrize(("objects", "env", "hint"), MISSING.values(), ids=MISSING)
@pytest.mark.parametrize("command", [("render",), ("explain", "wsp/reader", "-n", "team-b")], ids=["render", "explain"])
def test_what_the_files_lack_is_named(
    invoke: Invoke, tmp_path: Path, command: tuple[str, ...], objects: list[Object], env: dict[str, str], hint: str
) -> None:
    seen = invoke(*command, "-f", saved(tmp_path, SETS, READER, *objects), env=env)
    assert seen.exit_code == 1
    assert hint in seen.stderr
    assert (UNKNOWN in seen.stderr) == (hint == UNKNOWN)
