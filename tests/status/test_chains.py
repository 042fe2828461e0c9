"""A workload that waits for another object says why that object waits, to the end of the chain."""

from __future__ import annotations

from typing import Any

import pytest
from cause_cases import SCHEDULED
from reason_cases import IMAGE, NAME

from outfitter.errors import Forbidden
from outfitter.reasons import Reason
from outfitter.resolve.causes import first_cause
from outfitter.snapshot import CachedObject, read_resource
from world import TEAM, World, asset, complete, issues, secret

NIM = {
    "type": "nim",
    "containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8000}]}],
    "storage": {"mode": "nimCache"},
    "run": {},
}


async def test_from_an_artifact_over_its_cache_to_the_pod_of_the_download() -> None:
    """The kubelet's text about the last link is in the status of the first."""
    world = World(asset("NimCache", "cache", {"image": IMAGE}), asset("Artifact", NAME, NIM), jobs="")
    await world.settle()
    assert issues(world.status("Artifact", NAME)) == [], "a download that runs is no issue"
    (job,) = world.all("Job")
    meta = job["metadata"]
    world.cluster.user_status("Job", TEAM, meta["name"], {"active": 1})
    waiting = {"reason": "CreateContainerConfigError", "message": f"couldn't find key token in Secret {TEAM}/keys"}
    container = {"name": "main", "image": IMAGE, "state": {"waiting": waiting}}
    labels = {**meta["labels"], "batch.kubernetes.io/job-name": meta["name"]}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
    pod = {"kind": "Pod", "metadata": {"name": "p", "labels": labels, "ownerReferences": [owner]}, "spec": {}}
    status = {"phase": "Pending", "conditions": [SCHEDULED], "containerStatuses": [container]}
    world.cluster.user_apply(complete({**pod, "status": status}))
    await world.settle()
    (issue,) = world.status("Artifact", NAME)["issues"]
    assert issue["issue"] == "CacheNotReady"
    assert f"Secret {TEAM}/keys lacks key token. Add the key." in issue["message"]


async def test_from_a_workload_over_its_credential_to_the_secret() -> None:
    """And nothing is left of it once the Secret has the key."""
    variable = {"name": "P", "credential": {"name": "db", "key": "Password"}}
    world = World(
        asset("Credential", "db", {"type": "password", "secretRef": {"name": "keys"}}),
        asset("Workspace", NAME, {"image": IMAGE, "environmentVariables": [variable]}),
        secret("keys", {"user": "u"}),
    )
    await world.settle()
    (issue,) = world.status("Workspace", NAME)["issues"]
    assert issue["issue"] == "CredentialNotReady"
    assert f"Secret {TEAM}/keys lacks these keys: Password" in issue["message"]
    world.cluster.user_apply(secret("keys", {"user": "u", "password": "p"}))
    await world.settle()
    assert issues(world.status("Workspace", NAME)) == []


async def test_from_a_workload_over_its_data_source_to_the_quota() -> None:
    """The claim was refused, so it does not exist."""
    source = {"pvc": {"path": "/data", "claimInfo": {"size": "1Gi"}}}
    refs = {"dataSources": [{"name": "home"}]}
    world = World(asset("DataSource", "home", source), asset("Workspace", NAME, {"image": IMAGE, "assets": refs}))
    quota = 'persistentvolumeclaims "home" is forbidden: exceeded quota: q, requested: requests.storage=1Gi'
    for _ in range(3):
        world.cluster.fail_next("create", "PersistentVolumeClaim", Forbidden(quota, status=403, reason="Forbidden"))
        await world.round()
    message = world.status("Workspace", NAME)["message"]
    assert f"PersistentVolumeClaim {TEAM}/home does not exist." in message
    assert "exceeded quota: q" in message


def resource(issues_of: list[dict[str, Any]], message: str = "") -> Any:
    """A NimCache with these issues."""
    status = {"issues": [{"scopeType": "project", **item} for item in issues_of], "message": message}
    body = {**asset("NimCache", "c", {"image": IMAGE}, "system"), "status": status}
    body["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    return read_resource(CachedObject.of(body))


OWN = {"scopeId": "system", "issue": "Pending", "message": "own"}
HERE = {"scopeId": TEAM, "issue": "ReplicationError", "message": "here"}
ELSEWHERE = {"scopeId": "team-b", "issue": "ReplicationError", "message": "elsewhere"}
NOTE = {"scopeId": "system", "issue": str(Reason.SIZE_KEPT), "message": "note"}
NEWER = {"scopeId": "system", "issue": "OfANewerVersion", "message": "newer"}


@pytest.mark.parametrize(
    ("found", "message", "expected"),
    [
        ([OWN, HERE], "", "here"),
        ([OWN, ELSEWHERE], "", "own"),
        ([ELSEWHERE], "elsewhere (and 1 more)", "otherwise"),
        ([NOTE], "", "otherwise"),
        ([NOTE, OWN], "", "own"),
        ([NEWER], "", "newer"),
        ([], "It goes on.", "It goes on."),
        ([], "", "otherwise"),
    ],
)
def test_the_first_cause(found: list[dict[str, Any]], message: str, expected: str) -> None:
    """About the namespace, else about the object itself; nothing of other namespaces, and no note."""
    assert first_cause(resource(found, message), TEAM, "otherwise") == expected
