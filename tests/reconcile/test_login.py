"""`uidGidSource: fromIdpToken`: pods run with the ids of the login of who wrote the workload."""

from __future__ import annotations

from typing import Any

import pytest

from stamps import enforce, remove, unstamped, write
from world import World, asset

IMAGE = "registry.example.com/notebook:1"
ANN = "ann@example.com"
KEYS = {f"identity_{name}_key": f"example.com/{name}" for name in ("uid", "gid", "groups")}
FULL = {"uid": "1234", "gid": "100", "groups": "20,30"}


def notebook(image: str = IMAGE, source: str = "fromIdpToken", **security: Any) -> dict[str, Any]:
    return asset("Workspace", "lab", {"image": image, "security": {"uidGidSource": source, **security}}, "team-a")


@pytest.fixture
def world() -> World:
    world = World(settings=KEYS)
    enforce(world)
    return world


def pod(world: World, kind: str = "StatefulSet", name: str = "lab") -> dict[str, Any]:
    template: dict[str, Any] = world.get(kind, name)["spec"]["template"]["spec"]
    return template


def ids(world: World) -> dict[str, Any]:
    """What the pod of the workspace runs as."""
    spec = pod(world)
    context = {**spec["securityContext"], **spec["containers"][0]["securityContext"]}
    names = ("runAsUser", "runAsGroup", "supplementalGroups", "fsGroup")
    return {name: context[name] for name in names if name in context}


def issues(world: World, kind: str = "Workspace", name: str = "lab") -> list[tuple[str, str]]:
    return [(item["issue"], item["message"]) for item in world.status(kind, name).get("issues", ())]


@pytest.mark.parametrize("source", ["fromIdpToken", "idpToken"])
async def test_the_ids_of_the_login(world: World, source: str) -> None:
    """User, group and groups. A second run writes nothing."""
    write(world, ANN, notebook(source=source), **FULL)
    await world.settle()
    assert ids(world) == {"runAsUser": 1234, "runAsGroup": 100, "supplementalGroups": [20, 30], "fsGroup": 100}
    writes = len(world.cluster.writes)
    await world.restart()
    await world.settle()
    assert len(world.cluster.writes) == writes


async def test_who_changes_the_spec_gives_the_ids(world: World) -> None:
    """The new revision has those of the new author; a restart of the operator or a change of labels changes none."""
    write(world, ANN, notebook(), **FULL)
    await world.settle()
    write(world, "bob", notebook(f"{IMAGE}-b"), uid="77", gid="78")
    await world.settle()
    assert ids(world) == {"runAsUser": 77, "runAsGroup": 78, "fsGroup": 78}


async def test_a_restart_keeps_the_author(world: World) -> None:
    """An annotation is no change of the spec."""
    write(world, ANN, notebook(), **FULL)
    await world.settle()
    world.annotate("Workspace", "lab", "team-a", restartedAt="2")
    await world.settle()
    assert ids(world)["runAsUser"] == 1234


async def test_a_user_in_no_group(world: World) -> None:
    """Groups may be missing, ids may not."""
    write(world, ANN, notebook(), uid="1234", gid="100")
    await world.settle()
    assert "supplementalGroups" not in ids(world)


@pytest.mark.parametrize(
    ("login", "reason", "says"),
    [
        ({"gid": "1"}, "IdentityMissing", "The login of ann@example.com has no extra field example.com/uid."),
        ({"uid": "1"}, "IdentityMissing", "The login of ann@example.com has no extra field example.com/gid."),
        ({"uid": "-1", "gid": "1"}, "IdentityInvalid", "field example.com/uid of the login of ann@example.com is -1."),
        ({"uid": "2147483648", "gid": "1"}, "IdentityInvalid", "one number from 0 to 2147483647"),
        ({"uid": "9" * 400, "gid": "1"}, "IdentityInvalid", "one number from 0 to 2147483647"),
        ({"uid": "root", "gid": "1"}, "IdentityInvalid", "is root. It must be one number"),
        ({"uid": "1,2", "gid": "1"}, "IdentityInvalid", "must be one number"),
        ({"uid": "1\n", "gid": "1"}, "IdentityInvalid", "must be one number"),
        ({"uid": "007", "gid": "1"}, "IdentityInvalid", "must be one number"),
        ({"uid": "\uff11", "gid": "1"}, "IdentityInvalid", "must be one number"),
        ({"uid": "1", "gid": "1", "groups": ",".join(["4294967"] * 200)}, "IdentityInvalid", "at most 1024 characters"),
        ({"uid": "1", "gid": "1.5"}, "IdentityInvalid", "example.com/gid"),
        ({"uid": "1", "gid": "1", "groups": "1,staff"}, "IdentityInvalid", "It must be numbers from 0 to 2147483647"),
        ({"uid": "1", "gid": "1", "groups": ",1"}, "IdentityInvalid", "example.com/groups"),
        ({"uid": "0", "gid": "1"}, "InvalidSpec", "User id 0 is root"),
    ],
)
async def test_a_login_that_cannot_be_used(world: World, login: dict[str, str], reason: str, says: str) -> None:
    """Nothing starts, and the message names the key of the login."""
    write(world, ANN, notebook(), **login)
    await world.settle()
    assert not world.all("StatefulSet")
    assert [seen for seen, _ in issues(world)] == [reason]
    assert says in issues(world)[0][1]


async def test_all_that_is_wrong_is_told_at_once(world: World) -> None:
    """In the order of the ids."""
    write(world, ANN, notebook(), groups="x")
    await world.settle()
    assert [seen for seen, _ in issues(world)] == ["IdentityMissing", "IdentityMissing", "IdentityInvalid"]


async def test_without_the_policy(world: World) -> None:
    """New workloads are refused; what runs keeps running with what it got."""
    write(world, ANN, notebook(), **FULL)
    await world.settle()
    remove(world)
    unstamped(world, asset("Workspace", "other", notebook()["spec"], "team-a"))
    await world.settle()
    assert ids(world)["runAsUser"] == 1234
    assert world.status("Workspace", "lab")["syncStatus"] == "No issues found"
    assert [seen for seen, _ in issues(world, name="other")] == ["NeedsIdentity"]
    assert "identity.enabled" in issues(world, name="other")[0][1]


async def test_an_api_server_that_is_too_old() -> None:
    """The message names the version."""
    world = World(settings=KEYS)
    world.caches.set_served("MutatingAdmissionPolicy", False)
    unstamped(world, notebook())
    await world.settle()
    assert [seen for seen, _ in issues(world)] == ["NeedsIdentity"]
    assert "from Kubernetes 1.36 on" in issues(world)[0][1]


async def test_an_author_who_is_not_known(world: World) -> None:
    """An object from before the policy."""
    remove(world)
    unstamped(world, notebook())
    enforce(world, "binding-2")
    await world.settle()
    assert [seen for seen, _ in issues(world)] == ["IdentityMissing"]
    write(world, ANN, notebook(f"{IMAGE}-b"), **FULL)
    await world.settle()
    assert ids(world)["runAsUser"] == 1234


async def test_no_key_is_configured() -> None:
    """The administrator has to say where a login holds the id."""
    world = World()
    enforce(world)
    write(world, ANN, notebook())
    await world.settle()
    assert [seen for seen, _ in issues(world)] == ["NeedsIdentity"]
    assert "identity.extraKeys.uid" in issues(world)[0][1]


@pytest.mark.parametrize("kind", ["Environment", "WorkloadTemplate", "WorkloadPolicy"])
async def test_another_object_asks_for_the_login(world: World, kind: str) -> None:
    """An asset, template or policy: it is the workload's author whose ids count, not that of the asset."""
    security = {"security": {"uidGidSource": "fromIdpToken"}}
    given: dict[str, Any] = {"image": IMAGE}
    if kind == "Environment":
        write(world, "admin", asset(kind, "base", {"image": IMAGE, **security}, "team-a"), uid="5", gid="6")
        given = {"assets": {"environment": {"name": "base"}}}
    elif kind == "WorkloadTemplate":
        write(world, "admin", asset(kind, "base", {"workloadType": "workspace", **security}, "team-a"), uid="5")
        given["template"] = {"name": "base"}
    else:
        policy = {"workloadType": "workspace", "defaults": security, "rules": {"security": {"runAsUid": {"min": 1000}}}}
        policy["rules"]["security"]["runAsUid"]["canEdit"] = False
        write(world, "admin", asset(kind, "base", policy, "team-a"), uid="5")
    write(world, ANN, asset("Workspace", "lab", given, "team-a"), **FULL)
    await world.settle()
    assert ids(world)["runAsUser"] == 1234


async def test_policies_judge_the_ids_of_the_login(world: World) -> None:
    """As every value that runs."""
    rules = {"security": {"runAsUid": {"min": 2000}}}
    write(world, "admin", asset("WorkloadPolicy", "ids", {"workloadType": "workspace", "rules": rules}, "team-a"))
    write(world, ANN, notebook(), **FULL)
    await world.settle()
    assert [seen for seen, _ in issues(world)] == ["PolicyViolation"]
    assert "1234 is less than 2000" in issues(world)[0][1]


async def test_ids_in_a_workload_beside_the_login_of_its_environment(world: World) -> None:
    """Both cannot be."""
    base = {"image": IMAGE, "security": {"uidGidSource": "fromIdpToken"}}
    write(world, "admin", asset("Environment", "base", base, "team-a"))
    given = {"assets": {"environment": {"name": "base"}}, "security": {"runAsUid": 5}}
    write(world, ANN, asset("Workspace", "lab", given, "team-a"), **FULL)
    await world.settle()
    assert not world.all("StatefulSet")
    assert ("InvalidSpec", "spec.security.runAsUid: With uidGidSource fromIdpToken the ids come from the login. Remove "
            "the field.") in issues(world)  # fmt: skip


async def test_a_default_of_a_policy_reaches_the_containers_of_an_artifact(world: World) -> None:
    """The author of the Inference counts there too."""
    policy = {"workloadType": "inference", "defaults": {"security": {"uidGidSource": "fromIdpToken"}}}
    write(world, "admin", asset("WorkloadPolicy", "ids", policy, "team-a"))
    group = {"containers": [{"imageUri": IMAGE, "port": 8080, "primary": True}]}
    spec = {"type": "service", "containerGroups": [group], "run": {}}
    write(world, ANN, asset("Artifact", "model", spec, "team-a"), **FULL)
    await world.settle()
    context = pod(world, "Deployment", "model")["containers"][0]["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (1234, 100)


async def test_all_containers_of_a_pod_have_the_ids(world: World) -> None:
    """Also those beside the main one, which a default of a policy is not about. An artifact can set its own."""
    policy = {"workloadType": "inference", "defaults": {"security": {"uidGidSource": "fromIdpToken"}}}
    write(world, "admin", asset("WorkloadPolicy", "ids", policy, "team-a"))
    containers = [
        {"name": "main", "imageUri": IMAGE, "port": 8080, "primary": True},
        {"name": "side", "imageUri": IMAGE},
        {"name": "fixed", "imageUri": IMAGE, "securityContext": {"runAsUser": 7, "runAsGroup": 7}},
    ]
    spec = {"type": "service", "containerGroups": [{"containers": containers}], "run": {}}
    write(world, ANN, asset("Artifact", "model", spec, "team-a"), **FULL)
    await world.settle()
    found = {
        item["name"]: item["securityContext"]["runAsUser"] for item in pod(world, "Deployment", "model")["containers"]
    }
    assert found == {"main": 1234, "side": 1234, "fixed": 7}


@pytest.mark.parametrize("locked", ["runAsUid", "supplementalGroups"])
async def test_a_locked_default_is_the_value_from_any_source(world: World, locked: str) -> None:
    """The login is no way around it."""
    value = {"runAsUid": 5000, "supplementalGroups": "5"}[locked]
    security = {"uidGidSource": "custom", locked: value}
    rules = {"security": {locked: {"canEdit": False}}}
    policy = {"workloadType": "workspace", "defaults": {"security": security}, "rules": rules}
    write(world, "admin", asset("WorkloadPolicy", "ids", policy, "team-a"))
    write(world, ANN, notebook(), **FULL)
    await world.settle()
    assert not world.all("StatefulSet")
    assert [seen for seen, _ in issues(world)] == ["PolicyViolation"]


@pytest.mark.parametrize("allowed", [True, False])
async def test_an_environment_that_fixes_the_ids(world: World, allowed: bool) -> None:
    """The login is another value, which the Environment must allow."""
    security = {"uidGidSource": "custom", "runAsUid": 3000, "runAsGid": 3000, "overrideUidGidInWorkspace": allowed}
    write(world, "admin", asset("Environment", "base", {"image": IMAGE, "security": security}, "team-a"))
    given = {"assets": {"environment": {"name": "base"}}, "security": {"uidGidSource": "fromIdpToken"}}
    write(world, ANN, asset("Workspace", "lab", given, "team-a"), **FULL)
    await world.settle()
    serious = [seen for seen, _ in issues(world) if seen != "NotEnforced"]
    assert serious == ([] if allowed else ["OverrideForbidden"])
    assert bool(world.all("StatefulSet")) is allowed
    if allowed:
        assert ids(world)["runAsUser"] == 1234


MALLORY = {"uid": "66", "gid": "66"}


@pytest.mark.parametrize("way", ["description", "suspend"])
async def test_a_restart_gives_no_ids_of_a_user_who_wrote_nothing_that_runs(world: World, way: str) -> None:
    """An administrator describes or stops a workload; its author then restarts or starts it."""
    write(world, "mallory", notebook("registry.example.com/evil:1"), **MALLORY)
    await world.settle()
    spec = notebook("registry.example.com/evil:1")["spec"]
    changed = {"description": "seen"} if way == "description" else {"suspend": True}
    write(world, "admin", asset("Workspace", "lab", {**spec, **changed}, "team-a"), uid="1", gid="1")
    await world.settle()
    if way == "suspend":
        write(world, "admin", asset("Workspace", "lab", {**spec, "suspend": False}, "team-a"), uid="1", gid="1")
    else:
        world.annotate("Workspace", "lab", "team-a", restartedAt="2")
    await world.settle()
    assert ids(world) == {"runAsUser": 66, "runAsGroup": 66, "fsGroup": 66}
    write(world, "admin", notebook("registry.example.com/good:1"), uid="1", gid="1")
    await world.settle()
    assert ids(world)["runAsUser"] == 1


async def test_ids_of_a_key_that_is_not_configured_any_more() -> None:
    """They are from a former configuration."""
    world = World(settings={name: key for name, key in KEYS.items() if name == "identity_uid_key"})
    enforce(world)
    write(world, ANN, notebook(), **FULL)
    await world.settle()
    assert ids(world) == {"runAsUser": 1234}


async def test_once_the_policy_is_back_all_is_as_before(world: World) -> None:
    """Without a wait for anything else."""
    write(world, ANN, notebook(), **FULL)
    await world.settle()
    remove(world)
    world.annotate("Workspace", "lab", "team-a", restartedAt="2")
    await world.settle()
    assert [seen for seen, _ in issues(world)] == ["NeedsIdentity"]
    enforce(world, "binding-2")
    await world.settle()
    assert issues(world) == []
    assert ids(world)["runAsUser"] == 1234
