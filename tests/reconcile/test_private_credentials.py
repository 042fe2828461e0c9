"""Private Credentials: the workloads of their creator get a Secret each, and nobody else does."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from itertools import permutations
from typing import Any

import pytest

from stamps import enforce, remove, unstamped, write
from world import SYSTEM, TEAM, Body, World, asset, issues, namespace, reason, secret

ANN, BOB = "ann@example.com", "bob@example.com"
IMAGE = "registry.example.com/lab:1"
VALUE = "n0t-t0-be-sh0wn"


def credential(name: str = "token", where: str = TEAM, **spec: Any) -> Body:
    return asset(
        "Credential", name, {"type": "genericSecret", "secretRef": {"name": "s"}, "private": True, **spec}, where
    )


def login(name: str = "login", where: str = TEAM, **spec: Any) -> Body:
    return credential(name, where, type="dockerRegistry", secretRef={"name": "pull"}, **spec)


def variable(key: str = "key", name: str = "token", source: str = "userCredential") -> Body:
    return {"name": "TOKEN", source: {"name": name, "key": key}}


def workspace(*variables: Body, name: str = "lab", where: str = TEAM, **spec: Any) -> Body:
    return asset("Workspace", name, {"image": IMAGE, "environmentVariables": list(variables), **spec}, where)


def sources(where: str = TEAM, value: str = VALUE) -> list[Body]:
    pull = {"url": "registry.example.com", "user": "u", "password": value}
    return [secret("s", {"key": value}, where), secret("pull", pull, where)]


def delivered(world: World, where: str = TEAM) -> list[Body]:
    """The Secrets that workloads got."""
    return [
        body
        for body in world.all("Secret")
        if body["metadata"]["namespace"] == where
        and (body["metadata"].get("labels") or {}).get("outfitter.dev/owner-uid")
    ]


def pod(world: World, name: str = "lab", kind: str = "StatefulSet", where: str = TEAM) -> Body:
    spec: Body = world.get(kind, name, where)["spec"]["template"]["spec"]
    return spec


def read_by(world: World, variable: str = "TOKEN", **where: str) -> str:
    """The Secret that a variable of the first container reads."""
    (found,) = (item for item in pod(world, **where)["containers"][0]["env"] if item["name"] == variable)
    return str(found["valueFrom"]["secretKeyRef"]["name"])


def value(body: Body, key: str = "key") -> str:
    return base64.b64decode(body["data"][key]).decode()


def text(world: World, kind: str = "Workspace", name: str = "lab", where: str = TEAM) -> str:
    return json.dumps(world.status(kind, name, where).get("issues", []))


@pytest.fixture
def world() -> World:
    world = World(*sources(), *sources(SYSTEM, "shared"))
    enforce(world)
    return world


async def quiet(world: World) -> None:
    """Nothing is written at rest, also after a restart of the operator."""
    await world.settle()
    writes = len(world.cluster.writes)
    await world.restart()
    await world.settle()
    assert world.writes(writes) == []


async def test_the_workload_of_the_creator_gets_a_secret_of_its_own(world: World) -> None:
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    (found,) = delivered(world)
    owner = world.get("Workspace", "lab")["metadata"]["uid"]
    assert [ref["uid"] for ref in found["metadata"]["ownerReferences"]] == [owner]
    assert (read_by(world), value(found)) == (found["metadata"]["name"], VALUE)
    assert world.find("Secret", "cred-token") is None
    assert reason(world.status("Workspace", "lab")) == "Running"
    status = world.status("Credential", "token")
    assert (reason(status), status["targets"], status["keys"]) == ("Synced", {"desired": 0, "synced": 0}, ["key"])
    assert "secretName" not in status
    assert [item["name"] for item in status["usedBy"]["workspaces"]] == ["lab"]
    assert "outdated" not in world.status("Workspace", "lab")
    await quiet(world)


async def test_material_is_nowhere_but_in_the_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    encoded = base64.b64encode(VALUE.encode()).decode()
    for body in world.cluster.objects():
        if body["kind"] != "Secret":
            assert VALUE not in json.dumps(body)
            assert encoded not in json.dumps(body)
    assert VALUE not in caplog.text + json.dumps(world.cluster.events)
    assert encoded not in caplog.text


async def test_a_rotation_changes_the_secret_in_place(world: World) -> None:
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    (before,) = delivered(world)
    template, revision = pod(world), world.status("Workspace", "lab")["revision"]
    world.cluster.user_apply(secret("s", {"key": "new"}))
    await world.settle()
    (after,) = delivered(world)
    assert (value(after), after["metadata"]["uid"]) == ("new", before["metadata"]["uid"])
    assert (pod(world), world.status("Workspace", "lab")["revision"]) == (template, revision)
    assert [item["reason"] for item in world.status("Workspace", "lab")["outdated"]] == ["Rotated"]
    await quiet(world)


async def test_an_immutable_copy_does_not_block_a_rotation(world: World) -> None:
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    (before,) = delivered(world)
    world.cluster.user_apply({**before, "immutable": True})
    world.cluster.user_apply(secret("s", {"key": "new"}))
    await world.settle()
    (after,) = delivered(world)
    assert (value(after), after["metadata"]["name"]) == ("new", before["metadata"]["name"])


@pytest.mark.parametrize("gone", ["credential", "field", "workload"])
async def test_the_secret_goes(world: World, gone: str) -> None:
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    if gone == "credential":
        world.cluster.user_delete("Credential", TEAM, "token")
    elif gone == "field":
        write(world, ANN, workspace())
    else:
        world.cluster.user_delete("Workspace", TEAM, "lab")
    await world.settle()
    await world.orphan_collector.collect()
    assert delivered(world) == []


REFERENCES = {
    "userCredential": {"environmentVariables": [variable()]},
    "credential": {"environmentVariables": [variable(source="credential")]},
    "credential-of-a-scope": {
        "environmentVariables": [{"name": "TOKEN", "credential": {"name": "token", "key": "key", "scope": "project"}}]
    },
    "imagePullSecrets": {"imagePullSecrets": [{"name": "login", "userCredential": True}]},
    "DataSource": {"assets": {"dataSources": [{"name": "keys"}]}},
    "Environment": {"assets": {"environment": {"name": "env"}}},
    "WorkloadTemplate": {"template": {"name": "template"}},
}


def referring(name: str) -> Body:
    spec = {"image": IMAGE, **REFERENCES[name]}
    if name in ("Environment", "WorkloadTemplate"):
        spec.pop("image")
    return asset("Workspace", "lab", spec)


def assets() -> list[Body]:
    mount = {"secretVolume": {"credential": {"name": "token"}, "mountPath": "/keys"}}
    env = {"image": IMAGE, "environmentVariables": [variable(source="credential")]}
    template = {"workloadType": "workspace", "image": IMAGE, "environmentVariables": [variable()]}
    return [
        asset("DataSource", "keys", mount),
        asset("Environment", "env", env),
        asset("WorkloadTemplate", "template", template),
    ]


@pytest.mark.parametrize("reference", REFERENCES)
async def test_every_reference_works_for_the_author_alone(world: World, reference: str) -> None:
    """Assets of another user resolve for the author of the workload."""
    for item in assets():
        write(world, BOB, item)
    write(world, ANN, credential())
    write(world, ANN, login())
    write(world, ANN, referring(reference))
    await world.settle()
    assert reason(world.status("Workspace", "lab")) == "Running"
    names = {item["metadata"]["name"] for item in delivered(world)}
    used = json.dumps(pod(world))
    # The login of the author is attached to all of their workloads.
    assert len(names) == (1 if reference == "imagePullSecrets" else 2)
    assert all(name in used for name in names)
    assert "cred-token" not in {item["metadata"]["name"] for item in world.all("Secret")}
    world.cluster.user_delete("Workspace", TEAM, "lab")
    await world.settle()
    write(world, BOB, referring(reference))
    await world.settle()
    assert issues(world.status("Workspace", "lab"))[0] == "CredentialForbidden"
    assert ANN in text(world)
    assert world.find("StatefulSet", "lab") is None
    assert delivered(world) == []


@pytest.mark.parametrize("reference", REFERENCES)
async def test_without_the_policy_nothing_private_works(reference: str) -> None:
    world = World(*sources(), *assets(), credential(), login(), referring(reference))
    await world.settle()
    status = world.status("Workspace", "lab")
    assert issues(status)[0] == "NeedsIdentity"
    assert "identity.enabled" in text(world)
    assert reason(world.status("Credential", "token")) == "NeedsIdentity"
    assert delivered(world) == []
    assert world.find("StatefulSet", "lab") is None


async def test_a_login_is_attached_to_the_workloads_of_its_creator_only(world: World) -> None:
    write(world, ANN, login())
    write(world, ANN, workspace())
    write(world, BOB, workspace(name="other"))
    await world.settle()
    (found,) = delivered(world)
    assert found["type"] == "kubernetes.io/dockerconfigjson"
    assert pod(world)["imagePullSecrets"] == [{"name": found["metadata"]["name"]}]
    assert "imagePullSecrets" not in pod(world, "other")
    used = world.status("Credential", "login")["usedBy"]
    assert (used["total"], [item["name"] for item in used["workspaces"]]) == (1, ["lab"])


async def test_a_shared_private_credential_serves_its_owner_in_all_projects(world: World) -> None:
    world.cluster.user_apply(namespace("team-b"))
    write(world, ANN, credential(where=SYSTEM, scope={"type": "cluster"}))
    write(world, ANN, workspace(variable()))
    write(world, ANN, workspace(variable(), where="team-b"))
    write(world, BOB, workspace(variable(), name="other"))
    await world.settle()
    for where in (TEAM, "team-b"):
        (found,) = delivered(world, where)
        assert value(found) == "shared"
    assert delivered(world, SYSTEM) == []
    assert issues(world.status("Workspace", "other"))[0] == "CredentialForbidden"
    assert ANN not in text(world, name="other"), "the creator of what is in another namespace stays unnamed"
    world.cluster.user_apply(namespace("team-b", {}))
    await world.settle()
    assert delivered(world, "team-b") == [], "it left the scope"


@pytest.mark.parametrize("source", ["userCredential", "credential"])
async def test_two_owners_of_one_name(world: World, source: str) -> None:
    """In two namespaces: each gets the own one, and the private one hides nothing from others."""
    write(world, ANN, credential())
    write(world, BOB, credential(where=SYSTEM, scope={"type": "cluster"}))
    write(world, ANN, workspace(variable(source=source)))
    write(world, BOB, workspace(variable(source=source), name="other"))
    await world.settle()
    held = {item["metadata"]["labels"]["outfitter.dev/owner-name"]: value(item) for item in delivered(world)}
    assert held == {"lab": VALUE, "other": "shared"}


async def test_a_private_credential_does_not_replace_a_shared_one_for_others(world: World) -> None:
    write(world, ANN, credential())
    write(world, BOB, credential(where=SYSTEM, scope={"type": "cluster"}, private=False))
    write(world, BOB, workspace(variable(source="credential"), name="other"))
    write(world, ANN, workspace(variable(source="credential")))
    await world.settle()
    assert read_by(world, name="other") == "cred-token"
    assert value(world.get("Secret", "cred-token")) == "shared"
    assert read_by(world) != "cred-token"


async def test_user_credential_names_private_ones_only(world: World) -> None:
    write(world, ANN, credential(private=False))
    write(world, ANN, workspace(variable()))
    await world.settle()
    assert issues(world.status("Workspace", "lab")) == ["CredentialForbidden"]
    assert "is not private" in text(world)
    write(world, ANN, workspace(variable(name="nowhere")))
    await world.settle()
    assert issues(world.status("Workspace", "lab")) == ["ReferenceNotFound"]


async def test_user_credential_reaches_no_secret_of_that_name(world: World) -> None:
    spec = {"imagePullSecrets": [{"name": "pull", "userCredential": True}]}
    write(world, BOB, workspace(variable(name="s"), **spec))
    await world.settle()
    assert issues(world.status("Workspace", "lab")) == ["ReferenceNotFound", "ReferenceNotFound"]
    assert world.find("StatefulSet", "lab") is None


async def test_a_missing_key_or_secret_is_told(world: World) -> None:
    write(world, ANN, credential(secretRef={"name": "later"}))
    write(world, ANN, workspace(variable()))
    await world.settle()
    assert issues(world.status("Workspace", "lab")) == ["CredentialNotReady"]
    world.cluster.user_apply(secret("later", {"other": "x"}))
    await world.settle()
    assert issues(world.status("Workspace", "lab")) == ["KeyNotFound"]
    world.cluster.user_apply(secret("later", {"key": "x"}))
    await world.settle()
    assert reason(world.status("Workspace", "lab")) == "Running"
    assert value(delivered(world)[0]) == "x"


async def test_the_edit_of_another_user_is_refused_and_the_workload_runs_on(world: World) -> None:
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    before = pod(world)
    write(world, BOB, workspace(variable(), args="--all"))
    await world.settle()
    assert issues(world.status("Workspace", "lab"))[0] == "CredentialForbidden"
    assert pod(world) == before
    world.cluster.user_apply(secret("s", {"key": "new"}))
    await world.settle()
    assert [value(item) for item in delivered(world)] == ["new"], "the running revision follows the rotation"
    await quiet(world)
    write(world, ANN, workspace(variable(), args="--some"))
    await world.settle()
    assert pod(world)["containers"][0]["args"] == ["--some"]
    assert reason(world.status("Workspace", "lab")) == "Running"


async def test_a_restart_keeps_the_author(world: World) -> None:
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    before = world.status("Workspace", "lab")["revision"]
    world.annotate("Workspace", "lab", restartedAt="2026-01-01T00:00:00Z")
    await world.settle()
    assert world.status("Workspace", "lab")["revision"] != before
    assert reason(world.status("Workspace", "lab")) == "Running"


async def test_a_restart_after_the_description_by_another_user(world: World) -> None:
    """Who describes a workload does not become its author."""
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    write(world, BOB, workspace(variable(), description="mine now"))
    await world.settle()
    world.annotate("Workspace", "lab", restartedAt="2026-01-01T00:00:00Z")
    await world.settle()
    assert reason(world.status("Workspace", "lab")) == "Running"
    status = world.status("Workspace", "lab")
    assert (status["updatedBy"], status["author"]) == (BOB, ANN)


async def test_a_start_by_another_user(world: World) -> None:
    """An operator of the team, or a tool that stops what is idle, starts it again: it is still Ann's."""
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    write(world, BOB, workspace(variable(), suspend=True))
    await world.settle()
    write(world, BOB, workspace(variable(), suspend=False))
    await world.settle()
    assert world.get("StatefulSet", "lab")["spec"]["replicas"] == 1
    assert reason(world.status("Workspace", "lab")) == "Running"


STEALS = {"args": "--steal"}


async def _created_stopped(world: World) -> None:
    write(world, BOB, workspace(variable(), suspend=True, **STEALS))
    await world.settle()
    write(world, ANN, workspace(variable(), suspend=False, **STEALS))


async def _refused_then_described(world: World) -> None:
    write(world, BOB, workspace(variable(), **STEALS))
    await world.settle()
    write(world, ANN, workspace(variable(), description="seen", **STEALS))


async def _stopped_and_changed(world: World) -> None:
    write(world, ANN, workspace(variable(), suspend=True))
    await world.settle()
    write(world, BOB, workspace(variable(), suspend=True, **STEALS))
    await world.settle()
    write(world, ANN, workspace(variable(), suspend=False, **STEALS))


async def _changed_while_it_runs(world: World) -> None:
    write(world, ANN, workspace(variable()))
    await world.settle()
    write(world, BOB, workspace(variable(), **STEALS))
    await world.settle()
    write(world, ANN, workspace(variable(), description="seen", **STEALS))


async def _older_than_the_policies(world: World) -> None:
    remove(world)
    unstamped(world, workspace(variable(), **STEALS))
    await world.settle()
    enforce(world, "binding-2")
    write(world, ANN, {**workspace(variable(), description="seen", **STEALS)})


@pytest.mark.parametrize(
    "way", [_created_stopped, _refused_then_described, _stopped_and_changed, _changed_while_it_runs,
            _older_than_the_policies],
)  # fmt: skip
async def test_the_owner_touches_what_another_user_wrote(world: World, way: Callable[[World], Awaitable[None]]) -> None:
    """Who starts or describes it does not give his Credential to the commands of the other user."""
    write(world, ANN, credential())
    await way(world)
    await world.settle()
    pods = [item["spec"]["template"]["spec"]["containers"][0] for item in world.all("StatefulSet")]
    assert not [pod for pod in pods if pod.get("args") == ["--steal"]]
    assert issues(world.status("Workspace", "lab"))[0] in ("CredentialForbidden", "IdentityMissing")


async def test_the_owner_touches_the_workload_of_another_user(world: World) -> None:
    """Who only describes a workload does not give his Credential to its commands, at a restart by the other user."""
    write(world, ANN, credential())
    write(world, BOB, workspace())
    await world.settle()
    defaults = {"environmentVariables": {"instances": [variable()]}}
    write(world, "admin", asset("WorkloadPolicy", "all", {"workloadType": "workspace", "defaults": defaults}))
    write(world, ANN, workspace(description="looks good"))
    await world.settle()
    world.annotate("Workspace", "lab", restartedAt="2026-01-01T00:00:00Z")
    await world.settle()
    assert issues(world.status("Workspace", "lab"))[0] == "CredentialForbidden"
    assert BOB in text(world)
    assert delivered(world) == []


async def test_a_scale_keeps_the_author(world: World) -> None:
    """Somebody's `kubectl scale`, or an autoscaler: the API server leaves the stamps."""
    spec = {"image": IMAGE, "servingPort": {"container": 8080}, "environmentVariables": [variable()]}
    write(world, ANN, credential())
    write(world, ANN, asset("Inference", "server", spec))
    await world.settle()
    world.cluster.user_apply(asset("Inference", "server", {"replicas": 3}), "scaler")
    await world.settle()
    assert world.get("Deployment", "server")["spec"]["replicas"] == 3
    assert len(delivered(world)) == 1
    world.annotate("Inference", "server", restartedAt="2026-01-01T00:00:00Z")
    await world.settle()
    assert reason(world.status("Inference", "server")) == "Running"


async def test_the_owner_leaves(world: World) -> None:
    """What runs goes on; an administrator deletes the Credential, and the Secrets go."""
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    write(world, "admin", credential(description="of ann, who left"))
    await world.settle()
    assert reason(world.status("Credential", "token")) == "Synced"
    write(world, "admin", workspace(variable(), args="--all"))
    await world.settle()
    assert issues(world.status("Workspace", "lab"))[0] == "CredentialForbidden"
    assert len(delivered(world)) == 1
    world.cluster.user_delete("Credential", TEAM, "token")
    await world.settle()
    assert delivered(world) == []


@pytest.mark.parametrize("again", [ANN, BOB])
async def test_a_credential_that_is_created_again_is_another_one(world: World, again: str) -> None:
    """A running revision never gets its content; the next one of its creator does."""
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    world.cluster.user_delete("Credential", TEAM, "token")
    write(world, again, credential())
    await world.settle()
    assert delivered(world) == []
    assert [item["reason"] for item in world.status("Workspace", "lab")["outdated"]] == ["Replaced"]
    write(world, again, workspace(variable(), args="--all"))
    await world.settle()
    assert reason(world.status("Workspace", "lab")) == "Running"
    assert read_by(world) == delivered(world)[0]["metadata"]["name"]


@pytest.mark.parametrize("change", ["labels", "owners", "content"])
async def test_a_changed_secret_is_repaired(world: World, change: str) -> None:
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    (before,) = delivered(world)
    meta = dict(before["metadata"])
    changed = dict(before)
    if change == "labels":
        meta["labels"] = {**meta["labels"], "outfitter.dev/owner-name": "other"}
    elif change == "owners":
        meta["ownerReferences"] = []
    else:
        changed["data"] = {"key": "eA=="}
    world.cluster.user_replace({**changed, "metadata": meta})
    await world.settle()
    (after,) = delivered(world)
    for field in ("labels", "ownerReferences"):
        assert after["metadata"][field] == before["metadata"][field]
    assert value(after) == VALUE


async def test_a_foreign_secret_of_that_name_is_neither_used_nor_changed(world: World) -> None:
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    name = delivered(world)[0]["metadata"]["name"]
    write(world, ANN, workspace())
    await world.settle()
    world.cluster.user_apply(secret(name, {"key": "evil"}))
    write(world, ANN, workspace(variable()))
    await world.settle()
    assert value(world.get("Secret", name)) == "evil"
    assert issues(world.status("Workspace", "lab")) == ["CredentialNotReady"]
    assert "env" not in pod(world)["containers"][0]
    world.cluster.user_delete("Secret", TEAM, name)
    await world.settle()
    assert value(world.get("Secret", name)) == VALUE


async def test_a_workload_of_another_user_takes_the_name(world: World) -> None:
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    world.cluster.user_delete("Workspace", TEAM, "lab")
    write(world, BOB, workspace(variable()))
    await world.settle()
    await world.orphan_collector.collect()
    assert issues(world.status("Workspace", "lab"))[0] == "CredentialForbidden"
    assert world.find("StatefulSet", "lab") is None
    assert delivered(world) == []


async def test_a_credential_from_before_the_policy(world: World) -> None:
    """Its creator is not known. It has to be created again."""
    remove(world)
    unstamped(world, credential())
    await world.settle()
    enforce(world, "binding-2")
    write(world, ANN, workspace(variable()))
    await world.settle()
    assert reason(world.status("Credential", "token")) == "IdentityMissing"
    assert issues(world.status("Workspace", "lab")) == ["IdentityMissing"]
    assert "Create the Credential again" in text(world)


async def test_a_workload_from_before_the_policy(world: World) -> None:
    """Its author is not known until its spec is written."""
    write(world, ANN, credential())
    unstamped(world, workspace(variable()))
    await world.settle()
    assert issues(world.status("Workspace", "lab")) == ["IdentityMissing"]
    write(world, ANN, workspace(variable(), args="--all"))
    await world.settle()
    assert reason(world.status("Workspace", "lab")) == "Running"


async def test_the_policy_is_removed(world: World) -> None:
    """What runs goes on, with rotations; nothing new starts."""
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    remove(world)
    world.cluster.user_apply(secret("s", {"key": "new"}))
    await world.settle()
    assert [value(item) for item in delivered(world)] == ["new"]
    assert reason(world.status("Credential", "token")) == "NeedsIdentity"
    unstamped(world, workspace(variable(), name="other"))
    await world.settle()
    assert issues(world.status("Workspace", "other")) == ["NeedsIdentity"]


@pytest.mark.parametrize("kind", ["Environment", "Artifact"])
async def test_a_definition_that_runs_has_its_own_author(world: World, kind: str) -> None:
    write(world, ANN, credential())
    if kind == "Environment":
        spec: Body = {"image": IMAGE, "run": {"environmentVariables": [variable()]}}
    else:
        named = {"name": "TOKEN", "source": "credential", "credential": {"name": "token", "key": "key"}}
        container = {"imageUri": IMAGE, "port": 8080, "environmentVars": [named]}
        spec = {"containerGroups": [{"containers": [container]}], "run": {}}
    write(world, ANN, asset(kind, "lab", spec))
    await world.settle()
    controller = "StatefulSet" if kind == "Environment" else "Deployment"
    assert read_by(world, kind=controller) == delivered(world)[0]["metadata"]["name"]
    write(world, ANN, asset(kind, "lab", {name: value for name, value in spec.items() if name != "run"}))
    await world.settle()
    assert delivered(world) == []


async def test_names_are_never_those_of_another_workload(world: World) -> None:
    write(world, ANN, credential("c"))
    write(world, ANN, credential("b-c"))
    write(world, ANN, workspace(variable(name="c"), name="a-b"))
    write(world, ANN, workspace(variable(name="b-c"), name="a"))
    spec = {"image": IMAGE, "servingPort": {"container": 8080}, "environmentVariables": [variable(name="b-c")]}
    write(world, ANN, asset("Inference", "a2", spec))
    await world.settle()
    names = [item["metadata"]["name"] for item in delivered(world)]
    assert len(set(names)) == len(names) == 3


async def test_a_shared_download_gets_no_private_credential(world: World) -> None:
    write(world, ANN, credential())
    spec = {
        "image": "nvcr.io/nim/m:1",
        "size": "1Gi",
        "environmentVariables": [{"name": "NGC_API_KEY", "credential": {"name": "token", "key": "key"}}],
    }
    write(world, ANN, asset("NimCache", "cache", spec))
    await world.settle()
    assert "CredentialForbidden" in issues(world.status("NimCache", "cache"))
    assert world.all("Job") == []


async def test_a_cache_on_demand_takes_no_private_key(world: World) -> None:
    write(world, ANN, credential())
    named = {"name": "NGC_API_KEY", "source": "credential", "credential": {"name": "token", "key": "key"}}
    container = {"imageUri": "nvcr.io/nim/m:1", "port": 8000, "environmentVars": [named]}
    groups = [{"containers": [container]}]
    spec = {"type": "nim", "containerGroups": groups, "storage": {"mode": "nimCache"}}
    write(world, ANN, asset("Artifact", "nim", spec))
    write(world, ANN, asset("Inference", "server", {"artifact": {"name": "nim"}}))
    for kind, name in (("Credential", "token"), ("Artifact", "nim"), ("Inference", "server")):
        await world.once(kind, name)
    assert "CredentialForbidden" in issues(world.status("Inference", "server"))
    await world.settle()
    (cache,) = world.all("NimCache")
    assert "token" not in json.dumps(cache["spec"])
    assert reason(world.status("Inference", "server")) == "Running"
    assert (
        read_by(world, name="server", kind="Deployment", variable="NGC_API_KEY")
        == delivered(world)[0]["metadata"]["name"]
    )


async def test_a_refused_workload_is_no_user(world: World) -> None:
    """To name a Credential of somebody else does not block its deletion."""
    write(world, ANN, credential())
    write(world, BOB, workspace(variable(), variable(source="credential") | {"name": "TOO"}))
    await world.settle()
    assert world.status("Credential", "token")["usedBy"]["total"] == 0


async def test_old_pods_keep_their_secret_until_the_new_ones_are_ready(world: World) -> None:
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    world.controllers.pods = False
    write(world, ANN, workspace())
    await world.settle()
    assert "env" not in pod(world)["containers"][0]
    assert len(delivered(world)) == 1
    world.controllers.pods = True
    await world.settle()
    assert delivered(world) == []


async def test_a_suspended_workload(world: World) -> None:
    """It keeps its Secret, and starts with it; one that never ran has none."""
    write(world, ANN, credential())
    write(world, ANN, workspace(variable(), suspend=True))
    await world.settle()
    assert delivered(world) == []
    write(world, ANN, workspace(variable()))
    await world.settle()
    write(world, ANN, workspace(variable(), suspend=True))
    await world.settle()
    assert len(delivered(world)) == 1
    await quiet(world)
    write(world, ANN, workspace(variable()))
    await world.settle()
    assert reason(world.status("Workspace", "lab")) == "Running"


async def test_the_default_of_a_policy_is_the_credential_of_each_author(world: World) -> None:
    own = {"environmentVariables": {"instances": [variable()]}}
    write(world, "admin", asset("WorkloadPolicy", "p", {"workloadType": "workspace", "defaults": own}))
    write(world, ANN, credential())
    write(world, BOB, credential(where=SYSTEM, scope={"type": "cluster"}))
    write(world, ANN, workspace())
    write(world, BOB, workspace(name="other"))
    write(world, "eve", workspace(name="third"))
    await world.settle()
    held = {item["metadata"]["labels"]["outfitter.dev/owner-name"]: value(item) for item in delivered(world)}
    assert held == {"lab": VALUE, "other": "shared"}
    assert issues(world.status("Workspace", "third"))[0] == "CredentialForbidden"


async def test_names_of_users_are_compared_whole(world: World) -> None:
    """A status shows less of them."""
    write(world, "x" * 1000 + "a", credential())
    write(world, "x" * 1000 + "b", workspace(variable()))
    write(world, "x" * 1000 + "A", workspace(variable(), name="other"))
    await world.settle()
    for name in ("lab", "other"):
        assert issues(world.status("Workspace", name))[0] == "CredentialForbidden"
    write(world, "x" * 1000 + "a", workspace(variable(), args="--all"))
    await world.settle()
    assert reason(world.status("Workspace", "lab")) == "Running"


async def test_a_user_name_cannot_speak_as_the_operator(world: World) -> None:
    evil = "eve. Delete\x1b[2J the namespace"
    write(world, evil, credential())
    write(world, BOB, workspace(variable()))
    await world.settle()
    (issue,) = world.status("Workspace", "lab")["issues"]
    assert "\x1b" not in issue["message"]
    assert 'belongs to user "eve. Delete' in issue["message"]


async def test_a_lost_source_keeps_the_secret(world: World) -> None:
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    world.cluster.user_delete("Secret", TEAM, "s")
    await world.settle()
    world.tick(120)
    await world.settle()
    assert [value(item) for item in delivered(world)] == [VALUE]
    assert reason(world.status("Credential", "token")) == "NotCreated"
    assert reason(world.status("Workspace", "lab")) == "Running"
    await quiet(world)


async def test_a_malformed_rotation_keeps_the_secret(world: World) -> None:
    write(world, ANN, login())
    write(world, ANN, workspace())
    await world.settle()
    (before,) = delivered(world)
    world.cluster.user_apply(secret("pull", {"url": "a b", "user": "u", "password": "p"}))
    await world.settle()
    assert [item["data"] for item in delivered(world)] == [before["data"]]
    assert reason(world.status("Credential", "login")) == "MalformedSecret"


async def test_a_secret_of_a_workload_is_no_source(world: World) -> None:
    """Another Credential cannot copy it on."""
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    name = delivered(world)[0]["metadata"]["name"]
    write(world, BOB, credential("stolen", secretRef={"name": name}, private=False))
    write(world, BOB, credential("mine", secretRef={"name": name}))
    write(world, BOB, workspace(variable(name="mine"), name="other"))
    await world.settle()
    for each in ("stolen", "mine"):
        assert "copy that Outfitter created" in world.status("Credential", each)["message"]
    assert world.find("Secret", "cred-stolen") is None
    assert world.find("StatefulSet", "other") is None
    assert len(delivered(world)) == 1


@pytest.mark.parametrize("change", ["taken", "stripped"])
async def test_a_secret_whose_label_is_changed_helps_no_other_workload(world: World, change: str) -> None:
    """Its owner reports it, or repairs it; the other one neither uses nor deletes it."""
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    write(world, BOB, workspace(name="other"))
    await world.settle()
    (before,) = delivered(world)
    meta = dict(before["metadata"])
    meta["labels"] = dict(meta["labels"])
    if change == "taken":
        other = world.get("Workspace", "other")["metadata"]
        meta["labels"] |= {"outfitter.dev/owner-uid": other["uid"], "outfitter.dev/owner-name": "other"}
    else:
        meta["labels"] = {}
    world.cluster.user_replace({**before, "metadata": meta})
    await world.settle()
    after = world.get("Secret", meta["name"])
    assert value(after) == VALUE
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    if change == "taken":
        assert after["metadata"]["labels"] == before["metadata"]["labels"]
    else:
        assert "NameTaken" in issues(world.status("Workspace", "lab"))


async def test_a_paused_workload_changes_nothing(world: World) -> None:
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    world.annotate("Workspace", "lab", reconcile="disabled")
    world.cluster.user_apply(secret("s", {"key": "new"}))
    await world.settle()
    assert [value(item) for item in delivered(world)] == [VALUE]


async def test_an_autoscaler_changes_no_author(world: World) -> None:
    scaling = {"minReplicas": 1, "maxReplicas": 3, "metric": "cpu", "metricThreshold": 50}
    served = {"image": IMAGE, "servingPort": {"container": 8080}, "compute": {"cpuCoreRequest": 1}}
    spec = {**served, "environmentVariables": [variable()]}
    write(world, ANN, credential())
    write(world, ANN, asset("Inference", "server", {**spec, "autoscaling": scaling}))
    await world.settle()
    assert len(world.all("HorizontalPodAutoscaler")) == len(delivered(world)) == 1
    write(world, BOB, asset("Inference", "server", {**spec, "autoscaling": {**scaling, "maxReplicas": 5}}))
    await world.settle()
    assert reason(world.status("Inference", "server")) == "Running", "it makes no new pods"
    assert len(delivered(world)) == 1


async def test_labels_of_the_credential(world: World) -> None:
    """Admission policies may demand them of Secrets."""
    write(world, ANN, credential(labels=[{"name": "team", "value": "a"}]))
    write(world, ANN, workspace(variable()))
    await world.settle()
    assert delivered(world)[0]["metadata"]["labels"]["team"] == "a"


async def test_the_longest_names(world: World) -> None:
    name = "c" * 253
    write(world, ANN, credential(name))
    write(world, ANN, workspace(variable(name=name), name="w" * 52))
    await world.settle()
    (found,) = delivered(world)
    assert len(found["metadata"]["name"]) <= 253
    assert reason(world.status("Workspace", "w" * 52)) == "Running"


async def test_a_login_that_comes_later_reaches_a_pod_that_cannot_pull() -> None:
    """As for a login that is not private."""
    world = World(*sources(), pod_objects=True)
    enforce(world)
    write(world, ANN, workspace())
    await world.settle()
    waiting = {"name": "main", "image": IMAGE, "ready": False, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    for body in world.all("Pod"):
        status = {**body["status"], "containerStatuses": [waiting]}
        world.cluster.user_replace({**body, "status": status})
    write(world, BOB, login("of-bob"))
    write(world, ANN, login())
    await world.settle()
    (found,) = delivered(world)
    assert pod(world)["imagePullSecrets"] == [{"name": found["metadata"]["name"]}]


@pytest.mark.parametrize("order", range(6))
async def test_any_order_of_arrival(order: int) -> None:
    world = World()
    enforce(world)
    await world.settle()
    arrivals = [
        lambda: world.cluster.user_apply(sources()[0]),
        lambda: write(world, ANN, credential()),
        lambda: write(world, ANN, workspace(variable())),
    ]
    for arrive in list(permutations(arrivals))[order]:
        arrive()
        await world.settle()
    assert reason(world.status("Workspace", "lab")) == "Running"
    assert [value(item) for item in delivered(world)] == [VALUE]


async def test_the_policy_is_installed_again(world: World) -> None:
    """The status remembers who wrote what; forged stamps of the time between count for nothing."""
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    remove(world)
    await world.settle()
    forged = world.get("Credential", "token")["metadata"]["annotations"]
    body = credential("forged")
    unstamped(world, {**body, "metadata": {**body["metadata"], "annotations": forged}})
    unstamped(world, asset("Workspace", "other", workspace(variable())["spec"], annotations=forged))
    await world.settle()
    enforce(world, "another")
    world.annotate("Workspace", "lab", restartedAt="2026-01-01T00:00:00Z")
    await world.settle()
    assert reason(world.status("Workspace", "lab")) == "Running"
    assert reason(world.status("Credential", "token")) == "Synced"
    assert reason(world.status("Credential", "forged")) == "IdentityMissing"
    assert issues(world.status("Workspace", "other")) == ["IdentityMissing"]


async def test_a_pull_secret_needs_a_login(world: World) -> None:
    write(world, ANN, credential())
    write(world, ANN, workspace(imagePullSecrets=[{"name": "token", "userCredential": True}]))
    await world.settle()
    assert issues(world.status("Workspace", "lab")) == ["ReferenceInvalid"]
    assert "has type genericSecret, which holds no login" in text(world)


async def test_a_policy_that_changes_every_secret(world: World) -> None:
    """A key that it adds stays; a value that it changes is reported. Neither is written without end."""

    def admit(body: Body) -> Body:
        if not body["metadata"]["name"].startswith("lab-cred-"):
            return body
        return {**body, "data": {**body["data"], "key": "eA==", "added": "eA=="}}

    world.cluster.admission = admit
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    before = len(world.cluster.writes)
    for _ in range(3):
        await world.step()
    assert len(world.cluster.writes) == before < 30
    assert "FieldOverridden" in issues(world.status("Workspace", "lab"))
    assert reason(world.status("Workspace", "lab")) == "Running"


def _names_it(way: str, secret: str) -> Body:
    """What a workload gives to name a Secret."""
    return {
        "variable": {"environmentVariables": [{"name": "A", "secret": {"name": secret, "key": "key"}}]},
        "volume": {"storage": {"secretVolume": [{"secret": secret, "mountPath": "/s"}]}},
        "pull secret": {"imagePullSecrets": [{"name": secret}]},
    }[way]


@pytest.mark.parametrize("way", ["variable", "volume", "pull secret"])
async def test_another_workload_names_the_secret_that_was_delivered(world: World, way: str) -> None:
    """Its name can be read in the pod template. By itself, the workload of the owner may name it."""
    write(world, ANN, credential())
    write(world, ANN, workspace(variable()))
    await world.settle()
    (found,) = delivered(world)
    stolen = {"image": IMAGE, **_names_it(way, found["metadata"]["name"])}
    write(world, BOB, asset("Workspace", "thief", stolen))
    await world.settle()
    assert issues(world.status("Workspace", "thief"))[0] == "CredentialForbidden"
    assert "for Workspace lab alone" in text(world, name="thief")
    assert [item["metadata"]["name"] for item in world.all("StatefulSet")] == ["lab"]


@pytest.mark.parametrize("both", [False, True])
async def test_master_and_workers_read_one_secret(world: World, both: bool) -> None:
    """A distributed training gets one, whichever of its pods names the Credential. It goes with its end."""
    world.controllers.jobs = "Running"
    fields = {"image": IMAGE, "distributedFramework": "PyTorch", "backend": "native"}
    workers = {"environmentVariables": [variable()]} if both else {}
    master = {"image": IMAGE, "args": "--first", "environmentVariables": [variable()]}
    write(world, ANN, credential())
    write(world, ANN, asset("DistributedTraining", "many", {**fields, **workers, "masterSpec": master}))
    await world.settle()
    (made,) = delivered(world)
    assert value(made) == VALUE
    assert read_by(world, name="many-master", kind="Job") == made["metadata"]["name"]
    of_worker = pod(world, "many-worker-0", "Job")["containers"][0]["env"]
    names = [item["valueFrom"]["secretKeyRef"]["name"] for item in of_worker if item["name"] == "TOKEN"]
    assert names == ([made["metadata"]["name"]] if both else [])
    assert world.status("DistributedTraining", "many")["phase"] == "Running"
    await quiet(world)
    world.controllers.jobs = "Complete"
    await world.settle()
    assert delivered(world) == []


async def test_a_private_login_leaves_no_copy_for_others(world: World) -> None:
    """Everyone who may create pods in the namespace can mount a claim."""
    world.cluster.user_apply(secret("keys", {"AccessKeyId": "id", "SecretKey": VALUE}, TEAM))
    write(world, ANN, credential("store", type="accessKey", secretRef={"name": "keys"}))
    bucket = {"bucket": "sets", "path": "/sets", "sizeLimit": "1Gi", "credential": {"name": "store"}}
    write(world, ANN, workspace(storage={"s3": [{**bucket, "cache": "claim"}]}))
    await quiet(world)
    assert reason(world.status("Workspace", "lab")) == "InvalidSpec"
    assert "Credential team-a/store is private" in text(world)
    assert world.all("PersistentVolumeClaim") == []
    write(world, ANN, workspace(storage={"s3": [bucket]}))
    await quiet(world)
    assert reason(world.status("Workspace", "lab")) == "Running"
