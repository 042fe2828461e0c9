"""What a user reads when a repository or bucket cannot be fetched, and what heals by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from integration.harness.client import Predicate, condition, message

from .conftest import RESTRICTED, Stage
from .harness import data
from .harness.data import PASSWORD, USER, Sources, ssh_key
from .harness.images import DATA_NAMESPACES, WEB
from .harness.team import Team

pytestmark = pytest.mark.data_images
SIZE = {"sizeLimit": "32Mi"}
SECONDS = 240.0


@pytest.fixture(scope="module")
def sources(stage: Stage) -> Iterator[Sources]:
    with data.sources(stage.api, stage.cluster.connection(), DATA_NAMESPACES[1], RESTRICTED) as found:
        yield found


@dataclass(frozen=True)
class Failure:
    """A source with a fault; the reason and the words in the message, which must not change while it is tried again."""

    name: str
    reason: str
    words: str
    source: Any
    kind: str = "git"


def failures(team: Team, sources: Sources) -> list[Failure]:
    server, (other, public) = sources.server, ssh_key()
    login, keys = sources.login(team), sources.keys(team)
    wrong, wrong_keys = sources.login(team, "wrong", "other"), sources.keys(team, "wrong-keys", "other")
    host = server.git

    def https(path: str = "/app.git", login: Any = login, **more: Any) -> Any:
        return {"repository": f"https://{host}{path}", **({"credential": login} if login else {}), **more}

    def ssh(name: str, path: str = "app.git", **values: str) -> Any:
        return {"repository": f"git@{host}:{path}", "credential": sources.key(team, name, **values)}

    def s3(bucket: str = "weights", url: str = sources.s3, keys: Any = keys, **more: Any) -> Any:
        return {"bucket": bucket, "url": url, "credential": keys, **more}

    key = "Correct the Secret of the Credential"
    return [
        Failure("revision", "RevisionNotFound", "no such branch, tag or commit", https(revision="v9")),
        Failure("branch", "RevisionNotFound", "Correct revision or branch", https(branch="gone")),
        Failure("hash", "RevisionNotFound", "no commit", https(revision="0123456789" * 4)),
        Failure("no-login", "LoginRejected", "name a Credential", https(login=None)),
        Failure("password", "LoginRejected", key, https(login=wrong)),
        Failure("repository", "RepositoryNotFound", "does not exist", https("/none.git")),
        Failure("ssh-repository", "RepositoryNotFound", "does not exist", ssh("key-1", "none.git")),
        Failure("ssh-key", "LoginRejected", "Permission denied", ssh("key-2", ssh=other.decode())),
        Failure("no-key", "LoginRejected", key, ssh("key-3", ssh="not a key")),
        Failure("other-host", "HostKeyUnknown", "ssh-keyscan", ssh("key-4", known_hosts=f"example.com {public}\n")),
        Failure("host-key", "HostKeyChanged", "another host key", ssh("key-5", known_hosts=f"{host} {public}\n")),
        Failure("host", "EndpointUnreachable", "resolve host", {"repository": "https://git.invalid/a.git"}),
        Failure("port", "EndpointUnreachable", "connect to", {"repository": f"https://{host}:444/a.git"}),
        Failure("certificate", "EndpointUnreachable", "dataAuthorities", {"repository": f"https://{host}.cluster.local/a.git"}),
        Failure("busy", "EndpointUnreachable", "503", https("/busy/a.git")),
        Failure("denied", "AccessDenied", "403", https("/denied/a.git")),
        Failure("too-big", "NoSpace", "sizeLimit", https("/big.git")),
        Failure("submodule", "LoginRejected", "login", https("/sub.git", submodules=True)),
        Failure("bucket", "BucketNotFound", "does not exist", s3("none"), "s3"),
        Failure("secret-key", "LoginRejected", key, s3(keys=wrong_keys), "s3"),
        Failure("s3-host", "EndpointUnreachable", "no such host", s3(url="https://s3.invalid"), "s3"),
        Failure("s3-port", "EndpointUnreachable", "refused", s3(url=f"{sources.s3}:444"), "s3"),
        Failure("s3-tls", "EndpointUnreachable", "dataAuthorities", s3(url=f"{sources.s3}.cluster.local"), "s3"),
        Failure("s3-denied", "AccessDenied", "right to read", s3("denied", f"https://{host}"), "s3"),
        Failure("s3-busy", "EndpointUnreachable", "SlowDown", s3("busy", f"https://{host}"), "s3"),
        Failure("s3-too-big", "NoSpace", "sizeLimit", s3("large"), "s3"),
    ]  # fmt: skip


def test_each_failure_is_told_with_the_remedy(team: Team, sources: Sources, say: Callable[[str], None]) -> None:
    server = sources.server
    server.repository("private", "echo x > x")
    server.repository("big", "dd if=/dev/urandom of=big bs=1M count=40 2>/dev/null")
    to_http = f"git config -f .gitmodules submodule.part.url http://{server.git}/private.git"  # without the login
    server.repository("sub", f"git submodule add -q ../private.git part; {to_http}")
    server.bucket("large", "dd if=/dev/zero of=file bs=1M count=40 2>/dev/null")
    cases = failures(team, sources)
    for case in cases:
        source = {"name": "data", "path": "/data", **SIZE, **case.source}
        team.make("Workspace", case.name, {"image": WEB, "storage": {case.kind: [source]}})
    seen = {}
    for case in cases:
        item = seen[case.name] = team.wait("Workspace", case.name, told(case.reason), SECONDS)
        say(f"{case.name}: {case.reason}: {message(item)}")
    wrong = [f"{case.name}: no {case.words}" for case in cases if case.words not in message(seen[case.name])]
    assert wrong == []
    for case in cases:  # tried again meanwhile, most of them several times
        words = message(seen[case.name])
        if case.reason == "NoSpace":  # a kubelet that looks at the wrong moment evicts the pod, and a new one starts
            team.wait("Workspace", case.name, lambda item, words=words: message(item) == words, SECONDS)
        else:
            assert message(team.need("Workspace", case.name)) == words


def told(reason: str) -> Predicate:
    """Not Ready for this reason."""
    return lambda item: (condition(item, "Ready")["status"], condition(item, "Ready")["reason"]) == ("False", reason)


def test_what_is_corrected_elsewhere_heals_by_itself(team: Team, sources: Sources) -> None:
    """A branch that comes, a server that returns, a password that is set right: the pod tries again by itself."""
    server = sources.server
    server.repository("late", "echo 1 > x")
    late = {"name": "a", "path": "/a", "repository": f"https://{server.git}/late.git", "branch": "late", **SIZE}
    team.make("Workspace", "branch", {"image": WEB, "storage": {"git": [{**late, "credential": sources.login(team)}]}})
    wrong = {"name": "a", "path": "/a", "repository": sources.https, **SIZE}
    wrong["credential"] = sources.login(team, "typo", "wrong")
    team.make("Workspace", "password", {"image": WEB, "storage": {"git": [wrong]}})
    bucket = {
        "name": "a",
        "path": "/a",
        "bucket": "weights",
        "url": sources.s3,
        "credential": sources.keys(team),
        **SIZE,
    }
    server.edit("Service", "s3", {"spec": {"selector": {"app": "nothing"}}})
    team.make("Workspace", "bucket", {"image": WEB, "storage": {"s3": [bucket]}})
    expected = {"branch": "RevisionNotFound", "password": "LoginRejected", "bucket": "EndpointUnreachable"}
    for name, reason in expected.items():
        team.wait("Workspace", name, told(reason), SECONDS)
    commit = server.commit("late", "git checkout -q -b late; echo 2 > x")
    team.edit("Secret", "typo", {"stringData": {"Password": PASSWORD}})
    server.edit("Service", "s3", {"spec": {"selector": {"app": "data"}}})
    for name in expected:
        item = team.ready("Workspace", name, SECONDS)
        assert "issues" not in item["status"]
    (row,) = team.need("Workspace", "branch")["status"]["data"]
    assert row == {"name": "a", "path": "/a", "revision": "late", "commit": commit}
    assert team.output("branch-0", "cat", "/a/x") == "2"


def test_what_changes_between_two_starts(team: Team, sources: Sources) -> None:
    """A running pod is left alone. The next one gets the newest commit by the new password, and misses the branch."""
    server = sources.server
    first = server.repository("moving", "git checkout -q -b moving; echo 1 > x")
    server.users(**{USER: PASSWORD, "other": "before"})
    team.secret("rotated", User="other", Password="before")
    team.make("Credential", "rotated", {"type": "password", "secretRef": {"name": "rotated"}})
    git = {"name": "a", "path": "/a", "repository": f"https://{server.git}/moving.git", "branch": "moving", **SIZE}
    team.make("Workspace", "box", {"image": WEB, "storage": {"git": [{**git, "credential": {"name": "rotated"}}]}})
    assert team.ready("Workspace", "box", SECONDS)["status"]["data"][0]["commit"] == first
    lives = team.lives("box")
    second = server.commit("moving", "echo 2 > x")
    server.users(**{USER: PASSWORD, "other": "after"})
    team.edit("Secret", "rotated", {"stringData": {"Password": "after"}})
    team.wait("Secret", "cred-rotated", lambda found: found["data"]["Password"] == "YWZ0ZXI=")
    assert team.lives("box") == lives
    team.delete("Pod", "box-0")
    item = team.wait("Workspace", "box", lambda found: found["status"]["data"][0].get("commit") == second, SECONDS)
    team.ready("Workspace", "box", SECONDS)
    assert team.output("box-0", "cat", "/a/x") == "2"
    server.sh("git -C git/moving.git update-ref -d refs/heads/moving")
    team.delete("Pod", "box-0")
    item = team.wait("Workspace", "box", told("RevisionNotFound"), SECONDS)
    assert "commit" not in item["status"]["data"][0]


def test_a_pod_that_goes_while_it_fetches(team: Team, sources: Sources) -> None:
    """Its successor starts again from an empty volume."""
    commit = sources.server.repository("slow", "dd if=/dev/urandom of=big bs=1M count=200 2>/dev/null")
    login = sources.login(team)
    git = {"name": "a", "path": "/a", "repository": f"https://{sources.server.git}/slow.git", "sizeLimit": "1Gi"}
    team.make("Workspace", "box", {"image": WEB, "storage": {"git": [{**git, "credential": login}]}})
    team.wait("Pod", "box-0", lambda found: "running" in found["status"]["initContainerStatuses"][0]["state"], SECONDS)
    first = team.need("Pod", "box-0")["metadata"]["uid"]
    team.delete("Pod", "box-0")
    team.wait("Pod", "box-0", lambda found: found["metadata"]["uid"] != first, SECONDS)
    assert team.ready("Workspace", "box", SECONDS)["status"]["data"][0]["commit"] == commit
