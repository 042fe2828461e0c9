"""A field that cannot have its effect is reported, whatever else is reported of the object."""

from __future__ import annotations

from typing import Any

import pytest

from world import World, asset, issues, namespace

IMAGE = "registry.example.com/u:1"
ELEVATED = namespace("team-a", {"outfitter.dev/project": "team-a", "outfitter.dev/elevation": "allowed"})


async def messages(kind: str, spec: dict[str, Any], *others: dict[str, Any]) -> tuple[World, list[str]]:
    world = World(*others, asset(kind, "x", spec))
    await world.settle()
    return world, [item["message"] for item in world.status(kind, "x").get("issues", ())]


async def test_a_host_path_without_a_path_is_incomplete() -> None:
    world, found = await messages(
        "Workspace", {"image": IMAGE, "storage": {"hostPath": [{"mountPath": "/x"}]}}, ELEVATED
    )
    assert found == [
        "spec.storage.hostPath[0].path: The field is required, and no asset or policy sets it. Set the field."
    ]
    assert world.find("StatefulSet", "x") is None


async def test_a_note_does_not_hide_what_is_missing() -> None:
    """The variable without a value is a note; the claim has no size."""
    spec = {
        "image": IMAGE,
        "environmentVariables": [{"name": "TOKEN", "description": "Paste it"}],
        "storage": {"pvc": [{"name": "own", "path": "/own", "claimName": "mine"}]},
    }
    world, _ = await messages("Workspace", spec)
    assert set(issues(world.status("Workspace", "x"))) == {"PromptUnset", "InvalidSpec"}
    assert world.find("StatefulSet", "x") is None


@pytest.mark.parametrize("run", [True, False])
async def test_an_artifact_reports_what_is_not_supported(run: bool) -> None:
    """Whether it runs or not."""
    built = {"imageBuildConfig": {"codeRef": {"git": {"url": "https://git.example.com/code.git"}}}}
    token = {"environmentVars": [{"name": "TOKEN", "source": "apiToken"}]}
    spec = {"containerGroups": [{"containers": [{"port": 8080, **built, **token}]}], **({"run": {}} if run else {})}
    world, found = await messages("Artifact", spec)
    where = "spec.containerGroups[default].containers[main]"
    assert [text.partition(": ")[0] for text in found] == [
        f"{where}.imageBuildConfig",
        f"{where}.environmentVars[TOKEN].source",
    ]
    assert set(issues(world.status("Artifact", "x"))) == {"Unsupported"}


async def test_compute_of_a_container_is_reported_where_it_is_written() -> None:
    compute = {"gpuDevicesRequest": 1, "gpuRequestType": "portion", "gpuPortionRequest": 0.5}
    sizing = {"containerGroups": [{"name": "default", "containers": [{"name": "main", "compute": compute}]}]}
    artifact = {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]}
    _, found = await messages("Artifact", {**artifact, "run": sizing})
    assert found[0].startswith("spec.run.containerGroups[default].containers[main].compute.gpuRequestType: ")
    _, found = await messages("Inference", {"artifact": {"name": "a"}, **sizing}, asset("Artifact", "a", artifact))
    assert found[0].startswith("spec.containerGroups[default].containers[main].compute.gpuRequestType: ")


async def test_the_port_of_an_artifact_that_runs_is_that_of_its_container() -> None:
    artifact = {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]}
    world, found = await messages("Artifact", {**artifact, "run": {"servingPort": {"container": 9000}}})
    assert found[0].startswith("spec.run.servingPort.container: ")
    assert world.get("Service", "x")["spec"]["ports"][0]["port"] == 8080


async def test_a_download_is_given_no_variable_that_is_excluded() -> None:
    spec = {"image": IMAGE, "environmentVariables": [{"name": "NIM_CACHE_PATH", "exclude": True}]}
    world = World(asset("NimCache", "x", spec), jobs="")
    await world.settle()
    (job,) = world.all("Job")
    assert "env" not in job["spec"]["template"]["spec"]["containers"][0]
    assert issues(world.status("NimCache", "x")) == []
