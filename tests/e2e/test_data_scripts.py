"""The scripts of git and s3 sources in hand-written pods: what they fetch, and the message of each failure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from .conftest import RESTRICTED, Stage
from .harness.data import ACCESS_KEY, SECRET_KEY, DataServer, data_server, ssh_key
from .harness.fetch import RANDOM_USER, fetch, outcome
from .harness.images import GIT_HOST, S3_HOST
from .harness.team import Team, running

pytestmark = pytest.mark.data_images
PASSWORD = "s3cret+:/@ word"
APP = f"https://{GIT_HOST}/app.git"


@dataclass(frozen=True)
class Sources:
    """A server with one repository and one bucket."""

    server: DataServer
    private_key: str
    known_hosts: str
    commit: str  # the newest of the repository `app`
    first: str  # the one before


@pytest.fixture(scope="module")
def sources(stage: Stage) -> Iterator[Sources]:
    with data_server(stage.api, stage.cluster.connection(), RESTRICTED) as server:
        server.users(robot=PASSWORD)
        private, public = ssh_key()
        server.authorized_keys(public)
        known_hosts = server.host_key()
        first = server.repository("app", "mkdir -p src; echo one > src/a.py; echo '#!/bin/sh' > run; chmod +x run")
        server.sh("cd work/app; git tag v1; git push -q origin v1")
        commit = server.commit("app", "echo two > src/a.py")
        server.commit("app", "git checkout -q -b dev; echo three > src/a.py")
        server.sh("cd work/app; git checkout -q main")
        server.sh("mkdir -p s3/weights/deep s3/empty; echo 0123456789 > s3/weights/model; echo x > s3/weights/deep/er")
        yield Sources(server, private.decode(), known_hosts, commit, first)


def test_git_over_https_is_readable_and_writable(team: Team, sources: Sources) -> None:
    team.secret("login", user="robot", password=PASSWORD)
    wanted = {"main": sources.commit, "v1": sources.first, sources.first: sources.first, "": sources.commit}
    names = {revision: f"r{number}" for number, revision in enumerate(wanted)}
    for revision, name in names.items():
        fetch(team, name, "git", secret="login", LOGIN="password", REPOSITORY=APP, REVISION=revision)
    for revision, commit in wanted.items():
        assert outcome(team, names[revision]) == f"commit {commit}"
    team.wait("Pod", "r0", running)
    seen = json.loads(team.output("r0", "id"))
    assert seen["uid"] == RANDOM_USER
    assert team.output("r0", "cat", "/data/src/a.py") == "two"
    team.output("r0", "write", "/data/src/a.py", "mine")
    team.output("r0", "write", "/data/src/new", "mine")
    team.wait("Pod", "r1", running)
    assert team.output("r1", "cat", "/data/src/a.py") == "one"


def test_git_over_ssh(team: Team, sources: Sources) -> None:
    team.secret("key", ssh=sources.private_key, known_hosts=sources.known_hosts)
    team.secret("crlf", ssh=sources.private_key.strip().replace("\n", "\r\n"))
    urls = {"scp": f"git@{GIT_HOST}:app.git", "url": f"ssh://git@{GIT_HOST}/app.git"}
    for name, url in urls.items():
        fetch(team, name, "git", secret="key", LOGIN="ssh-key", REPOSITORY=url)
    fetch(team, "crlf", "git", secret="crlf", LOGIN="ssh-key", REPOSITORY=urls["scp"], KNOWN_HOSTS=sources.known_hosts)
    fetch(team, "no-name", "git", secret="key", user=RANDOM_USER, LOGIN="ssh-key", REPOSITORY=urls["scp"])
    for name in (*urls, "crlf"):
        assert outcome(team, name) == f"commit {sources.commit}"
    assert outcome(team, "no-name") == f"failed other No user exists for uid {RANDOM_USER}"


def test_s3(team: Team, sources: Sources) -> None:
    team.secret("keys", id=ACCESS_KEY, key=SECRET_KEY)
    for name, url in (("http", f"http://{S3_HOST}"), ("https", f"https://{S3_HOST}")):
        fetch(team, name, "s3", secret="keys", LOGIN="access-key", URL=url, BUCKET="weights")
    for name in ("http", "https"):
        assert outcome(team, name) == "objects 2 bytes 13"
        team.wait("Pod", name, running)
        assert team.output(name, "cat", "/data/deep/er") == "x"
        assert "read-only" in team.run(name, "write", "/data/new", "x").err


@dataclass(frozen=True)
class Failure:
    """A wrong input, and the message of the init container."""

    name: str
    code: str
    words: str
    values: dict[str, str]
    source: str = "git"
    secret: str = "login"


HTTPS = {"LOGIN": "password", "REPOSITORY": APP}
SSH = {"LOGIN": "ssh-key", "REPOSITORY": f"git@{GIT_HOST}:app.git"}
HANGS = {"SECONDS": "15"}
BUCKET = {"LOGIN": "access-key", "URL": f"https://{S3_HOST}", "BUCKET": "weights"}
REFUSED = {**BUCKET, "URL": f"https://{GIT_HOST}"}
FAILURES = [
    Failure("revision", "revision-not-found", "v9", {**HTTPS, "REVISION": "v9"}),
    Failure("hash", "revision-not-found", "0123456789", {**HTTPS, "REVISION": "0123456789" * 4}),
    Failure("no-login", "authentication", "could not read Username", {**HTTPS, "LOGIN": "none"}, secret=""),
    Failure("password", "authentication", "Authentication failed", HTTPS, secret="wrong"),
    Failure("repository", "not-found", "not found", {**HTTPS, "REPOSITORY": f"https://{GIT_HOST}/none.git"}),
    Failure("ssh-repository", "not-found", "not found", {**SSH, "REPOSITORY": f"git@{GIT_HOST}:none"}, secret="key"),
    Failure("ssh-key", "authentication", "Permission denied", SSH, secret="other-key"),
    Failure("no-host-key", "host-key-unknown", "", SSH, secret="key-alone"),
    Failure("other-host", "host-key-unknown", "", SSH, secret="key-other-host"),
    Failure("host-key", "host-key-changed", "", SSH, secret="key-changed"),
    Failure("no-key", "authentication", "", SSH, secret="no-key"),
    Failure("host", "unreachable", "resolve host", {**HTTPS, "REPOSITORY": "https://git.invalid/app.git"}),
    Failure("port", "unreachable", "", {**HTTPS, "REPOSITORY": f"https://{GIT_HOST}:444/app.git"}),
    Failure("hangs", "timeout", "15 seconds", {**HTTPS, **HANGS, "REPOSITORY": f"https://{GIT_HOST}/hang/a.git"}),
    Failure("hangs-ssh", "timeout", "15 ", {**SSH, **HANGS, "REPOSITORY": f"git@{GIT_HOST}:hang/a"}, secret="key"),
    Failure("certificate", "unreachable", "certificate", {**HTTPS, "REPOSITORY": "https://git.outfitter-data/app.git"}),
    Failure("no-space", "no-space", "", {**HTTPS, "REPOSITORY": f"https://{GIT_HOST}/big.git"}),
    Failure("denied", "forbidden", "403", {**HTTPS, "REPOSITORY": f"https://{GIT_HOST}/denied/a.git"}),
    Failure("busy", "unreachable", "503", {**HTTPS, "REPOSITORY": f"https://{GIT_HOST}/busy/a.git"}),
    Failure("submodule", "authentication", "could not read", {**HTTPS, "REVISION": "sub", "SUBMODULES": "true"}),
    Failure("s3-denied", "forbidden", "AccessDenied", {**REFUSED, "BUCKET": "denied"}, "s3", "keys"),
    Failure("s3-busy", "unreachable", "503", {**REFUSED, "BUCKET": "busy"}, "s3", "keys"),
    Failure("bucket", "bucket-missing", "", {**BUCKET, "BUCKET": "none"}, "s3", "keys"),
    Failure("key", "authentication", "", BUCKET, "s3", "wrong-keys"),
    Failure("s3-host", "unreachable", "", {**BUCKET, "URL": "https://s3.invalid"}, "s3", "keys"),
    Failure("s3-port", "unreachable", "", {**BUCKET, "URL": f"https://{S3_HOST}:444"}, "s3", "keys"),
    Failure("s3-name", "unreachable", "certificate", {**BUCKET, "URL": "https://s3.outfitter-data"}, "s3", "keys"),
    Failure("s3-size", "no-space", "sizeLimit", {**BUCKET, "SIZE_LIMIT": "5"}, "s3", "keys"),
]  # fmt: skip
MATERIAL = "m4terial"


def test_each_failure_has_a_code(team: Team, sources: Sources, say: Callable[[str], None]) -> None:
    other, _ = ssh_key()
    _, public = ssh_key()
    team.secret("login", user="robot", password=PASSWORD)
    team.secret("wrong", user="robot", password=MATERIAL)
    team.secret("key", ssh=sources.private_key, known_hosts=sources.known_hosts)
    team.secret("other-key", ssh=other.decode(), known_hosts=sources.known_hosts)
    team.secret("key-alone", ssh=sources.private_key)
    team.secret("key-other-host", ssh=sources.private_key, known_hosts=f"elsewhere.example.com {public}\n")
    team.secret("key-changed", ssh=sources.private_key, known_hosts=f"{GIT_HOST} {public}\n")
    team.secret("no-key", ssh=MATERIAL, known_hosts=sources.known_hosts)
    team.secret("keys", id=ACCESS_KEY, key=SECRET_KEY)
    team.secret("wrong-keys", id=ACCESS_KEY, key=MATERIAL)
    sources.server.repository("big", "dd if=/dev/urandom of=big bs=1M count=80 2>/dev/null")
    sources.server.repository("private", "echo x > x")
    link = f"git submodule add -q ../private.git part; git config -f .gitmodules submodule.part.url http://{GIT_HOST}/private.git"
    sources.server.commit("app", f"git checkout -q -b sub; {link}")
    for each in FAILURES:
        fetch(team, each.name, each.source, secret=each.secret, **each.values)
    seen = {each.name: outcome(team, each.name, 240) for each in FAILURES}
    for each in FAILURES:
        say(f"{each.name}: {seen[each.name]}")
    wrong = [
        f"{each.name}: {seen[each.name]!r}, not {each.code} ... {each.words}"
        for each in FAILURES
        if not seen[each.name].startswith(f"failed {each.code} ") or each.words not in seen[each.name]
    ]
    assert wrong == []
    for each in FAILURES:
        assert MATERIAL not in seen[each.name] + team.log(each.name, "data")
