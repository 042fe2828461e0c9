"""A GitOps tool that applies as an account of one namespace, with all policies in force."""

from __future__ import annotations

import pytest
import yaml

from outfitter_sandbox import Sandbox
from outfitter_sandbox.connection import MERGE_PATCH, Connection

from .conftest import ROOT, Manifest, eventually
from .objects import apply, custom, path
from .test_admission import IMAGE, guarded, tries

__all__ = ["guarded"]  # a fixture
pytestmark = pytest.mark.cluster
ELEVATED = custom("Workspace", "w", "team-x", {"image": IMAGE, "security": {"hostNetwork": True}})


@pytest.fixture(params=["outfitter-gitops", "edit"])
def deployer(guarded: Sandbox, request: pytest.FixtureRequest) -> Connection:
    """The account of the guide, with the ready role or with `edit` in one namespace."""
    # The role of a binding cannot change.
    name = f"deployer-{request.param}"
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": "team-x"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": request.param},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "team-x"}],
    }
    meta = {"name": name, "namespace": "team-x"}
    apply(guarded, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    apply(guarded, binding)
    account = Connection.from_kubeconfig(guarded.kubeconfig_for(f"system:serviceaccount:team-x:{name}"))
    eventually(lambda: tries(account, custom("Workspace", "w", "team-x", {"image": IMAGE})), lambda said: said == "")
    # Policies are in force a moment after they were written.
    eventually(lambda: tries(account, ELEVATED), lambda said: "You need the verb elevate" in said)
    return account


def team() -> list[Manifest]:
    """The objects of a team in the examples, in its namespace."""
    files = ("10-notebook.yaml", "30-team.yaml", "40-artifacts.yaml")
    texts = [(ROOT / "deploy" / "examples" / name).read_text(encoding="utf-8") for name in files]
    items = [item for text in texts for item in yaml.safe_load_all(text)]
    return [{**item, "metadata": {**item["metadata"], "namespace": "team-x"}} for item in items]


def test_the_role_is_enough_in_its_namespace_and_not_elsewhere(deployer: Connection) -> None:
    for item in team():
        assert tries(deployer, item) == "", item["metadata"]
        elsewhere = {**item, "metadata": {**item["metadata"], "namespace": "team-y"}}
        assert "forbidden" in tries(deployer, elsewhere)
    assert "You need the verb elevate" in tries(deployer, ELEVATED)


def test_pruning_is_refused_while_in_use_and_succeeds_after(guarded: Sandbox, deployer: Connection) -> None:
    """As a tool does it: the same deletion again at each sync."""
    asset = custom("ComputeResource", "pruned", "team-x", {"cpuCoreRequest": 1})
    apply(guarded, asset)

    def prune() -> int:
        return deployer.answer("DELETE", path(asset))[0]

    def used(total: int) -> None:
        users = [{"namespace": "team-x", "name": "w"}][:total]
        status = {"status": {"usedBy": {"total": total, "workspaces": users}}}
        guarded.connection().request("PATCH", f"{path(asset)}/status", status, MERGE_PATCH)

    used(1)
    eventually(lambda: deployer.answer("DELETE", f"{path(asset)}?dryRun=All")[0], lambda code: code == 403)
    assert [prune(), prune()] == [403, 403]
    used(0)
    assert prune() == 200
