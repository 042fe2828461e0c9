"""ImageQueries on a real server, and `outfitter images` with the rights of a user."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from image_registry import PASSWORD, USER, ImageRegistry, digest_of

from .conftest import Stack
from .harness import rights
from .harness.client import Object, current, eventually, message, stalls, waits
from .harness.process import OUTFITTER, Operator
from .harness.space import Space

RBAC = "rbac.authorization.k8s.io"
ASKS = [
    {"apiGroups": ["outfitter.dev"], "resources": ["imagequeries"], "verbs": ["create", "delete", "list", "watch"]},
    {"apiGroups": ["outfitter.dev"], "resources": ["registries"], "verbs": ["list"]},
]
TAGS = [f"1.{number}" for number in range(300)]


@pytest.fixture
def content(stack: Stack) -> Iterator[ImageRegistry]:
    """What the registry has. Afterwards it is as before."""
    content = stack.images.content
    before = dict(content.repositories)
    content.repositories["team/trainer"] = [*TAGS, "latest"]
    yield content
    content.repositories.clear()
    content.repositories.update(before)
    content.status = 0
    content.released.set()


@pytest.fixture
def space(spaces: Callable[..., Space], stack: Stack, content: ImageRegistry) -> Space:
    """A project with a Registry, and a user ann who may ask."""
    made = spaces()
    made.secret("login", username=USER, password=PASSWORD)
    made.make("Credential", "robot", {"type": "password", "secretRef": {"name": "login"}})
    made.make("Registry", "images", {"url": f"http://{stack.images.host}", "credential": {"name": "robot"}})
    made.native("Role", "asks", rules=ASKS)
    subject = {"kind": "User", "name": "ann", "apiGroup": RBAC}
    role = {"kind": "Role", "name": "asks", "apiGroup": RBAC}
    made.native("RoleBinding", "ann-asks", subjects=[subject], roleRef=role)
    made.ready("Registry", "images")
    return made


class Ann:
    """A user with a command line."""

    def __init__(self, stack: Stack, space: Space, user: str = "ann") -> None:
        self.kubeconfig = stack.sandbox.kubeconfig_for(user)
        self.space = space

    def command(self, *words: str) -> list[str]:
        return [str(OUTFITTER), "images", *words, "-n", self.space.name, "--kubeconfig", str(self.kubeconfig)]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OUTFITTER_")}
        return subprocess.run(self.command(*words), capture_output=True, text=True, check=False, env=clean, timeout=120)


@pytest.fixture
def ann(stack: Stack, space: Space) -> Ann:
    return Ann(stack, space)


def query(space: Space, name: str, **spec: object) -> Object:
    return space.make("ImageQuery", name, {"registry": {"name": "images"}, **spec})


def test_the_three_questions(space: Space, operator: Operator) -> None:
    query(space, "repositories", search="team")
    query(space, "tags", repository="team/trainer", limit=500)
    query(space, "digest", repository="team/trainer", digestOf="1.7")
    query(space, "gone", repository="team/gone")
    assert space.ready("ImageQuery", "repositories")["status"]["repositories"] == ["team/app", "team/trainer"]
    status = space.ready("ImageQuery", "tags")["status"]
    assert status["tags"] == [*reversed(TAGS), "latest"]
    assert status["found"] == 301
    status = space.ready("ImageQuery", "digest")["status"]
    assert status["digest"] == digest_of("team/trainer", "1.7")
    assert status["image"].endswith(f"/team/trainer@{status['digest']}")
    assert "does not show team/gone" in message(space.wait("ImageQuery", "gone", stalls("ImageNotFound")))
    assert PASSWORD not in json.dumps(space.list("ImageQuery"), ensure_ascii=False) + operator.log.read_text()
    assert space.need("Registry", "images")["status"]["usedBy"]["total"] == 0


def test_an_answer_is_kept_by_a_restart_and_goes_after_its_time(stack: Stack, space: Space, operator: Operator) -> None:
    query(space, "tags", repository="team/trainer")
    space.ready("ImageQuery", "tags")
    operator.stop()
    mark, asked = stack.mark(), len(stack.images.content.requests)
    operator.start()
    query(space, "late", repository="base")
    space.ready("ImageQuery", "late")
    assert [entry.uri for entry in stack.writes(mark) if "/imagequeries/tags" in entry.uri] == []
    assert not any("trainer" in path for path, _, _ in stack.images.content.requests[asked:])
    operator.stop()
    operator.settings["image_query_seconds"] = "10"
    try:
        operator.start()
        space.gone("ImageQuery", "tags")
        space.gone("ImageQuery", "late")
    finally:
        operator.stop()
        del operator.settings["image_query_seconds"]
    assert space.need("Registry", "images")


def test_a_registry_that_is_down_and_an_operator_that_is_killed(
    stack: Stack, space: Space, operator: Operator, content: ImageRegistry
) -> None:
    content.status = 503
    query(space, "tags", repository="team/trainer")
    item = space.wait("ImageQuery", "tags", waits("RegistryUnreachable"))
    assert "503" in message(item)
    content.status = 0
    content.released.clear()
    asked = len(content.requests)
    query(space, "more", repository="team/app")
    eventually(lambda: len(content.requests) > asked, what="the registry is not asked")
    operator.kill()
    content.released.set()
    operator.start()
    assert space.ready("ImageQuery", "more")["status"]["tags"] == ["2", "1"]
    assert space.ready("ImageQuery", "tags")["status"]["found"] == 301


def test_a_question_cannot_change(space: Space) -> None:
    query(space, "tags", repository="team/trainer")
    status, answer = space.api.connection.answer(
        "PATCH",
        f"/apis/outfitter.dev/v1alpha1/namespaces/{space.name}/imagequeries/tags",
        {"spec": {"repository": "base"}},
        "application/merge-patch+json",
    )
    assert (status, "cannot change" in answer["message"]) == (422, True)


def test_a_registry_covers_what_its_url_names(stack: Stack, space: Space) -> None:
    """The login of an administrator may see more."""
    space.make("Registry", "base", {"url": f"http://{stack.images.host}/base", "credential": {"name": "robot"}})
    space.make("ImageQuery", "q", {"registry": {"name": "base"}, "repository": "team/app"})
    assert "covers only repositories below base" in message(space.wait("ImageQuery", "q", stalls("ImageNotFound")))


def test_a_shared_registry(stack: Stack, spaces: Callable[..., Space], space: Space) -> None:
    """A user asks by the login of an administrator, in a project that its scope covers."""
    home, other = Space(stack.api, rights.SYSTEM), spaces(project=False)
    spec = {"url": f"http://{stack.images.host}/team", "scope": {"type": "cluster"}, "credential": {"name": "shared"}}
    home.secret("shared", username=USER, password=PASSWORD)
    home.make("Credential", "shared", {"type": "password", "secretRef": {"name": "shared"}})
    home.make("Registry", "shared", spec)
    try:
        for place in (space, other):
            place.make("ImageQuery", "q", {"registry": {"name": "shared"}, "repository": "team/app"})
        assert space.ready("ImageQuery", "q")["status"]["tags"] == ["2", "1"]
        item = other.wait("ImageQuery", "q", waits("ReferenceNotFound"))
        assert "add the label outfitter.dev/project to the namespace" in message(item)
        space.make("ImageQuery", "beside", {"registry": {"name": "shared"}, "repository": "base"})
        space.wait("ImageQuery", "beside", stalls("ImageNotFound"))
    finally:
        home.delete("Registry", "shared")
        home.delete("Credential", "shared")
        home.delete("Secret", "shared")


def test_the_command(ann: Ann) -> None:
    seen = ann.run("search", "team")
    assert (seen.returncode, seen.stdout.split()) == (0, ["REPOSITORY", "team/app", "team/trainer"]), seen.stderr
    seen = ann.run("tags", "team/trainer", "--limit", "2", "--registry", "images")
    assert (seen.returncode, seen.stdout.split()) == (0, ["TAG", "1.299", "1.298"]), seen.stderr
    assert "2 of 301 names" in seen.stderr
    data = json.loads(ann.run("tags", "team/trainer", "--search", "1.29", "-o", "json").stdout)
    assert data == {
        "registry": "images",
        "repository": "team/trainer",
        "tags": [*(f"1.{number}" for number in range(299, 289, -1)), "1.29"],
        "found": 11,
        "truncated": False,
    }
    data = json.loads(ann.run("digest", "team/trainer:1.7", "-o", "json").stdout)
    assert data["digest"] == digest_of("team/trainer", "1.7")
    seen = ann.run("digest", "team/trainer")
    assert digest_of("team/trainer", "latest") in seen.stdout
    assert ann.space.list("ImageQuery") == []


def test_the_errors_of_the_command(stack: Stack, ann: Ann, content: ImageRegistry) -> None:
    def failure(who: Ann, *words: str) -> str:
        seen = who.run(*words)
        assert (seen.returncode, seen.stdout) == (1, ""), seen.stderr
        return seen.stderr

    assert "does not show team/gone" in failure(ann, "tags", "team/gone")
    assert "Registry other does not exist" in failure(ann, "tags", "base", "-r", "other")
    assert "Ask an administrator for this permission" in failure(Ann(stack, ann.space, "bob"), "tags", "base")
    assert "cannot create resource" in failure(Ann(stack, ann.space, "bob"), "tags", "base", "-r", "images")
    assert "spec.repository" in failure(ann, "digest", "registry.example.com:5000/app:1", "-r", "images")
    content.status = 429
    assert "status 429" in failure(ann, "tags", "team/new")
    content.status = 503
    assert "status 503" in failure(ann, "tags", "team/newer")
    content.status = 0
    ann.space.make("Registry", "second", {"url": "elsewhere.example.com"})
    assert "--registry images|second" in failure(ann, "tags", "base")
    assert "not in the list of allowed registries" in failure(ann, "tags", "base", "-r", "second")
    assert ann.space.list("ImageQuery") == []


def test_nobody_answers_the_command(ann: Ann, operator: Operator) -> None:
    operator.stop()
    seen = ann.run("tags", "base", "--timeout", "1")
    assert (seen.returncode, "did not see the query" in seen.stderr) == (1, True), seen.stderr
    assert ann.space.list("ImageQuery") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_deletes_its_query(ann: Ann, content: ImageRegistry, number: int) -> None:
    content.released.clear()
    command = subprocess.Popen(ann.command("tags", "team/held"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    found = eventually(lambda: ann.space.list("ImageQuery"), what="the command asks nothing")
    ann.space.wait("ImageQuery", found[0]["metadata"]["name"], current)
    command.send_signal(number)
    assert command.wait(20) == 130
    content.released.set()
    assert ann.space.list("ImageQuery") == []
