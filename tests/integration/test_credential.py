"""Credentials: five types, material that stays secret, rotation, and everything that can be missing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from outfitter.errors import Invalid

from .conftest import Stack
from .harness.client import condition, message, ready, stalls, waits
from .harness.rights import SYSTEM
from .harness.space import Space

MATERIAL = "s3cr3t-m4t3ri4l"


def decoded(secret: dict[str, Any]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


TYPES: list[Any] = [
    pytest.param("accessKey", {}, {"AccessKeyId": "id", "SecretKey": MATERIAL}, "Opaque",
                 {"AccessKeyId": "id", "SecretKey": MATERIAL}, id="accessKey"),
    pytest.param("password", {"Password": "token"}, {"User": "u", "token": MATERIAL}, "Opaque",
                 {"User": "u", "username": "u", "Password": MATERIAL, "password": MATERIAL}, id="password"),
    pytest.param("genericSecret", {}, {"ssh": MATERIAL, "other": "1"}, "Opaque",
                 {"ssh": MATERIAL, "other": "1"}, id="genericSecret"),
    pytest.param("genericSecret", {"ssh": "key"}, {"key": MATERIAL, "other": "1"}, "Opaque",
                 {"ssh": MATERIAL}, id="genericSecret-chosen-keys"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "keys", "given", "type_", "want"), TYPES)
def test_types(space: Space, kind: str, keys: dict[str, str], given: dict[str, str], type_: str, want: Any) -> None:
    space.secret("source", **given)
    space.make(
        "Credential", "mine", {"type": kind, "secretRef": {"name": "source"}, **({"keys": keys} if keys else {})}
    )
    status = space.ready("Credential", "mine")["status"]
    assert status["secretName"] == "cred-mine"
    assert status["targets"] == {"desired": 1, "synced": 1}
    assert status["syncStatus"] == "No issues found"
    copy = space.need("Secret", "cred-mine")
    assert copy["type"] == type_
    assert decoded(copy) == want


def test_docker_registry_is_attached_to_every_workload(space: Space) -> None:
    space.secret("login", url="registry.example.com", user="robot", password=MATERIAL)
    space.make("Credential", "registry", {"type": "dockerRegistry", "secretRef": {"name": "login"}})
    space.ready("Credential", "registry")
    copy = space.need("Secret", "cred-registry")
    assert copy["type"] == "kubernetes.io/dockerconfigjson"
    config = json.loads(decoded(copy)[".dockerconfigjson"])
    auth = base64.b64encode(f"robot:{MATERIAL}".encode()).decode()
    assert config == {"auths": {"registry.example.com": {"username": "robot", "password": MATERIAL, "auth": auth}}}
    space.running()
    assert space.template()["imagePullSecrets"] == [{"name": "cred-registry"}]


def test_material_is_taken_without_what_typing_adds(space: Space) -> None:
    space.secret("login", url="https://registry.example.com/v2/\n", user=" robot\n", password=f"{MATERIAL}\r\n")
    space.make("Credential", "registry", {"type": "dockerRegistry", "secretRef": {"name": "login"}})
    space.ready("Credential", "registry")
    auths = json.loads(decoded(space.need("Secret", "cred-registry"))[".dockerconfigjson"])["auths"]
    assert list(auths) == ["registry.example.com"]
    assert (auths["registry.example.com"]["username"], auths["registry.example.com"]["password"]) == ("robot", MATERIAL)


def test_a_login_that_is_encoded_twice_names_secret_and_key(space: Space) -> None:
    twice = base64.b64encode(b'{"auths": {}}').decode()
    space.secret("login", **{".dockerconfigjson": twice})
    space.make("Credential", "registry", {"type": "dockerRegistry", "secretRef": {"name": "login"}})
    said = message(space.wait("Credential", "registry", stalls("MalformedSecret")))
    assert f"Key .dockerconfigjson of Secret {space.name}/login is encoded in base64 twice." in said
    assert space.get("Secret", "cred-registry") is None
    space.edit("Secret", "login", {"data": {".dockerconfigjson": twice}})
    space.ready("Credential", "registry")


def test_an_immutable_copy_follows_a_rotation(space: Space) -> None:
    space.secret("source", User="u", Password="old")
    space.edit("Secret", "source", {"immutable": True})
    space.make("Credential", "mine", {"type": "password", "secretRef": {"name": "source"}})
    space.ready("Credential", "mine")
    copy = space.need("Secret", "cred-mine")
    assert "immutable" not in copy
    space.edit("Secret", "cred-mine", {"immutable": True})
    space.delete("Secret", "source")
    space.secret("source", User="u", Password="new")
    after = space.wait("Secret", "cred-mine", lambda item: item and decoded(item)["Password"] == "new")
    assert after["metadata"]["uid"] != copy["metadata"]["uid"]
    assert "immutable" not in after
    space.ready("Credential", "mine")


def test_ngc_key_is_a_variable_and_a_pull_secret(space: Space) -> None:
    space.secret("source", token=MATERIAL)
    spec = {"type": "ngcApiKey", "secretRef": {"name": "source"}, "keys": {"NGC_API_KEY": "token"}}
    space.make("Credential", "ngc", spec)
    status = space.ready("Credential", "ngc")["status"]
    assert (status["secretName"], status["pullSecretName"]) == ("cred-ngc", "cred-ngc-pull")
    assert decoded(space.need("Secret", "cred-ngc")) == {"NGC_API_KEY": MATERIAL}
    config = json.loads(decoded(space.need("Secret", "cred-ngc-pull"))[".dockerconfigjson"])
    assert config["auths"]["nvcr.io"]["username"] == "$oauthtoken"
    space.running("own", {"image": "nvcr.io/nvidia/pytorch:1"})
    space.running("other", {"image": "registry.example.com/box:1"})
    assert space.template("own")["imagePullSecrets"] == [{"name": "cred-ngc-pull"}]
    assert "imagePullSecrets" not in space.template("other")


def test_missing_secret_then_missing_key_heal_by_themselves(space: Space) -> None:
    space.make("Credential", "late", {"type": "accessKey", "secretRef": {"name": "source"}})
    said = space.wait("Credential", "late", waits("NotCreated"))
    assert f"{space.name}/source" in message(said)
    assert said["status"]["issues"][0]["issue"] == "NotCreated"
    space.secret("source", AccessKeyId="id")
    said = space.wait("Credential", "late", waits("KeyNotFound"))
    assert "SecretKey" in message(said)
    space.edit("Secret", "source", {"stringData": {"SecretKey": MATERIAL}})
    assert "issues" not in space.ready("Credential", "late")["status"]


def test_a_lost_source_keeps_the_copy(space: Space) -> None:
    space.secret("source", User="u", Password=MATERIAL)
    space.make("Credential", "mine", {"type": "password", "secretRef": {"name": "source"}})
    space.ready("Credential", "mine")
    space.delete("Secret", "source")
    space.wait("Credential", "mine", waits("NotCreated"))
    assert decoded(space.need("Secret", "cred-mine"))["User"] == "u"


def test_rotation_updates_the_copy_in_place_and_marks_users(space: Space) -> None:
    space.secret("source", AccessKeyId="id", SecretKey="old")
    space.make("Credential", "bucket", {"type": "accessKey", "secretRef": {"name": "source"}})
    variable = {"name": "KEY", "credential": {"name": "bucket", "key": "SecretKey"}}
    before = space.running("box", environmentVariables=[variable])
    copy, stateful_set = space.need("Secret", "cred-bucket"), space.need("StatefulSet", "box")
    space.edit("Secret", "source", {"stringData": {"SecretKey": "new"}})
    outdated = space.wait("Workspace", "box", lambda item: item["status"].get("outdated"))["status"]["outdated"]
    assert outdated == [{"kind": "Credential", "namespace": space.name, "name": "bucket", "reason": "Rotated"}]
    after = space.need("Secret", "cred-bucket")
    assert after["metadata"]["uid"] == copy["metadata"]["uid"]
    assert decoded(after)["SecretKey"] == "new"
    assert space.need("StatefulSet", "box")["metadata"]["generation"] == stateful_set["metadata"]["generation"]
    space.annotate("Workspace", "box", restartedAt="2026-11-21T12:00:00Z")
    done = space.wait("Workspace", "box", lambda item: ready(item) and not item["status"].get("outdated"))
    assert done["status"]["revision"] != before["status"]["revision"]


def test_a_copy_that_somebody_edits_or_deletes_is_restored(space: Space) -> None:
    space.secret("source", User="u", Password=MATERIAL)
    space.make("Credential", "mine", {"type": "password", "secretRef": {"name": "source"}})
    space.ready("Credential", "mine")
    wrong = base64.b64encode(b"wrong").decode()
    space.edit("Secret", "cred-mine", {"data": {"User": wrong}})
    space.wait("Secret", "cred-mine", lambda item: item and decoded(item)["User"] == "u")
    old = space.need("Secret", "cred-mine")["metadata"]["uid"]
    space.delete("Secret", "cred-mine")
    space.wait("Secret", "cred-mine", lambda item: item and item["metadata"]["uid"] != old)


def test_what_cannot_change(space: Space) -> None:
    space.make("Credential", "mine", {"type": "password", "secretRef": {"name": "source"}})
    for change in ({"secretRef": {"name": "other"}}, {"type": "accessKey"}, {"keys": {"User": "x"}}):
        with pytest.raises(Invalid, match=r"cannot change|cannot be"):
            space.spec("Credential", "mine", **change)


def test_private_needs_to_know_its_creator(space: Space) -> None:
    space.secret("source", a="b")
    space.make("Credential", "mine", {"type": "genericSecret", "secretRef": {"name": "source"}, "private": True})
    space.wait("Credential", "mine", stalls("NeedsIdentity"))
    assert space.get("Secret", "cred-mine") is None


def test_scopes_reach_exactly_the_projects_in_them(stack: Stack, spaces: Callable[..., Space]) -> None:
    home = Space(stack.api, SYSTEM)
    inside, blocked = spaces(department="research"), spaces(department="research")
    outside, stranger = spaces(department="sales"), spaces(project=False)
    blocked.secret("cred-shared", theirs="1")
    home.secret("source", User="u", Password=MATERIAL)
    scope = {"type": "department", "name": "research"}
    home.make("Credential", "shared", {"scope": scope, "type": "password", "secretRef": {"name": "source"}})
    try:
        # Whoever holds the name keeps it; the others are served.
        said = home.wait("Credential", "shared", lambda item: ready(item) and item["status"].get("issues"))["status"]
        assert said["targets"] == {"desired": 2, "synced": 1}
        assert said["message"] == "1 of 2 projects failed. See issues."
        assert said["syncStatus"] == "Issues found"
        assert [(each["scopeId"], each["issue"]) for each in said["issues"]] == [(blocked.name, "ReplicationError")]
        assert decoded(blocked.need("Secret", "cred-shared")) == {"theirs": "1"}
        blocked.delete("Secret", "cred-shared")
        both = {"desired": 2, "synced": 2}
        assert ready(home.wait("Credential", "shared", lambda item: item["status"]["targets"] == both))
        assert decoded(inside.need("Secret", "cred-shared"))["Password"] == MATERIAL
        assert "ownerReferences" not in inside.need("Secret", "cred-shared")["metadata"]
        assert outside.get("Secret", "cred-shared") is None
        assert stranger.get("Secret", "cred-shared") is None
        # A namespace joins and another leaves.
        outside.label(department="research")
        outside.wait("Secret", "cred-shared", bool)
        inside.label(department=None)
        inside.gone("Secret", "cred-shared")
    finally:
        home.delete("Credential", "shared")
        home.delete("Secret", "source")
    # No ownerReference leads across namespaces: the operator removes the copies itself.
    outside.gone("Secret", "cred-shared")
    blocked.gone("Secret", "cred-shared")


def test_a_wide_scope_counts_only_in_the_system_namespace(space: Space) -> None:
    space.secret("source", User="u", Password=MATERIAL)
    spec = {"scope": {"type": "cluster"}, "type": "password", "secretRef": {"name": "source"}}
    space.make("Credential", "mine", spec)
    said = space.wait("Credential", "mine", stalls("ScopeForbidden"))
    assert said["status"]["syncStatus"] == "Failed"
    assert space.get("Secret", "cred-mine") is None


def test_material_stands_nowhere_but_in_secrets(stack: Stack, space: Space) -> None:
    encoded = base64.b64encode(MATERIAL.encode()).decode()
    since = stack.operator.position()
    space.secret("login", url="registry.example.com", user="robot", password=MATERIAL)
    space.make("Credential", "registry", {"type": "dockerRegistry", "secretRef": {"name": "login"}})
    space.secret("key", key=MATERIAL)
    space.make("Credential", "ngc", {"type": "ngcApiKey", "secretRef": {"name": "key"}})
    # A docker config that is not JSON. The server would quote it in its answer.
    bad = {".dockerconfigjson": f"not json {MATERIAL}"}
    space.secret("bad", **bad)
    space.make("Credential", "bad", {"type": "dockerRegistry", "secretRef": {"name": "bad"}})
    space.wait("Credential", "bad", lambda item: condition(item, "Stalled"))
    space.ready("Credential", "registry")
    space.ready("Credential", "ngc")
    space.running("box", {"image": "nvcr.io/x:1"}, environmentVariables=[
        {"name": "K", "credential": {"name": "ngc", "key": "NGC_API_KEY"}}
    ])  # fmt: skip
    kinds = ("Credential", "Workspace", "StatefulSet", "ControllerRevision", "Event", "Pod", "Service")
    shown = json.dumps([space.list(kind) for kind in kinds])
    shown += json.dumps([each["metadata"] for each in space.list("Secret")]) + stack.operator.said(since)
    assert MATERIAL not in shown
    assert encoded not in shown
