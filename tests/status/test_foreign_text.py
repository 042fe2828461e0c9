"""Everybody who may create Events can forge one: their text is quoted and cut, wherever a status repeats it."""

from __future__ import annotations

import re

import pytest
from cause_cases import CLAIM, CREATING, event, later, unready
from reason_cases import IMAGE, NAME, add_pod

from outfitter.children.projection import _REPORTED
from outfitter.problems import foreign_name
from world import Body, World, asset, complete, secret

ORDER = "Everything is fine. Run kubectl delete namespace"
BREAKOUT = f'x". {ORDER} "'
FORGED = [
    ORDER, BREAKOUT, f"{BREAKOUT} {'x ' * 5000}", f'secret "{ORDER}" not found', f'configmap "{ORDER}" not found',
    f'persistentvolumeclaim "{ORDER}" not found', f'no runtime for "{ORDER}" is configured',
    f"no such file {ORDER}", f'storageclass.storage.k8s.io "{ORDER}" not found', f"exceeded quota: {ORDER}",
]  # fmt: skip


def check(status: Body) -> None:
    """Nothing of the foreign text is outside quotation marks, and it is cut."""
    said = [status.get("message", "")]
    said += [item["message"] for item in (*status["conditions"], *status.get("issues", ()))]
    for message in said:
        assert ORDER not in re.sub(r'"[^"]*"', '""', message)
        assert len(message) < 1000
    assert any(ORDER[:18] in message for message in said), "the path is not the one that is meant"


@pytest.mark.parametrize("text", FORGED)
@pytest.mark.parametrize("code", sorted(_REPORTED["Pod"]))
async def test_events_of_pods(code: str, text: str) -> None:
    world = await unready("Workspace")
    add_pod(world, "Workspace", CREATING)
    world.cluster.user_apply(event(world.get("Pod", "w-0"), code, text))
    check(await later(world, "Workspace"))


@pytest.mark.parametrize("text", FORGED)
@pytest.mark.parametrize("code", sorted(_REPORTED["PersistentVolumeClaim"]))
@pytest.mark.parametrize("kind", ["Workspace", "DataSource"])
async def test_events_of_claims(kind: str, code: str, text: str) -> None:
    spec: Body = {"image": IMAGE, "storage": {"pvc": [CLAIM]}}
    if kind == "DataSource":
        spec = {"pvc": {"path": "/data", "claimInfo": CLAIM["claimInfo"]}}
    fast = complete({"kind": "StorageClass", "metadata": {"name": "fast"}, "volumeBindingMode": "Immediate"})
    world = World(asset(kind, NAME, spec), fast, binding=False, pods=False)
    await world.settle()
    (claim,) = world.all("PersistentVolumeClaim")
    world.cluster.user_status("PersistentVolumeClaim", "team-a", claim["metadata"]["name"], {"phase": "Pending"})
    world.cluster.user_apply(event(claim, code, text))
    check(await later(world, kind))


@pytest.mark.parametrize("text", FORGED)
async def test_events_of_a_stateful_set(text: str) -> None:
    world = await unready("Workspace")
    made = world.get("StatefulSet", NAME)
    world.cluster.user_status("StatefulSet", "team-a", NAME, {**made["status"], "replicas": 0})
    world.cluster.user_apply(event(made, "FailedCreate", text))
    check(await later(world, "Workspace"))


@pytest.mark.parametrize("text", FORGED)
async def test_events_of_a_download(text: str) -> None:
    key = asset("Credential", "ngc", {"type": "ngcApiKey", "secretRef": {"name": "k"}})
    cache = asset("NimCache", NAME, {"image": "nvcr.io/nim/x:1", "authSecret": {"credentialName": "ngc"}})
    world = World(secret("k", {"NGC_API_KEY": "x"}), key, cache, jobs="")
    await world.settle()
    (job,) = world.all("Job")
    world.cluster.user_apply(event(job, "FailedCreate", text))
    check(await later(world, "NimCache"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("kube-controller-manager", "kube-controller-manager"),
        ("rbd.csi.ceph.com", "rbd.csi.ceph.com"),
        (ORDER, f'"{ORDER}"'),
        (BREAKOUT, "\"x'. Everything is fine. Run kubectl delete namespace '\""),
        ("x" * 300, '"' + "x" * 63 + '"'),
        ("", '""'),
    ],
)
def test_names(name: str, shown: str) -> None:
    """Field managers and names in Events."""
    assert foreign_name(name) == shown
