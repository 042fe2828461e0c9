"""The admission policies of install.yaml on a real API server, as people with and without the rights they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from outfitter.api.v1alpha1 import kind_of
from outfitter.codegen.admission.namespace_labels import SYSTEM
from outfitter.codegen.admission.policies import POLICIES, PROJECT_POLICIES
from outfitter.codegen.admission.requester_rights import CHECKED_SECRETS
from outfitter.errors import Forbidden
from outfitter_sandbox import Sandbox
from outfitter_sandbox.connection import MERGE_PATCH, Connection

from .conftest import CHART, ROOT, Manifest, eventually
from .objects import apply, custom, namespace, path

RBAC = "rbac.authorization.k8s.io"
PLURAL = {
    "Workspace": "workspaces",
    "DistributedTraining": "distributedtrainings",
    "Environment": "environments",
    "Credential": "credentials",
    "Artifact": "artifacts",
    "ArtifactRepository": "artifactrepositories",
    "DataSource": "datasources",
}
IMAGE = "registry.example.com/box:1"
cluster = pytest.mark.cluster


@pytest.fixture(scope="module")
def guarded(sandbox: Sandbox, install: list[Manifest]) -> Iterator[Sandbox]:
    """install.yaml but its Deployment: CRDs, roles, policies and bindings. The policies go when this file is done."""
    for manifest in install:
        if manifest["kind"] not in ("Deployment", "Service"):
            apply(sandbox, manifest)
    for place in ("team-x", "team-y"):
        apply(sandbox, namespace(place))
    yield sandbox
    for manifest in install:
        if manifest["kind"] == "ValidatingAdmissionPolicyBinding":
            sandbox.connection().request("DELETE", path(manifest))


Person = Callable[..., Connection]


@pytest.fixture
def person(guarded: Sandbox) -> Person:
    """Logs somebody in, with these rules as a ClusterRole of their own."""

    def log_in(name: str, *rules: tuple[str, str, list[str], list[str]]) -> Connection:
        grant(guarded, name, *rules)
        return Connection.from_kubeconfig(guarded.kubeconfig_for(name))

    return log_in


def grant(sandbox: Sandbox, name: str, *rules: tuple[str, str, list[str], list[str]]) -> None:
    """(group, resource, verbs, names) each."""
    role = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [
            {
                "apiGroups": [group],
                "resources": [resource],
                "verbs": verbs,
                **({"resourceNames": names} if names else {}),
            }
            for group, resource, verbs, names in rules
        ],
    }
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "subjects": [{"kind": "User", "name": name, "apiGroup": RBAC}],
        "roleRef": {"kind": "ClusterRole", "name": name, "apiGroup": RBAC},
    }
    apply(sandbox, role)
    apply(sandbox, binding)


OURS = [
    ("outfitter.dev", plural, ["create", "update", "patch", "get", "delete"], list[str]()) for plural in PLURAL.values()
]
NAMESPACES = ("", "namespaces", ["create", "update", "patch", "get"], list[str]())


def tries(who: Connection, manifest: Manifest) -> str:
    """ "" if the server takes it, else its words. Nothing is stored."""
    query = "?fieldManager=test&force=true&dryRun=All"
    status, body = who.answer("PATCH", path(manifest) + query, manifest, "application/apply-patch+yaml")
    return "" if status < 300 else str(body["message"])


def becomes(who: Connection, manifest: Manifest, says: str) -> None:
    """Roles and policies count a moment after they were written."""
    eventually(lambda: tries(who, manifest), lambda seen: says in seen if says else seen == "")


def space(name: str, **labels: str) -> Manifest:
    has = {f"outfitter.dev/{key}": value for key, value in labels.items()}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": has}}


@cluster
def test_our_namespace_labels_need_a_right(guarded: Sandbox, person: Person) -> None:
    """Without it other labels may still be set; a right on one department is for that department only."""
    lena = person("lena", NAMESPACES)
    becomes(
        lena,
        space("new-1", department="research"),
        "You need the verb assign on departments.outfitter.dev named research",
    )
    assert tries(lena, space("new-1")) == ""
    for labels in ({"project": "p"}, {"elevation": "allowed"}, {"queue": "gpus"}):
        assert "You need the verb assign" in tries(lena, space("new-1", **labels))
    grant(guarded, "lena", NAMESPACES, ("outfitter.dev", "departments", ["assign"], ["research"]))
    becomes(lena, space("new-1", department="research", project="p"), "")
    assert "named finance" in tries(lena, space("new-1", department="finance"))
    assert "You need the verb assign" in tries(lena, space("new-1", project="p"))
    apply(guarded, space("owned", department="finance"))
    assert "named finance, the department that it leaves" in tries_update(
        lena, "owned", {"outfitter.dev/department": "research"}
    )
    assert "named finance" in tries_update(lena, "owned", {"outfitter.dev/department": None})
    assert tries_update(lena, "owned", {"example.com/team": "a"}) == ""
    grant(guarded, "lena", NAMESPACES, ("outfitter.dev", "departments", ["assign"], []))
    becomes(lena, space("new-1", project="p", elevation="allowed"), "")
    assert tries_update(lena, "owned", {"outfitter.dev/department": None}) == ""


@cluster
def test_a_department_lead_cannot_keep_elevation_on_a_foreign_namespace(guarded: Sandbox, person: Person) -> None:
    """To join needs a right on both sides, to leave may only remove, and Kubernetes' own namespaces never take part."""
    lead = ("outfitter.dev", "departments", ["assign"], ["research"])
    subresources = [("", f"namespaces/{sub}", ["update", "patch"], list[str]()) for sub in ("status", "finalize")]
    leo = person("leo", NAMESPACES, *subresources, lead)
    apply(guarded, space("foreign"))
    becomes(leo, space("new-3", department="research", elevation="allowed"), "")
    joining = {"outfitter.dev/department": "research", "outfitter.dev/elevation": "allowed"}
    assert "You need the verb assign" in tries_update(leo, "foreign", joining)
    apply(guarded, space("left", department="research", elevation="allowed", project="p"))
    assert "You need the verb assign" in tries_update(leo, "left", {"outfitter.dev/department": None})
    gone = dict.fromkeys(("outfitter.dev/department", "outfitter.dev/elevation", "outfitter.dev/project"))
    assert tries_update(leo, "left", gone) == ""
    elevated = {"outfitter.dev/elevation": "allowed"}
    for sub in ("status", "finalize"):
        assert "You need the verb assign" in tries_update(leo, "foreign", elevated, sub)
    grant(guarded, "leo", NAMESPACES, ("outfitter.dev", "departments", ["assign"], []))
    eventually(lambda: tries_update(leo, "foreign", elevated), lambda seen: seen == "")
    for name in SYSTEM:
        assert "belongs to Kubernetes" in tries_update(leo, name, elevated)


def tries_update(who: Connection, name: str, labels: dict[str, Any], sub: str = "") -> str:
    if sub == "finalize":  # has no PATCH
        found = who.request("GET", f"/api/v1/namespaces/{name}")
        found["metadata"]["labels"] |= labels
        status, body = who.answer("PUT", f"/api/v1/namespaces/{name}/finalize?dryRun=All", found)
        return "" if status < 300 else str(body["message"])
    where = f"/api/v1/namespaces/{name}{'/' if sub else ''}{sub}?dryRun=All"
    status, body = who.answer("PATCH", where, {"metadata": {"labels": labels}}, "application/merge-patch+json")
    return "" if status < 300 else str(body["message"])


@cluster
def test_whoever_runs_pods_through_us_may_run_pods(guarded: Sandbox, person: Person) -> None:
    """A workload runs pods; a definition decides what others run at their next restart."""
    ron = person("ron", *OURS)
    box = custom("Workspace", "box", "team-x", {"image": IMAGE})
    becomes(ron, box, "You need the verb create on pods in namespace team-x")
    served = {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]}
    many = {"image": IMAGE, "distributedFramework": "JAX"}
    objects = [box, custom("DistributedTraining", "many", "team-x", many)]
    for more in ({}, {"run": {}}):
        objects.append(custom("Environment", "e", "team-x", {"image": IMAGE, **more}))
        objects.append(custom("Artifact", "a", "team-x", {**served, **more}))
    objects.append(custom("DataSource", "d", "team-x", {"nfs": {"server": "s", "path": "/", "mountPath": "/d"}}))
    for item in objects:
        assert "runs pods" in tries(ron, item)
    assert tries(ron, custom("ArtifactRepository", "r", "team-x", {})) == ""
    grant(guarded, "ron", *OURS, ("", "pods", ["create"], []))
    for item in objects:
        becomes(ron, item, "")


RUNNING = {
    "Workspace": {"image": IMAGE},
    "DistributedTraining": {"image": IMAGE, "distributedFramework": "JAX"},
    "Inference": {"image": IMAGE, "servingPort": {"container": 8000, "clusterLocalAccessOnly": True}},
    "DataSource": {"nfs": {"server": "s", "path": "/", "mountPath": "/d"}},
    "Environment": {"image": IMAGE},
    "Artifact": {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]},
    "NimCache": {"image": IMAGE},
}
WAYS = {
    "an edit": ("", {"spec": {"description": "changed"}}),
    "a restart": ("", {"metadata": {"annotations": {"outfitter.dev/restartedAt": "1"}}}),
    "scale": ("/scale", {"spec": {"replicas": 2}}),
}


MATRIX = [(kind, way) for kind in RUNNING for way in WAYS if way != "scale" or kind_of(kind).model.SCALE]


@cluster
@pytest.mark.parametrize(("kind", "way"), MATRIX)
def test_every_write_that_makes_something_run_needs_the_right(
    guarded: Sandbox, person: Person, kind: str, way: str
) -> None:
    """Each kind, on each subresource, by each field that has pods start or restart."""
    sub, body = WAYS[way]
    if way == "scale" and kind == "Environment":
        body = {"spec": {"replicas": 0}}
    plural, name = kind_of(kind).plural, f"matrix-{kind.lower()}"
    scaled = kind_of(kind).model.SCALE or ""
    apply(guarded, custom(kind, name, "team-x", RUNNING[kind] | ({"run": {}} if "run" in scaled else {})))
    ours = [("outfitter.dev", each, ["get", "update", "patch"], list[str]()) for each in (plural, f"{plural}/scale")]
    who = f"runner-{kind.lower()}"
    runner = person(who, *ours)
    where = f"/apis/outfitter.dev/v1alpha1/namespaces/team-x/{plural}/{name}{sub}?dryRun=All"

    def tried() -> str:
        status, answer = runner.answer("PATCH", where, body, MERGE_PATCH)
        return "" if status < 300 else str(answer["message"])

    eventually(tried, lambda seen: "You need the verb create on pods" in seen)
    # A NimCache also creates a volume: tests/chart/test_created_kinds.py.
    grant(guarded, who, *ours, ("", "pods", ["create"], []), ("", "persistentvolumeclaims", ["create"], []))
    eventually(tried, lambda seen: seen == "")


@cluster
def test_a_registry_with_a_login_needs_the_right_on_pods(guarded: Sandbox, person: Person) -> None:
    """The operator sends the login of a Credential that the author could not read."""
    writes = ("outfitter.dev", "registries", ["create", "get", "patch", "update"], list[str]())
    rita = person("rita", writes)
    spec = {"url": "registry.example.com"}
    item = custom("Registry", "r", "team-x", {**spec, "credential": {"name": "robot"}})
    becomes(rita, item, "Registry r sends the login of a Credential. You need the verb create on pods in namespace")
    assert tries(rita, custom("Registry", "r", "team-x", spec)) == ""
    assert tries(rita, custom("Registry", "r", "team-x", {**spec, "credential": None})) == ""
    apply(guarded, custom("Registry", "r", "team-x", spec))
    assert "sends the login of a Credential" in tries(rita, item), "an edit adds it"
    grant(guarded, "rita", writes, ("", "pods", ["create"], []))
    becomes(rita, item, "")


@cluster
def test_secrets_that_are_named_must_be_readable(guarded: Sandbox, person: Person) -> None:
    """Each by name; or all of the namespace."""
    pods = ("", "pods", ["create"], list[str]())
    sara = person("sara", *OURS, pods, ("", "secrets", ["get"], ["mine", "also-mine"]))

    def credential(name: str) -> Manifest:
        return custom("Credential", "c", "team-x", {"type": "genericSecret", "secretRef": {"name": name}})

    def reading(*secrets: str) -> Manifest:
        volumes = [{"secret": name, "mountPath": f"/s/{number}"} for number, name in enumerate(secrets)]
        return custom("Workspace", "w", "team-x", {"image": IMAGE, "storage": {"secretVolume": volumes}})

    becomes(sara, credential("other"), "Credential c names Secret other. You need the verb get on that Secret")
    assert tries(sara, credential("mine")) == ""
    assert tries(sara, reading("mine", "also-mine")) == ""
    assert "names Secret other. You need" in tries(sara, reading("mine", "also-mine", "other"))
    for spec in (
        {"environmentVariables": [{"name": "A", "secret": {"name": "other", "key": "k"}}]},
        {"imagePullSecrets": [{"name": "other"}]},
        {"storage": {"s3": [{"bucket": "data", "path": "/b", "accessKeySecret": "other"}]}},
    ):
        assert "names Secret other. You need" in tries(
            sara, custom("Workspace", "w", "team-x", {"image": IMAGE, **spec})
        )
        assert "names Secret other. You need" in tries(sara, mastered(spec))
    for given, answer in ((True, ""), (False, "names Secret other"), (None, "names Secret other")):
        named = {"name": "other", "userCredential": given}  # true: the name of a Credential
        spec = {"image": IMAGE, "imagePullSecrets": [named]}
        told = tries(sara, custom("Workspace", "w", "team-x", spec))
        assert answer in told
        assert bool(answer) == bool(told)
    own = {"name": "A", "userCredential": {"name": "other", "key": "k"}}
    assert tries(sara, custom("Workspace", "w", "team-x", {"image": IMAGE, "environmentVariables": [own]})) == ""
    many = reading(*["mine"] * CHECKED_SECRETS)
    assert tries(sara, many) == "", "the API server allows that many checks"
    assert f"more than {CHECKED_SECRETS} Secrets" in tries(sara, reading(*["mine"] * (CHECKED_SECRETS + 1)))
    grant(guarded, "sara", *OURS, pods, ("", "secrets", ["get"], []))
    becomes(sara, reading(*["mine"] * CHECKED_SECRETS, "other"), "")


def mastered(master: Manifest) -> Manifest:
    """A distributed training whose master has these fields."""
    spec = {"image": IMAGE, "distributedFramework": "PyTorch", "masterSpec": {"image": IMAGE, **master}}
    return custom("DistributedTraining", "many", "team-x", spec)


@cluster
def test_elevated_fields_need_a_right(guarded: Sandbox, person: Person) -> None:
    pods = ("", "pods", ["create"], list[str]())
    ella = person("ella", *OURS, pods)
    plain = custom("Workspace", "w", "team-x", {"image": IMAGE, "security": {"capabilities": ["NET_BIND_SERVICE"]}})
    becomes(ella, plain, "")
    context = {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}
    host = {"path": "/", "mountPath": "/m"}
    elevated = [
        custom("Workspace", "w", "team-x", {"image": IMAGE, "security": {"hostNetwork": True}}),
        mastered({"security": {"hostNetwork": True}}),
        mastered({"storage": {"hostPath": [host]}}),
        custom("Environment", "e", "team-x", {"image": IMAGE, "security": {"capabilities": ["SYS_ADMIN"]}}),
        custom("Workspace", "w", "team-x", {"image": IMAGE, "storage": {"hostPath": [host]}}),
        custom("DataSource", "d", "team-x", {"hostPath": host}),
        custom("Artifact", "a", "team-x",
               {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080, **context}]}]}),
    ]  # fmt: skip
    eventually(lambda: tries(ella, elevated[0]))
    for manifest in elevated:
        assert "You need the verb elevate on" in tries(ella, manifest), manifest
    grant(guarded, "ella", *OURS, pods, *(("outfitter.dev", plural, ["elevate"], []) for plural in PLURAL.values()))
    becomes(ella, elevated[0], "")
    for manifest in elevated:
        assert tries(ella, manifest) == ""


@cluster
def test_a_null_is_an_absent_field(guarded: Sandbox, person: Person) -> None:
    """Of what is null nothing is elevated, no Secret is named, and nothing restarts: before and after it is stored."""
    nora = person("nora", *OURS, ("", "pods", ["create"], []))
    security = {"hostIpc": None, "hostNetwork": None, "seccompProfileType": None, "capabilities": None}
    storage = {"hostPath": None, "secretVolume": [{"secret": None, "mountPath": "/s", "defaultMode": None}]}
    source = {"name": "A", "value": None, "secret": None, "credential": None}
    probe = {"path": "/", "host": None}
    context = {"seccompProfile": None, "allowPrivilegeEscalation": None, "capabilities": {"add": None, "drop": None}}
    container = {"imageUri": IMAGE, "port": 8080, "startupProbe": probe, "livenessProbe": None}
    nfs = {"server": "s", "path": "/p", "mountPath": "/m"}
    workspace = {"image": IMAGE, "storage": storage, "environmentVariables": [source], "imagePullSecrets": None}
    manifests = [
        custom("Workspace", "null", "team-x", {**workspace, "security": security, "probes": {"readiness": None}}),
        custom("Workspace", "none", "team-x", {"image": IMAGE, "storage": None, "security": None, "annotations": None}),
        custom("Environment", "null", "team-x", {"image": IMAGE, "run": None, "security": None, "probes": None}),
        custom("DataSource", "null", "team-x", {"hostPath": None, "nfs": nfs}),
        custom("Artifact", "null", "team-x", {"containerGroups": [{"containers": [
            {**container, "securityContext": context}, {"imageUri": IMAGE, "primary": False, "securityContext": None}
        ]}]}),
        custom("Artifact", "none", "team-x", {"containerGroups": None}),
        custom("ArtifactRepository", "null", "team-x", {"sharedRoles": None}),
    ]  # fmt: skip
    manifests[4]["spec"]["containerGroups"][0]["containers"][0]["primary"] = True
    becomes(nora, manifests[0], "")
    for manifest in manifests:
        manifest["metadata"] |= {"annotations": None, "labels": None}
        for _ in range(2):
            query = f"{path(manifest)}?fieldManager=test"
            status, answer = nora.answer("PATCH", query, manifest, "application/apply-patch+yaml")
            assert status < 300, answer["message"]
        status, answer = nora.answer("DELETE", path(manifest))
        assert status < 300, answer["message"]


@cluster
def test_sharing_hands_out_rights_and_needs_one(guarded: Sandbox, person: Person) -> None:
    """That of whoever could hand them out directly, or of an owner with whom the repository itself is shared."""
    some = [rule for rule in OURS if rule[1] != "artifacts"]
    tom = person("tom", *OURS)
    ann, eve = ({"subject": {"kind": "User", "name": name}, "role": "OWNER"} for name in ("ann", "eve"))

    def repository(name: str, *entries: Manifest, **spec: Any) -> Manifest:
        return custom("ArtifactRepository", name, "team-x", {"sharedRoles": list(entries), **spec})

    told = "ArtifactRepository r grants rights by sharedRoles. You need the verb share on it, or create on"
    becomes(tom, repository("r", ann), told)
    assert tries(tom, custom("ArtifactRepository", "r", "team-x", {"description": "d"})) == ""
    apply(guarded, repository("r", ann))
    assert tries(tom, repository("r", ann, description="changed")) == "", "it is about the list only"
    assert told in tries(tom, repository("r", ann, eve))
    assert told in tries(tom, repository("r")), "nor does he take away"
    grant(guarded, "tom", *OURS, ("outfitter.dev", "artifactrepositories", ["share"], ["r"]))
    becomes(tom, repository("r", ann, eve), "")
    assert "ArtifactRepository q grants rights" in tries(tom, repository("q", ann))
    binds = (RBAC, "rolebindings", ["create"], list[str]())
    grant(guarded, "tom", *some, binds)
    becomes(tom, repository("r", ann, eve), told)  # he would give away what he does not have
    grant(guarded, "tom", *OURS, binds)
    becomes(tom, repository("q", ann), "")
    assert tries(tom, repository("r", ann, eve)) == ""
    # Of Kubernetes' own roles, with ours aggregated: admin may, edit may not.
    for name, role, says in (("ada", "admin", ""), ("eddy", "edit", told)):
        who = person(name)
        subject = {"kind": "User", "name": name, "apiGroup": RBAC}
        reference = {"kind": "ClusterRole", "name": role, "apiGroup": RBAC}
        meta = {"name": name, "namespace": "team-x"}
        bound = {"kind": "RoleBinding", "metadata": meta, "roleRef": reference, "subjects": [subject]}
        apply(guarded, {"apiVersion": f"{RBAC}/v1", **bound})
        becomes(who, repository("r", ann, eve), says)


@cluster
def test_what_others_wrote_may_still_be_labelled(guarded: Sandbox, person: Person) -> None:
    """Rights are asked for when a spec changes or a workload restarts, not when other metadata changes."""
    apply(guarded, custom("Workspace", "lasting", "team-y", {"image": IMAGE, "security": {"hostIpc": True}}))
    mia = person("mia", *OURS, ("", "pods", ["create"], []))
    where = "/apis/outfitter.dev/v1alpha1/namespaces/team-y/workspaces/lasting"

    def patch(body: Manifest) -> str:
        status, answer = mia.answer("PATCH", where, body, "application/merge-patch+json")
        return "" if status < 300 else str(answer["message"])

    eventually(
        lambda: patch({"metadata": {"annotations": {"outfitter.dev/restartedAt": "1"}}}), lambda seen: seen == ""
    )
    assert "You need the verb" in patch({"spec": {"description": "changed"}})


@cluster
def test_with_the_policies_off_only_rbac_decides(guarded: Sandbox, person: Person, install: list[Manifest]) -> None:
    """Each is switched off by itself; here by its binding, as `admission.<name>.enabled=false` leaves it out."""
    olga = person("olga", *OURS, NAMESPACES)
    box = custom("Workspace", "box", "team-x", {"image": IMAGE, "security": {"hostNetwork": True}})
    becomes(olga, box, "You need the verb")
    bindings = [item for item in install if item["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert len(bindings) == len(POLICIES) + len(PROJECT_POLICIES)
    for binding in bindings:
        guarded.connection().request("DELETE", path(binding))
    try:
        becomes(olga, box, "")
        becomes(olga, space("new-2", department="research", elevation="allowed"), "")
    finally:
        for binding in bindings:
            apply(guarded, binding)
    becomes(olga, box, "You need the verb")


def test_every_policy_is_a_value_and_a_file(values: Manifest) -> None:
    assert set(values["admission"]) == set(POLICIES)
    for name in POLICIES:
        assert values["admission"][name]["enabled"] is True
        assert (CHART / "files" / f"{name}.yaml").is_file()
        assert f"admission.{name}.enabled" in (ROOT / "docs" / "guide" / "security.md").read_text(encoding="utf-8")


def test_forbidden_is_what_they_answer() -> None:
    """People and tools tell a missing right from a wrong field by it."""
    assert {each["reason"] for spec in POLICIES.values() for each in spec()["validations"]} == {Forbidden.__name__}


@cluster
def test_what_is_used_or_locked_is_not_deleted(guarded: Sandbox, person: Person) -> None:
    """The status says so; the message names the users; an annotation is the way out."""
    dora = person("dora", *OURS)
    small = custom("DataSource", "d", "team-y", {"nfs": {"server": "s", "path": "/p", "mountPath": "/m"}})
    served = {"containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080}]}]}
    version = custom("Artifact", "a", "team-y", {**served, "locked": True})
    admin = guarded.connection()
    told = {
        "DataSource": {"usedBy": {"total": 1, "workspaces": [{"namespace": "team-y", "name": "alice"}]}},
        "Artifact": {"version": 3, "repository": "a"},
    }
    for manifest in (small, version):
        apply(guarded, manifest)
        admin.request("PATCH", path(manifest) + "/status", {"status": told[manifest["kind"]]}, MERGE_PATCH)

    def delete(manifest: Manifest) -> str:
        status, body = dora.answer("DELETE", path(manifest) + "?dryRun=All")
        return "" if status < 300 else str(body["message"])

    eventually(lambda: delete(small), lambda seen: "is used by team-y/alice. Change or delete those first" in seen)
    assert "is version 3 of a, and versions are kept" in delete(version)
    for manifest in (small, version):
        forced = {"metadata": {"annotations": {"outfitter.dev/force-delete": "true"}}}
        admin.request("PATCH", path(manifest), forced, MERGE_PATCH)
        assert delete(manifest) == ""


@cluster
def test_a_repository_with_artifacts_needs_the_right_to_delete_them(guarded: Sandbox, person: Person) -> None:
    """The operator deletes them on behalf of the user. The annotation that forces a deletion does not lift it."""
    repository = custom("ArtifactRepository", "drafts", "team-y", {})
    apply(guarded, repository)
    admin = guarded.connection()

    def status(**fields: Any) -> None:
        admin.request("PATCH", path(repository) + "/status", {"status": fields}, MERGE_PATCH)

    def delete(who: Connection) -> str:
        code, body = who.answer("DELETE", path(repository) + "?dryRun=All")
        return "" if code < 300 else str(body["message"])

    status(numArtifacts=2)
    mine = ("outfitter.dev", "artifactrepositories", ["delete", "get"], [])
    rena = person("rena", mine)
    eventually(lambda: delete(rena), lambda seen: "is deleted with its artifacts. You need the verb delete" in seen)
    forced = {"metadata": {"annotations": {"outfitter.dev/force-delete": "true"}}}
    admin.request("PATCH", path(repository), forced, MERGE_PATCH)
    assert "is deleted with its artifacts" in delete(rena)
    admin.request("PATCH", path(repository), {"metadata": {"annotations": None}}, MERGE_PATCH)
    # Without artifacts, there is nothing to ask for.
    status(numArtifacts=0)
    assert delete(rena) == ""
    status(numArtifacts=2)
    for name, rule in (
        ("rolf", ("outfitter.dev", "artifacts", ["delete"], [])),
        ("ruth", ("outfitter.dev", "artifactrepositories", ["share"], ["drafts"])),
    ):
        who = person(name, mine, rule)
        eventually(lambda who=who: delete(who), lambda seen: seen == "")
    # What keeps it is told to everybody.
    status(numArtifacts=2, keptBy=["trial"], versions=[{"version": 1, "name": "one", "uid": "u", "locked": True}])
    said = delete(person("dora", *OURS))
    assert "holds 1 version, Artifact one, and versions are kept" in said
    status(versions=None)
    assert "holds artifacts that run, or are in use or being locked: trial." in delete(person("dora", *OURS))
