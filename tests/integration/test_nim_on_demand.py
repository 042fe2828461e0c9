"""Model caches on demand, on a real API server: their key, compute and model, and a cache that a user writes later."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from .conftest import Stack
from .harness.client import Object, eventually
from .harness.models import CACHE, IMAGE, filled, give_key, nim, running
from .harness.space import Space


def caches(space: Space) -> dict[str, Object]:
    return {item["metadata"]["name"]: item for item in space.list("NimCache")}


def with_model(name: str) -> list[Object]:
    """A container group whose image runs a model by name."""
    variables = [{"name": "NIM_MODEL_NAME", "value": name}]
    return [{"containers": [{"imageUri": IMAGE, "port": 8000, "environmentVars": variables}]}]


def test_a_quota_that_admits_the_pods_admits_the_download(space: Space) -> None:
    hard = {"requests.cpu": "4", "requests.memory": "20Gi", "limits.memory": "20Gi"}
    space.native("ResourceQuota", "q", spec={"hard": hard})
    give_key(space)
    compute = {"cpuCoreRequest": 1, "cpuMemoryRequest": "2Gi", "cpuMemoryLimit": "2Gi"}
    sizing = [{"name": "default", "containers": [{"name": "main", "compute": compute}]}]
    nim(space, "llama", key=None, run={"containerGroups": sizing})
    running(space, "llama")
    cache = caches(space)[CACHE]
    assert (cache["spec"]["compute"], cache["spec"]["credential"]) == (compute, {"name": "ngc"})


def test_two_models_of_one_image_are_downloaded_into_two_volumes(space: Space) -> None:
    give_key(space)
    for name in ("qwen", "mistral"):
        nim(space, name, containerGroups=with_model(f"hf://x/{name}"))
    for name in ("qwen", "mistral"):
        running(space, name)
    claims = {space.need("Artifact", name)["status"]["nimCache"]["claimName"] for name in ("qwen", "mistral")}
    assert len(claims) == len(caches(space)) == 2


def test_a_download_follows_its_artifact_until_a_user_writes_a_cache(space: Space) -> None:
    space.pods("hang")
    nim(space, "llama", key=None)
    first = space.wait("NimCache", CACHE, lambda item: item["status"]["phase"] == "Downloading")
    assert "credential" not in first["spec"]
    give_key(space)
    space.wait("NimCache", CACHE, lambda item: item["spec"].get("credential") == {"name": "ngc"}, 60)
    space.wait("NimCache", CACHE, lambda item: item["status"]["phase"] == "Downloading", 60)
    (job,) = [item for item in space.list("Job") if "deletionTimestamp" not in item["metadata"]]
    assert [rule["action"] for rule in job["spec"]["podFailurePolicy"]["rules"]] == ["Ignore"]
    space.pods(None)
    space.make("NimCache", "mine", {"image": IMAGE, "credential": {"name": "ngc"}})
    space.gone("NimCache", CACHE)
    filled(space, "mine")
    running(space, "llama")
    assert space.need("Artifact", "llama")["status"]["nimCache"]["name"] == "mine"
    eventually(lambda: set(caches(space)), lambda found: found == {"mine"}, what="a cache on demand is left")


@pytest.mark.parametrize("how", ["--server-side=false", "--server-side"])
def test_a_manifest_that_is_applied_over_an_object_on_demand_makes_it_the_users(
    stack: Stack, space: Space, tmp_path: Path, how: str
) -> None:
    """The cache and the repository stay when their Artifact goes; those of another Artifact go."""
    give_key(space)
    nim(space, "llama", key=None)
    running(space, "llama")
    made = [space.need("NimCache", CACHE), space.need("ArtifactRepository", "llama")]
    manifests = [
        {
            **{key: item[key] for key in ("apiVersion", "kind", "spec")},
            "metadata": {key: item["metadata"][key] for key in ("name", "namespace")},
        }
        for item in made
    ]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump_all(manifests))
    admin = ["kubectl", "--kubeconfig", str(stack.sandbox.kubeconfig), "apply", "-f", str(tmp_path / "mine.yaml"), how]
    subprocess.run(admin, check=True, capture_output=True, timeout=60)
    space.make("Artifact", "other", {"containerGroups": with_model("x"), "type": "nim"})
    space.wait("ArtifactRepository", "other", bool)
    for name in ("llama", "other"):
        space.delete("Artifact", name)
    space.gone("ArtifactRepository", "other")
    stack.operator.quiet()
    assert [space.need(item["kind"], item["metadata"]["name"])["metadata"]["uid"] for item in made] == [
        item["metadata"]["uid"] for item in made
    ]
    assert "unusedSince" not in space.need("NimCache", CACHE)["status"]
