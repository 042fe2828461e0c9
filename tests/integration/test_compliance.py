"""Compliance on a real server: what an asset breaks, in the words of its status, and when it is written."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import Stack
from .harness.rights import SYSTEM
from .harness.space import Space

AT_MOST_TWO = {"compute": {"gpuDevicesRequest": {"max": 2}}}


def test_it_follows_the_policy_and_the_asset_and_rests(stack: Stack, space: Space) -> None:
    space.make("ComputeResource", "big", {"gpuDevicesRequest": 4, "supportedTypes": ["workspace"]})
    template = {"workloadType": "workspace", "image": "registry.example.com/box:1", "compute": {"gpuDevicesRequest": 3}}
    space.make("WorkloadTemplate", "box", template)
    assert "compliance" not in space.ready("ComputeResource", "big")["status"]
    space.make("WorkloadPolicy", "own", {"workloadType": "workspace", "rules": AT_MOST_TWO})
    for kind, name in (("ComputeResource", "big"), ("WorkloadTemplate", "box")):
        item = space.wait(kind, name, lambda item: item["status"].get("compliance"))
        (row,) = item["status"]["compliance"]
        assert (row["scope"], row["name"], row["workloadType"]) == ("project", space.name, "workspace")
        (found,) = row["reasons"]
        assert (found["field"], found["rule"], found["policy"]) == (
            "compute.gpuDevicesRequest",
            "max",
            f"{space.name}/own",
        )
        assert item["status"]["complianceTotal"] == 1
    space.spec("WorkloadPolicy", "own", rules={"compute": {"gpuDevicesRequest": {"max": 4}}})
    space.wait("ComputeResource", "big", lambda item: "compliance" not in item["status"])
    space.wait("WorkloadTemplate", "box", lambda item: "compliance" not in item["status"])
    stack.operator.quiet()
    since = stack.mark()
    stack.operator.quiet()
    assert [entry.uri for entry in stack.writes(since) if entry.namespace == space.name] == []


def test_where_a_shared_data_source_is_imposed(stack: Stack, spaces: Callable[..., Space]) -> None:
    spaces(department="imposing")
    system, scope = Space(stack.api, SYSTEM), {"type": "department", "name": "imposing"}
    system.make("DataSource", "imposed", {"nfs": {"server": "s", "path": "/d", "mountPath": "/d"}, "scope": scope})
    policy = {"workloadType": "workspace", "scope": scope, "imposedAssets": [{"name": "imposed"}]}
    system.make("WorkloadPolicy", "imposing", policy)
    item = system.wait("DataSource", "imposed", lambda item: (item.get("status") or {}).get("imposed"))
    assert item["status"]["imposed"] == [{"scope": "department", "name": "imposing", "workloadType": "workspace"}]
    system.delete("WorkloadPolicy", "imposing")
    system.wait("DataSource", "imposed", lambda item: "imposed" not in item["status"])
    system.delete("DataSource", "imposed")


def test_long_texts_of_users_fit_into_the_status(space: Space) -> None:
    """The API server rejects a whole status for one text that is too long."""
    images = [{"value": f"registry.example.com/{'a' * 200}/{number}:1"} for number in range(64)]
    resource = f"{'a' * 60}.{'b' * 60}.example.com/{'c' * 63}"
    rules = {"image": {"options": images}, "compute": {"extendedResources": {"instances": {"canAdd": False}}}}
    space.make("WorkloadPolicy", "own", {"workloadType": "workspace", "rules": rules})
    space.make("Environment", "long", {"image": f"registry.example.com/{'b' * 200}:1", "supportedTypes": ["workspace"]})
    extended = {"extendedResources": [{"resource": resource, "quantity": 1}], "supportedTypes": ["workspace"]}
    space.make("ComputeResource", "long", extended)
    for kind, field in (("Environment", "image"), ("ComputeResource", f"extendedResources.instances[{resource}]")):
        item = space.wait(kind, "long", lambda item: (item.get("status") or {}).get("compliance"))
        (reason,) = item["status"]["compliance"][0]["reasons"]
        assert reason["field"].endswith(field)
        assert len(reason["message"]) <= 512
