"""Repositories and buckets in the status of workloads, and where their logins are, and are not."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from outfitter.naming import DATA_PREFIX, IMAGE_VOLUMES
from outfitter.observe.fetches import CODES
from world import SYSTEM, TEAM, Body, World, asset, condition, issues, namespace, reason, secret

MATERIAL = "n0t-t0-be-sh0wn"
COMMIT = "0123456789" * 4
GIT = {"repository": "https://git.example.com/team/code.git", "path": "/src", "credential": {"name": "login"}}
S3 = {"bucket": "objects", "path": "/data", "credential": {"name": "keys"}}
LOGINS = (
    secret("login", {"User": "ann", "Password": MATERIAL}),
    secret("keys", {"AccessKeyId": f"id-{MATERIAL}", "SecretKey": MATERIAL}),
    secret("deploy", {"ssh": MATERIAL, "known_hosts": "git.example.com ssh-ed25519 AAAA"}),
    asset("Credential", "login", {"type": "password", "secretRef": {"name": "login"}}),
    asset("Credential", "keys", {"type": "accessKey", "secretRef": {"name": "keys"}}),
    asset("Credential", "deploy", {"type": "genericSecret", "secretRef": {"name": "deploy"}}),
)
SOURCES = (asset("DataSource", "code", {"git": GIT}), asset("DataSource", "objects", {"s3": S3}))


def workspace(**spec: Any) -> Body:
    sources = {"dataSources": [{"name": "code"}, {"name": "objects"}]}
    return asset("Workspace", "w", {"image": "registry.example.com/u:1", "assets": sources, **spec})


async def started(*objects: Mapping[str, Any], pods: bool = False, **options: Any) -> World:
    """A world whose pods exist. `pods`: they are ready."""
    world = World(*LOGINS, *SOURCES, *objects, pod_objects=True, pods=pods, **options)
    await world.settle()
    return world


def containers(world: World, kind: str = "StatefulSet", name: str = "w") -> list[Body]:
    found: list[Body] = world.get(kind, name)["spec"]["template"]["spec"]["initContainers"]
    return found


async def ended(world: World, states: list[Body | None], *, pod: str = "w-0") -> Body:
    """The status once the containers of a pod that fetch are in these states, in their order."""
    body = world.get("Pod", pod)
    names = [item["name"] for item in containers(world)]
    statuses = [{"name": name, **state} for name, state in zip(names, states, strict=False) if state is not None]
    ready = all("terminated" in (item.get("state") or {}) and item.get("ready") for item in statuses)
    state = "True" if ready and len(statuses) == len(names) else "False"
    kept = [item for item in body["status"]["conditions"] if item["type"] not in ("Ready", "ContainersReady")]
    conditions = [*kept, {"type": "Ready", "status": state}]
    status = {**body["status"], "initContainerStatuses": statuses, "conditions": conditions}
    world.cluster.user_replace({**body, "status": {**status, "phase": "Running" if state == "True" else "Pending"}})
    world.controllers.pods = state == "True"
    await world.settle()
    return world.status("Workspace", "w")


def succeeded(message: str) -> Body:
    return {"ready": True, "state": {"terminated": {"exitCode": 0, "reason": "Completed", "message": message}}}


def failed(message: str, **more: Any) -> Body:
    """A container that ended with an error, and waits for its next start."""
    last = {"terminated": {"exitCode": 1, "reason": "Error", "message": message, **more}}
    return {"ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": last}


async def test_the_status_names_what_was_fetched() -> None:
    world = await started(workspace())
    status = await ended(world, [succeeded(f"commit {COMMIT}\n"), succeeded("objects 3 bytes 2048\n")])
    assert status["data"] == [
        {"name": "code", "path": "/src", "commit": COMMIT},
        {"name": "objects", "path": "/data", "objects": 3, "bytes": 2048},
    ]
    assert issues(status) == []
    mark = len(world.cluster.writes)
    await world.settle()
    assert world.writes(mark) == []
    world.edit("Workspace", "w", suspend=True)
    await world.settle()
    assert "data" not in world.status("Workspace", "w")


async def test_a_workload_that_fetches_says_so() -> None:
    world = await started(workspace())
    status = await ended(
        world, [{"ready": False, "state": {"running": {}}}, {"state": {"waiting": {"reason": "PodInitializing"}}}]
    )
    assert (reason(status), status["message"]) == ("FetchingData", "Fetching data: code.")
    assert condition(status, "Reconciling") is not None
    assert status["data"][0] == {"name": "code", "path": "/src"}


@pytest.mark.parametrize("row", CODES, ids=lambda row: row.code)
async def test_a_failure_is_told_with_its_remedy(row: Any) -> None:
    """It is tried again, so nothing is stalled."""
    world = await started(workspace())
    status = await ended(world, [failed(f"failed {row.code} the cause\n")])
    assert reason(status) == str(row.reason)
    assert status["message"] == f'Pod w-0 cannot fetch code: {row.cause} ("the cause"). {row.remedy}'
    assert condition(status, "Stalled") is None
    assert condition(status, "Reconciling") is not None
    again = {**failed(f"failed {row.code} the cause\n"), "state": {"running": {}}}
    mark = len(world.cluster.writes)
    assert await ended(world, [again]) == status
    assert world.writes(mark) == []
    status = await ended(world, [succeeded(f"commit {COMMIT}"), succeeded("objects 0 bytes 0")])
    assert (reason(status), issues(status)) == ("Running", [])


async def test_a_failure_that_changes_in_each_attempt_is_written_once() -> None:
    world = await started(workspace())
    text = "failed unreachable dial tcp: read udp 10.0.0.{0}:{0}->10.96.0.10:53: refused after {0} ms, RequestID: {0}"
    first = await ended(world, [failed(text.format(11))])
    assert await ended(world, [failed(text.format(42))]) == first


@pytest.mark.parametrize(
    "message",
    [
        "", "\n\n", "failed", "failed ", "failed unknown-code x", "commit", "Traceback", "objects -1 bytes 5",
        "failed other \x1b[31mred\x07 \u202egnirts", f"failed other token={MATERIAL} https://u:{MATERIAL}@host/",
        f"failed authentication {MATERIAL}{MATERIAL}{MATERIAL}", "failed other " + "x y " * 5000, "failed " + "a" * 999,
    ],
)  # fmt: skip
async def test_a_hostile_message_of_a_failure(message: str) -> None:
    world = await started(workspace())
    status = await ended(world, [failed(message)])
    assert reason(status) in ("FetchFailed", "LoginRejected")
    assert status["message"].isprintable()
    assert len(status["message"]) < 500
    assert MATERIAL not in json.dumps(status)


@pytest.mark.parametrize(
    "message",
    [
        "", f"commit {COMMIT} x", "commit HEAD", f"commit {COMMIT[:39]}", f"x\ncommit {COMMIT}", f"commit {MATERIAL}",
        "objects 9999999999999999 bytes 1", "objects 1 bytes x", "objects 1",
    ],
)  # fmt: skip
async def test_a_hostile_message_of_a_success(message: str) -> None:
    """A program of the workload can write the file that the next start repeats."""
    world = await started(workspace())
    status = await ended(world, [succeeded(message), succeeded(message)])
    assert status["data"] == [{"name": "code", "path": "/src"}, {"name": "objects", "path": "/data"}]


async def test_out_of_memory_and_a_full_volume() -> None:
    world = await started(workspace())
    status = await ended(world, [failed("", reason="OOMKilled", exitCode=137)])
    assert reason(status) == "OOMKilled"
    body = world.get("Pod", "w-0")
    text = 'Usage of EmptyDir volume "code-56c9" exceeds the limit "10Gi". '
    world.cluster.user_replace({**body, "status": {"phase": "Failed", "reason": "Evicted", "message": text}})
    await world.settle()
    status = world.status("Workspace", "w")
    assert reason(status) == "NoSpace"
    assert status["message"] == ("Pod w-0 was evicted: its volume code-56c9 holds more than 10Gi. Raise sizeLimit.")


async def test_a_pod_of_a_job_fails_with_its_source() -> None:
    training = asset(
        "Training", "t", {"image": "registry.example.com/u:1", "assets": {"dataSources": [{"name": "code"}]}}
    )
    world = await started(training, jobs="Running")
    world.controllers.pods = False
    name = containers(world, "Job", "t")[0]["name"]
    job = world.get("Job", "t")
    labels = job["spec"]["template"]["metadata"]["labels"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "t", "uid": job["metadata"]["uid"], "controller": True}
    end = {"terminated": {"exitCode": 1, "message": "failed revision-not-found no commit v9"}}
    pod = {
        "kind": "Pod",
        "metadata": {"name": "t-x", "namespace": TEAM, "labels": labels, "ownerReferences": [owner]},
        "status": {"phase": "Failed", "initContainerStatuses": [{"name": name, "ready": False, "state": end}]},
    }
    world.load([pod])
    await world.settle()
    assert reason(world.status("Training", "t")) == "RevisionNotFound"


async def test_a_run_that_is_over_keeps_what_it_fetched() -> None:
    """Also one that ends before a status was written, and once its pods are gone."""
    spec = {"image": "registry.example.com/u:1", "assets": {"dataSources": [{"name": "code"}]}}
    world = await started(asset("Training", "t", spec), jobs="Running")
    name = containers(world, "Job", "t")[0]["name"]
    job = world.get("Job", "t")
    labels = job["spec"]["template"]["metadata"]["labels"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "t", "uid": job["metadata"]["uid"], "controller": True}
    statuses = [{"name": name, **succeeded(f"commit {COMMIT}")}]
    pod = {
        "kind": "Pod",
        "metadata": {"name": "t-x", "namespace": TEAM, "labels": labels, "ownerReferences": [owner]},
        "status": {"phase": "Succeeded", "initContainerStatuses": statuses},
    }
    world.load([pod])
    world.controllers.jobs = "Complete"
    await world.settle()
    expected = [{"name": "code", "path": "/src", "commit": COMMIT}]
    assert world.status("Training", "t")["phase"] == "Completed"
    assert world.status("Training", "t")["data"] == expected
    world.cluster.user_delete("Pod", TEAM, "t-x")
    await world.settle()
    assert world.status("Training", "t")["data"] == expected


def texts(node: Any) -> list[str]:
    """Every text in an object, and what it is in base64."""
    if isinstance(node, Mapping):
        return [text for key, value in node.items() for text in (str(key), *texts(value))]
    if isinstance(node, list):
        return [text for item in node for text in texts(item)]
    return [str(node)]


async def test_no_login_is_anywhere_but_in_secrets() -> None:
    """Not in arguments, variables, revisions, statuses, events; mounted in the containers that fetch alone."""
    ssh = {"repository": "git@git.example.com:a.git", "path": "/a", "credential": {"name": "deploy"}}
    own = {"repository": "https://git.example.com/b.git", "path": "/b", "secretRef": {"name": "login"}}
    bucket = {"bucket": "more", "path": "/c", "accessKeySecret": "keys"}
    world = await started(workspace(storage={"git": [ssh, own], "s3": [bucket]}))
    encoded = base64.b64encode(MATERIAL.encode()).decode().rstrip("=")
    for body in world.cluster.objects():
        if body["kind"] != "Secret":
            assert not [text for text in texts(body) if MATERIAL in text or encoded in text], body["kind"]
    pod = world.get("StatefulSet", "w")["spec"]["template"]["spec"]
    logins = {volume["name"] for volume in pod["volumes"] if "projected" in volume or "secret" in volume}
    assert len(logins) == 5
    for container in pod["containers"]:
        assert logins.isdisjoint(mount["name"] for mount in container["volumeMounts"])
        assert "secret" not in json.dumps(container).lower()
    for container in pod["initContainers"]:
        assert container["name"].startswith(DATA_PREFIX)
        assert len(logins.intersection(mount["name"] for mount in container["volumeMounts"])) == 1
        assert "valueFrom" not in json.dumps(container)


async def test_a_rotated_login_restarts_no_pod() -> None:
    """The pods read the new one when they start again, and the status says that it is newer."""
    world = await started(workspace())
    before = world.get("StatefulSet", "w")["spec"]
    world.cluster.user_apply(secret("login", {"User": "ann", "Password": "new"}))
    await world.settle()
    assert world.get("StatefulSet", "w")["spec"] == before
    outdated = world.status("Workspace", "w")["outdated"]
    assert [(item["name"], item["reason"]) for item in outdated] == [("login", "Rotated")]
    copy = world.get("Secret", "cred-login")
    assert base64.b64decode(copy["data"]["Password"]) == b"new"


async def test_host_keys_of_the_operator_or_of_the_secret() -> None:
    """Without any, the workload does not start: a server could be anybody."""
    ssh = {"repository": "git@git.example.com:a.git", "path": "/a", "credential": {"name": "bare"}}
    given = (
        secret("bare", {"ssh": MATERIAL}),
        asset("Credential", "bare", {"type": "genericSecret", "secretRef": {"name": "bare"}}),
        asset("Workspace", "w", {"image": "registry.example.com/u:1", "storage": {"git": [ssh]}}),
    )
    world = await started(*given, pods=True)
    assert reason(world.status("Workspace", "w")) == "KeyNotFound"
    assert "known_hosts" in world.status("Workspace", "w")["message"]
    world.cluster.user_apply(secret("bare", {"ssh": MATERIAL, "known_hosts": "line"}))
    await world.settle()
    assert reason(world.status("Workspace", "w")) == "Running"
    world = await started(*given, pods=True, settings={"git_known_hosts": "git.example.com ssh-ed25519 AAAA"})
    assert reason(world.status("Workspace", "w")) == "Running"
    (container,) = containers(world)
    assert {"name": "OUTFITTER_KNOWN_HOSTS", "value": "git.example.com ssh-ed25519 AAAA"} in container["env"]


@pytest.mark.parametrize(
    ("volume", "field"),
    [
        ({"repository": "git@git.example.com:a.git"}, "credential"),
        ({"repository": "https://g", "secretRef": {"name": "login", "authenticationMethod": "ssh-key"}}, "secretRef"),
    ],
)
async def test_a_login_that_does_not_fit_is_told_after_the_merge(volume: Body, field: str) -> None:
    """A policy or asset could have changed the one or the other."""
    storage = {"git": [{"path": "/a", **volume}]}
    world = await started(asset("Workspace", "w", {"image": "registry.example.com/u:1", "storage": storage}))
    status = world.status("Workspace", "w")
    assert reason(status) == "InvalidSpec"
    assert f"spec.storage.git[0].{field}" in status["message"]


async def test_a_shared_source_with_a_shared_login() -> None:
    """The login of the system namespace is used from its copy in the project."""
    shared = {"type": "password", "secretRef": {"name": "forge"}, "scope": {"type": "cluster"}}
    world = World(
        secret("forge", {"User": "u", "Password": MATERIAL}, SYSTEM),
        asset("Credential", "forge", shared, SYSTEM),
        asset(
            "DataSource", "far", {"git": {**GIT, "credential": {"name": "forge"}}, "scope": {"type": "cluster"}}, SYSTEM
        ),
        asset("Workspace", "w", {"image": "registry.example.com/u:1", "assets": {"dataSources": [{"name": "far"}]}}),
    )
    await world.settle()
    assert reason(world.status("Workspace", "w")) == "Running"
    assert "cred-forge" in json.dumps(world.get("StatefulSet", "w"))


async def test_a_server_that_cannot_mount_images() -> None:
    image = {"reference": "registry.example.com/models/bert:3", "mountPath": "/model"}
    world = World(
        asset("DataSource", "model", {"image": image}),
        asset("Workspace", "w", {"image": "registry.example.com/u:1", "assets": {"dataSources": [{"name": "model"}]}}),
    )
    world.caches.set_served(IMAGE_VOLUMES, False)
    await world.settle()
    for kind, name in (("DataSource", "model"), ("Workspace", "w")):
        status = world.status(kind, name)
        assert (reason(status), issues(status)) == ("Unsupported", ["Unsupported"])
        assert "needs Kubernetes 1.35 or newer" in status["message"]
    world.caches.set_served(IMAGE_VOLUMES, True)
    await world.settle()
    assert reason(world.status("Workspace", "w")) == "Running"
    assert reason(world.status("DataSource", "model")) == "Valid"


async def test_a_policy_imposes_a_public_repository_and_no_login() -> None:
    rules = {"repository": "https://git.example.com/rules.git", "path": "/rules"}
    image = {"reference": "registry.example.com/sets/words:1", "mountPath": "/words"}
    world = await started(
        asset("DataSource", "rules", {"git": rules}),
        asset("DataSource", "words", {"image": image}),
        asset(
            "WorkloadPolicy",
            "p",
            {"workloadType": "workspace", "imposedAssets": [{"name": "rules"}, {"name": "words"}]},
        ),
        asset("Workspace", "w", {"image": "registry.example.com/u:1"}),
        pods=True,
    )
    status = world.status("Workspace", "w")
    assert (reason(status), status["imposedDataSources"]) == ("Running", ["rules", "words"])
    assert status["data"] == [{"name": "rules", "path": "/rules"}]
    world.edit("WorkloadPolicy", "p", imposedAssets=[{"name": "code"}])
    await world.settle()
    assert "refers to a credential" in json.dumps(world.status("WorkloadPolicy", "p"))


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ({"git": {"attributes": {"repository": {"options": [{"value": "https://git.example.com/b"}]}}}}, "storage.git"),
        ({"s3": {"attributes": {"sizeLimit": {"max": "1Gi"}}}}, "storage.s3"),
        ({"image": {"instances": {"canAdd": False}}}, "storage.image"),
    ],
)
async def test_policies_judge_sources_of_both_forms(rule: Body, broken: str) -> None:
    name = broken.partition(".")[2]
    item = {
        "git": {"repository": "https://git.example.com/a", "path": "/x"},
        "s3": {"bucket": "data", "path": "/x", "sizeLimit": "2Gi"},
        "image": {"reference": "registry.example.com/a:1", "mountPath": "/x"},
    }[name]
    world = World(
        asset("WorkloadPolicy", "p", {"workloadType": "workspace", "rules": {"storage": rule}}),
        asset("DataSource", "source", {name: item}),
        asset("Workspace", "named", {"image": "a", "assets": {"dataSources": [{"name": "source"}]}}),
        asset("Workspace", "inline", {"image": "a", "storage": {name: [item]}}),
    )
    await world.settle()
    for workload in ("named", "inline"):
        rows = world.status("Workspace", workload)["violations"]
        assert [row["field"].startswith(broken) for row in rows] == [True], rows


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("git", {"repository": f"https://ann:{MATERIAL}@git.example.com/a.git", "path": "/a"}),
        ("git", {"repository": f"--upload-pack={MATERIAL}", "path": "/a", "credential": {"name": "deploy"}}),
        ("git", {"repository": "http://git.example.com/a.git", "path": "/a", "credential": {"name": "login"}}),
        ("s3", {"bucket": "data", "url": f"https://id:{MATERIAL}@s3.example.com", "path": "/a"}),
    ],
)
async def test_what_an_older_schema_or_a_policy_took_does_not_run(kind: str, source: Body) -> None:
    """The API server has no such rule for the defaults of a policy, nor for objects that it stored before."""
    world = World(
        *LOGINS,
        asset("DataSource", "source", {kind: source}),
        asset("Workspace", "named", {"image": "a", "assets": {"dataSources": [{"name": "source"}]}}),
        asset("Workspace", "inline", {"image": "a", "storage": {kind: [source]}}),
    )
    await world.settle()
    for owner, name in (("DataSource", "source"), ("Workspace", "named"), ("Workspace", "inline")):
        status = world.status(owner, name)
        assert (reason(status), condition(status, "Stalled") is not None) == ("InvalidSpec", True)
        assert MATERIAL not in json.dumps(status)
    assert world.all("StatefulSet") == world.all("ControllerRevision") == []


@pytest.mark.parametrize("scope", [{}, {"scope": "project"}])
async def test_a_shared_source_gets_no_login_of_a_project(scope: Body) -> None:
    """Who shares it decides where the login is sent."""
    spec = {"scope": {"type": "cluster"}, "git": {**GIT, "credential": {"name": "login", **scope}}}
    using = {"image": "registry.example.com/u:1", "assets": {"dataSources": [{"name": "theirs"}]}}
    theirs = asset("DataSource", "theirs", spec, SYSTEM)
    world = World(namespace(TEAM, {"outfitter.dev/project": ""}), *LOGINS, theirs, asset("Workspace", "w", using))
    await world.settle()
    assert world.all("StatefulSet") == []
    assert issues(world.status("Workspace", "w")) == ["ReferenceNotFound"]
    shared = asset(
        "Credential",
        "login",
        {"type": "password", "scope": {"type": "cluster"}, "secretRef": {"name": "login"}},
        SYSTEM,
    )
    world = World(
        namespace(TEAM, {"outfitter.dev/project": ""}),
        secret("login", {"User": "a", "Password": "b"}, SYSTEM),
        shared,
        theirs,
        asset("Workspace", "w", using),
    )
    await world.settle()
    assert len(world.all("StatefulSet")) == (0 if scope else 1)
