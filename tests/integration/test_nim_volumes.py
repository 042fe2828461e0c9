"""Where a model is kept: a volume of its own, one that exists, a shared one; deleted, killed half-way, protected."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from outfitter.codegen.admission.deletion import policy_spec
from outfitter.codegen.admission.exempt import OPERATOR_ACCOUNT
from outfitter.errors import Forbidden

from .conftest import Stack
from .harness import rights
from .harness.client import Object, eventually, message
from .harness.models import CACHE, IMAGE, filled, give_key, mounted, nim, running
from .harness.space import Space

POLICIES = "/apis/admissionregistration.k8s.io/v1"


def size(claim: Object) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"])


def test_a_volume_of_its_own_for_every_run(space: Space) -> None:
    give_key(space)
    nim(space, "small", storage={"pvcSize": "1.5Ti"})
    nim(space, "usual", storage=None)
    nim(space, "definition", storage=None, run=None)
    space.make("Inference", "first", {"artifact": {"name": "definition"}})
    space.make("Inference", "second", {"artifact": {"name": "definition"}})
    for kind, name in (("Artifact", "small"), ("Artifact", "usual"), ("Inference", "first"), ("Inference", "second")):
        owner = space.ready(kind, name, 60)
        claim = space.need("PersistentVolumeClaim", f"{name}-model")
        assert [item["uid"] for item in claim["metadata"]["ownerReferences"]] == [owner["metadata"]["uid"]]
        assert size(claim) == ("1536Gi" if name == "small" else "150Gi")
        assert mounted(space, name) == f"{name}-model"
    assert len(space.list("PersistentVolumeClaim")) == 4
    assert space.list("NimCache") == []
    space.delete("Inference", "first", propagationPolicy="Background")
    space.gone("PersistentVolumeClaim", "first-model", 60)
    assert space.get("PersistentVolumeClaim", "second-model") is not None


def existing(space: Space, name: str) -> Object:
    body = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    return space.native("PersistentVolumeClaim", name, spec=body)


def test_air_gapped_a_filled_claim_needs_no_key(stack: Stack, space: Space) -> None:
    existing(space, "weights")
    nim(space, "own", key=None, storage={"claimName": "weights"})
    space.make("NimCache", "filled", {"image": IMAGE, "claimName": "weights"})
    filled(space, "filled")
    nim(space, "shared", key=None)
    for name in ("own", "shared"):
        running(space, name)
        assert mounted(space, name) == "weights"
        container = space.need("Deployment", name)["spec"]["template"]["spec"]["containers"][0]
        assert "NGC_API_KEY" not in {item["name"] for item in container["env"]}
    assert [item["metadata"]["name"] for item in space.list("NimCache")] == ["filled"]
    assert space.list("Job") == []
    # It is theirs: it stays when the cache goes.
    space.delete("NimCache", "filled")
    space.gone("NimCache", "filled")
    assert "deletionTimestamp" not in space.need("PersistentVolumeClaim", "weights")["metadata"]


def test_a_claim_deleted_while_it_is_mounted_is_filled_again_when_it_is_gone(space: Space) -> None:
    give_key(space)
    nim(space, "llama")
    running(space, "llama")
    old = space.need("PersistentVolumeClaim", CACHE)["metadata"]["uid"]
    space.delete("PersistentVolumeClaim", CACHE)
    seen = space.wait("NimCache", CACHE, lambda item: "being deleted" in message(item))
    assert [item["issue"] for item in seen["status"]["issues"]] == ["Replacing"]
    assert space.need("Artifact", "llama")["status"]["runPhase"] == "Running"
    assert space.list("Job") == []
    # Its pods are the last that hold it.
    space.spec("Artifact", "llama", run={"suspend": True})
    made = space.wait("PersistentVolumeClaim", CACHE, lambda item: item["metadata"]["uid"] != old, 60)
    filled(space)
    space.spec("Artifact", "llama", run={"suspend": False})
    running(space, "llama")
    assert made["metadata"]["uid"] == space.need("PersistentVolumeClaim", CACHE)["metadata"]["uid"]


def test_a_cache_deleted_in_use_stops_nothing_and_comes_back(space: Space) -> None:
    """Nothing refuses it here: pods run on, and who starts later finds the model again."""
    give_key(space)
    nim(space, "llama")
    running(space, "llama")
    old = space.need("NimCache", CACHE)["metadata"]["uid"]
    space.delete("NimCache", CACHE)
    space.wait("NimCache", CACHE, lambda item: item["metadata"]["uid"] != old, 60)
    assert space.need("Deployment", "llama")["status"]["readyReplicas"] == 1
    space.spec("Artifact", "llama", run={"suspend": True})
    filled(space)
    space.spec("Artifact", "llama", run={"suspend": False})
    running(space, "llama")


@pytest.fixture
def protected(stack: Stack, space: Space) -> Iterator[Space]:
    """A namespace for which the policy of the chart counts."""
    name = f"protect-{space.name}"
    spec = json.loads(json.dumps(policy_spec()).replace(OPERATOR_ACCOUNT, rights.USER))
    where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space.name}}}
    parts = {
        "ValidatingAdmissionPolicy": spec,
        "ValidatingAdmissionPolicyBinding": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": where,
        },
    }
    plurals = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
    for plural, (kind, body) in zip(plurals, parts.items(), strict=True):
        manifest = {
            "apiVersion": POLICIES.removeprefix("/apis/"),
            "kind": kind,
            "metadata": {"name": name},
            "spec": body,
        }
        stack.api.connection.request("POST", f"{POLICIES}/{plural}", manifest)
    yield space
    for plural in plurals:
        stack.api.connection.request("DELETE", f"{POLICIES}/{plural}/{name}")


def test_a_cache_in_use_is_not_deleted_where_the_policy_counts(protected: Space) -> None:
    space = protected
    give_key(space)
    nim(space, "llama")
    running(space, "llama")
    space.wait("NimCache", CACHE, lambda item: item["status"]["usedBy"]["total"] == 1)

    def refusal() -> str:
        try:
            space.delete("NimCache", CACHE, dryRun=["All"])
        except Forbidden as error:
            return str(error)
        return ""

    assert f"is used by {space.name}/llama" in eventually(refusal, what="the policy does not count")
    space.spec("Artifact", "llama", run=None)
    space.wait("NimCache", CACHE, lambda item: item["status"]["usedBy"]["total"] == 0)
    space.delete("NimCache", CACHE)
    space.gone("NimCache", CACHE)
    # The escape, and what a namespace takes with it.
    space.spec("Artifact", "llama", run={})
    running(space, "llama")
    space.wait("NimCache", CACHE, lambda item: item["status"]["usedBy"]["total"] == 1)
    with pytest.raises(Forbidden):
        space.delete("NimCache", CACHE)
    space.annotate("NimCache", CACHE, **{"force-delete": "true"})
    space.delete("NimCache", CACHE)
    running(space, "llama")
    space.api.delete("Namespace", "", space.name)
    space.api.gone("Namespace", "", space.name, 90)


def test_the_volume_is_mounted_where_the_variable_points(space: Space) -> None:
    """In a pod with a read-only root file system, which the API server accepts with its writable directories."""
    give_key(space)
    own = {"name": "NIM_CACHE_PATH", "value": "/model-store"}
    container = {
        "imageUri": IMAGE,
        "port": 8000,
        "startupProbe": {"path": "/v1/health/ready"},
        "securityContext": {"readOnlyRootFilesystem": True},
        "environmentVars": [own],
    }
    nim(space, "llama", containerGroups=[{"containers": [container]}], storage={"pvcSize": "50Gi"})
    space.make("NimCache", "phi", {"image": "nvcr.io/nim/phi:1", "environmentVariables": [own]})
    filled(space, "phi")
    running(space, "llama")
    pod = space.need("Deployment", "llama")["spec"]["template"]["spec"]
    mounts = {item["mountPath"]: item["name"] for item in pod["containers"][0]["volumeMounts"]}
    volumes = {item["name"]: item for item in pod["volumes"]}
    assert volumes[mounts["/model-store"]]["persistentVolumeClaim"]["claimName"] == "llama-model"
    assert {"/tmp", "/home/outfitter"} <= mounts.keys()
    probe = pod["containers"][0]["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] == 1200
