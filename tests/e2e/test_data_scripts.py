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
    print(outcome(team, "no-name"))


def test_s3(team: Team, sources: Sources) -> None:
    team.secret("keys", id=ACCESS_KEY, key=SECRET_KEY)
    for name, url in (("http", f"http://{S3_HOST}"), ("https", f"https://{S3_HOST}")):
        fetch(team, name, "s3", secret="keys", LOGIN="access-key", URL=url, BUCKET="weights")
    for name in ("http", "https"):
        assert outcome(team, name) == "objects 2 bytes 13"
        team.wait("Pod", name, running)
        assert team.output(name, "cat", "/data/deep/er") == "x"
        assert "read-only" in team.run(name, "write", "/data/new", "x").err
