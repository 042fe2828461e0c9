"""A cache that is deleted under its users, and downloads that do not get as far as failing."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.naming import nim_cache
from world import TEAM, World, asset, issues, secret

IMAGE = "nvcr.io/nim/meta/llama:1"
CACHE = nim_cache(IMAGE)
KEY = (
    asset("Credential", "ngc", {"type": "ngcApiKey", "secretRef": {"name": "key"}}),
    secret("key", {"NGC_API_KEY": "abc"}),
)


def nim(name: str) -> dict[str, Any]:
    """A nim Artifact that runs from a cache."""
    key = {"name": "NGC_API_KEY", "source": "credential", "credential": {"name": "ngc", "key": "NGC_API_KEY"}}
    groups = [{"containers": [{"imageUri": IMAGE, "port": 8000, "environmentVars": [key]}]}]
    spec = {"type": "nim", "containerGroups": groups, "storage": {"mode": "nimCache"}, "run": {}}
    return asset("Artifact", name, spec)


def pod_of(world: World, job: dict[str, Any], **status: Any) -> dict[str, Any]:
    """The pod of a download."""
    labels = {**job["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": job["metadata"]["name"]}
    owner = {"kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"], "controller": True}
    meta = {"name": "p", "namespace": TEAM, "labels": labels, "ownerReferences": [owner]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {}, "status": status}


async def test_a_cache_deleted_in_use_comes_back_and_stops_nothing() -> None:
    world = World(*KEY, nim("llama"))
    await world.settle()
    revision = world.status("Artifact", "llama")["revision"]
    world.cluster.user_delete("NimCache", TEAM, CACHE)
    await world.settle()
    assert world.status("NimCache", CACHE)["phase"] == "Ready"
    status = world.status("Artifact", "llama")
    assert (status["runPhase"], status["revision"]) == ("Running", revision)


async def test_a_claim_that_goes_takes_its_download_along() -> None:
    """The pods of the Job, ended ones too, would hold it: nothing could ever be made again."""
    world = World(*KEY, nim("llama"))
    while world.find("Job", f"{CACHE}-download-1") is None:
        await world.round()
    claim = world.get("PersistentVolumeClaim", CACHE)
    claim["metadata"]["finalizers"] = ["example.com/mounted"]
    world.cluster.user_apply(claim)
    world.cluster.user_delete("PersistentVolumeClaim", TEAM, CACHE)
    await world.settle()
    assert world.all("Job") == []
    assert issues(world.status("NimCache", CACHE)) == ["Replacing"]
    going = world.get("PersistentVolumeClaim", CACHE)
    del going["status"], going["metadata"]["finalizers"]
    world.cluster.user_apply(going)
    await world.settle()
    assert world.get("PersistentVolumeClaim", CACHE)["metadata"]["uid"] != claim["metadata"]["uid"]
    assert world.status("Artifact", "llama")["runPhase"] == "Running"


async def test_a_cache_that_nothing_running_needs_stays_deleted() -> None:
    world = World(*KEY, nim("llama"))
    await world.settle()
    world.edit("Artifact", "llama", run={"suspend": True})
    await world.settle()
    world.cluster.user_delete("NimCache", TEAM, CACHE)
    await world.settle()
    assert world.find("NimCache", CACHE) is None
    world.edit("Artifact", "llama", run={"suspend": False})
    await world.settle()
    assert world.status("Artifact", "llama")["runPhase"] == "Running"


@pytest.mark.parametrize(("rotated", "attempt"), [(False, 1), (True, 2)])
async def test_a_pull_that_fails_is_started_over_only_with_another_key(rotated: bool, attempt: int) -> None:
    world = World(*KEY, nim("llama"), jobs="")
    await world.settle()
    (job,) = world.all("Job")
    waiting = {"name": "main", "image": IMAGE, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "x"}}}
    world.cluster.user_apply(pod_of(world, job, phase="Pending", containerStatuses=[waiting]))
    await world.settle()
    assert issues(world.status("NimCache", CACHE)) == ["ImagePullFailed"]
    if rotated:
        world.cluster.user_apply(secret("key", {"NGC_API_KEY": "better"}))
        await world.settle()
    assert [item["metadata"]["name"] for item in world.all("Job")] == [f"{CACHE}-download-{attempt}"]


async def test_a_failed_pod_is_no_news_before_its_job_has_failed() -> None:
    """The Job says so a moment later, and then it counts as an attempt: one status, not two."""
    world = World(*KEY, nim("llama"), jobs="")
    await world.settle()
    (job,) = world.all("Job")
    mark = len(world.cluster.writes)
    ended = {"name": "main", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    world.cluster.user_apply(pod_of(world, job, phase="Failed", containerStatuses=[ended]))
    await world.settle()
    assert world.writes(mark) == []


async def test_a_second_attempt_tells_why_the_first_failed() -> None:
    world = World(*KEY, nim("llama"), jobs="HTTP 403")
    await world.settle()
    world.controllers.jobs = ""
    world.tick(31)
    await world.settle()
    status = world.status("NimCache", CACHE)
    assert status["phase"] == "Downloading"
    assert "again after a failure. The registry rejected the key" in status["message"]
    assert "rejected the key" in world.status("Artifact", "llama")["message"]
