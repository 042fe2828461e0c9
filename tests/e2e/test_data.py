"""Repositories, buckets and images as data in real pods: fetched with a login that the workload never sees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.harness.client import Object, Predicate, condition, message

from .conftest import RESTRICTED, Stage
from .harness import data
from .harness.data import ACCESS_KEY, PASSWORD, SECRET_KEY, Identity, Sources
from .harness.images import DATA_NAMESPACES, GIT, WEB, WEB2
from .harness.team import Team

pytestmark = pytest.mark.data_images
SIZE = {"sizeLimit": "64Mi"}
RANDOM = {"uidGidSource": "custom", "runAsUid": 1_000_730_001, "runAsGid": 1_000_730_002}
SECONDS = 240.0


@pytest.fixture(scope="module")
def sources(stage: Stage) -> Iterator[Sources]:
    with data.sources(stage.api, stage.cluster.connection(), DATA_NAMESPACES[0], RESTRICTED) as found:
        yield found


def row(item: Object, path: str) -> Any:
    """A row of `status.data`."""
    return next(each for each in item["status"]["data"] if each["path"] == path)


def workspace(team: Team, name: str = "box", security: Any = None, **storage: Any) -> None:
    spec = {"image": WEB, "storage": storage}
    team.make("Workspace", name, {**spec, "security": security} if security else spec)


def test_git_over_https(team: Team, sources: Sources) -> None:
    """Branch, tag and commit; the workload, under another user than the image's, may change what it gets."""
    login = sources.login(team)
    git = {"repository": sources.https, "credential": login, **SIZE}
    team.make("DataSource", "code", {"git": {**git, "path": "/src", "branch": "main"}})
    storage = [
        {**git, "name": "tag", "path": "/tag", "revision": "v1"},
        {**git, "name": "commit", "path": "/commit", "revision": sources.first},
        {**git, "name": "short", "path": "/short", "revision": sources.first[:8]},
        {**git, "name": "head", "path": "/head"},
    ]
    spec = {"assets": {"dataSources": [{"name": "code"}]}, "storage": {"git": storage}}
    team.make("Workspace", "image-user", {"image": WEB, **spec})
    tool = {"image": GIT, "command": "sleep", "args": "3600", "security": RANDOM}
    team.make("Workspace", "random-user", {**tool, **spec})
    team.make("Inference", "serving", {"image": WEB, "servingPort": {"container": 8080}, "replicas": 2, **spec})
    for name, contents in (("image-user", True), ("random-user", False)):
        item = team.ready("Workspace", name, SECONDS)
        for path, commit in (
            ("/src", sources.commit), ("/tag", sources.first), ("/commit", sources.first), ("/short", sources.first),
            ("/head", sources.commit),
        ):  # fmt: skip
            assert row(item, path)["commit"] == commit
        pod = team.pod(name)
        assert team.output(pod, "cat", "/src/src/a.py") == "two"
        assert team.output(pod, "cat", "/tag/src/a.py") == "one"
        if contents:
            team.output(pod, "write", "/src/src/a.py", "mine")
            team.output(pod, "write", "/src/new", "mine")
    assert row(item, "/tag")["revision"] == "v1"
    assert row(team.ready("Inference", "serving", SECONDS), "/src")["commit"] == sources.commit
    replicas = [each["metadata"]["name"] for each in team.pods("serving")]
    assert [team.output(pod, "cat", "/src/src/a.py") for pod in replicas] == ["two"] * 2
    pod = team.pod("random-user")
    git_command = ("git", "-C", "/src")
    assert team.output(pod, *git_command, "status", "--short", "--branch") == "## main...origin/main"
    assert team.output(pod, *git_command, "remote", "get-url", "origin") == sources.https
    team.output(pod, "sh", "-c", "echo mine > /src/src/a.py; touch /src/src/new")
    assert team.output(pod, *git_command, "diff", "--stat").startswith("src/a.py | 2 +-")
    assert team.output(pod, "git", "-C", "/tag", "rev-parse", "HEAD") == sources.first


def test_git_over_ssh(team: Team, sources: Sources) -> None:
    """By both kinds of URL, with a key as an editor of Windows saves it, for users that no image knows."""
    key = sources.key(team)
    windows = sources.key(team, "windows", ssh=sources.private_key.strip().replace("\n", "\r\n"))
    git = {"repository": sources.ssh, **SIZE}
    storage = [
        {**git, "name": "scp", "path": "/scp", "credential": key},
        {**git, "name": "windows", "path": "/windows", "credential": windows},
        {
            **git,
            "name": "url",
            "path": "/url",
            "credential": key,
            "repository": f"ssh://git@{sources.server.git}/app.git",
        },
        {**git, "name": "own", "path": "/own", "secretRef": {"name": "key", "authenticationMethod": "ssh-key"}},
    ]
    workspace(team, "image-user", git=storage)
    workspace(team, "random-user", RANDOM, git=storage)
    for name in ("image-user", "random-user"):
        item = team.ready("Workspace", name, SECONDS)
        for each in storage:
            assert row(item, each["path"])["commit"] == sources.commit
            assert team.output(team.pod(name), "cat", f"{each['path']}/src/a.py") == "two"


def test_submodules_and_odd_names(team: Team, sources: Sources) -> None:
    """A submodule on the same host uses the same login. Names that are no text in UTF-8 arrive as they are."""
    server = sources.server
    server.repository("part", "echo part > part.txt")
    link = "git submodule add -q ../part.git part; git config -f .gitmodules submodule.part.url ../part.git"
    server.repository("whole", f"{link}; printf x > \"$(printf 'caf\\351')\"; mkdir -p 'a b'; echo 1 > 'a b/-c'")
    git = {"repository": f"https://{server.git}/whole.git", "credential": sources.login(team), **SIZE}
    with_parts = {**git, "name": "with", "path": "/with", "submodules": True}
    workspace(team, git=[with_parts, {**git, "name": "without", "path": "/without"}])
    team.ready("Workspace", "box", SECONDS)
    assert team.output("box-0", "cat", "/with/part/part.txt") == "part"
    assert team.run("box-0", "cat", "/without/part/part.txt").code == 1
    assert team.output("box-0", "cat", "/with/a b/-c") == "1"
    assert "caf" in team.output("box-0", "ls", "/with")


def test_s3(team: Team, sources: Sources) -> None:
    """Read-only, for the image's user and for another, by https and by http."""
    bucket = {"bucket": "weights", "url": sources.s3, "credential": sources.keys(team), **SIZE}
    team.make("DataSource", "weights", {"s3": {**bucket, "path": "/weights"}})
    plain = {**bucket, "name": "plain", "path": "/plain", "url": f"http://{sources.server.s3}"}
    own = {"name": "own", "path": "/own", "bucket": "weights", "url": sources.s3, "accessKeySecret": "keys", **SIZE}
    spec = {"image": WEB, "assets": {"dataSources": [{"name": "weights"}]}, "storage": {"s3": [plain, own]}}
    team.make("Workspace", "image-user", spec)
    team.make("Workspace", "random-user", {**spec, "security": RANDOM})
    for name in ("image-user", "random-user"):
        item = team.ready("Workspace", name, SECONDS)
        for path in ("/weights", "/plain", "/own"):
            assert {key: row(item, path)[key] for key in ("objects", "bytes")} == {"objects": 2, "bytes": 13}
            assert team.output(team.pod(name), "cat", f"{path}/deep/er") == "x"
            assert "read-only" in team.run(team.pod(name), "write", f"{path}/new", "x").err


def test_a_copy_that_outlives_its_pod(team: Team, sources: Sources) -> None:
    """While the workload is stopped the claim stays; the next pod copies only what changed."""
    sources.server.bucket("kept", "echo one > changes; echo same > stays; echo old > goes")
    bucket = {"bucket": "kept", "url": sources.s3, "credential": sources.keys(team), **SIZE, "cache": "claim"}
    storage = {"s3": [{**bucket, "name": "kept", "path": "/kept"}]}
    spec = {"image": GIT, "command": "sleep", "args": "3600", "security": RANDOM, "storage": storage}
    team.make("Workspace", "box", spec)
    team.ready("Workspace", "box", SECONDS)
    inode = team.output("box-0", "stat", "-c", "%i", "/kept/stays")
    team.spec("Workspace", "box", suspend=True)
    team.wait("Workspace", "box", lambda item: item["status"]["phase"] == "Stopped")
    (claim,) = team.list("PersistentVolumeClaim")
    assert "deletionTimestamp" not in claim["metadata"]
    sources.server.bucket("kept", "echo other > changes; rm goes")
    team.spec("Workspace", "box", suspend=False)
    item = team.ready("Workspace", "box", SECONDS)
    assert row(item, "/kept")["objects"] == 2
    assert team.output("box-0", "cat", "/kept/changes", "/kept/stays") == "other\nsame"
    assert team.output("box-0", "stat", "-c", "%i", "/kept/stays") == inode
    assert team.run("box-0", "cat", "/kept/goes").code != 0
    team.delete("Workspace", "box")
    team.gone("PersistentVolumeClaim", claim["metadata"]["name"])


def test_an_image_as_data(team: Team) -> None:
    team.make("DataSource", "files", {"image": {"reference": WEB2, "mountPath": "/files"}})
    part = {"name": "part", "reference": WEB2, "subPath": "usr/bin", "mountPath": "/part"}
    team.running("box", image=WEB, assets={"dataSources": [{"name": "files"}]}, storage={"image": [part]})
    assert "web" in team.output("box-0", "ls", "/files/usr/bin")
    assert "web" in team.output("box-0", "ls", "/part")
    assert "read-only" in team.run("box-0", "write", "/files/new", "x").err


def test_host_keys_and_authorities_of_the_settings(team: Team, sources: Sources, stage: Stage, tmp_path: Path) -> None:
    """They count for a Credential without known_hosts, and beside the authorities of the image."""
    if not stage.identity.folder.exists():
        pytest.skip("the operator of this cluster has other settings")
    server, login, key = sources.server, sources.login(team), sources.key(team, known_hosts="")
    git = {"name": "https", "path": "/https", "repository": sources.https, "credential": login, **SIZE}
    ssh = {"name": "ssh", "path": "/ssh", "repository": sources.ssh, "credential": key, **SIZE}
    url = f"{sources.s3}:445"
    s3 = {"name": "s3", "path": "/s3", "bucket": "weights", "url": url, "credential": sources.keys(team), **SIZE}
    with server.showing(stage.identity):
        workspace(team, "known", git=[git, ssh], s3=[s3])
        item = team.ready("Workspace", "known", SECONDS)
    assert [row(item, path).get("commit") for path in ("/https", "/ssh")] == [sources.commit] * 2
    assert row(item, "/s3")["objects"] == 2
    expected = {
        "https": ("EndpointUnreachable", "ask an administrator to add it to dataAuthorities", {"git": [git]}),
        "ssh": ("HostKeyChanged", "or ask for a new gitKnownHosts", {"git": [ssh]}),
        "s3": ("EndpointUnreachable", "ask an administrator to add it to dataAuthorities", {"s3": [s3]}),
    }
    with server.showing(Identity.create(tmp_path / "unknown")):
        for name, (_, _, storage) in expected.items():
            workspace(team, name, **storage)
        for name, (reason, words, _) in expected.items():
            item = team.wait("Workspace", name, unready(reason), SECONDS)
            assert words in message(item)


def test_an_image_that_is_missing(team: Team) -> None:
    """The status names this image, and not that of the container."""
    missing = {"name": "files", "reference": "localhost/outfitter/missing:1", "mountPath": "/files"}
    workspace(team, image=[missing])
    item = team.wait("Workspace", "box", unready("ImagePullFailed"), SECONDS)
    assert missing["reference"] in message(item)


def unready(reason: str) -> Predicate:
    """Not Ready for this reason."""
    return lambda item: (condition(item, "Ready")["status"], condition(item, "Ready")["reason"]) == ("False", reason)


def test_all_ranks_and_a_job_fetch(team: Team, sources: Sources) -> None:
    git = [{"name": "code", "repository": sources.https, "path": "/src", "credential": sources.login(team), **SIZE}]
    read = {"image": WEB, "command": "cat", "args": "/src/src/a.py", "storage": {"git": git}}
    team.make("Training", "job", read)
    # Other scenarios end the controller of JobSet.
    shape = {"distributedFramework": "PyTorch", "numWorkers": 2, "masterSpecSameAsWorker": True, "backend": "native"}
    team.make("DistributedTraining", "group", {**shape, **read})
    for kind, name in (("Training", "job"), ("DistributedTraining", "group")):
        done = team.wait(kind, name, lambda item: item["status"].get("phase") in ("Completed", "Failed"), SECONDS)
        assert done["status"]["phase"] == "Completed", condition(done, "Ready")
        assert row(done, "/src")["commit"] == sources.commit


def test_no_login_is_seen_anywhere(team: Team, sources: Sources, stage: Stage) -> None:
    """Not in objects, logs and messages, nor in the processes and files of the workload, also after failures."""
    git, s3 = {"repository": sources.https, **SIZE}, {"bucket": "weights", "url": sources.s3, **SIZE}
    login, keys, key = sources.login(team), sources.keys(team), sources.key(team)
    workspace(
        team,
        git=[
            {**git, "name": "code", "path": "/src", "credential": login},
            {**git, "name": "ssh", "path": "/ssh", "repository": sources.ssh, "credential": key},
        ],
        s3=[{**s3, "name": "data", "path": "/data", "credential": keys}],
    )
    wrong = {"login": "wrong-password-material", "keys": "wrong-key-material", "key": "wrong-ssh-material"}
    sources.login(team, "wrong", wrong["login"])
    sources.keys(team, "wrong-keys", wrong["keys"])
    sources.key(team, "wrong-key", ssh=wrong["key"])
    workspace(team, "wrong-git", git=[{**git, "name": "a", "path": "/a", "credential": {"name": "wrong"}}])
    workspace(team, "wrong-s3", s3=[{**s3, "name": "a", "path": "/a", "credential": {"name": "wrong-keys"}}])
    ssh = {**git, "repository": sources.ssh, "name": "a", "path": "/a", "credential": {"name": "wrong-key"}}
    workspace(team, "wrong-ssh", git=[ssh])
    team.ready("Workspace", "box", SECONDS)
    for name in ("wrong-git", "wrong-s3", "wrong-ssh"):
        team.wait("Workspace", name, lambda item: condition(item, "Ready")["reason"] == "LoginRejected", SECONDS)
    lines = [line for line in sources.private_key.splitlines()[1:-1] if line]
    material = [PASSWORD, SECRET_KEY, *wrong.values(), *lines]
    seen = dict(everything(team, stage))
    assert [(place, text) for place, text in seen.items() for each in material if each in text] == []
    shown = {place for place, text in seen.items() if ACCESS_KEY in text}  # no secret, but no business of others either
    assert shown == set()


def everything(team: Team, stage: Stage) -> Iterator[tuple[str, str]]:
    """Place -> text: all objects but Secrets, all logs, and what the workload's processes can read."""
    ours = ("Workspace", "DataSource", "Credential")
    for kind in (*ours, "ControllerRevision", "StatefulSet", "Service", "Pod", "Event", "ConfigMap"):
        yield kind, json.dumps(team.list(kind))
    for pod in team.pods():
        name = pod["metadata"]["name"]
        for container in (each["name"] for part in ("initContainers", "containers") for each in pod["spec"][part]):
            for previous in (False, True):
                yield f"log of {name} {container}", team.log(name, container, previous=previous)
    for pod in stage.operators():
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/log"
        yield "log of the operator", str(stage.cluster.connection().answer("GET", path)[1])
    yield "environment", team.output("box-0", "env")
    for path in ("/src/.git/config", "/ssh/.git/config", "/proc/1/environ", "/proc/1/cmdline", "/proc/1/mountinfo"):
        yield path, team.output("box-0", "cat", path)
    for path in ("/outfitter/work", "/outfitter/credential", "/outfitter"):
        assert team.run("box-0", "ls", path).code == 1
