"""Model caches: one per image, filled once, tried again with a reason, kept while they are used."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from doors import Body, Deadly, Door, Killed, Refusing, Slow

from outfitter.errors import Unavailable
from outfitter.naming import LABEL_FILLED, nim_cache
from world import TEAM, World, asset, issues, reason, secret

IMAGE = "nvcr.io/nim/meta/llama:1"
CACHE = nim_cache(IMAGE)
KEY = (
    asset("Credential", "ngc", {"type": "ngcApiKey", "secretRef": {"name": "key"}}),
    secret("key", {"NGC_API_KEY": "abc"}),
)


class Once(Refusing, Slow):
    """Refuses, and lets other passes run meanwhile."""


def nim(name: str, image: str = IMAGE, **spec: Any) -> dict[str, Any]:
    """A nim Artifact that runs from a cache."""
    key = {"name": "NGC_API_KEY", "source": "credential", "credential": {"name": "ngc", "key": "NGC_API_KEY"}}
    containers = [{"imageUri": image, "port": 8000, "environmentVars": [key]}]
    return asset(
        "Artifact",
        name,
        {"type": "nim", "containerGroups": [{"containers": containers}], "storage": {"mode": "nimCache"}, "run": {}}
        | spec,
    )


async def test_twenty_runs_share_one_fill() -> None:
    world = World(*KEY, *(nim(f"llama{n}") for n in range(20)))
    await world.settle()
    assert len(world.all("NimCache")) == len(world.all("PersistentVolumeClaim")) == 1
    assert [write for write in world.writes() if write[:2] == ("create", "Job")] == [
        ("create", "Job", f"{CACHE}-download-1")
    ]
    assert world.all("Job") == []
    assert world.status("NimCache", CACHE)["usedBy"]["total"] == 20
    assert all(world.status("Artifact", f"llama{n}")["runPhase"] == "Running" for n in range(20))


async def test_a_cache_that_many_passes_ask_for_at_once_is_asked_for_once() -> None:
    """Passes run side by side: whoever comes second waits for the first, and no request is refused."""
    world = World(*KEY, *(nim(f"llama{n}") for n in range(20)))
    await world.once("Credential", "ngc")
    asked: list[str] = []

    class Counting(Slow):
        def before(self, verb: str, kind: str, name: str) -> None:
            if (verb, kind) == ("create", "NimCache"):
                asked.append(name)

    world.connect(Counting(world.cluster))
    await asyncio.gather(*(world.once("Artifact", f"llama{n}") for n in range(20)))
    assert asked == [CACHE]
    assert all(reason(world.status("Artifact", f"llama{n}")) == "CacheNotReady" for n in range(20))


async def test_a_cache_that_could_not_be_made_is_asked_for_by_the_next() -> None:
    """Those who waited try themselves."""
    world = World(*KEY, nim("one"), nim("two"))
    await world.once("Credential", "ngc")
    world.connect(Once(world.cluster, "create", Unavailable("busy", status=503), times=1, kind="NimCache"))
    keys = ("one", "two")
    done = await asyncio.gather(*(world.once("Artifact", name) for name in keys), return_exceptions=True)
    assert [isinstance(each, Unavailable) for each in done] == [True, False]
    assert len(world.all("NimCache")) == 1


async def test_who_waits_says_each_thing_once() -> None:
    """Made, filled, ready: one status each. That the object is there already and says nothing yet is no news."""
    world = World(*KEY, nim("one"), nim("two"), jobs="")
    await world.once("Credential", "ngc")
    await world.once("Artifact", "one")
    for name in ("two", "one", "two"):
        await world.once("Artifact", name)
    assert world.get("NimCache", CACHE).get("status") is None
    assert [world.status("Artifact", name)["nimCache"]["phase"] for name in ("one", "two")] == ["Pending"] * 2
    await world.settle()
    assert world.status("Artifact", "one")["nimCache"]["phase"] == "Downloading"
    world.controllers.jobs = "Complete"
    await world.settle()
    told = [name for verb, kind, name in world.writes() if (verb, kind) == ("status", "Artifact")]
    # Waiting for the cache, waiting for the model, then the Deployment: made, and with its pods.
    assert {name: told.count(name) for name in ("one", "two")} == {"one": 4, "two": 4}


async def test_the_first_children_cost_no_look_at_their_owner() -> None:
    """Only children that are missing again could mean that their owner is gone."""
    world = World(*KEY, nim("llama"), jobs="")
    await world.settle()
    world.controllers.jobs = "Complete"
    read: list[str] = []

    class Reading(Door):
        async def get(self, kind: str, namespace: str, name: str) -> Body | None:
            read.append(kind)
            return await super().get(kind, namespace, name)

    world.connect(Reading(world.cluster))
    await world.settle()
    assert "Artifact" not in read
    world.cluster.user_delete("Service", TEAM, "llama")
    await world.settle()
    assert read.count("Artifact") == 1


async def test_the_finished_job_is_removed_without_waiting_for_news() -> None:
    """Our own write of the claim is no news: the pass itself has to ask for the next one."""
    world = World(*KEY, nim("llama"), jobs="")
    await world.settle()
    world.controllers.jobs = "Complete"
    world.controllers.run()
    result = await world.once("NimCache", CACHE)
    assert result.requeue_after is not None
    assert result.requeue_after < 1
    await world.once("NimCache", CACHE)
    assert world.all("Job") == []


async def test_runs_wait_for_the_fill() -> None:
    world = World(*KEY, nim("llama"), jobs="")
    await world.once("Credential", "ngc")
    await world.settle()
    status = world.status("Artifact", "llama")
    assert (reason(status), status["runPhase"]) == ("CacheNotReady", "Pending")
    assert status["nimCache"] == {"name": CACHE, "claimName": CACHE, "phase": "Downloading"}
    assert (status["syncStatus"], status.get("issues")) == ("Creating", None)  # nothing is wrong
    assert world.find("Deployment", "llama") is None
    world.controllers.jobs = "Complete"
    await world.settle()
    assert world.status("Artifact", "llama")["runPhase"] == "Running"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("HTTP 401 Unauthorized for key", "KeyRejected"),
        ("OSError: [Errno 28] No space left on device", "NoSpace"),
        ("something else", "DownloadFailed"),
        ("DeadlineExceeded", "DeadlineExceeded"),
    ],
)
async def test_a_failed_download_says_why_and_is_tried_again_later(log: str, expected: str) -> None:
    world = World(*KEY, nim("llama"), jobs=log)
    await world.settle()
    status = world.status("NimCache", CACHE)
    assert (status["phase"], status["failure"]["reason"], status["attempts"]) == ("Failed", expected, 1)
    assert status["nextAttemptAt"] == "2026-01-01T00:00:30Z"
    assert log not in str(status) or log == expected
    told = world.status("Artifact", "llama")
    assert (told["syncStatus"], told["issues"][0]["issue"]) == ("Issues found", "CacheNotReady")
    mark = len(world.cluster.writes)
    await world.settle()
    assert world.writes(mark) == []
    world.tick(31)
    await world.settle()
    assert world.status("NimCache", CACHE)["attempts"] == 2
    assert world.status("Artifact", "llama")["syncStatus"] == "Issues found"  # the attempt before failed
    assert world.status("NimCache", CACHE)["nextAttemptAt"] == "2026-01-01T00:01:31Z"
    assert len(world.all("Job")) == 1
    world.controllers.jobs = "Complete"
    world.tick(61)
    await world.settle()
    assert world.status("NimCache", CACHE)["phase"] == "Ready"
    assert "failure" not in world.status("NimCache", CACHE)
    assert world.status("Artifact", "llama")["runPhase"] == "Running"


async def test_the_pass_asks_to_be_called_when_the_next_attempt_is_due() -> None:
    world = World(*KEY, nim("llama"), jobs="HTTP 403")
    await world.settle()
    result = await world.once("NimCache", CACHE)
    assert result.requeue_after == pytest.approx(30.1)


async def test_a_corrected_key_is_tried_at_once() -> None:
    world = World(*KEY, nim("llama"), jobs="HTTP 403 Forbidden")
    await world.settle()
    assert world.status("NimCache", CACHE)["failure"]["reason"] == "KeyRejected"
    world.controllers.jobs = "Complete"
    world.cluster.user_apply(secret("key", {"NGC_API_KEY": "better"}))
    await world.settle()
    assert world.status("NimCache", CACHE)["phase"] == "Ready"


async def test_a_missing_key_is_waited_for() -> None:
    world = World(nim("llama"))
    await world.settle()
    assert reason(world.status("NimCache", CACHE)) == "ReferenceNotFound"
    assert world.all("Job") == []
    for item in KEY:
        world.cluster.user_apply(item)
    await world.settle()
    assert world.status("NimCache", CACHE)["phase"] == "Ready"


async def test_an_image_that_cannot_be_pulled_is_told_of() -> None:
    world = World(*KEY, nim("llama"), jobs="")
    await world.settle()
    (job,) = world.all("Job")
    labels = {**job["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": job["metadata"]["name"]}
    waiting = {"name": "main", "image": IMAGE, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "x"}}}
    owner = {"kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"], "controller": True}
    world.cluster.user_apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": TEAM, "labels": labels, "ownerReferences": [owner]},
            "spec": {},
            "status": {"phase": "Pending", "containerStatuses": [waiting]},
        }
    )
    await world.settle()
    status = world.status("NimCache", CACHE)
    assert (status["phase"], reason(status)) == ("Downloading", "ImagePullFailed")
    assert "ImagePullBackOff" in world.status("Artifact", "llama")["message"]


async def test_a_refused_pod_of_the_download_is_told_of() -> None:
    world = World(*KEY, nim("llama"), jobs="")
    await world.settle()
    (job,) = world.all("Job")
    about = {"kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    event = {"metadata": {"name": "e", "namespace": TEAM}, "involvedObject": about, "reason": "FailedCreate"}
    world.cluster.user_apply(
        {
            "apiVersion": "v1",
            "kind": "Event",
            **event,
            "message": 'Error creating: pods "x" is forbidden: exceeded quota: q',
        }
    )
    await world.settle()
    assert issues(world.status("NimCache", CACHE)) == ["QuotaExceeded"]


async def test_a_claim_deleted_by_hand_is_made_and_filled_again() -> None:
    world = World(*KEY, nim("llama"))
    await world.settle()
    before = world.get("PersistentVolumeClaim", CACHE)["metadata"]["uid"]
    world.cluster.user_delete("PersistentVolumeClaim", TEAM, CACHE)
    world.tick(1)
    await world.settle()
    claim = world.get("PersistentVolumeClaim", CACHE)
    assert claim["metadata"]["uid"] != before
    assert claim["metadata"]["labels"][LABEL_FILLED] == "true"
    assert len([write for write in world.writes() if write[:2] == ("create", "Job")]) == 2
    assert world.status("NimCache", CACHE)["phase"] == "Ready"


async def test_a_claim_in_use_that_is_being_deleted_stops_nothing() -> None:
    """A finalizer keeps it while pods mount it: nothing is filled into it, and the run goes on."""
    world = World(*KEY, nim("llama"))
    await world.settle()
    claim = world.get("PersistentVolumeClaim", CACHE)
    claim["metadata"]["finalizers"] = ["example.com/mounted"]
    world.cluster.user_apply(claim)
    world.cluster.user_delete("PersistentVolumeClaim", TEAM, CACHE)
    await world.round()
    world.tick(11)
    await world.settle()
    assert world.status("Artifact", "llama")["runPhase"] == "Running"
    assert issues(world.status("NimCache", CACHE)) == ["Replacing"]
    assert world.all("Job") == []


async def test_an_unused_cache_goes_after_its_grace() -> None:
    world = World(*KEY, nim("llama"))
    await world.settle()
    world.cluster.user_delete("Artifact", TEAM, "llama")
    world.tick(120)
    await world.settle()
    assert world.status("NimCache", CACHE)["unusedSince"] == "2026-01-01T00:02:00Z"
    world.tick(world.settings.nim_cache_grace_seconds - 1)
    await world.settle()
    assert world.find("NimCache", CACHE) is not None
    world.tick(2)
    await world.settle()
    assert (world.find("NimCache", CACHE), world.find("PersistentVolumeClaim", CACHE)) == (None, None)


async def test_a_retained_or_written_cache_stays_without_users() -> None:
    written = asset("NimCache", "mine", {"image": "nvcr.io/nim/b:1"})
    world = World(*KEY, written, nim("llama"))
    await world.settle()
    world.edit("NimCache", CACHE, retain=True)
    world.cluster.user_delete("Artifact", TEAM, "llama")
    for _ in range(3):
        world.tick(world.settings.nim_cache_grace_seconds)
        await world.settle()
    assert world.find("NimCache", CACHE) is not None
    assert world.find("NimCache", "mine") is not None


async def test_another_image_means_another_cache() -> None:
    world = World(*KEY, nim("llama"))
    await world.settle()
    other = "nvcr.io/nim/meta/llama:2"
    world.edit("Artifact", "llama", containerGroups=nim("x", other)["spec"]["containerGroups"])
    await world.settle()
    assert world.status("Artifact", "llama")["nimCache"]["name"] == nim_cache(other)
    await world.round()
    assert world.status("NimCache", CACHE)["usedBy"]["total"] == 0


async def test_an_admins_cache_says_how_one_is_made() -> None:
    """The model is downloaded by the tenant, under its own key, in its own namespace."""
    shared = asset("NimCache", "llama", {"image": IMAGE, "size": "77Gi", "storageClass": "fast"}, "outfitter-system")
    world = World(*KEY, shared, nim("llama"))
    await world.settle()
    spec = world.get("NimCache", CACHE)["spec"]
    assert (spec["size"], spec["storageClass"], spec["credential"]) == ("77Gi", "fast", {"name": "ngc"})
    assert world.find("PersistentVolumeClaim", "llama", "outfitter-system") is None
    assert world.status("NimCache", "llama", "outfitter-system")["phase"] == "Ready"


async def test_a_cache_that_a_user_wrote_is_used() -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "weights", "namespace": TEAM},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    world = World(*KEY, claim, asset("NimCache", "mine", {"image": IMAGE, "claimName": "weights"}), nim("llama"))
    await world.settle()
    assert world.status("Artifact", "llama")["nimCache"] == {"name": "mine", "claimName": "weights", "phase": "Ready"}
    assert world.find("NimCache", CACHE) is None
    assert world.all("Job") == []


@pytest.mark.parametrize("answered", [False, True])
async def test_killed_at_every_write_of_a_fill(answered: bool) -> None:
    number = 0
    while True:
        number += 1
        world = World(*KEY, nim("llama"))
        world.connect(Deadly(world.cluster, number, answered=answered))
        try:
            await world.settle()
        except Killed:
            await world.restart()
            await world.settle()
            assert len([write for write in world.writes() if write[:2] == ("create", "Job")]) <= 2
            assert len({body["metadata"]["name"] for body in world.all("Job")}) == 0
            assert world.status("Artifact", "llama")["runPhase"] == "Running"
        else:
            break
    assert number > 10


TYPES = {"supportedTypes": ["workspace", "training"]}


@pytest.mark.parametrize("scope", ["own", "shared"])
@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"credential": {"name": "key"}}, "spec.credential"),
        (
            {
                "environmentVariables": [
                    {"name": "HF_TOKEN", "credential": {"name": "key", "key": "NGC_API_KEY"}},
                ]
            },
            "spec.environmentVariables[HF_TOKEN].credential",
        ),
    ],
)
async def test_a_download_counts_as_inference(spec: dict[str, Any], field: str, scope: str) -> None:
    """A Credential that a NimCache names must support it; the words are those of an Inference."""
    place = {"own": TEAM, "shared": "outfitter-system"}[scope]
    fields = {"type": "ngcApiKey", "secretRef": {"name": "source"}}
    given = (secret("source", {"NGC_API_KEY": "a"}, place), asset("Credential", "key", {**fields, **TYPES}, place))
    world = World(*given, asset("NimCache", "mine", {"image": IMAGE, **spec}))
    await world.settle()
    status = world.status("NimCache", "mine")
    assert reason(status) == "TypeNotSupported"
    text = f"{field}: Credential {place}/key supports workspace, training, not inference. Use another Credential."
    assert status["message"] == text
    assert world.all("Job") == []
    body = world.get("Credential", "key", place)
    del body["status"]
    body["spec"]["supportedTypes"] = ["inference"]
    world.cluster.user_apply(body)
    await world.settle()
    assert world.status("NimCache", "mine")["phase"] == "Ready"


async def test_pull_secrets_for_other_types_are_left_out_of_a_download() -> None:
    registry = {"type": "dockerRegistry", "secretRef": {"name": "login"}}
    login = secret("login", {"user": "u", "password": "p", "url": "registry.example.com"})
    world = World(
        *KEY,
        login,
        asset("Credential", "for-notebooks", {**registry, **TYPES}),
        asset("Credential", "for-all", registry),
        asset("NimCache", "mine", {"image": IMAGE, "credential": {"name": "ngc"}}),
        jobs="",
    )
    await world.settle()
    (job,) = world.all("Job")
    names = [item["name"] for item in job["spec"]["template"]["spec"]["imagePullSecrets"]]
    assert "cred-for-all" in names
    assert "cred-for-notebooks" not in names
