"""Labels and annotations by which other programs would give a pod privileges."""

from __future__ import annotations

from typing import Any

import pytest

from world import World, asset, condition, issues

NAMES = (
    "iam.amazonaws.com/role",
    "azure.workload.identity/use",
    "vault.hashicorp.com/agent-inject",
    "sidecar.istio.io/userVolume",
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "linkerd.io/inject",
    "k8s.v1.cni.cncf.io/networks",
    "cni.projectcalico.org/ipAddrs",
    "io.kubernetes.cri-o.Devices",
    "devices.nri.io/pod",
    "cdi.k8s.io/gpu",
    "admission.stackrox.io/break-glass",
    "cpu-quota.crio.io",
    "irq-load-balancing.crio.io/x",
    "anything.istio.io/x",
    "kubernetes.io/config.mirror",
    "run.oci.keep_original_groups",
    "node-restriction.kubernetes.io/a",
    "eks.amazonaws.com/role-arn",
    "nvidia.cdi.k8s.io/container.a",
)
ORDINARY = (
    "cost-center", "app.kubernetes.io/name", "example.com/team", "notistio.io/a", "istio.io.example.com/a",
    "kueue.x-k8s.io/queue-name", "cluster-autoscaler.kubernetes.io/safe-to-evict", "karpenter.sh/do-not-disrupt",
    "prometheus.io/scrape", "topology.kubernetes.io/zone", "run.example.com/a",
)  # fmt: skip


async def pod(field: str, name: str, **settings: Any) -> tuple[dict[str, str], list[str]]:
    """The metadata that the pod got, and the notes."""
    spec = {"image": "registry.example.com/u:1", field: [{"name": name, "value": "x"}, {"name": "team", "value": "a"}]}
    world = World(asset("Workspace", "w", spec), **settings)
    await world.settle()
    status = world.status("Workspace", "w")
    assert condition(status, "Ready")["status"] == "True"
    return world.get("StatefulSet", "w")["spec"]["template"]["metadata"][field], issues(status)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", ["labels", "annotations"])
async def test_they_are_left_out_with_a_note(field: str, name: str) -> None:
    got, notes = await pod(field, name)
    assert (name in got, got["team"], notes) == (False, "a", ["Reserved"])


@pytest.mark.parametrize("name", ORDINARY)
@pytest.mark.parametrize("field", ["labels", "annotations"])
async def test_a_policy_can_demand_any_other_label(field: str, name: str) -> None:
    got, notes = await pod(field, name)
    assert (got[name], notes) == ("x", [])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", ["labels", "annotations"])
async def test_an_administrator_can_allow_them(field: str, name: str) -> None:
    got, notes = await pod(field, name, settings={"allowed_metadata": f"example.com/, {name}"})
    assert (got[name], notes) == ("x", [])


async def test_nobody_can_allow_those_of_tools_that_prune() -> None:
    got, notes = await pod("annotations", "argocd.argoproj.io/tracking-id", settings={"allowed_metadata": "argocd."})
    assert ("argocd.argoproj.io/tracking-id" in got, notes) == (False, ["Reserved"])


RESERVED = ("outfitter.dev/retained", "argocd.argoproj.io/tracking-id", "helm.sh/hook")


@pytest.mark.parametrize("name", RESERVED)
async def test_a_claim_obeys_the_same_list(name: str) -> None:
    info = {
        "size": "1Gi",
        "addedAttrValues": [{"key": name, "value": "x"}, {"key": "tier.example.com/a", "value": "y"}],
    }
    inline = {"name": "d", "path": "/d", "claimInfo": info}
    source = asset("DataSource", "s", {"pvc": {"path": "/s", "claimInfo": info}})
    world = World(asset("Workspace", "w", {"image": "registry.example.com/u:1", "storage": {"pvc": [inline]}}), source)
    await world.settle()
    for claim in world.all("PersistentVolumeClaim"):
        annotations = claim["metadata"]["annotations"]
        assert (name in annotations, annotations["tier.example.com/a"]) == (False, "y")
    assert "Reserved" in issues(world.status("Workspace", "w"))
    assert "Reserved" in issues(world.status("DataSource", "s"))
