"""sharedRoles: a Role over the artifacts of a repository for each level that somebody has, and a RoleBinding."""

from __future__ import annotations

from typing import Any

import pytest
from doors import Deadly, Killed

from outfitter.api.v1alpha1 import GROUP
from outfitter.api.v1alpha1.artifactrepository import Role, SharedRole
from outfitter.cluster.access import table
from outfitter.naming import LABEL_OWNER_UID
from outfitter.render.artifactrepository import LEVELS, shared
from outfitter.snapshot import CachedObject, read_resource
from world import TEAM, World, asset, complete, condition, reason

ON = {"shared_roles": True}
ANN = {"subject": {"kind": "User", "name": "ann"}, "role": "OWNER"}
ROB = {"subject": {"kind": "User", "name": "rob"}, "role": "READ_WRITE"}
OWNER, EDITOR = "artrepo-scorers-owner", "artrepo-scorers-editor"
Names = list[str]


def repository(*entries: dict[str, Any], name: str = "scorers", **metadata: Any) -> dict[str, Any]:
    return asset("ArtifactRepository", name, {"sharedRoles": list(entries)}, **metadata)


def artifact(name: str, repository: str = "scorers", **spec: Any) -> dict[str, Any]:
    groups = [{"containers": [{"imageUri": "registry.example.com/scorer:1", "port": 8080}]}]
    spec = {"containerGroups": groups, **spec}
    return asset("Artifact", name, {"repositoryRef": {"name": repository}, **spec} if repository else spec)


async def settled(*objects: dict[str, Any], **settings: Any) -> World:
    it = World(*objects, settings={**ON, **settings})
    await it.settle()
    return it


def names(it: World, role: str, verb: str = "get") -> Names:
    """The artifacts that a Role allows `verb` on."""
    rules = it.get("Role", role)["rules"]
    found = [rule for rule in rules if rule["resources"] == ["artifacts"] and verb in rule["verbs"]]
    assert all(rule["resourceNames"] for rule in rules), "no name would be every name"
    return [name for rule in found for name in rule["resourceNames"]]


def subjects(it: World, binding: str) -> Names:
    return [item["name"] for item in it.get("RoleBinding", binding)["subjects"]]


async def test_two_passes_make_it_and_none_writes_again() -> None:
    """The Roles, then the RoleBindings once the Roles are known to be ours; two statuses for two states."""
    it = World(repository(ANN, ROB), artifact("one"), settings=ON)
    await it.once("ArtifactRepository", "scorers")
    assert it.writes() == [
        ("create", "Role", OWNER),
        ("create", "Role", EDITOR),
        ("status", "ArtifactRepository", "scorers"),
    ]
    said = it.status("ArtifactRepository", "scorers")
    assert (reason(said), condition(said, "Reconciling") is not None) == ("Sharing", True)
    mark = len(it.cluster.writes)
    await it.once("ArtifactRepository", "scorers")
    assert it.writes(mark) == [
        ("create", "RoleBinding", OWNER),
        ("create", "RoleBinding", EDITOR),
        ("status", "ArtifactRepository", "scorers"),
    ]
    said = it.status("ArtifactRepository", "scorers")
    assert (reason(said), condition(said, "Reconciling")) == ("Counting", None)
    mark = len(it.cluster.writes)
    await it.once("ArtifactRepository", "scorers")
    await it.restart()
    await it.once("ArtifactRepository", "scorers")
    assert it.writes(mark) == []


async def test_the_names_are_those_of_the_artifacts_that_there_are() -> None:
    it = await settled(repository(ANN), artifact("one"), artifact("elsewhere", "others"))
    assert names(it, OWNER) == ["one"]
    it.cluster.user_apply(artifact("two"))
    it.cluster.user_apply(asset("Artifact", "copy", {"cloneFrom": {"name": "one"}}))
    await it.settle()
    assert names(it, OWNER) == ["copy", "one", "two"]
    it.edit("Artifact", "two", repositoryRef={"name": "others"})
    it.cluster.user_delete("Artifact", "team-a", "one")
    await it.settle()
    assert names(it, OWNER) == ["copy"]
    it.cluster.user_delete("Artifact", "team-a", "copy")
    await it.settle()
    assert names(it, OWNER) == []


async def test_a_clone_tells_the_repository_that_it_joins() -> None:
    """Only its status says so: no wildcard hears of it."""
    it = await settled(repository(ANN), artifact("one"))
    it.cluster.user_apply(asset("Artifact", "copy", {"cloneFrom": {"name": "one"}}))
    told = [(await it.once("Artifact", "copy")).also_reconcile for _ in range(3)]
    assert [[key.name for key in keys] for keys in told] == [["scorers"], [], []]


async def test_a_draft_may_be_deleted_by_editors_a_version_may_not() -> None:
    it = await settled(repository(ANN, ROB), artifact("one"), artifact("two"))
    assert names(it, EDITOR, "delete") == ["one", "two"]
    it.edit("Artifact", "one", locked=True)
    await it.settle()
    assert names(it, EDITOR, "delete") == ["two"]
    assert names(it, EDITOR, "update") == names(it, OWNER, "delete") == ["one", "two"]


async def test_only_owners_may_change_the_list() -> None:
    """Whoever could write it could make himself an owner."""
    everybody = [{**ANN, "role": role, "subject": {"kind": "User", "name": role}} for role in Role.__args__]
    it = await settled(repository(*everybody), artifact("one"))
    for role in it.all("Role"):
        verbs = {
            verb for rule in role["rules"] if "artifactrepositories" in rule["resources"] for verb in rule["verbs"]
        }
        owner = role["metadata"]["name"] == OWNER
        assert bool(verbs & {"update", "patch", "share", "delete"}) is owner
        assert all(
            rule["resourceNames"] == ["scorers"] for rule in role["rules"] if "artifacts" not in rule["resources"]
        )
    assert "NO_ROLE" not in str(it.all("RoleBinding"))


def test_every_role_but_none_has_one_level() -> None:
    placed = [role for level in LEVELS for role in level.roles]
    assert sorted([*placed, "NO_ROLE"]) == sorted(SharedRole.model_fields["role"].annotation.__args__)


def test_what_is_handed_out_is_held_and_what_is_lent_is_handed_out() -> None:
    """The API server refuses a Role with a right that its writer lacks; a right held for nothing is one too many."""
    entries = [{"subject": {"kind": "User", "name": role}, "role": role} for role in Role.__args__]
    body = repository(*entries)
    body["metadata"]["uid"] = "u"
    pairs = shared(read_resource(CachedObject.of(body)), ["one", "two"], ["two"])
    given = {
        (group, resource, verb)
        for role, _ in pairs
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    rows = [row for row in table() if row.scope in ("everywhere", "roles")]
    held = {(row.group, row.resource, verb) for row in rows for verb in row.verbs}
    lent = {(row.group, row.resource, verb) for row in rows if row.lent for verb in row.verbs}
    assert given <= held
    assert lent <= given
    assert {group for group, _, _ in given} == {GROUP}


@pytest.mark.parametrize("kind", ["Role", "RoleBinding"])
async def test_a_hand_that_widens_is_taken_back(kind: str) -> None:
    it = await settled(repository(ANN, ROB), artifact("one"))
    before = it.get(kind, EDITOR)
    wider = it.get(kind, EDITOR)
    if kind == "Role":
        wider["rules"] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    else:
        wider["subjects"] = [
            *wider["subjects"],
            {"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"},
        ]
    it.cluster.user_apply(wider)
    mark = len(it.cluster.writes)
    await it.settle()
    assert it.writes(mark) == [("apply", kind, EDITOR)], "and the status stays as it is"
    field = "rules" if kind == "Role" else "subjects"
    assert it.get(kind, EDITOR)[field] == before[field]


async def test_names_taken_off_a_rule_come_back() -> None:
    """Without resourceNames a rule is about everything."""
    it = await settled(repository(ANN), artifact("one"))
    wider = it.get("Role", OWNER)
    for rule in wider["rules"]:
        del rule["resourceNames"]
    it.cluster.user_apply(wider)
    await it.settle()
    assert names(it, OWNER) == ["one"]


async def test_a_binding_to_another_role_is_made_anew() -> None:
    """roleRef cannot be changed: one that carries our label and means something else goes first."""
    it = await settled(repository(ANN), artifact("one"))
    other = it.get("RoleBinding", OWNER)
    it.cluster.user_delete("RoleBinding", "team-a", OWNER)
    other["roleRef"] = {**other["roleRef"], "kind": "ClusterRole", "name": "cluster-admin"}
    it.cluster.user_apply(other)
    mark = len(it.cluster.writes)
    await it.settle()
    wrote = [write for write in it.writes(mark) if write[0] != "status"]
    assert wrote == [("delete", "RoleBinding", OWNER), ("create", "RoleBinding", OWNER)]
    assert it.get("RoleBinding", OWNER)["roleRef"]["name"] == OWNER


async def test_a_role_that_is_gone_takes_its_binding_along_until_it_is_back() -> None:
    it = await settled(repository(ANN), artifact("one"))
    it.cluster.user_delete("Role", "team-a", OWNER)
    mark = len(it.cluster.writes)
    await it.settle()
    assert [write for write in it.writes(mark) if write[1] != "ArtifactRepository"] == [
        ("create", "Role", OWNER),
        ("delete", "RoleBinding", OWNER),
        ("create", "RoleBinding", OWNER),
    ]
    assert subjects(it, OWNER) == ["ann"]


async def test_nobody_is_bound_to_a_strangers_role() -> None:
    """Else our list would hand out what somebody else wrote into a Role of that name."""
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    theirs = complete({"kind": "Role", "metadata": {"name": OWNER}, "rules": rules})
    it = World(theirs, repository(ANN, ROB), artifact("one"), settings=ON)
    for _ in range(4):
        await it.round()
    said = it.status("ArtifactRepository", "scorers")
    assert reason(said) == "NameTaken"
    assert f"Role team-a/{OWNER} exists, and Outfitter does not manage it" in said["message"]
    assert it.get("Role", OWNER)["rules"] == rules
    assert it.find("RoleBinding", OWNER) is None
    assert subjects(it, EDITOR) == ["rob"], "the others have what they should"
    it.cluster.user_delete("Role", "team-a", OWNER)
    await it.settle()
    assert reason(it.status("ArtifactRepository", "scorers")) == "Counting"
    assert subjects(it, OWNER) == ["ann"]


async def test_a_strangers_binding_stays_as_it_is() -> None:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": OWNER}
    theirs = complete({"kind": "RoleBinding", "metadata": {"name": OWNER}, "roleRef": reference, "subjects": []})
    it = World(theirs, repository(ANN), artifact("one"), settings=ON)
    for _ in range(4):
        await it.round()
    assert reason(it.status("ArtifactRepository", "scorers")) == "NameTaken"
    assert LABEL_OWNER_UID not in it.get("RoleBinding", OWNER)["metadata"].get("labels", {})


@pytest.mark.parametrize("left", [[ANN], [ANN, {**ROB, "role": "NO_ROLE"}]])
async def test_who_is_not_on_the_list_any_more_has_nothing(left: list[dict[str, Any]]) -> None:
    it = await settled(repository(ANN, ROB), artifact("one"))
    it.edit("ArtifactRepository", "scorers", sharedRoles=left)
    await it.settle()
    assert [body["metadata"]["name"] for kind in ("Role", "RoleBinding") for body in it.all(kind)] == [OWNER, OWNER]


async def test_nothing_is_left_where_nothing_is_shared() -> None:
    it = await settled(repository(ANN, ROB), artifact("one"))
    it.edit("ArtifactRepository", "scorers", sharedRoles=None)
    await it.settle()
    assert it.all("Role") == it.all("RoleBinding") == []
    it = await settled(repository(ANN, ROB))
    it.cluster.user_delete("ArtifactRepository", "team-a", "scorers")
    assert it.all("Role") == it.all("RoleBinding") == [], "owned, so that the garbage collector takes them"


async def test_somebody_may_change_his_level() -> None:
    it = await settled(repository(ANN, ROB), artifact("one"))
    it.edit("ArtifactRepository", "scorers", sharedRoles=[ANN, {**ROB, "role": "OWNER"}])
    await it.settle()
    assert subjects(it, OWNER) == ["ann", "rob"]
    assert it.find("RoleBinding", EDITOR) is None


async def test_off_says_what_an_admin_can_do_and_writes_nothing() -> None:
    it = await settled(repository(ANN), artifact("one", locked=True), shared_roles=False)
    said = it.status("ArtifactRepository", "scorers")
    assert reason(said) == "Unsupported"
    assert condition(said, "Stalled") is not None
    assert "Ask an administrator to set sharedRoles (OUTFITTER_SHARED_ROLES)" in said["message"]
    assert said["lastVersionNumber"] == 1
    assert it.all("Role") == it.all("RoleBinding") == []


class Watching(Deadly):
    """Sees to it that no RoleBinding of ours is made before its Role."""

    def after(self, verb: str, kind: str, name: str) -> None:
        """Look, then perhaps die."""
        if kind == "RoleBinding" and verb == "create":
            assert self.cluster.find("Role", TEAM, name)  # type: ignore[attr-defined]
        super().after(verb, kind, name)


@pytest.mark.parametrize("answered", [True, False])
async def test_killed_at_every_write_it_ends_the_same(answered: bool) -> None:
    """Whatever was written, the next process goes on from there."""
    number = 0
    while True:
        number += 1
        it = World(repository(ANN, ROB), artifact("one"), settings=ON)
        it.connect(Watching(it.cluster, number, answered=answered))
        try:
            await it.settle()
        except Killed:
            await it.restart()
            await it.settle()
            assert (subjects(it, OWNER), subjects(it, EDITOR)) == (["ann"], ["rob"])
            assert names(it, OWNER) == names(it, EDITOR) == ["one"]
            assert reason(it.status("ArtifactRepository", "scorers")) == "Counting"
        else:
            break
    assert number > 6
