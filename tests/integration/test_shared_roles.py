"""sharedRoles: what those on the list can really do on the API server, and that nobody gets more or keeps it longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from outfitter.cluster import access
from outfitter.cluster.client import path_of
from outfitter.errors import Forbidden, Invalid

from .conftest import Stack
from .harness import rights
from .harness.client import MERGE, Object, eventually, message, ready, resource_of, stalls
from .harness.people import ANN, EDITOR, MAY, OWNER, RBAC, READER, ROB, Person, names, subjects
from .harness.process import Operator
from .harness.space import Space
from .test_artifacts import groups, locked


def repository(space: Space, *entries: Object) -> None:
    space.make("ArtifactRepository", "scorers", {"sharedRoles": list(entries)})


def artifact(space: Space, name: str, repository: str = "scorers", **spec: Any) -> None:
    space.make("Artifact", name, {"containerGroups": groups(), "repositoryRef": {"name": repository}, **spec})


def shared(space: Space, *entries: Object) -> None:
    """A repository with a version and a draft, another one beside it, and everything given out."""
    repository(space, *entries)
    artifact(space, "one", locked=True)
    artifact(space, "draft")
    artifact(space, "other", "other")
    space.wait("Artifact", "one", locked(1))
    space.wait("ArtifactRepository", "scorers", ready)
    space.wait("Role", OWNER, lambda item: names(item) == ["draft", "one"])


def test_everybody_can_do_what_his_role_says_and_no_more(stack: Stack, space: Space) -> None:
    shared(space, *({"subject": {"kind": "User", "name": f"u-{role}"}, "role": role} for role in MAY))
    for role, deeds in MAY.items():
        eventually(lambda: Person(stack.api, f"u-{role}").does(space), lambda seen: seen == deeds, what=role)  # noqa: B023
    assert Person(stack.api, "somebody").does(space) == set()
    handed = rights.inside(space.list("Role"))
    assert {right.resource for right in handed} == {"artifacts", "artifactrepositories"}
    stack.handed_out |= handed


def test_groups_and_service_accounts(stack: Stack, spaces: Callable[..., Space]) -> None:
    """An account is one of this namespace; one of elsewhere is named as a User."""
    space, other = spaces(), spaces()
    group = {"kind": "Group", "name": "team:readers"}
    account = {"kind": "ServiceAccount", "name": "default"}
    far = {"kind": "User", "name": f"system:serviceaccount:{other.name}:builder"}
    shared(
        space,
        ANN,
        {"subject": group, "role": "READ_ONLY"},
        {"subject": account, "role": "READ_WRITE"},
        {"subject": far, "role": "OBSERVER"},
    )
    for who, role in (
        (Person(stack.api, "someone", "team:readers"), "READ_ONLY"),
        (Person(stack.api, f"system:serviceaccount:{space.name}:default"), "READ_WRITE"),
        (Person(stack.api, f"system:serviceaccount:{other.name}:builder"), "OBSERVER"),
    ):
        eventually(lambda: who.does(space), lambda seen: seen == MAY[role], what=role)  # noqa: B023
    assert Person(stack.api, f"system:serviceaccount:{other.name}:default").does(space) == set()
    with pytest.raises(Invalid, match="The name of a ServiceAccount has only"):
        space.spec(
            "ArtifactRepository", "scorers", sharedRoles=[ANN, {"subject": {**account, "name": "a:b"}, "role": "USER"}]
        )


def test_a_reader_can_wait_for_an_artifact_by_name(stack: Stack, space: Space) -> None:
    """`kubectl get artifact one --watch`: list and watch are limited to names, and that is of use."""
    shared(space, ANN, {**ROB, "role": "READ_ONLY"})
    rob = Person(stack.api, "rob")
    path = path_of(resource_of("Artifact"), space.name)
    eventually(lambda: rob.may("watch", "artifacts", space.name, "one"))
    first = next(rob.connection.watch(path, 1, fieldSelector="metadata.name=one"))
    assert first["object"]["metadata"]["name"] == "one"
    with pytest.raises(Forbidden):
        next(rob.connection.watch(path, 1, fieldSelector="metadata.name=other"))
    with pytest.raises(Forbidden):
        next(rob.connection.watch(path, 1))


def test_an_owner_shares_and_an_editor_cannot_make_himself_one(stack: Stack, space: Space) -> None:
    shared(space, ANN, ROB)
    ann, rob = Person(stack.api, "ann"), Person(stack.api, "rob")
    path = f"{path_of(resource_of('ArtifactRepository'), space.name)}/scorers"
    eventually(lambda: rob.does(space), lambda seen: seen == MAY["READ_WRITE"])
    wanted = {"spec": {"sharedRoles": [ANN, {**ROB, "role": "OWNER"}]}}
    assert rob.answer("PATCH", path, wanted, MERGE)[0] == 403
    assert ann.answer("PATCH", path, wanted, MERGE)[0] == 200
    eventually(lambda: rob.does(space), lambda seen: seen == MAY["OWNER"])
    # The last owner stays.
    status, answer = ann.answer("PATCH", path, {"spec": {"sharedRoles": [{**ANN, "role": "USER"}]}}, MERGE)
    assert (status, "sharedRoles has no OWNER" in answer["message"]) == (422, True)


def test_artifacts_join_and_leave(stack: Stack, space: Space) -> None:
    """At once, drafts, versions and clones; a version is no draft any more to those who may delete drafts."""
    repository(space, ANN, ROB)
    space.wait("ArtifactRepository", "scorers", ready)
    assert [rule["resources"] for rule in space.need("Role", OWNER)["rules"]] == [["artifactrepositories"]]
    artifact(space, "one")
    space.wait("Role", EDITOR, lambda item: names(item) == names(item, "delete") == ["one"])
    rob = Person(stack.api, "rob")
    eventually(lambda: rob.may("delete", "artifacts", space.name, "one"))
    space.spec("Artifact", "one", locked=True)
    space.wait("Artifact", "one", locked(1))
    space.wait("Role", EDITOR, lambda item: names(item) == ["one"] and names(item, "delete") == [])
    eventually(lambda: not rob.may("delete", "artifacts", space.name, "one"))
    space.make("Artifact", "copy", {"cloneFrom": {"name": "one"}})
    space.wait("Role", EDITOR, lambda item: (names(item), names(item, "delete")) == (["copy", "one"], ["copy"]), 5)
    artifact(space, "two", locked=True)
    space.wait("Artifact", "two", locked(2))
    space.wait("Role", OWNER, lambda item: names(item) == ["copy", "one", "two"], 5)
    space.delete("Artifact", "one")
    space.wait("Role", OWNER, lambda item: names(item) == ["copy", "two"], 5)
    space.spec("Artifact", "copy", repositoryRef={"name": "elsewhere"})
    space.wait("Role", OWNER, lambda item: names(item) == ["two"], 5)
    eventually(lambda: not rob.may("get", "artifacts", space.name, "copy"))


def test_what_a_hand_widened_goes_back(stack: Stack, operator: Operator, space: Space) -> None:
    shared(space, ANN, ROB)
    before = {kind: space.need(kind, EDITOR) for kind in ("Role", "RoleBinding")}
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    eve = {"kind": "User", "name": "eve", "apiGroup": RBAC}
    space.edit("Role", EDITOR, {"rules": [*before["Role"]["rules"], everything]})
    space.wait("Role", EDITOR, lambda item: item["rules"] == before["Role"]["rules"], 5)
    unnamed = [
        {key: value for key, value in rule.items() if key != "resourceNames"} for rule in before["Role"]["rules"]
    ]
    space.edit("Role", EDITOR, {"rules": unnamed})
    space.wait("Role", EDITOR, lambda item: item["rules"] == before["Role"]["rules"], 5)
    space.edit("RoleBinding", EDITOR, {"subjects": [*before["RoleBinding"]["subjects"], eve]})
    space.wait("RoleBinding", EDITOR, lambda item: subjects(item) == ["rob"], 5)
    eventually(lambda: Person(stack.api, "eve").does(space), lambda seen: seen == set())
    # Without its Role the binding goes too, and comes back after it.
    old = before["RoleBinding"]["metadata"]["uid"]
    for kind in ("Role", "RoleBinding"):
        space.delete(kind, EDITOR)
        found = space.wait("RoleBinding", EDITOR, lambda item: item["metadata"]["uid"] != old, 5)  # noqa: B023
        old = found["metadata"]["uid"]
        assert space.need("Role", EDITOR)["rules"] == before["Role"]["rules"]
    space.edit("Role", EDITOR, {"metadata": {"labels": {"outfitter.dev/owner-uid": None}}})
    space.wait("Role", EDITOR, lambda item: "outfitter.dev/owner-uid" in item["metadata"]["labels"], 5)
    space.wait("RoleBinding", EDITOR, bool, 5)
    space.wait("ArtifactRepository", "scorers", ready)
    # Then nothing more is written, not by a second pass and not by a new process.
    operator.quiet()
    since = stack.mark()
    space.touch("ArtifactRepository", "scorers", "1")
    operator.stop()
    operator.start()
    operator.quiet()
    assert [(entry.verb, entry.uri) for entry in stack.writes(since) if entry.namespace == space.name] == []


def test_a_role_that_was_only_created_is_made_right(stack: Stack, space: Space) -> None:
    """The server refuses every change of a widened Role that leaves its rules, such as one of its managedFields."""
    shared(space, ANN, ROB)
    old = space.need("Role", EDITOR)
    space.delete("Role", EDITOR)
    new = space.wait("Role", EDITOR, lambda item: item["metadata"]["uid"] != old["metadata"]["uid"], 5)
    assert [entry["operation"] for entry in new["metadata"]["managedFields"]] == ["Update"]
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    space.edit("Role", EDITOR, {"rules": [*old["rules"], everything]})
    space.wait("Role", EDITOR, lambda item: item["rules"] == old["rules"], 5)
    space.wait(
        "Role", EDITOR, lambda item: [each["operation"] for each in item["metadata"]["managedFields"]] == ["Apply"], 5
    )
    space.wait("ArtifactRepository", "scorers", ready)


def test_who_leaves_the_list_has_nothing(stack: Stack, space: Space) -> None:
    uma = {"subject": {"kind": "User", "name": "uma"}, "role": "USER"}
    shared(space, ANN, ROB, uma)
    people = {name: Person(stack.api, name) for name in ("ann", "rob", "uma")}
    eventually(lambda: people["rob"].does(space), lambda seen: seen == MAY["READ_WRITE"])
    space.spec("ArtifactRepository", "scorers", sharedRoles=[ANN, {**ROB, "role": "NO_ROLE"}])
    for kind in ("Role", "RoleBinding"):
        for name in (EDITOR, READER):
            space.gone(kind, name)
    for name in ("rob", "uma"):
        eventually(lambda: people[name].does(space), lambda seen: seen == set(), what=name)  # noqa: B023
    space.spec("ArtifactRepository", "scorers", sharedRoles=None)
    space.gone("Role", OWNER)
    space.gone("RoleBinding", OWNER)
    eventually(lambda: people["ann"].does(space), lambda seen: seen == set())
    space.spec("ArtifactRepository", "scorers", sharedRoles=[ANN])
    space.wait("RoleBinding", OWNER, bool)
    space.delete("ArtifactRepository", "scorers")
    space.gone("Role", OWNER)
    space.gone("RoleBinding", OWNER)


def test_a_strangers_role_is_neither_taken_nor_bound(stack: Stack, space: Space) -> None:
    """Else our list would give away what somebody else wrote under that name."""
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]
    space.native("Role", OWNER, rules=rules)
    repository(space, ANN, ROB)
    said = space.wait("ArtifactRepository", "scorers", stalls("NameTaken"))
    assert f"Role {space.name}/{OWNER} exists, and Outfitter does not manage it" in message(said)
    space.wait("RoleBinding", EDITOR, bool)
    assert space.get("RoleBinding", OWNER) is None
    theirs = space.need("Role", OWNER)
    assert (theirs["rules"], theirs["metadata"].get("labels")) == (rules, None)
    assert Person(stack.api, "ann").does(space) == set()
    space.delete("Role", OWNER)
    space.touch("ArtifactRepository", "scorers", "1")
    space.wait("ArtifactRepository", "scorers", ready)
    assert subjects(space.need("RoleBinding", OWNER)) == ["ann"]


def test_the_operator_cannot_hand_out_more_than_it_holds(stack: Stack, space: Space) -> None:
    """It has neither escalate nor bind: the API server itself is the last guard."""
    operator = Person(stack.api, rights.USER)
    roles, bindings = (f"{path_of(resource_of(kind), space.name)}?dryRun=All" for kind in ("Role", "RoleBinding"))

    meta = {"name": "artrepo-r", "labels": {"outfitter.dev/owner-uid": "u"}}  # what its admission policy asks for

    def role(*verbs: str, resource: str = "artifacts", group: str = "outfitter.dev") -> Object:
        rule = {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
        return {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": [rule]}

    assert operator.can("POST", roles, role("get", "update", "delete"))
    assert not operator.can("POST", roles, role("create"))
    assert not operator.can("POST", roles, role("update", resource="workspaces"))
    assert not operator.can("POST", roles, role("get", resource="nodes", group=""))
    admin = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "User", "name": "eve", "apiGroup": RBAC}],
    }
    assert not operator.can("POST", bindings, admin)


def test_as_many_versions_as_a_repository_can_hold_fit_into_a_role(stack: Stack, space: Space) -> None:
    """The API server compares every name with what the operator holds."""
    operator = Person(stack.api, rights.USER)
    listed = [f"scorer-{number:04}" for number in range(2048)]
    verbs = ["delete", "get", "list", "patch", "update", "watch"]
    rule = {"apiGroups": ["outfitter.dev"], "resources": ["artifacts"], "resourceNames": listed, "verbs": verbs}
    meta = {"name": "artrepo-large", "labels": {"outfitter.dev/owner-uid": "u"}}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": [rule]}
    assert operator.can("POST", path_of(resource_of("Role"), space.name) + "?dryRun=All", role)


def test_off_it_is_refused_with_what_an_admin_can_do(stack: Stack, operator: Operator, space: Space) -> None:
    """Nobody gets a right, versions are counted all the same, and turned on it is honoured without an edit."""
    operator.stop()
    modest = Operator(stack.kubeconfig, operator.log, identity="modest", shared_roles="false").start()
    since = stack.mark()
    repository(space, ANN)
    said = space.wait("ArtifactRepository", "scorers", stalls("Unsupported"))
    assert "spec.sharedRoles: This operator does not share artifacts" in message(said)
    assert "OUTFITTER_SHARED_ROLES" in message(said)
    artifact(space, "one", locked=True)
    space.wait("Artifact", "one", locked(1))
    assert space.list("Role") == space.list("RoleBinding") == []
    assert not [entry for entry in stack.requests(since) if entry.api_group == RBAC], "it does not even look"
    assert modest.stop() == 0
    operator.start()
    space.wait("ArtifactRepository", "scorers", ready)
    space.wait("Role", OWNER, lambda item: names(item) == ["one"])
    space.need("RoleBinding", OWNER)


def test_on_without_its_rights_it_waits_and_says_what_to_do(stack: Stack, operator: Operator, space: Space) -> None:
    """Nobody is served by halves: it is not ready, and goes on by itself once the rights are there."""
    operator.stop()
    whole = next(
        item for item in stack.installed if (item["kind"], item["metadata"]["name"]) == ("ClusterRole", rights.ACCOUNT)
    )
    lean = [rule for rule in whole["rules"] if rule not in access.role_rules()]
    with stack.outage():
        stack.api.apply({**whole, "rules": lean})
        since = operator.position()
        operator.start(wait=False)

        def said() -> str:
            return operator.said(since)

        for plural in ("roles", "rolebindings"):
            eventually(said, lambda text, plural=plural: f'cannot list resource "{plural}"' in text, 60)
        assert "Install the roles of this version" in said()
        assert "turn off the setting that needs the right" in said()
        assert (operator.probe("/readyz"), operator.probe("/healthz")) == (503, 200)
        repository(space, ANN)
        stack.api.apply(whole)
        eventually(operator.leading, seconds=60)
    space.wait("RoleBinding", OWNER, bool)
