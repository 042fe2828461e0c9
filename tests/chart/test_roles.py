"""The ready roles of the chart on a real API server: every line of the rights page, as a user and by a group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
import yaml

from outfitter.api.v1alpha1 import ALL_KINDS
from outfitter.cluster.client import path_of
from outfitter.cluster.resources import api_resource
from outfitter.codegen.examples import example
from outfitter.codegen.rights_page import rights_page
from outfitter.codegen.role_lines import OTHER, OWN, READY_ROLES, SHARED, Line, Request
from outfitter.codegen.user_roles import department_rules, ready_roles
from outfitter_sandbox import Sandbox
from outfitter_sandbox.connection import MERGE_PATCH, Connection

from .conftest import Manifest, eventually
from .objects import apply
from .test_admission import IMAGE, guarded
from .test_share import APPLY

__all__ = ["guarded"]  # a fixture
RBAC: Final = "rbac.authorization.k8s.io"
PLACES: Final = {OWN: "team-x", OTHER: "team-y", SHARED: "outfitter-system"}
OURS: Final = {kind.name for kind in ALL_KINDS}
LINES: Final = [(role.name, line) for role in READY_ROLES for line in role.lines]
_POD: Final = {"containers": [{"name": "main", "image": IMAGE}]}
BODIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "Pod": {"spec": {"containers": [{
        "name": "main", "image": IMAGE, "securityContext": {
            "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"}}}]}},
    "Secret": {"stringData": {"a": "b"}},
    "ConfigMap": {"data": {"a": "b"}},
    "Service": {"spec": {"ports": [{"port": 80}]}},
    "Ingress": {"spec": {"defaultBackend": {"service": {"name": "x", "port": {"number": 80}}}}},
    "PersistentVolumeClaim": {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    },
    "Namespace": {},
}  # fmt: skip
"""Content of kinds of Kubernetes that roles may create."""
_PLAIN: Final = {"Inference": {"image": IMAGE, "servingPort": {"container": 8000, "clusterLocalAccessOnly": True}}}


def body(request: Request, name: str) -> Manifest:
    """The object of a request: from the example of its kind."""
    row = api_resource(request.kind)
    meta = {"name": name, **({"namespace": PLACES[request.place]} if row.namespaced else {})}
    result: Manifest = {"apiVersion": row.api_version, "kind": request.kind, "metadata": meta}
    if request.kind not in OURS:
        return {**result, **BODIES.get(request.kind, {})}
    sample = _PLAIN.get(request.kind) or yaml.safe_load(example(request.kind))["spec"]
    kept = {key: value for key, value in sample.items() if key not in ("scope", "run", "credential")}
    # What an example names may not exist, and needs rights that other lines are about.
    if request.kind == "Credential":
        kept["secretRef"] = {"name": "registry-login"}
    spec = {key: value for key, value in {**kept, **request.spec}.items() if value is not None}
    return {**result, "spec": spec}


def _reviewed(who: Connection, request: Request, resource: str, group: str, sub: str = "", verb: str = "") -> int:
    """The verdict of `kubectl auth can-i`, as the status of a request."""
    namespace = {} if request.name or resource == "departments" else {"namespace": PLACES[request.place]}
    asked = {"verb": verb or request.verb, "group": group, "resource": resource, "subresource": sub, **namespace}
    asked |= {"name": request.name} if request.name else {}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
              "spec": {"resourceAttributes": asked}}  # fmt: skip
    answer = who.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return 200 if answer["status"]["allowed"] else 403


def _described(kind: str) -> bool:
    (model,) = [each.model for each in ALL_KINDS if each.name == kind]
    spec: Any = model.model_fields["spec"].annotation
    return "description" in spec.model_fields


def _change(request: Request) -> Manifest:
    """What a patch of each verb writes."""
    if request.verb == "finalize":
        return {"metadata": {"finalizers": ["example.com/held"]}}
    if request.verb == "restart":
        return {"metadata": {"annotations": {"outfitter.dev/restartedAt": "1"}}}
    if request.verb == "scale":
        return {"spec": {"replicas": 0}}
    if request.verb == "status":
        return {"status": {"observedGeneration": 7}}
    changed = {key: value for key, value in request.spec.items() if key != "scope"}
    if request.kind in OURS and _described(request.kind):
        changed["description"] = "changed"
    return {"spec": changed} if changed else {"metadata": {"labels": {"example.com/changed": "yes"}}}


def existing(sandbox: Sandbox, request: Request) -> str:
    """The name of an object of one of our kinds that an administrator wrote before the request."""
    scope = request.spec.get("scope")
    name = f"{request.verb}-{scope.get('name', scope['type']) if scope else 'none'}"
    own = {key: value for key, value in request.spec.items() if key == "scope"}
    if request.verb == "scale" and request.kind != "Inference":
        own["run"] = {}
    item = body(Request(request.verb, request.kind, request.place, own), name)
    query = "?fieldManager=admin&force=true"
    where = path_of(api_resource(request.kind), PLACES[request.place], name)
    sandbox.connection().request("PATCH", where + query, item, APPLY)
    return name


def send(sandbox: Sandbox, who: Connection, request: Request) -> tuple[int, Any]:
    """The status and body that the API server answers. Nothing is stored."""
    if request.kind == "departments":
        return _reviewed(who, request, request.kind, "outfitter.dev"), ""
    row, place = api_resource(request.kind), PLACES[request.place]
    match request.verb:
        case "watch":
            return _reviewed(who, request, row.plural, row.group), ""
        case "exec" | "portforward":
            # A WebSocket is a GET request, and the API server asks for `create` as well.
            verdicts = [
                _reviewed(who, request, row.plural, row.group, request.verb, verb) for verb in ("get", "create")
            ]
            return max(verdicts), ""
        case "list":
            return who.answer("GET", path_of(row, place))
        case "get":
            return who.answer("GET", path_of(row, place, "x"))
        case "log":
            return who.answer("GET", f"{path_of(row, place, 'x')}/log")
        case "create":
            return who.answer("POST", f"{path_of(row, place)}?dryRun=All", body(request, "new"))
        case "apply":
            query = "?fieldManager=tool&force=true&dryRun=All"
            return who.answer("PATCH", path_of(row, place, "new") + query, body(request, "new"), APPLY)
    where = path_of(row, place, existing(sandbox, request) if request.kind in OURS else "x")
    if request.verb == "delete":
        return who.answer("DELETE", f"{where}?dryRun=All")
    sub = f"/{request.verb}" if request.verb in ("scale", "status") else ""
    return who.answer("PATCH", f"{where}{sub}?dryRun=All", _change(request), MERGE_PATCH)


def _allowed(request: Request, status: int) -> bool:
    """Not found is allowed where no object was written before."""
    found_nothing = request.verb in ("get", "log") or request.kind not in OURS
    return status < 300 or (status == 404 and found_nothing)


def _binding(kind: str, name: str, role: tuple[str, str], subjects: list[Manifest], place: str) -> Manifest:
    meta = {"name": name, **({"namespace": place} if place else {})}
    reference = {"apiGroup": RBAC, "kind": role[0], "name": role[1]}
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": meta, "roleRef": reference, "subjects": subjects}


def _bindings(role: str, subjects: list[Manifest]) -> Iterator[Manifest]:
    """As the commands of the rights page bind a role."""
    ready, name = ("ClusterRole", f"outfitter-{role}"), f"test-{role}"
    if role == "platform-admin":
        yield _binding("ClusterRoleBinding", name, ready, subjects, "")
        yield _binding("RoleBinding", name, ("Role", "outfitter-shared-assets"), subjects, PLACES[SHARED])
    elif role == "department-lead":
        yield _binding("RoleBinding", name, ready, subjects, PLACES[SHARED])
        yield _binding("ClusterRoleBinding", name, ("ClusterRole", "outfitter-department-research"), subjects, "")
    else:
        yield _binding("RoleBinding", name, ready, subjects, PLACES[OWN])


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A control plane of this file: the objects that administrators write here would reach other tests."""
    with Sandbox.up(root=tmp_path_factory.mktemp("roles")) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def people(guarded: Sandbox) -> Callable[[str], list[Connection]]:
    """For each role a user who is bound to it, and one in a group that is."""
    meta = {"name": "outfitter-department-research"}
    lead = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": meta, "rules": department_rules("research")}
    apply(guarded, lead)
    for role in READY_ROLES:
        subjects = [{"apiGroup": RBAC, "kind": "User", "name": f"user-{role.name}"},
                    {"apiGroup": RBAC, "kind": "Group", "name": f"group-{role.name}"}]  # fmt: skip
        for item in _bindings(role.name, subjects):
            apply(guarded, item)

    def of(role: str) -> list[Connection]:
        admin = guarded.connection()
        return [admin.impersonating(f"user-{role}"), admin.impersonating("somebody", f"group-{role}")]

    # Roles and policies count a moment after they were written.
    for role, line in (
        (role, line) for role, line in LINES if "restricted" in line.text or "Namespaces into" in line.text
    ):
        for who in of(role):
            for request in line.requests:
                eventually(lambda who=who, request=request, line=line: _judged(guarded, who, request, line) == "")
    return of


def _judged(sandbox: Sandbox, who: Connection, request: Request, line: Line) -> str:
    """ "" if the verdict is that of the line."""
    status, answer = send(sandbox, who, request)
    as_told = _allowed(request, status) if line.may else status == 403 and line.says in str(answer)
    return "" if as_told else f"{request}: {status} {answer}"


@pytest.mark.cluster
@pytest.mark.parametrize(("role", "line"), LINES, ids=lambda each: each.text if isinstance(each, Line) else each)
def test_the_api_server_says_what_the_line_says(
    guarded: Sandbox, people: Callable[[str], list[Connection]], role: str, line: Line
) -> None:
    wrong = [_judged(guarded, who, request, line) for who in people(role) for request in line.requests]
    assert [text for text in wrong if text] == []


@pytest.mark.cluster
@pytest.mark.parametrize("role", ["member", "creator", "gitops"])
def test_the_administrator_of_a_project_can_bind_its_roles(guarded: Sandbox, role: str) -> None:
    """The API server lets a user hand out only rights that he has."""
    subject = {"apiGroup": RBAC, "kind": "User", "name": "pia"}
    apply(guarded, _binding("RoleBinding", "pia", ("ClusterRole", "admin"), [subject], PLACES[OWN]))
    pia = guarded.connection().impersonating("pia")
    place = f"/apis/{RBAC}/v1/namespaces/{PLACES[OWN]}/rolebindings?dryRun=All"
    item = _binding("RoleBinding", "new", ("ClusterRole", f"outfitter-{role}"), [subject], PLACES[OWN])
    eventually(lambda: pia.answer("POST", place, item), lambda seen: seen[0] == 201)
    foreign = _binding("RoleBinding", "new", ("ClusterRole", "outfitter-platform-admin"), [subject], PLACES[OWN])
    assert pia.answer("POST", place, foreign)[0] == 403


@pytest.mark.cluster
@pytest.mark.parametrize("name", ["R_D.Eu-2", "2024", "x" * 63])
def test_each_department_can_be_a_part_of_the_name_of_a_role(guarded: Sandbox, name: str) -> None:
    meta = {"name": f"outfitter-department-{name}"}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": meta, "rules": department_rules(name)}
    assert apply(guarded, role)["rules"] == department_rules(name)


def test_every_ready_role_is_on_the_rights_page_with_lines_of_both_kinds() -> None:
    page = rights_page()
    assert {role.name for role in READY_ROLES} == set(ready_roles())
    for role in READY_ROLES:
        assert {line.may for line in role.lines} == {True, False}
        for line in role.lines:
            assert line.requests, line.text
            assert f"| {line.text} | {'yes' if line.may else 'no'} |" in page
        for command in role.bind:
            assert command in page
