"""Deleting what is locked or in use: denied by the admission policy that users install, and harmless without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from outfitter.cluster.client import path_of
from outfitter.errors import ApiError, Forbidden

from .conftest import Stack
from .harness.client import MERGE, Object, eventually, ready, resource_of
from .harness.rights import INSTALL
from .harness.space import Space
from .test_artifacts import groups, locked
from .test_inference import at, image, running, version

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}


def policies() -> list[Object]:
    """What install.yaml has of admission."""
    with INSTALL.open() as file:
        return [item for item in yaml.safe_load_all(file) if item and item["kind"] in PLURALS]


class Protection:
    """The policy and its binding, put into force, changed and taken away; each waits until the server goes by it."""

    def __init__(self, stack: Stack, space: Space) -> None:
        self._ask = stack.api.connection.request
        self._space = space
        self.made = {
            f"{ADMISSION}/{PLURALS[item['kind']]}": item for item in policies() if "protect" in item["metadata"]["name"]
        }
        assert len(self.made) == 2, "a policy and its binding"

    def put(self) -> None:
        for path, item in self.made.items():
            self._ask("POST", f"{path}?fieldValidation=Strict", item)
        eventually(self.said, what="the policy is not in force")

    def drop(self) -> None:
        for path, item in self.made.items():
            self._ask("DELETE", f"{path}/{item['metadata']['name']}")
        eventually(self.said, lambda text: not text, what="the policy is still in force")

    def change(self, spec: Object, said: str) -> None:
        """Another spec of the policy; `said` is what it answers to who deletes the repository."""
        path, item = next(iter(self.made.items()))
        self._ask("PATCH", f"{path}/{item['metadata']['name']}", {"spec": spec}, MERGE)
        eventually(self.said, lambda text: said in text, what="the change is not in force")

    def said(self) -> str:
        """What it answers to who deletes the repository; nothing where that is allowed."""
        try:
            self._space.delete("ArtifactRepository", "scorers", dryRun=["All"])
        except Forbidden as error:
            return str(error)
        return ""


@pytest.fixture
def protection(stack: Stack, spaces: Callable[..., Space]) -> Iterator[tuple[Protection, Space]]:
    """The policy in force, and a namespace with a version."""
    space = spaces()
    made = Protection(stack, space)
    version(space, 1)
    made.put()
    yield made, space
    made.drop()


@pytest.fixture
def protected(protection: tuple[Protection, Space]) -> Space:
    """A namespace while the policy is in force."""
    return protection[1]


def refused(space: Space, kind: str, name: str) -> str:
    with pytest.raises(Forbidden) as error:
        space.delete(kind, name)
    return str(error.value)


def users(kind: str, *names: str) -> Callable[[Any], bool]:
    """The status tells of exactly these users."""
    return lambda item: [each["name"] for each in item["status"]["usedBy"].get(kind, [])] == list(names)


def test_versions_and_what_is_used_stay(stack: Stack, protected: Space) -> None:
    space = protected
    said = refused(space, "Artifact", "scorer-1")
    assert "Artifact scorer-1 is version 1 of scorers" in said
    assert "outfitter.dev/force-delete=true" in said
    said = refused(space, "ArtifactRepository", "scorers")
    assert "ArtifactRepository scorers holds 1 version, Artifact scorer-1, and versions are kept" in said
    # Nor all at once.
    with pytest.raises(Forbidden, match="is version 1 of scorers"):
        stack.api.connection.request("DELETE", path_of(resource_of("Artifact"), space.name))
    space.need("Artifact", "scorer-1")
    # A draft may go, unless something runs it.
    space.make("Artifact", "draft", {"containerGroups": groups()})
    space.make("Artifact", "idle", {"containerGroups": groups()})
    running(space, "trial", artifact={"name": "draft"})
    space.ready("Artifact", "idle")
    space.wait("Artifact", "draft", users("inferences", "trial"))
    assert f"Artifact draft is used by {space.name}/trial" in refused(space, "Artifact", "draft")
    space.delete("Artifact", "idle")
    # The operator removes what it made on demand, policy or not.
    space.gone("ArtifactRepository", "idle")
    space.delete("Inference", "trial")
    space.wait("Artifact", "draft", lambda item: item["status"]["usedBy"]["total"] == 0)
    space.delete("Artifact", "draft")
    space.gone("Artifact", "draft")


def test_the_way_out_and_what_it_leaves(protected: Space) -> None:
    space = protected
    version(space, 2)
    running(space, "scoring", artifact=at(1))
    space.edit("Artifact", "scorer-1", {"metadata": {"annotations": {"outfitter.dev/force-delete": "yes"}}})
    refused(space, "Artifact", "scorer-1")
    space.annotate("Artifact", "scorer-1", **{"force-delete": "true"})
    space.delete("Artifact", "scorer-1")
    space.gone("Artifact", "scorer-1")
    item = space.wait("Inference", "scoring", lambda item: item["status"].get("outdated"))
    assert ready(item)
    space.wait("ArtifactRepository", "scorers", lambda item: item["status"].get("retiredVersions") == [1])
    assert [each["version"] for each in space.need("ArtifactRepository", "scorers")["status"]["versions"]] == [2]


def test_other_assets_in_use_stay_as_well(protected: Space) -> None:
    space = protected
    space.secret("source", AccessKeyId="a", SecretKey="b")
    space.make("Credential", "bucket", {"type": "accessKey", "secretRef": {"name": "source"}})
    space.make("ComputeResource", "shape", {"cpuCoreRequest": 0.1})
    variables = [{"name": "K", "credential": {"name": "bucket", "key": "SecretKey"}}]
    space.running("box", environmentVariables=variables, assets={"compute": {"name": "shape"}})
    for kind, name in (("Credential", "bucket"), ("ComputeResource", "shape")):
        space.wait(kind, name, users("workspaces", "box"))
        assert f"{kind} {name} is used by {space.name}/box" in refused(space, kind, name)


def test_an_environment_of_a_template_stays_and_one_of_workloads_may_go(protected: Space) -> None:
    space = protected
    for name in ("kept", "free"):
        space.make("Environment", name, {"image": "registry.example.com/box:1"})
    template = {"workloadType": "workspace", "assets": {"environment": {"name": "kept"}}}
    space.make("WorkloadTemplate", "notebook", template)
    space.running("box", assets={"environment": {"name": "free"}})
    for name, total in (("kept", 1), ("free", 1)):
        space.wait("Environment", name, lambda item, total=total: item["status"]["usedBy"].get("total") == total)
    assert f"Environment kept is used by {space.name}/notebook" in refused(space, "Environment", "kept")
    space.delete("Environment", "free")
    space.gone("Environment", "free")


def test_namespaces_and_garbage_collection_pass(stack: Stack, protected: Space, spaces: Callable[..., Space]) -> None:
    doomed = spaces(lasting=True)
    version(doomed, 1)
    running(doomed, "scoring", artifact=at(1))
    stack.api.delete("Namespace", "", doomed.name)
    stack.api.gone("Namespace", "", doomed.name, 90)
    # What an owner takes along goes, although a person could not delete it.
    space = protected
    owner = space.native("ConfigMap", "owner", data={})
    version(space, 2)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    space.edit("Artifact", "scorer-2", {"metadata": {"ownerReferences": [reference]}})
    refused(space, "Artifact", "scorer-2")
    space.delete("ConfigMap", "owner")
    space.gone("Artifact", "scorer-2", 60)


def test_the_policy_goes_and_comes_back(stack: Stack, protection: tuple[Protection, Space]) -> None:
    """The operator has nothing to do with it: it writes nothing, and goes on in between."""
    policy, space = protection
    running(space, "scoring", artifact=at(1))
    space.wait("Artifact", "scorer-1", users("inferences", "scoring"))
    stack.operator.quiet()
    since = stack.mark()
    policy.drop()
    policy.put()
    stack.operator.quiet()
    assert [(entry.verb, entry.uri) for entry in stack.writes(since)] == []
    refused(space, "Artifact", "scorer-1")
    policy.drop()
    version(space, 2)
    space.delete("Artifact", "scorer-1")
    space.wait("ArtifactRepository", "scorers", lambda item: item["status"].get("retiredVersions") == [1])
    policy.put()
    assert "is version 2 of scorers" in refused(space, "Artifact", "scorer-2")
    assert ready(space.need("Inference", "scoring"))


def test_a_policy_that_somebody_made_too_strict(stack: Stack, protection: tuple[Protection, Space]) -> None:
    """It refuses the operator too: that asks again now and then, goes on meanwhile, and by itself afterwards."""
    policy, space = protection
    usual = next(iter(policy.made.values()))["spec"]
    space.make("Artifact", "idle", {"containerGroups": groups()})
    space.ready("Artifact", "idle")
    rule = {"expression": "oldObject.kind != 'ArtifactRepository'", "message": "they stay", "reason": "Forbidden"}
    policy.change({"matchConditions": None, "validations": [rule]}, "they stay")
    since = stack.mark()
    space.delete("Artifact", "idle")

    def asked() -> list[int]:
        deeds = [entry for entry in stack.writes(since) if (entry.verb, entry.name) == ("delete", "idle")]
        return [entry.code for entry in deeds]

    assert set(eventually(asked, lambda seen: len(seen) > 2, 60, "it asks no more")) == {403}
    version(space, 2)
    assert len(asked()) < 10
    policy.change(usual, "holds 2 versions, the oldest is Artifact scorer-1")
    space.gone("ArtifactRepository", "idle", 60)
    assert "is version 1 of scorers" in refused(space, "Artifact", "scorer-1")
    stack.operator.quiet()
    since = stack.mark()
    space.touch("ArtifactRepository", "scorers", "1")
    stack.operator.quiet()
    assert [(entry.verb, entry.uri) for entry in stack.writes(since)] == []


def test_without_the_policy_nothing_breaks(stack: Stack, space: Space) -> None:
    """Whatever is deleted: what runs goes on, no number is lost, and the repository comes back."""
    for number in (1, 2):
        version(space, number)
    running(space, "scoring", artifact=at(1))
    old = space.need("ArtifactRepository", "scorers")["metadata"]["uid"]
    space.delete("ArtifactRepository", "scorers")
    space.wait("ArtifactRepository", "scorers", lambda item: item["metadata"]["uid"] != old and (
        [(each["name"], each["version"]) for each in item["status"]["versions"]] == [("scorer-1", 1), ("scorer-2", 2)]
    ))  # fmt: skip
    space.make("Artifact", "next", {"cloneFrom": {"name": "scorer-2"}, "locked": True})
    space.wait("Artifact", "next", locked(3))
    space.delete("Artifact", "scorer-1")
    space.wait("Inference", "scoring", lambda item: ready(item) and item["status"].get("outdated"))
    assert image(space.need("Deployment", "scoring")).endswith(":1")
    with pytest.raises(ApiError):
        stack.api.connection.request("GET", f"{ADMISSION}/validatingadmissionpolicies/outfitter-protect")
