"""Two items of one list with the same path: rejected in one object, and an override between two objects."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.api.v1alpha1.storage import Storage
from outfitter.resolve.merge import KEYED, identity, repeated_items
from world import Body, World, asset, reason

IMAGE = "registry.example.com/box:1"
A = {"repository": "https://git.example.com/a.git", "path": "/a"}
B = {"repository": "https://git.example.com/b.git", "path": "/a/"}
TEXT = "spec.storage.git[1].path: /a/ is also the path of git[0]. Choose another path."
# Storage whose items have no key that the API server compares.
NAMELESS = [path for path, key in KEYED.items() if path.startswith("storage.") and key == "name"]


def nested(path: str, items: list[Body]) -> Body:
    """Return the fields of a workload with one list."""
    *groups, last = path.split(".")
    tree: Any = {last: items}
    for group in reversed(groups):
        tree = {group: tree}
    return dict(tree)


def mount(path: str) -> str:
    """Return the field of the mount path of the items of a list of storage."""
    field = next(info for info in Storage.model_fields.values() if f"storage.{info.alias}" == path)
    item: Any = field.annotation.__args__[0]  # type: ignore[union-attr]
    return "mountPath" if "mount_path" in item.model_fields else "path"


def test_each_list_of_storage_is_covered() -> None:
    assert {f"storage.{info.alias}" for info in Storage.model_fields.values()} == {*NAMELESS, "storage.dataVolume"}


@pytest.mark.parametrize("path", NAMELESS)
def test_a_path_twice_is_found_in_each_list(path: str) -> None:
    field, last = mount(path), path.removeprefix("storage.")
    found = [str(error) for error in repeated_items(nested(path, [{field: "/a"}, {field: "/b"}, {field: "//a/./"}]))]
    assert found == [f"{path}[2].{field}: //a/./ is also the {field} of {last}[0]. Choose another {field}."]
    assert not list(repeated_items(nested(path, [{field: "/a"}, {field: "/b"}, {"name": "c", field: "/a"}])))


@pytest.mark.parametrize("path", ["ports", "exposedUrls"])
def test_a_port_twice_is_found(path: str) -> None:
    found = [str(error) for error in repeated_items({path: [{"container": 80}, {"container": 80}]})]
    assert found == [
        f"{path}[1].container: 80 is also the container of {path}[0]. Choose another port, or name both items."
    ]


def test_a_path_that_is_the_name_of_another_item_is_found() -> None:
    (error,) = repeated_items({"storage": {"git": [{"name": "/a", "path": "/b"}, {"path": "/a"}]}})
    assert str(error) == "storage.git[1].path: /a is also the name of git[0]. Choose another path."


def test_equal_names_are_the_business_of_the_schema() -> None:
    assert not list(repeated_items({"storage": {"git": [{"name": "a"}, {"name": "a"}]}, "labels": [{"name": "a"}] * 2}))


def test_a_final_slash_makes_no_other_path() -> None:
    assert identity("storage.git", A) == identity("storage.git", B) == "/a"


@pytest.mark.parametrize("kind", ["Workspace", "Training", "Inference"])
async def test_a_path_twice_is_rejected(kind: str) -> None:
    port = {"servingPort": {"container": 8080}} if kind == "Inference" else {}
    world = World(asset(kind, "w", {"image": IMAGE, "storage": {"git": [A, B]}, **port}))
    await world.settle()
    assert str(world.status(kind, "w")["message"]).startswith(TEXT)
    assert reason(world.status(kind, "w")) == "InvalidSpec"


async def test_a_path_twice_in_the_master_is_rejected() -> None:
    master = {"image": IMAGE, "storage": {"git": [A, B]}}
    spec = {"image": IMAGE, "numWorkers": 1, "distributedFramework": "PyTorch", "masterSpec": master}
    world = World(asset("DistributedTraining", "w", spec))
    await world.settle()
    assert world.status("DistributedTraining", "w")["message"] == TEXT.replace("spec.", "spec.masterSpec.", 1)


async def test_a_path_twice_in_a_template_is_rejected_there_and_in_the_workload() -> None:
    template = asset("WorkloadTemplate", "t", {"workloadType": "workspace", "image": IMAGE, "storage": {"git": [A, B]}})
    world = World(template, asset("Workspace", "w", {"template": {"name": "t"}}))
    await world.settle()
    assert world.status("WorkloadTemplate", "t")["message"] == TEXT
    assert world.status("Workspace", "w")["message"] == f"spec.template: WorkloadTemplate t is invalid: {TEXT}"


async def test_a_workload_overrides_the_item_of_its_template() -> None:
    template = asset("WorkloadTemplate", "t", {"workloadType": "workspace", "image": IMAGE, "storage": {"git": [A]}})
    world = World(template, asset("Workspace", "w", {"template": {"name": "t"}, "storage": {"git": [B]}}))
    await world.settle()
    assert reason(world.status("Workspace", "w")) == "Running"
    pod = world.get("StatefulSet", "w")["spec"]["template"]["spec"]
    (fetch,) = pod["initContainers"]
    assert "b.git" in str(fetch)
    assert "a.git" not in str(fetch)


async def test_a_path_twice_in_two_lists_is_a_conflict() -> None:
    claim = {"path": "/a", "claimName": "c", "claimInfo": {"size": "1Gi"}}
    world = World(asset("Workspace", "w", {"image": IMAGE, "storage": {"git": [B], "pvc": [claim]}}))
    await world.settle()
    assert reason(world.status("Workspace", "w")) == "Conflict"
    assert "Mount path /a is set twice by Workspace w." in world.status("Workspace", "w")["message"]
