"""Where a model lies: the volume is mounted where NIM_CACHE_PATH points, in the download and in every user."""

from __future__ import annotations

from typing import Any

import pytest
from test_nim_cache import CACHE, IMAGE, KEY, nim

from world import World, asset, issues

Body = dict[str, Any]


def variable(value: str, name: str = "NIM_CACHE_PATH") -> Body:
    return {"name": name, "value": value}


def variables(*items: Body) -> list[Body]:
    """One container group whose container has these variables."""
    return [{"containers": [{"imageUri": IMAGE, "port": 8000, "environmentVars": list(items)}]}]


def mounted(template: Body, volume: str) -> set[str]:
    """Where a volume is mounted."""
    mounts = template["spec"]["containers"][0]["volumeMounts"]
    return {item["mountPath"] for item in mounts if item["name"].startswith(volume)}


def given(template: Body) -> str:
    """The value of NIM_CACHE_PATH."""
    return next(item["value"] for item in template["spec"]["containers"][0]["env"] if item["name"] == "NIM_CACHE_PATH")


@pytest.mark.parametrize("mode", ["dedicatedPvc", "nimCache"])
@pytest.mark.parametrize("path", ["/model-store", "/data/models/", "/opt/nim/.cache"])
async def test_the_volume_is_mounted_where_the_variable_points(mode: str, path: str) -> None:
    artifact = nim("llama", containerGroups=variables(variable(path)), storage={"mode": mode})
    world = World(*KEY, artifact)
    await world.settle()
    template = world.get("Deployment", "llama")["spec"]["template"]
    assert given(template) == path
    assert mounted(template, "model-") == {path.rstrip("/")}


@pytest.mark.parametrize("path", ["/model-store", "/data/models/"])
async def test_a_download_fills_the_volume_and_not_a_directory_beside_it(path: str) -> None:
    world = World(*KEY, asset("NimCache", "x", {"image": IMAGE, "environmentVariables": [variable(path)]}), jobs="")
    await world.settle()
    (job,) = world.all("Job")
    assert given(job["spec"]["template"]) == path
    assert mounted(job["spec"]["template"], "model") == {path.rstrip("/")}


async def test_a_volume_of_the_user_at_that_path_is_the_models() -> None:
    source = asset("DataSource", "weights", {"pvc": {"claimName": "w", "existingPvc": True, "path": "/model-store"}})
    claim = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "w"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    run = {"dataSources": [{"name": "weights"}]}
    artifact = nim("llama", containerGroups=variables(variable("/model-store")), run=run)
    world = World(*KEY, source, claim, artifact)
    await world.settle()
    template = world.get("Deployment", "llama")["spec"]["template"]
    assert mounted(template, "model-") == set()
    assert given(template) == "/model-store"
    assert world.all("NimCache") == []


CREDENTIAL = {
    "name": "NIM_CACHE_PATH",
    "source": "credential",
    "credential": {"name": "ngc", "key": "NGC_API_KEY"},
}


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(variable("model-store"), id="relative"),
        pytest.param(variable(""), id="empty"),
        pytest.param(variable("/models/$(NAME)"), id="reference"),
        pytest.param(variable("/"), id="root"),
        pytest.param(variable("/proc/models"), id="proc"),
        pytest.param(variable("/models/../dev"), id="parent"),
        pytest.param(CREDENTIAL, id="credential"),
    ],
)
@pytest.mark.parametrize("mode", ["dedicatedPvc", "nimCache"])
async def test_a_path_that_cannot_be_mounted_is_refused_by_artifacts(item: Body, mode: str) -> None:
    world = World(*KEY, nim("llama", containerGroups=variables(item), storage={"mode": mode}))
    await world.settle()
    assert "InvalidSpec" in issues(world.status("Artifact", "llama"))
    assert world.all("Deployment") == []


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(variable("model-store"), id="relative"),
        pytest.param(variable("/"), id="root"),
        pytest.param(variable("/proc/models"), id="proc"),
        pytest.param({"name": "NIM_CACHE_PATH", "podFieldRef": {"path": "metadata.name"}}, id="field"),
        pytest.param({"name": "NIM_CACHE_PATH", "credential": {"name": "ngc", "key": "NGC_API_KEY"}}, id="credential"),
    ],
)
async def test_a_path_that_cannot_be_mounted_is_refused_by_caches(item: Body) -> None:
    world = World(*KEY, asset("NimCache", "x", {"image": IMAGE, "environmentVariables": [item]}))
    await world.settle()
    (issue,) = world.status("NimCache", "x")["issues"]
    assert issue["issue"] == "InvalidSpec"
    assert issue["message"].startswith("spec.environmentVariables[NIM_CACHE_PATH]: ")
    assert world.all("Job") == []


async def test_groups_with_two_paths_are_refused() -> None:
    groups = [{"name": name, **variables(variable(path))[0]} for name, path in (("one", "/one"), ("two", "/two"))]
    world = World(*KEY, nim("llama", containerGroups=groups))
    await world.settle()
    assert "Conflict" in issues(world.status("Artifact", "llama"))


@pytest.mark.parametrize(
    ("probe", "seconds"),
    [
        ({"path": "/v1/health/ready"}, 1200),
        ({"path": "/v1/health/ready", "periodSeconds": 7}, 1204),
        ({"path": "/v1/health/ready", "periodSeconds": 5000}, 5000),
        ({"path": "/v1/health/ready", "failureThreshold": 2}, 60),
        ({"path": "/v1/health/ready", "failureThreshold": 2, "periodSeconds": 5}, 10),
        (None, 1200),
    ],
)
async def test_a_startup_probe_keeps_the_time_to_load_a_model(probe: Body | None, seconds: int) -> None:
    groups = variables()
    groups[0]["containers"][0] |= {"startupProbe": probe} if probe else {}
    world = World(*KEY, nim("llama", containerGroups=groups))
    await world.settle()
    found = world.get("Deployment", "llama")["spec"]
    made = found["template"]["spec"]["containers"][0]["startupProbe"]
    assert made["failureThreshold"] * made["periodSeconds"] == seconds
    assert seconds < 1200 or found["progressDeadlineSeconds"] >= seconds
    assert world.find("NimCache", CACHE) is not None
