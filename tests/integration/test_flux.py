"""The manifests of docs/guide/gitops.md in Flux: install, order, health, tenants, drift and pruning, all from Git.

Flux, the API server and the operator are real. The operator's Deployment runs on the simulated node, and a process with
its account does the work. One namespace for all tests: each test publishes the whole repository of the team.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from outfitter_sandbox import Sandbox

from .harness import rights
from .harness.client import Api, Object, condition, message, ready
from .harness.flux import Flux
from .harness.jobset import install_crds
from .harness.process import Operator

pytestmark = [pytest.mark.flux, pytest.mark.foreign_crds]
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "gitops.md").read_text(encoding="utf-8")
IMAGE = "registry.example.com/torch:1"
NO_EXTRAS = {"static_pv_drivers": "", "shared_roles": "false", "s3_backend": "init"}
"""Settings without rights that install.yaml does not give."""


def _blocks() -> list[list[Object]]:
    section = PAGE.partition("## Flux\n")[2].partition("\n## ")[0]
    texts = [part.partition("```")[0] for part in section.split("```yaml\n")[1:]]
    return [list(yaml.safe_load_all(text)) for text in texts]


PLATFORM, TEAM, ACCOUNT = _blocks()[:3]


def ours(kind: str, name: str, /, **spec: object) -> Object:
    return {"apiVersion": "outfitter.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


SHARED = ours("ComputeResource", "small", scope={"type": "cluster"}, cpuCoreRequest=0.5)
SHARED["metadata"]["namespace"] = rights.SYSTEM
ALICE = ours("Workspace", "alice", image=IMAGE, assets={"compute": {"name": "small"}})


@dataclass
class Git:
    """The repository of the team, and Flux that applies it."""

    flux: Flux
    api: Api

    def push(self, *objects: Object) -> None:
        self.flux.publish("team-a", "team", {"objects.yaml": yaml.safe_dump_all(objects)})

    def synced(self, *objects: Object) -> None:
        self.push(*objects)
        self.flux.applied("team-a", "team")

    def rejected(self, reason: str, *objects: Object) -> str:
        """Push objects that make the sync fail; the message of Flux."""
        self.push(*objects)
        return self.flux.failed("team-a", "team", reason)

    def need(self, kind: str, name: str) -> Object:
        return self.api.need(kind, "team-a", name)


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Git]:
    """Everything applied at once, the team's repository too: `dependsOn` orders it."""
    folder = tmp_path_factory.mktemp("flux")
    with Sandbox.up(root=folder) as sandbox:
        api = Api(sandbox)
        install_crds(api, "flux", "flux-sources")
        for name in ("flux-system", "team-a"):
            api.create({"kind": "Namespace", "metadata": {"name": name}})
        for item in (*PLATFORM, *TEAM):
            api.create(item)
        with Flux.start(sandbox) as flux:
            git = Git(flux, api)
            git.push(ALICE)
            waits_for = "dependency 'flux-system/platform' is not ready"
            api.wait("Kustomization", "team-a", "team", lambda item: message(item) == waits_for, 60)
            files = {
                "outfitter/install.yaml": (ROOT / "deploy" / "install.yaml").read_text(encoding="utf-8"),
                "platform/platform.yaml": yaml.safe_dump_all([*ACCOUNT, SHARED]),
            }
            flux.publish("flux-system", "platform", files)
            flux.applied("flux-system", "outfitter")
            assert condition(api.need("Kustomization", "flux-system", "platform"), "Ready").get("status") != "True"
            sandbox.restart("kube-controller-manager")  # else its garbage collector learns of new kinds much later
            operator = Operator(sandbox.kubeconfig_for(rights.USER), folder / "operator.log", **NO_EXTRAS).start()
            yield git
            operator.stop()


def test_health_waits_for_the_operator(git: Git) -> None:
    """The installation comes first, then shared assets, then teams. Applied means that the operator reported Ready."""
    git.flux.applied("flux-system", "platform")
    git.flux.applied("team-a", "team")
    assert ready(git.need("Workspace", "alice"))


def test_an_object_that_waits_is_neither_ready_nor_failed(git: Git) -> None:
    """The first status is written after Flux asks: kstatus would count an object without one as ready."""
    credential = ours("Credential", "bucket", type="accessKey", secretRef={"name": "bucket-keys"})
    git.push(ALICE, credential)
    git.api.wait("Credential", "team-a", "bucket", lambda item: condition(item, "Reconciling")["status"] == "True")
    sync = git.need("Kustomization", "team")
    assert condition(sync, "Ready").get("status") == "Unknown", sync["status"]
    values = {"AccessKeyId": "not-a-real-id", "SecretKey": "not-a-real-secret"}
    git.api.create({"kind": "Secret", "metadata": {"name": "bucket-keys", "namespace": "team-a"}, "stringData": values})
    git.flux.applied("team-a", "team")
    assert ready(git.need("Credential", "bucket"))


def test_a_sync_without_a_change_writes_nothing_and_drift_is_repaired(git: Git) -> None:
    git.synced(ALICE)
    before = git.need("Workspace", "alice")["metadata"]
    git.flux.sync("team-a", "team")
    assert git.need("Workspace", "alice")["metadata"] == before
    git.api.patch("Workspace", "team-a", "alice", {"spec": {"image": "registry.example.com/other:1"}})
    git.flux.sync("team-a", "team")
    assert git.need("Workspace", "alice")["spec"]["image"] == IMAGE


def test_a_rejected_object_fails_the_sync_with_our_message(git: Git) -> None:
    """By the schema, and by an admission policy."""
    both = ours("Credential", "both", type="accessKey", secretRef={"name": "k"}, keys={"password": "x"})
    said = git.rejected("ReconciliationFailed", ALICE, both)
    assert "spec.keys: Invalid value: accessKey reads only the keys AccessKeyId, SecretKey." in said
    elevated = ours("Workspace", "elevated", image=IMAGE, security={"hostNetwork": True})
    said = git.rejected("ReconciliationFailed", ALICE, elevated)
    assert "Workspace elevated exceeds Pod Security level restricted. You need the verb elevate" in said
    git.synced(ALICE)


def test_a_stalled_object_fails_the_sync_at_once(git: Git) -> None:
    """Without the timeout of five minutes."""
    wide = ours("ComputeResource", "wide", scope={"type": "cluster"}, cpuCoreRequest=1)
    said = git.rejected("HealthCheckFailed", ALICE, wide)
    assert "ComputeResource/team-a/wide status: 'Failed'" in said
    assert message(git.need("ComputeResource", "wide"))
    git.synced(ALICE)


def test_a_tenant_writes_only_in_its_namespace(git: Git) -> None:
    """Its account may not create namespaces, and objects of other namespaces go to its own."""
    other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-b"}}
    said = git.rejected("ReconciliationFailed", ALICE, other)
    assert "system:serviceaccount:team-a:deployer" in said
    assert "forbidden" in said
    elsewhere = ours("ComputeResource", "mine", cpuCoreRequest=1)
    git.synced(ALICE, {**elsewhere, "metadata": {"name": "mine", "namespace": rights.SYSTEM}})
    assert git.api.get("ComputeResource", rights.SYSTEM, "mine") is None
    assert git.need("ComputeResource", "mine")
    git.synced(ALICE)


def test_pruning(git: Git) -> None:
    """An asset in use stays until its user is gone, children go with their owner, and claims with data stay."""
    asset = ours("ComputeResource", "big", cpuCoreRequest=2)
    data = ours("DataSource", "data", pvc={"path": "/data", "claimInfo": {"size": "1Gi"}})
    bob = ours("Workspace", "bob", image=IMAGE,
               assets={"compute": {"name": "big"}, "dataSources": [{"name": "data"}]})  # fmt: skip
    git.synced(ALICE, asset, data, bob)
    git.api.wait("ComputeResource", "team-a", "big", lambda item: item["status"]["usedBy"]["total"] == 1)
    said = git.rejected("PruneFailed", ALICE, data, bob)
    assert "big" in said
    assert git.need("ComputeResource", "big")
    claims = {item["metadata"]["name"] for item in git.api.list("PersistentVolumeClaim", "team-a")}
    assert claims
    git.push(ALICE)
    for kind in ("Workspace", "StatefulSet"):
        git.api.gone(kind, "team-a", "bob")
    git.api.wait("ComputeResource", "team-a", "big", lambda item: item is None or not item["status"]["usedBy"]["total"])
    git.flux.sync("team-a", "team")
    git.flux.applied("team-a", "team")
    for kind, name in (("ComputeResource", "big"), ("DataSource", "data")):
        git.api.gone(kind, "team-a", name)
    assert {item["metadata"]["name"] for item in git.api.list("PersistentVolumeClaim", "team-a")} == claims
