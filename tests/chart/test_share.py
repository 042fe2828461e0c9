"""The admission policy `share` on a real API server: each kind with a scope, each verb, and each kind of author.

The CustomResourceDefinitions here let a scope change, so that the policy alone decides who may retarget an object.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
import yaml

from outfitter.api.v1alpha1 import KINDS, kind_of
from outfitter.api.v1alpha1.asset import SCOPE_KEPT
from outfitter.codegen.admission import share
from outfitter.codegen.examples import example
from outfitter_sandbox import Sandbox
from outfitter_sandbox.connection import MERGE_PATCH, Connection

from .conftest import Manifest, eventually
from .objects import ACCOUNT, apply, custom, path

pytestmark = pytest.mark.cluster
SYSTEM: Final = "outfitter-system"
RBAC: Final = "rbac.authorization.k8s.io"
APPLY: Final = "application/apply-patch+yaml"
JSON_PATCH: Final = "application/json-patch+json"
SCOPED: Final = {kind.name: kind.plural for kind in KINDS if kind.plural in share.scoped_kinds()}
_ABSENT: Final = "absent"
SCOPES: Final[Mapping[str, Any]] = {
    "research": {"type": "department", "name": "research"},
    "finance": {"type": "department", "name": "finance"},
    "cluster": {"type": "cluster"},
    "tenant": {"type": "tenant"},
    "null": None,
    _ABSENT: _ABSENT,
    "project": {"type": "project"},
}
DEPARTMENTS: Final = ("research", "finance")
ACTORS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "lead": ("lea", ()),
    "lead by a group": ("gil", ("research-leads",)),
    "another lead": ("otto", ()),
    "platform admin": ("ada", ()),
    "creator": ("carl", ()),
    "editor": ("eddy", ()),
}
"""Actor -> user and groups."""
_MAY: Final = {
    "lead": {"research"},
    "lead by a group": {"research"},
    "another lead": {"finance"},
    "creator": set(),
    "editor": {"project"},  # may run pods in the namespace
}


def may(actor: str, *scopes: str) -> bool:
    """Whether an actor may share with all of these."""
    return actor == "platform admin" or all(scope in _MAY[actor] for scope in scopes)


def thing(kind: str, name: str, scope: str, **more: Any) -> Manifest:
    """An object of a kind and scope, from the example of the kind."""
    spec = {key: value for key, value in yaml.safe_load(example(kind))["spec"].items() if key not in ("scope", "run")}
    given = {} if scope == _ABSENT else {"scope": SCOPES[scope]}
    return custom(kind, name, SYSTEM, {**spec, **given, **more})


def for_department(name: str) -> Manifest:
    """A ComputeResource that is shared with a department."""
    return custom("ComputeResource", "new", SYSTEM, {"scope": {"type": "department", "name": name}})


def _role(name: str, *rules: Manifest) -> Manifest:
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": list(rules)}


def _bound(kind: str, role: str, *subjects: tuple[str, str]) -> Manifest:
    meta = {"name": role} if kind == "ClusterRoleBinding" else {"name": role, "namespace": SYSTEM}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": meta,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": each, "name": name} for each, name in subjects],
    }


def rights() -> Iterator[Manifest]:
    """All actors may write every kind; they differ in what they may share."""
    resources = [f"{plural}{sub}" for plural in SCOPED.values() for sub in ("", "/scale", "/status")]
    verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update"]
    everyone = [("Group", group) for _, groups in ACTORS.values() for group in groups]
    everyone += [("User", user) for user, groups in ACTORS.values() if not groups]
    yield _role("writer", {"apiGroups": ["outfitter.dev"], "resources": resources, "verbs": verbs})
    yield _bound("RoleBinding", "writer", *everyone)
    may_share = {"apiGroups": ["outfitter.dev"], "verbs": ["share"]}
    for name, subjects in (
        ("research", [("User", "lea"), ("Group", "research-leads")]),
        ("finance", [("User", "otto")]),
    ):
        yield _role(name, {**may_share, "resources": ["departments"], "resourceNames": [name]})
        yield _bound("ClusterRoleBinding", name, *subjects)
    yield _role("sharer", {**may_share, "resources": ["departments", "clusters"]})
    yield _bound("ClusterRoleBinding", "sharer", ("User", "ada"))
    yield _role("runner", {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]})
    yield _bound("RoleBinding", "runner", ("User", "eddy"))


def _unfrozen(node: Any) -> Any:
    """A schema without the rule that a scope cannot change, as an older or later version could have it."""
    if isinstance(node, list):
        return [_unfrozen(each) for each in node if not (isinstance(each, dict) and each.get("rule") == SCOPE_KEPT.cel)]
    return {key: _unfrozen(each) for key, each in node.items()} if isinstance(node, dict) else node


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, install: list[Manifest]) -> Iterator[Sandbox]:
    """The policy alone, and an object of each kind and scope."""
    with Sandbox.up(root=tmp_path_factory.mktemp("share")) as sandbox:
        policies = [item for item in install if item["metadata"]["name"] == "outfitter-share"]
        assert len(policies) == 2
        crds = [_unfrozen(item) for item in install if item["kind"] == "CustomResourceDefinition"]
        assert SCOPE_KEPT.cel not in json.dumps(crds)
        apply(sandbox, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
        for manifest in (*crds, *rights()):
            apply(sandbox, manifest)
        for kind, plural in SCOPED.items():
            eventually(
                lambda plural=plural: sandbox.connection().answer("GET", _place(plural))[0], lambda code: code == 200
            )
            for scope in SCOPES:
                apply(sandbox, thing(kind, scope, scope))
        for manifest in policies:
            apply(sandbox, manifest)
        carl = who(sandbox, "creator")
        eventually(lambda: _post(carl, "Environment", "cluster")[0], lambda code: code == 403)
        yield sandbox


def _place(plural: str) -> str:
    return f"/apis/outfitter.dev/v1alpha1/namespaces/{SYSTEM}/{plural}"


def who(sandbox: Sandbox, actor: str) -> Connection:
    """A connection as an actor."""
    user, groups = ACTORS[actor]
    return sandbox.connection().impersonating(user, *groups)


Answer = tuple[int, Any]
_OWNER: Final = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "11111111-1111-1111-1111-111111111111"}
_ON_DEMAND: Final = {"outfitter.dev/made-by-operator": "true"}


def _post(who: Connection, kind: str, scope: str, labels: Mapping[str, str] | None = None) -> Answer:
    body = thing(kind, "new", scope)
    body["metadata"] |= {"labels": labels} if labels else {}
    return who.answer("POST", f"{_place(SCOPED[kind])}?dryRun=All", body)


def _applied(who: Connection, kind: str, scope: str, name: str) -> Answer:
    body = thing(kind, name, scope, description="changed")
    return who.answer("PATCH", f"{path(body)}?fieldManager=other&force=true&dryRun=All", body, APPLY)


def _patched(body: Any, sub: str = "", form: str = MERGE_PATCH) -> Callable[[Connection, str, str], Answer]:
    def send(who: Connection, kind: str, scope: str) -> Answer:
        return who.answer("PATCH", f"{_place(SCOPED[kind])}/{scope}{sub}?dryRun=All", body, form)

    return send


def _meta(**fields: Any) -> Callable[[Connection, str, str], Answer]:
    return _patched({"metadata": fields})


def _replaced(who: Connection, kind: str, scope: str) -> Answer:
    where = f"{_place(SCOPED[kind])}/{scope}"
    body = who.request("GET", where)
    body["spec"]["description"] = "changed"
    return who.answer("PUT", f"{where}?dryRun=All", body)


def _deleted_all(who: Connection, kind: str, scope: str) -> Answer:
    return who.answer("DELETE", f"{_place(SCOPED[kind])}?dryRun=All&fieldSelector=metadata.name={scope}")


VERBS: Final[Mapping[str, Callable[[Connection, str, str], Answer]]] = {
    "create": _post,
    "create as if on demand": lambda who, kind, scope: _post(who, kind, scope, _ON_DEMAND),
    "create by server-side apply": lambda who, kind, scope: _applied(who, kind, scope, "new"),
    "server-side apply": lambda who, kind, scope: _applied(who, kind, scope, scope),
    "merge patch": _patched({"spec": {"description": "changed"}}),
    "JSON patch": _patched([{"op": "add", "path": "/spec/description", "value": "changed"}], form=JSON_PATCH),
    "update": _replaced,
    "force-delete": _meta(annotations={"outfitter.dev/force-delete": "true"}),
    "on-demand label": _meta(labels=_ON_DEMAND),
    "finalizers": _meta(finalizers=["example.com/held"]),
    "ownerReferences": _meta(ownerReferences=[_OWNER]),
    "status": _patched({"status": {"observedGeneration": 7}}, "/status"),
    "delete": lambda who, kind, scope: who.answer("DELETE", f"{_place(SCOPED[kind])}/{scope}?dryRun=All"),
    "delete a collection": _deleted_all,
}
"""Verb -> the request for an object, which is not stored."""


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", SCOPED)
def test_each_verb_needs_the_right_to_share_with_the_scope(shared: Sandbox, kind: str, verb: str) -> None:
    wrong = []
    for actor in ACTORS:
        for scope in SCOPES:
            status, body = VERBS[verb](who(shared, actor), kind, scope)
            if status >= 300 if may(actor, scope) else not _says(scope, status, body):
                wrong.append((actor, scope, status, body.get("message", body)))
    assert wrong == []


def _says(scope: str, status: int, body: Any) -> bool:
    """Whether a denial names the object and the right that is missing."""
    right = f"departments.outfitter.dev named {scope}" if scope in DEPARTMENTS else "clusters.outfitter.dev"
    said = str(body.get("message", ""))
    if scope == "project":
        return status == 403 and "is for its namespace alone. You need the verb create on pods in" in said
    return status == 403 and f"You need the verb share on {right}." in said and "shared with" in said


PAIRS: Final = [(old, new) for old in SCOPES for new in SCOPES if old != new]


@pytest.mark.parametrize("kind", SCOPED)
def test_to_retarget_needs_the_right_on_both_sides(shared: Sandbox, kind: str) -> None:
    """From one department to another, to the cluster, from none and to none."""
    wrong = []
    for old, new in PAIRS:
        plain = {"type": None, "name": None} | (SCOPES[new] or {}) if new not in (_ABSENT, "null") else None
        send = _patched({"spec": {"scope": plain}})
        for actor in ACTORS:
            status, body = send(who(shared, actor), kind, old)
            refused = status == 403 and "You need the verb" in str(body)
            if status >= 300 if may(actor, old, new) else not refused:
                wrong.append((actor, old, new, status, body.get("message", body)))
    assert wrong == []


@pytest.mark.parametrize("kind", [name for name in SCOPED if kind_of(name).model.SCALE])
def test_a_scale_shows_no_scope_and_needs_the_widest_right(shared: Sandbox, kind: str) -> None:
    """Of an object with `run`: the schema refuses it for others, and `run` with the scope of a department."""
    send = _patched({"spec": {"replicas": 0}}, "/scale")
    for scope in ("project", _ABSENT):
        name = f"runs-{scope}"
        apply(shared, thing(kind, name, scope, run={}))
        for actor in ACTORS:
            status, body = send(who(shared, actor), kind, name)
            if actor == "platform admin":
                assert status == 200, body
            else:
                assert status == 403, (actor, scope)
                assert "You need the verb share on clusters.outfitter.dev." in body["message"]
    for actor in ACTORS:
        for scope in SCOPES:
            assert send(who(shared, actor), kind, scope)[0] in (403, 422)


@pytest.mark.parametrize("name", ["r.d-2", "research.eu", "research-2", "0", "x" * 63])
def test_the_name_of_a_department_is_compared_as_a_whole(shared: Sandbox, name: str) -> None:
    """The right on `research` is none on names that begin with it; a right on an odd name is one."""
    body = for_department(name)
    where = f"{_place('computeresources')}?dryRun=All"
    status, answer = who(shared, "lead").answer("POST", where, body)
    assert status == 403
    assert f"departments.outfitter.dev named {name}." in answer["message"]
    may_share = {"apiGroups": ["outfitter.dev"], "verbs": ["share"]}
    odd = {**may_share, "resources": ["departments"], "resourceNames": [name]}
    apply(shared, _role(f"odd-{name}", odd))
    apply(shared, _bound("ClusterRoleBinding", f"odd-{name}", ("User", "carl")))
    eventually(lambda: who(shared, "creator").answer("POST", where, body)[0], lambda code: code == 201)


@pytest.mark.parametrize("name", ["Research", "research/finance", "re search", "", "research,finance", "*"])
def test_other_characters_are_no_name_of_a_department(shared: Sandbox, name: str) -> None:
    body = for_department(name)
    for actor in ACTORS:
        status, _ = who(shared, actor).answer("POST", f"{_place('computeresources')}?dryRun=All", body)
        assert status in (403, 422), actor


def test_other_namespaces_are_not_judged(shared: Sandbox) -> None:
    """A wider scope has no effect there, and the operator reports it."""
    apply(shared, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-x"}})
    apply(
        shared, _bound("RoleBinding", "writer", ("User", "carl")) | {"metadata": {"name": "w", "namespace": "team-x"}}
    )
    for scope in SCOPES:
        for kind in SCOPED:
            body = thing(kind, "new", scope)
            body["metadata"]["namespace"] = "team-x"
            where = path(body).rpartition("/")[0] + "?dryRun=All"
            eventually(lambda where=where, body=body: who(shared, "creator").answer("POST", where, body)[0],
                       lambda code: code == 201)  # fmt: skip


def test_the_operator_writes_the_status_and_creates_on_demand(shared: Sandbox) -> None:
    """Nothing else: its account is not exempt as such."""
    apply(shared, _bound("ClusterRoleBinding", "writer", ("User", ACCOUNT)) | {"metadata": {"name": "operator"}})
    operator = shared.connection().impersonating(ACCOUNT)
    send = VERBS["status"]
    eventually(lambda: send(operator, "Environment", "cluster")[0], lambda code: code == 200)
    for kind in SCOPED:
        for scope in SCOPES:
            assert send(operator, kind, scope)[0] == 200
            created = VERBS["create as if on demand"](operator, kind, scope)[0]
            assert created == (201 if kind_of(kind).on_demand else 403)
            assert VERBS["merge patch"](operator, kind, scope)[0] == 403


def test_controllers_that_delete_for_others_are_not_judged(shared: Sandbox) -> None:
    collector = "system:serviceaccount:kube-system:generic-garbage-collector"
    apply(shared, _bound("ClusterRoleBinding", "writer", ("User", collector)) | {"metadata": {"name": "collector"}})
    acts = shared.connection().impersonating(collector)
    eventually(lambda: VERBS["delete"](acts, "Environment", "cluster")[0], lambda code: code == 200)
