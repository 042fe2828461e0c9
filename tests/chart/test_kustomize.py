"""deploy/kustomize in kubectl: every reference follows a new name, every image its new tag, every list its key."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from outfitter.api.patterns import IMAGE_PATTERN, matches
from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1 import ALL_KINDS, API_VERSION, KINDS, Kind, kind_of
from outfitter.cli.references import references
from outfitter.codegen.kustomize import kustomize_files

from .conftest import ROOT, Manifest

pytestmark = pytest.mark.kubectl
NATIVE = {"Secret": "v1", "ConfigMap": "v1", "PersistentVolumeClaim": "v1"}
OLD, NEW = "registry.example.com/old", "registry.example.com/new"
SAMPLES = (
    "v{n}", "/v{n}", f"{OLD}:{{n}}", "https://v{n}.example.com/x", "{n}", "{n}Gi", "0644", "v{n}.example.com/x",
    "192.0.2.{n}", "1g.{n}gb", "metadata.labels['v{n}']",
)  # fmt: skip
"""Texts of which one matches each pattern."""


def build(folder: Path, objects: list[Manifest], **fields: Any) -> list[Manifest]:
    """Return the objects as an overlay with our component changes them."""
    component = folder / "outfitter"
    component.mkdir()
    for name, text in kustomize_files().items():
        (component / name).write_text(text, encoding="utf-8")
    (folder / "objects.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    overlay = {"resources": ["objects.yaml"], "components": ["outfitter"], **fields}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return list(yaml.safe_load_all(done.stdout))


def sample(schema: Mapping[str, Any], numbers: Iterator[int]) -> Any:
    """Return a value with every field that a schema has; each text in it is another one."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object" or "properties" in schema:
        return {name: sample(child, numbers) for name, child in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [sample(schema["items"], numbers)]
    if schema.get("type") == "string":
        number = next(numbers)
        texts = (text.format(n=number) for text in SAMPLES)
        pattern = schema.get("pattern", "")
        return f"{OLD}:{number}" if pattern == IMAGE_PATTERN else next(t for t in texts if matches(pattern, t))
    if schema.get("type") in ("integer", "number"):
        return schema.get("minimum", 1) or 1
    return True if schema.get("type") == "boolean" else "1Gi"


def whole(kind: Kind, numbers: Iterator[int]) -> Manifest:
    """Return an object with every field of its kind, without the trees of policies."""
    spec: Manifest = sample(resource_schema(kind.model)["properties"]["spec"], numbers)
    for tree in ("defaults", "rules", "imposedAssets"):
        spec.pop(tree, None)
    if "imagePullSecrets" in spec:
        spec["imagePullSecrets"][0]["userCredential"] = False
    body = {"apiVersion": API_VERSION, "kind": kind.name, "metadata": {"name": f"own-{kind.singular}"}, "spec": spec}
    kind.model.parse(body)  # else it has no references
    return body


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and value of everything that is neither object nor list."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in pairs:
            yield from leaves(child, f"{path}.{key}")
    else:
        yield path, value


def named(kind: str, name: str) -> Manifest:
    """Return an object that others can refer to."""
    return {"apiVersion": NATIVE.get(kind, API_VERSION), "kind": kind, "metadata": {"name": name}}


def names_of(kind: Kind, body: Manifest) -> set[tuple[str, str]]:
    """Return kind and name of all that an object names, private Credentials too."""
    found = {(each.kind, each.name) for each in references(kind, body)}
    private = re.findall(r"'userCredential': {'name': '([^']+)'", str(body["spec"]))
    return found | {("Credential", name) for name in private}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_reference_and_image_of_a_kind_is_changed_and_nothing_else(kind: Kind, tmp_path: Path) -> None:
    """Kustomize changes exactly the fields that the models call references and images."""
    given = whole(kind, itertools.count(1))
    found = names_of(kind, given)
    images = {text for _, text in leaves(given["spec"]) if str(text).startswith(f"{OLD}:")}
    built = build(
        tmp_path,
        [given, *(named(*each) for each in sorted(found))],
        namePrefix="dev-",
        images=[{"name": OLD, "newName": NEW, "newTag": "fixed"}],
    )
    own = next(item for item in built if item["metadata"]["name"] == f"dev-own-{kind.singular}")
    objects = {(item["kind"], item["metadata"]["name"]) for item in built}
    assert references(kind, own) or not found
    assert {(target, f"dev-{name}") for target, name in found} <= objects
    names = {name for _, name in found}
    want = [
        (path, f"dev-{text}" if text in names else f"{NEW}:fixed" if text in images else text)
        for path, text in leaves(given["spec"])
    ]
    assert sorted(leaves(own["spec"])) == sorted(want)


def test_most_kinds_have_references() -> None:
    """The test above compares more than empty sets."""
    found = {each.kind for kind in KINDS for each in references(kind, whole(kind, itertools.count(1)))}
    assert found >= {"Artifact", "ArtifactRepository", "ComputeResource", "Credential", "DataSource", "Environment",
                     "Registry", "WorkloadTemplate", *NATIVE}  # fmt: skip
    assert "" not in found


def test_the_examples_keep_their_references(tmp_path: Path) -> None:
    """With a prefix, a suffix and generated Secrets, each reference in a namespace still finds its object."""
    files = sorted((ROOT / "deploy" / "examples").glob("*.yaml"))
    objects = [item for path in files for item in yaml.safe_load_all(path.read_text(encoding="utf-8")) if item]
    local = {(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in objects}
    built = build(tmp_path, objects, namePrefix="dev-", nameSuffix="-eu")
    after = {(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in built}
    ours = [item for item in built if item["apiVersion"] == API_VERSION]
    assert {item["kind"] for item in ours} >= {"Workspace", "Training", "DistributedTraining", "Inference", "Artifact"}
    checked = 0
    for item in ours:
        space = item["metadata"]["namespace"]
        for each in references(kind_of(item["kind"]), item):
            plain = each.name.removeprefix("dev-").removesuffix("-eu")
            if (each.kind, space, plain) in local:
                checked += 1
                assert (each.kind, space, each.name) in after, f"{item['kind']} {item['metadata']['name']}: {each}"
    assert checked > 5


POLICY: Manifest = {
    "apiVersion": API_VERSION,
    "kind": "WorkloadPolicy",
    "metadata": {"name": "all"},
    "spec": {
        "workloadType": "workspace",
        "defaults": {
            "image": f"{OLD}:1",
            "imagePullSecrets": {"instances": [{"name": "login"}]},
            "environmentVariables": {"instances": [{"name": "TOKEN", "secret": {"name": "login", "key": "t"}}]},
        },
        "imposedAssets": [{"name": "data"}],
    },
}


def test_a_policy_follows_the_names_of_its_namespace(tmp_path: Path) -> None:
    """In its defaults, and in the assets that it imposes."""
    built = build(
        tmp_path,
        [POLICY, named("Secret", "login"), named("DataSource", "data")],
        namePrefix="dev-",
        images=[{"name": OLD, "newTag": "2"}],
    )
    spec = next(item for item in built if item["kind"] == "WorkloadPolicy")["spec"]
    assert spec["defaults"] == {
        "image": f"{OLD}:2",
        "imagePullSecrets": {"instances": [{"name": "dev-login"}]},
        "environmentVariables": {"instances": [{"name": "TOKEN", "secret": {"name": "dev-login", "key": "t"}}]},
    }
    assert spec["imposedAssets"] == [{"name": "dev-data"}]


def test_patches_merge_lists_by_key_and_still_those_of_kubernetes(tmp_path: Path) -> None:
    """A strategic merge patch changes one item; replicas and an autoscaler's target follow the object."""
    workspace = {**named("Workspace", "alice"), "spec": {
        "environmentVariables": [{"name": "A", "value": "a"}, {"name": "B", "value": "b"}]}}  # fmt: skip
    inference = {**named("Inference", "score"), "spec": {"image": f"{OLD}:1"}}
    artifact = {**named("Artifact", "score"), "spec": {"type": "service"}}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "score"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": API_VERSION, "kind": "Inference", "name": "score"}},
    }
    pod = {"containers": [{"name": "a", "image": "a"}, {"name": "b", "image": "b"}]}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
                  "spec": {"template": {"spec": pod}}}  # fmt: skip
    patches = [
        {**named("Workspace", "alice"), "spec": {"environmentVariables": [{"name": "B", "value": "new"}]}},
        {**deployment, "spec": {"template": {"spec": {"containers": [{"name": "b", "image": "new"}]}}}},
    ]
    built = build(
        tmp_path,
        [workspace, inference, artifact, scaler, deployment],
        namePrefix="dev-",
        replicas=[{"name": "score", "count": 3}],
        patches=[{"patch": yaml.safe_dump(patch)} for patch in patches],
    )
    by_kind = {item["kind"]: item["spec"] for item in built}
    values = {item["name"]: item["value"] for item in by_kind["Workspace"]["environmentVariables"]}
    assert values == {"A": "a", "B": "new"}
    images = {item["name"]: item["image"] for item in by_kind["Deployment"]["template"]["spec"]["containers"]}
    assert images == {"a": "a", "b": "new"}
    assert by_kind["Inference"]["replicas"] == 3
    assert "run" not in by_kind["Artifact"]  # it would start
    assert by_kind["HorizontalPodAutoscaler"]["scaleTargetRef"]["name"] == "dev-score"


def test_shared_assets_of_another_namespace_are_the_limit(tmp_path: Path) -> None:
    """As the guide says: a reference to another namespace stays, and one to a namesake in its own follows."""
    shared = {**named("Environment", "torch"), "metadata": {"name": "torch", "namespace": "outfitter-system"}}
    local = {**named("ComputeResource", "small"), "metadata": {"name": "small", "namespace": "team-a"}}
    assets = {"environment": {"name": "torch"}, "compute": {"name": "small", "scope": "cluster"}}
    workspace = {**named("Workspace", "alice"), "metadata": {"name": "alice", "namespace": "team-a"}}
    built = build(tmp_path, [shared, local, {**workspace, "spec": {"assets": assets}}], namePrefix="dev-")
    found = next(item for item in built if item["kind"] == "Workspace")["spec"]["assets"]
    assert (found["environment"]["name"], found["compute"]["name"]) == ("torch", "dev-small")


def test_every_written_kind_has_a_schema() -> None:
    """The derived kind is never in Git."""
    text = kustomize_files()["schema.json"]
    missing = [kind.name for kind in ALL_KINDS if f'"kind": "{kind.name}"' not in text]
    assert missing == ["EffectivePolicy"]
