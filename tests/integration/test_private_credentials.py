"""Private Credentials with the policies of deploy/identity.yaml, a real operator, and people who write."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from outfitter.api.v1alpha1 import kind_of

from .conftest import Stack
from .harness.client import Object, message, stalls
from .harness.logins import acting, stamping
from .harness.space import Space

ANN, BOB = "ann@example.com", "bob"
IMAGE = "registry.example.com/box:1"
MATERIAL = "n0t-t0-be-sh0wn"
SPEC: dict[str, Any] = {
    "image": IMAGE,
    "environmentVariables": [{"name": "TOKEN", "userCredential": {"name": "token", "key": "key"}}],
}


@pytest.fixture(scope="module", autouse=True)
def policies(stack: Stack) -> Iterator[None]:
    with stamping(stack.api):
        yield


def credential(space: Space, user: str) -> None:
    """A private Credential of a user."""
    spec = {"type": "genericSecret", "secretRef": {"name": "source"}, "private": True}
    acting(space, user).make("Credential", "token", spec)


def decoded(secret: Object) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def delivered(space: Space, name: str = "box") -> Object | None:
    """The Secret that a workload got."""
    found = space.list("Secret", labelSelector=f"outfitter.dev/owner-name={name}")
    return found[0] if found else None


def holds(value: str) -> Any:
    return lambda item: item is not None and decoded(item)["key"] == value


def test_a_secret_of_its_own_that_follows_the_source(stack: Stack, space: Space) -> None:
    """It is deleted with its workload. At rest nothing is written, also after a restart of the operator."""
    space.secret("source", key=MATERIAL)
    credential(space, ANN)
    acting(space, ANN).make("Workspace", "box", SPEC)
    item = space.ready("Workspace", "box")
    secret = delivered(space)
    assert secret is not None
    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["uid"], decoded(secret)) == (item["metadata"]["uid"], {"key": MATERIAL})
    read = {"name": secret["metadata"]["name"], "key": "key"}
    before = space.template()
    assert before["containers"][0]["env"] == [{"name": "TOKEN", "valueFrom": {"secretKeyRef": read}}]
    assert space.get("Secret", "cred-token") is None
    status = space.ready("Credential", "token")["status"]
    assert (status["keys"], "secretName" in status) == (["key"], False)
    space.edit("Secret", "source", {"stringData": {"key": "new"}})
    space.wait("Secret", read["name"], holds("new"))
    assert space.need("Secret", read["name"])["metadata"]["uid"] == secret["metadata"]["uid"]
    space.wait("Workspace", "box", lambda item: "Rotated" in str(item["status"].get("outdated")))
    assert space.template() == before
    space.edit("Secret", read["name"], {"stringData": {"key": "foreign"}})
    space.wait("Secret", read["name"], holds("new"))
    stack.operator.quiet()
    since = stack.mark()
    stack.operator.stop()
    stack.operator.start()
    stack.operator.quiet()
    assert [entry.uri for entry in stack.writes(since) if entry.namespace == space.name] == []
    acting(space, ANN).delete("Workspace", "box")
    space.gone("Secret", read["name"])


def test_another_user_is_refused_by_every_way_to_write(space: Space) -> None:
    """A new workload, a change of the spec with forged stamps, a restart afterwards; a scale is harmless."""
    space.secret("source", key=MATERIAL)
    credential(space, ANN)
    acting(space, BOB).make("Workspace", "mine", SPEC)
    told = message(space.wait("Workspace", "mine", stalls("CredentialForbidden")))
    assert f"belongs to user {ANN}" in told
    assert "The author of this Workspace is bob" in told
    assert delivered(space, "mine") is None
    acting(space, ANN).make("Workspace", "box", SPEC)
    space.ready("Workspace", "box")
    before = space.template()
    forged = {"metadata": {"annotations": {"outfitter.dev/updated-by": ANN, "outfitter.dev/created-by": ANN}}}
    acting(space, BOB).edit("Workspace", "box", {**forged, "spec": {"args": "--all"}})
    space.wait("Workspace", "box", stalls("CredentialForbidden"))
    assert space.template() == before
    acting(space, BOB).annotate("Workspace", "box", restartedAt="1")
    space.wait("Workspace", "box", stalls("CredentialForbidden"))
    assert space.template() == before
    space.edit("Secret", "source", {"stringData": {"key": "new"}})
    secret = delivered(space)
    assert secret is not None
    space.wait("Secret", secret["metadata"]["name"], holds("new"))
    acting(space, ANN).spec("Workspace", "box", args="--some")
    space.wait("StatefulSet", "box", lambda item: item and space.template()["containers"][0].get("args") == ["--some"])
    space.ready("Workspace", "box")


def test_a_scale_by_another_user_keeps_the_author(space: Space) -> None:
    space.secret("source", key=MATERIAL)
    credential(space, ANN)
    assert kind_of("Inference").model.SCALE
    acting(space, ANN).make("Inference", "box", {**SPEC, "servingPort": {"container": 8080}, "replicas": 0})
    space.wait("Inference", "box", lambda item: item["status"].get("phase") == "Stopped")
    assert delivered(space) is None
    acting(space, BOB).edit("Inference", "box", {"spec": {"replicas": 1}}, sub="scale")
    space.ready("Inference", "box")
    assert delivered(space) is not None


def test_a_login_of_the_author_only(space: Space) -> None:
    space.secret("source", url="registry.example.com", user="u", password=MATERIAL)
    spec = {"type": "dockerRegistry", "secretRef": {"name": "source"}, "private": True}
    acting(space, ANN).make("Credential", "login", spec)
    space.ready("Credential", "login")
    acting(space, ANN).make("Workspace", "box", {"image": IMAGE})
    acting(space, BOB).make("Workspace", "other", {"image": IMAGE})
    space.ready("Workspace", "box")
    space.ready("Workspace", "other")
    secret = delivered(space)
    assert secret is not None
    assert space.template()["imagePullSecrets"] == [{"name": secret["metadata"]["name"]}]
    assert "imagePullSecrets" not in space.template("other")


def test_the_secrets_go_with_the_credential(space: Space) -> None:
    """An administrator deletes it. Who creates it again gives nothing to what runs."""
    space.secret("source", key=MATERIAL)
    credential(space, ANN)
    acting(space, ANN).make("Workspace", "box", SPEC)
    space.ready("Workspace", "box")
    secret = delivered(space)
    assert secret is not None
    space.annotate("Credential", "token", **{"force-delete": "true"})
    space.delete("Credential", "token")
    space.gone("Secret", secret["metadata"]["name"])
    space.edit("Secret", "source", {"stringData": {"key": "bob's"}})
    credential(space, BOB)
    space.ready("Credential", "token")
    space.wait("Workspace", "box", lambda item: "Replaced" in str(item["status"].get("outdated")))
    assert delivered(space) is None
