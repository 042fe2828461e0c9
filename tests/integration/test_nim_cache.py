"""Model caches: filled once, tried again with a reason, shared, kept while used, under the tenant's own key."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from outfitter.naming import nim_cache

from .conftest import Stack
from .harness.client import Object, message
from .harness.models import CACHE, IMAGE, filled, give_key, groups, mounted, nim, running
from .harness.process import Operator
from .harness.rights import SYSTEM
from .harness.space import Space

OTHER = "nvcr.io/nim/llama:2"


def failed(reason: str) -> Callable[[Object], Any]:
    """Whether a download ended for this reason."""
    return lambda item: item["status"]["phase"] == "Failed" and item["status"]["failure"]["reason"] == reason


def jobs_made(stack: Stack, space: Space, since: int = 0) -> list[str]:
    """Names of the Jobs that were made in a namespace, as the audit log has them."""
    return [
        entry.name
        for entry in stack.writes(since)
        if (entry.resource, entry.verb, entry.namespace) == ("jobs", "create", space.name) and entry.code == 201
    ]


@pytest.mark.parametrize(
    ("behaviour", "log", "reason", "fix"),
    [
        ("fail", "HTTP 401 Unauthorized for nvapi-s3cr3t", "KeyRejected", "Correct the Secret"),
        ("fail", "[Errno 28] No space left on device", "NoSpace", "Raise size"),
        ("oom", None, "OutOfMemory", "Raise compute.cpuMemoryLimit"),
        ("fail", "what is this", "DownloadFailed", "kubectl logs"),
    ],
)
def test_a_failed_download_says_why_waits_and_heals_with_a_new_key(
    stack: Stack, space: Space, behaviour: str, log: str | None, reason: str, fix: str
) -> None:
    give_key(space)
    space.pods(behaviour, log)
    nim(space, "llama")
    status = space.wait("NimCache", CACHE, failed(reason), 60)["status"]
    assert fix in status["failure"]["message"]
    assert status["attempts"] == 1
    assert status["nextAttemptAt"] > status["failure"]["time"]
    waiting = space.wait("Artifact", "llama", lambda item: fix in message(item))["status"]
    assert (waiting["runPhase"], waiting["nimCache"]["phase"]) == ("Pending", "Failed")
    assert space.get("Deployment", "llama") is None
    assert "s3cr3t" not in str([space.need("NimCache", CACHE), waiting])
    # A new key is tried at once, not when the pause is over.
    space.pods(None)
    space.edit("Secret", "key", {"stringData": {"NGC_API_KEY": "better"}})
    assert "failure" not in filled(space)["status"]
    running(space, "llama")
    assert jobs_made(stack, space) == [f"{CACHE}-download-1", f"{CACHE}-download-2"]


def test_an_image_that_cannot_be_pulled_is_told_and_tried_anew_with_a_new_key(stack: Stack, space: Space) -> None:
    """The Job goes on, and the kubelet tries again by itself, ever later: a new key does not wait for that."""
    give_key(space)
    space.pods("image")
    nim(space, "llama")
    seen = space.wait("NimCache", CACHE, lambda item: "ImagePullBackOff" in message(item), 60)
    assert seen["status"]["phase"] == "Downloading"
    assert [item["issue"] for item in seen["status"]["issues"]] == ["ImagePullFailed"]
    space.wait("Artifact", "llama", lambda item: "ImagePullBackOff" in message(item))
    space.edit("Secret", "key", {"stringData": {"NGC_API_KEY": "better"}})
    space.wait("Job", f"{CACHE}-download-2", bool)
    space.gone("Job", f"{CACHE}-download-1")
    space.pods(None)
    filled(space)
    running(space, "llama")
    assert jobs_made(stack, space) == [f"{CACHE}-download-1", f"{CACHE}-download-2"]


def test_a_download_that_takes_too_long(operator: Operator, space: Space) -> None:
    give_key(space)
    space.pods("hang")
    nim(space, "llama")
    job = f"{CACHE}-download-1"
    space.wait("Job", job, lambda item: item["status"]["active"] == 1, 60)
    space.wait("NimCache", CACHE, lambda item: item["status"]["progress"]["startedAt"])
    space.annotate("NimCache", CACHE, reconcile="disabled")  # or the deadline would be put right again
    operator.quiet()
    space.edit("Job", job, {"spec": {"activeDeadlineSeconds": 1}})
    space.wait(
        "Job", job, lambda item: any(each["reason"] == "DeadlineExceeded" for each in item["status"]["conditions"])
    )
    space.annotate("NimCache", CACHE, reconcile=None)
    space.wait("NimCache", CACHE, failed("DeadlineExceeded"))
    space.wait("Artifact", "llama", lambda item: "download took too long" in message(item))


def test_a_missing_key_and_no_right_to_the_model(space: Space) -> None:
    """Nothing is started without the key; it goes on when the key is there."""
    nim(space, "llama")
    seen = space.wait("NimCache", CACHE, lambda item: "Credential ngc does not exist" in message(item))
    assert seen["status"]["phase"] == "Pending"
    space.wait("Artifact", "llama", lambda item: "Credential ngc does not exist" in message(item))
    assert space.list("Job") == []
    give_key(space)
    running(space, "llama")


def test_twenty_runs_at_once_share_one_fill(stack: Stack, space: Space) -> None:
    give_key(space)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: nim(space, f"llama-{number}"), range(20)))
    for number in range(20):
        running(space, f"llama-{number}", 120)
    claims = [item["metadata"]["name"] for item in space.list("PersistentVolumeClaim")]
    assert claims == [CACHE]
    assert {mounted(space, f"llama-{number}") for number in range(20)} == {CACHE}
    assert jobs_made(stack, space) == [f"{CACHE}-download-1"]
    space.gone("Job", f"{CACHE}-download-1")
    used = space.wait("NimCache", CACHE, lambda item: item["status"]["usedBy"]["total"] == 20)["status"]["usedBy"]
    assert {item["name"] for item in used["artifacts"]} <= {f"llama-{number}" for number in range(20)}


def test_all_is_quiet_once_it_is_there(stack: Stack, operator: Operator, space: Space) -> None:
    """A second pass, and a new process, write nothing."""
    give_key(space)
    nim(space, "llama")
    running(space, "llama")
    space.wait("NimCache", CACHE, lambda item: item["status"]["usedBy"]["total"] == 1)
    space.gone("Job", f"{CACHE}-download-1")
    # The filled cache uses the key no more, which the key's status may say up to ten seconds later.
    space.wait("Credential", "ngc", lambda item: item["status"]["usedBy"]["total"] == 1)
    operator.quiet()
    since = stack.mark()
    space.touch("NimCache", CACHE, "1")
    space.touch("Artifact", "llama", "1")
    operator.quiet()
    operator.stop()
    operator.start()
    operator.quiet()
    assert [(entry.verb, entry.uri) for entry in stack.writes(since) if entry.namespace == space.name] == []


def test_the_first_user_goes_and_the_last_user_goes(stack: Stack, spaces: Callable[..., Space]) -> None:
    space = spaces(lasting=True)
    give_key(space)
    nim(space, "first")
    running(space, "first")
    nim(space, "second")
    running(space, "second")
    claim = space.need("PersistentVolumeClaim", CACHE)
    space.delete("Artifact", "first")
    space.gone("Artifact", "first")
    seen = space.wait("NimCache", CACHE, lambda item: item["status"]["usedBy"]["total"] == 1)
    assert "unusedSince" not in seen["status"]
    assert space.need("PersistentVolumeClaim", CACHE)["metadata"]["uid"] == claim["metadata"]["uid"]
    space.delete("Artifact", "second")
    since = space.wait("NimCache", CACHE, lambda item: item["status"]["unusedSince"])["status"]["unusedSince"]
    # A user that comes within the grace period finds the model there.
    nim(space, "third")
    running(space, "third")
    space.wait("NimCache", CACHE, lambda item: "unusedSince" not in item["status"])
    assert len(jobs_made(stack, space)) == 1
    assert since
    space.delete("Artifact", "third")

    def collected() -> None:
        space.gone("NimCache", CACHE, 120)
        space.gone("PersistentVolumeClaim", CACHE)
        stack.api.delete("Namespace", "", space.name)

    stack.late_checks.append(collected)


def past(space: Space, name: str) -> None:
    """As if its last user had gone long ago."""
    space.wait("NimCache", name, lambda item: item["status"]["unusedSince"])
    space.edit("NimCache", name, {"status": {"unusedSince": "2026-01-01T00:00:00Z"}}, sub="status")
    space.touch("NimCache", name, "later")


def test_an_unused_cache_goes_unless_it_is_retained_or_somebodys_own(space: Space) -> None:
    give_key(space)
    for name, image in (("one", IMAGE), ("two", OTHER)):
        nim(space, name, image)
        running(space, name)
    space.spec("NimCache", nim_cache(OTHER), retain=True)
    space.make("NimCache", "mine", {"image": "nvcr.io/nim/mine:1", "credential": {"name": "ngc"}})
    filled(space, "mine")
    for name in ("one", "two"):
        space.delete("Artifact", name)
    past(space, CACHE)
    space.gone("NimCache", CACHE)
    space.gone("PersistentVolumeClaim", CACHE)
    for name in (nim_cache(OTHER), "mine"):
        kept = space.wait("NimCache", name, lambda item: item["status"]["usedBy"]["total"] == 0)
        assert "unusedSince" not in kept["status"]
        space.need("PersistentVolumeClaim", name)


def test_run_and_image_switched_to_and_fro(stack: Stack, space: Space) -> None:
    give_key(space)
    nim(space, "llama")
    running(space, "llama")
    space.spec("Artifact", "llama", run=None)
    space.gone("Deployment", "llama")
    space.wait("NimCache", CACHE, lambda item: item["status"]["usedBy"]["total"] == 0)
    space.spec("Artifact", "llama", run={})
    running(space, "llama")
    assert jobs_made(stack, space) == [f"{CACHE}-download-1"]
    # Another image, another cache; back again, and nothing is downloaded twice.
    space.spec("Artifact", "llama", containerGroups=groups(OTHER))
    space.wait("Artifact", "llama", lambda item: item["status"]["nimCache"]["name"] == nim_cache(OTHER), 60)
    running(space, "llama")
    assert mounted(space, "llama") == nim_cache(OTHER)
    space.wait("NimCache", CACHE, lambda item: item["status"]["usedBy"]["total"] == 0)
    space.spec("Artifact", "llama", containerGroups=groups(IMAGE))
    space.wait("Artifact", "llama", lambda item: item["status"]["nimCache"]["name"] == CACHE, 60)
    running(space, "llama")
    assert mounted(space, "llama") == CACHE
    assert len(jobs_made(stack, space)) == 2


def test_the_admins_cache_says_how_and_the_tenants_key_fills_it(stack: Stack, spaces: Callable[..., Space]) -> None:
    team, outsider, home = spaces(department="research"), spaces(), Space(stack.api, SYSTEM)
    home.secret("admin-key", NGC_API_KEY="of-the-admin")
    private = {"type": "ngcApiKey", "secretRef": {"name": "admin-key"}, "scope": {"type": "project"}}
    home.make("Credential", "admin-ngc", private)
    scope = {"type": "department", "name": "research"}
    home.make("NimCache", "shared", {
        "image": IMAGE, "scope": scope, "size": "77Gi", "credential": {"name": "admin-ngc"},
        "environmentVariables": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com"}],
    })  # fmt: skip
    assert home.ready("NimCache", "shared")["status"]["phase"] == "Ready"
    team.pods("hang")
    for space in (team, outsider):
        give_key(space)
        nim(space, "llama")
    team.wait("Job", f"{CACHE}-download-1", lambda item: item["status"]["active"] == 1, 60)
    pod = team.list("Pod", labelSelector=f"batch.kubernetes.io/job-name={CACHE}-download-1")[0]["spec"]
    names = {item["name"]: item for item in pod["containers"][0]["env"]}
    assert names["NGC_API_KEY"]["valueFrom"]["secretKeyRef"]["name"] == "cred-ngc"
    assert names["HTTPS_PROXY"]["value"] == "http://proxy.example.com"
    assert [item["name"] for item in pod["imagePullSecrets"]] == ["cred-ngc-pull"]
    running(outsider, "llama")
    sizes = [
        space.need("PersistentVolumeClaim", CACHE)["spec"]["resources"]["requests"]["storage"]
        for space in (team, outsider)
    ]
    assert sizes == ["77Gi", "150Gi"]
    assert [item["metadata"]["name"] for item in home.list("Job")] == []
    assert home.get("PersistentVolumeClaim", "shared") is None
    for kind, name in (("NimCache", "shared"), ("Credential", "admin-ngc"), ("Secret", "admin-key")):
        home.delete(kind, name)
