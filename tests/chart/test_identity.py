"""The stamps of who wrote an object, on a real API server: every kind, verb and subresource, forged in every way."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from identity_policies import identity_policies
from outfitter.api.shape import without_nulls
from outfitter.api.v1alpha1 import KINDS, Kind
from outfitter.codegen.admission.identity import STAMPS
from outfitter.naming import (
    ANNOTATION_AUTHORED_BY,
    ANNOTATION_AUTHORED_UNDER,
    ANNOTATION_CREATED_BY,
    ANNOTATION_CREATED_UNDER,
    ANNOTATION_RUN_AS,
    ANNOTATION_UPDATED_BY,
    ANNOTATION_UPDATED_UNDER,
    LABEL_ON_DEMAND,
)
from outfitter.plan.workload.inputs import made_from
from outfitter_sandbox import Sandbox
from outfitter_sandbox.connection import APPLY_PATCH, JSON, MERGE_PATCH, Connection

from .conftest import Helm, Manifest, eventually
from .objects import ACCOUNT, apply, custom, get, namespace, path

pytestmark = pytest.mark.cluster

JSON_PATCH: Final = "application/json-patch+json"
IMAGE: Final = "registry.example.com/box:1"
NFS: Final = {"server": "nfs.example.com", "path": "/p", "mountPath": "/m"}
SPECS: Final[Mapping[str, Manifest]] = {
    "Environment": {"image": IMAGE, "run": {"replicas": 0}},
    "ComputeResource": {"cpuCoreRequest": 1},
    "DataSource": {"nfs": NFS},
    "Credential": {"type": "genericSecret", "secretRef": {"name": "s"}},
    "Registry": {"url": "registry.example.com"},
    "ImageQuery": {"registry": {"name": "images"}},
    "ImageBuild": {"artifact": {"name": "scorer"}},
    "WorkloadTemplate": {"workloadType": "workspace"},
    "WorkloadPolicy": {"workloadType": "workspace"},
    "Workspace": {"image": IMAGE},
    "Training": {"image": IMAGE},
    "DistributedTraining": {"image": IMAGE, "distributedFramework": "JAX"},
    "Inference": {"image": IMAGE, "servingPort": {"container": 8080}, "replicas": 0},
    "Artifact": {
        "containerGroups": [{"containers": [{"imageUri": IMAGE, "port": 8080, "primary": True}]}],
        "run": {"replicas": 0},
    },
    "ArtifactRepository": {"type": "service"},
    "NimCache": {"image": "nvcr.io/nim/a:1"},
}
FROZEN: Final = frozenset({"ImageQuery"})
"""Kinds whose spec cannot change: tests/api/cases/changes.yaml."""
FORGED: Final = {
    **dict.fromkeys(STAMPS, "evil"),
    ANNOTATION_CREATED_UNDER: "00000000-0000-4000-8000-000000000000",
    ANNOTATION_UPDATED_UNDER: "00000000-0000-4000-8000-000000000000/1",
    ANNOTATION_RUN_AS["uid"]: "0",
}
ANN, BOB = "ann@example.com", "bob"
ADMIN: Final = "system:masters"  # RBAC and the other policies let everything through


@pytest.fixture(scope="module")
def policies() -> list[Manifest]:
    """deploy/identity.yaml, with keys of the login."""
    return identity_policies()


@pytest.fixture(scope="module")
def stamping(sandbox: Sandbox, install: list[Manifest], policies: list[Manifest]) -> Iterator[Sandbox]:
    """CRDs and the two policies. They go when this file is done."""
    for manifest in install:
        if manifest["kind"] == "CustomResourceDefinition":
            apply(sandbox, manifest)
    apply(sandbox, namespace("stamps"))
    for manifest in policies:
        apply(sandbox, manifest)
    _wait_until_stamped(sandbox)
    yield sandbox
    for manifest in policies:
        sandbox.connection().request("DELETE", path(manifest))


_BINDINGS = ["none yet"]
"""The uid of each binding that there was."""


def _wait_until_stamped(sandbox: Sandbox) -> None:
    """Policies count a moment after they were written."""
    probe = custom("ComputeResource", "probe", "stamps", {"cpuCoreRequest": 1})

    where = f"{path(probe)}?fieldManager=p&dryRun=All"

    def stamped() -> bool:
        status, body = user(sandbox, ANN).answer("PATCH", where, probe, APPLY_PATCH)
        return status < 300 and bool(stamps(body))

    eventually(stamped)
    (binding,) = [item for item in identity_policies() if item["kind"] == "MutatingAdmissionPolicyBinding"]
    _BINDINGS.append(get(sandbox, binding)["metadata"]["uid"])


def user(sandbox: Sandbox, name: str, **extra: str) -> Connection:
    """Somebody with all rights, whose login has extra fields."""
    who = sandbox.connection().impersonating(name, ADMIN)
    headers = [(f"Impersonate-Extra-example.com%2F{key}", part) for key, text in extra.items() for part in text.split()]
    return Connection(f"https://{who.host}", who.context, [*who.headers, *headers])


def stamps(body: Manifest) -> dict[str, str]:
    """Those of an object."""
    given = body["metadata"].get("annotations") or {}
    return {name: given[name].replace(_BINDINGS[-1], "<binding>") for name in STAMPS if name in given}


def wanted(creator: str, updater: str, generation: int, author: str = "", **run_as: str) -> dict[str, str]:
    """The stamps that are true. `author`: the creator, unless another user changed what runs."""
    ids = {ANNOTATION_RUN_AS[name]: value for name, value in run_as.items()}
    return {
        ANNOTATION_CREATED_BY: creator,
        ANNOTATION_CREATED_UNDER: "<binding>",
        ANNOTATION_UPDATED_BY: updater,
        ANNOTATION_UPDATED_UNDER: f"<binding>/{generation}",
        ANNOTATION_AUTHORED_BY: author or creator,
        ANNOTATION_AUTHORED_UNDER: "<binding>",
        **ids,
    }


def send(who: Connection, verb: str, where: str, body: Any, content: str = JSON) -> Manifest:
    """A write that must be accepted."""
    status, answer = who.answer(verb, where, body, content)
    assert status < 300, answer
    result: Manifest = answer
    return result


def forged(manifest: Manifest, **spec: Any) -> Manifest:
    """The same with false stamps, and other fields of the spec."""
    meta = {**manifest["metadata"], "annotations": {**manifest["metadata"].get("annotations", {}), **FORGED}}
    return {**manifest, "metadata": meta, "spec": {**manifest["spec"], **spec}}


_NUMBERS = itertools.count()


@pytest.fixture
def made(stamping: Sandbox, kind: Kind) -> Iterator[Manifest]:
    """An object of the kind that Ann made."""
    manifest = custom(kind.name, f"s{next(_NUMBERS)}", "stamps", SPECS[kind.name])
    send(user(stamping, ANN), "PATCH", f"{path(manifest)}?fieldManager=ann", manifest, APPLY_PATCH)
    yield manifest
    stamping.connection().answer("DELETE", path(manifest))


def observed(sandbox: Sandbox, manifest: Manifest) -> Manifest:
    """An object after the operator's first status, which replaces the default one (decision 65)."""
    status = {"status": {"observedGeneration": 1}}
    return dict(sandbox.connection().request("PATCH", f"{path(manifest)}/status", status, MERGE_PATCH))


def test_every_kind_is_tried() -> None:
    """A new kind needs a row."""
    assert set(SPECS) == {kind.name for kind in KINDS}


CREATE = ("POST", "apply", "apply on the client's side")


@pytest.mark.parametrize("way", CREATE)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_created(stamping: Sandbox, kind: Kind, way: str) -> None:
    """Whatever the manifest says of its author."""
    manifest = forged(custom(kind.name, f"s{next(_NUMBERS)}", "stamps", SPECS[kind.name]))
    who, where = user(stamping, ANN, uid="1234", groups="5 6"), path(manifest)
    if way == "apply":
        body = send(who, "PATCH", f"{where}?fieldManager=m", manifest, APPLY_PATCH)
    else:
        body = send(who, "POST", f"{where.rpartition('/')[0]}?fieldManager=m", manifest)
    assert stamps(body) == wanted(ANN, ANN, 1, uid="1234", groups="5,6")
    stamping.connection().answer("DELETE", where)


WRITES = ("replace", "merge patch", "json patch", "json patch of all annotations", "apply", "apply by force")


def _write(who: Connection, live: Manifest, manifest: Manifest, way: str, spec: Manifest) -> Manifest:
    """One write with forged stamps; `spec` is what it changes of the spec."""
    where = path(manifest)
    annotations = {**(live["metadata"].get("annotations") or {}), **FORGED}
    if way == "replace":
        meta = {**live["metadata"], "annotations": FORGED}
        return send(who, "PUT", where, {**live, "metadata": meta, "spec": {**live["spec"], **spec}})
    if way == "merge patch":
        return send(who, "PATCH", where, {"metadata": {"annotations": FORGED}, "spec": spec}, MERGE_PATCH)
    if way.startswith("json patch"):
        whole = way.endswith("annotations")
        operations: list[Manifest] = [
            {"op": "add", "path": "/metadata/annotations/" + name.replace("/", "~1"), "value": value}
            for name, value in FORGED.items()
        ]
        operations = [{"op": "add", "path": "/metadata/annotations", "value": annotations}] if whole else operations
        operations += [{"op": "add", "path": f"/spec/{name}", "value": value} for name, value in spec.items()]
        return send(who, "PATCH", where, operations, JSON_PATCH)
    manager = "fieldManager=ann" if way == "apply" else "fieldManager=other&force=true"
    return send(who, "PATCH", f"{where}?{manager}", forged(manifest, **spec), APPLY_PATCH)


@pytest.mark.parametrize("way", WRITES)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.name not in FROZEN], ids=lambda kind: kind.name)
def test_changed(stamping: Sandbox, kind: Kind, made: Manifest, way: str) -> None:
    """A change of the spec names who made it; every other change leaves the stamps as they were."""
    bob = user(stamping, BOB, uid="77")
    live = stamping.connection().request("GET", path(made))
    body = _write(bob, live, made, way, {})
    assert stamps(body) == wanted(ANN, ANN, 1)
    body = _write(bob, body, made, way, {"description": "changed"})
    assert stamps(body) == wanted(ANN, BOB, 2)
    assert body["metadata"]["generation"] == 2


REMOVALS: Final[Mapping[str, Any]] = {
    "all": {"metadata": {"annotations": None}},
    "each": {"metadata": {"annotations": dict.fromkeys(STAMPS)}},
}


@pytest.mark.parametrize("what", REMOVALS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_removed(stamping: Sandbox, kind: Kind, made: Manifest, what: str) -> None:
    """Nobody gets rid of the stamps."""
    body = send(user(stamping, BOB), "PATCH", path(made), REMOVALS[what], MERGE_PATCH)
    assert stamps(body) == wanted(ANN, ANN, 1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_status(stamping: Sandbox, kind: Kind, made: Manifest) -> None:
    """A write of the status changes no annotation."""
    patch = {"metadata": {"annotations": FORGED}, "status": {"message": "m"}}
    for verb, content in (("PATCH", MERGE_PATCH), ("PUT", JSON)):
        live = stamping.connection().request("GET", path(made))
        whole = {**live, "status": {"message": "n"}, "metadata": {**live["metadata"], "annotations": FORGED}}
        body = send(user(stamping, BOB), verb, f"{path(made)}/status", patch if verb == "PATCH" else whole, content)
        assert stamps(body) == wanted(ANN, ANN, 1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.model.SCALE], ids=lambda kind: kind.name)
def test_scale(stamping: Sandbox, kind: Kind, made: Manifest) -> None:
    """The API server stamps no object through scale: the generation in its stamps is not the newest any more."""
    patch = {"metadata": {"annotations": FORGED}, "spec": {"replicas": 1}}
    send(user(stamping, BOB), "PATCH", f"{path(made)}/scale", patch, MERGE_PATCH)
    body = stamping.connection().request("GET", path(made))
    assert stamps(body) == wanted(ANN, ANN, 1)
    assert body["metadata"]["generation"] == 2
    body = send(user(stamping, BOB), "PATCH", path(made), {"spec": {"description": "b"}}, MERGE_PATCH)
    assert stamps(body) == wanted(ANN, BOB, 3)


NAMES: Final = {
    "long": "x" * 1000,
    "non-ascii": "josé@例え.jp",
    "tab": "a\tb",
    "quotes": "o'neill\"\\",
    "percent": "a%2Fb",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS[:1], ids=lambda kind: kind.name)
def test_odd_names(stamping: Sandbox, kind: Kind, made: Manifest, name: str) -> None:
    """The stamp is the name as the API server has it."""
    who = user(stamping, NAMES[name].encode().decode("latin-1"))
    body = send(who, "PATCH", path(made), {"spec": {"description": name}}, MERGE_PATCH)
    assert stamps(body) == wanted(ANN, NAMES[name], 2)


@pytest.mark.parametrize("kind", KINDS[:1], ids=lambda kind: kind.name)
def test_a_name_with_no_room(stamping: Sandbox, kind: Kind, made: Manifest) -> None:
    """It is refused, never cut: another user could have the shorter name."""
    status, body = user(stamping, "x" * 300_000).answer(
        "PATCH", path(made), {"spec": {"description": "b"}}, MERGE_PATCH
    )
    assert (status, "metadata.annotations: Too long" in body["message"]) == (422, True)


@pytest.mark.parametrize("kind", KINDS[:1], ids=lambda kind: kind.name)
def test_an_empty_or_missing_extra_field(stamping: Sandbox, kind: Kind, made: Manifest) -> None:
    """An id of an earlier login does not stay."""
    send(user(stamping, ANN, uid="1", gid="2"), "PATCH", path(made), {"spec": {"image": "a:1"}}, MERGE_PATCH)
    body = send(user(stamping, BOB, gid="3"), "PATCH", path(made), {"spec": {"image": "b:1"}}, MERGE_PATCH)
    assert stamps(body) == wanted(ANN, BOB, 3, BOB, gid="3")


GROUP: Final = {"name": "main", "replicas": 1}
SERVED: Final = {"image": None, "servingPort": None, "artifact": {"name": "a"}}
CHANGES: Final[Mapping[str, list[Manifest]]] = {
    "Workspace": [
        {"description": "d"}, {"displayName": "d"}, {"suspend": True}, {"args": "--a"}, {"image": "b:1"},
        {"labels": [{"name": "a", "value": "b"}]}, {"suspend": True, "args": "--a"}, {"description": "d", "tty": False},
    ],
    "Training": [
        {"description": "d"}, {"suspend": True}, {"args": "--a"}, {"parallelism": 1}, {"completions": 2},
        {"suspend": True, "image": "b:1"},
    ],
    "DistributedTraining": [
        {"description": "d"}, {"suspend": True}, {"args": "--a"}, {"numWorkers": 2}, {"backend": "native"},
        {"distributedFramework": "PyTorch", "masterSpecSameAsWorker": True}, {"suspend": True, "image": "b:1"},
        {"distributedFramework": "PyTorch", "masterSpec": {"image": "b:1"}},
    ],
    "Inference": [
        {"replicas": 3}, {"suspend": True}, {"args": "--a"}, {"autoscaling": {"metric": "cpu", "metricThreshold": 50}},
        {"replicas": 3, "image": "b:1"},
    ],
    "Environment": [
        {"run": {"replicas": 1}}, {"run": {"replicas": 0, "suspend": True}}, {"run": None}, {"description": "d"},
        {"run": {"replicas": 0, "compute": {"name": "c"}}}, {"command": "sh"},
    ],
    "Artifact": [
        {"description": "d"}, {"tags": [{"id": "a", "name": "n", "value": "v"}]}, {"run": None},
        {"run": {"replicas": 0, "containerGroups": [GROUP]}}, {"run": {"replicas": 2}},
        {"run": {"replicas": 0, "compute": {"name": "c"}}},
        {"containerGroups": [{"containers": [{"imageUri": "b:1", "port": 8080, "primary": True}]}]},
    ],
    "Credential": [{"description": "d"}],
    "ComputeResource": [{"cpuCoreRequest": 2}],
}  # fmt: skip
MORE: Final[list[tuple[str, Manifest, Manifest]]] = [
    ("Inference", {**SERVED, "containerGroups": [GROUP]}, {"containerGroups": [{**GROUP, "replicas": 3}]}),
    (
        "Inference",
        {**SERVED, "containerGroups": [GROUP, {"name": "b"}]},
        {"containerGroups": [{"name": "b", "replicas": 2}, GROUP]},
    ),
    (
        "Inference",
        {**SERVED, "containerGroups": [GROUP]},
        {"containerGroups": [{**GROUP, "containers": [{"name": "c", "compute": {"cpuCoreRequest": 1}}]}]},
    ),
    ("Artifact", {"run": {"containerGroups": [GROUP]}}, {"run": {"containerGroups": [{**GROUP, "replicas": 0}]}}),
    ("Workspace", {"args": "--a"}, {"args": None}),
    ("Workspace", {"args": "--a", "description": "a"}, {"args": "--a", "description": None}),
]
"""Kind, what is added to its spec first, and the change."""


def _tried() -> Iterator[tuple[str, Manifest, Manifest]]:
    yield from ((kind, {}, change) for kind, changes in CHANGES.items() for change in changes)
    yield from MORE


@pytest.mark.parametrize(("name", "first", "change"), list(_tried()), ids=str)
def test_who_changes_what_runs_is_its_author(stamping: Sandbox, name: str, first: Manifest, change: Manifest) -> None:
    """As the operator sees it: the API server and the revision agree on what decides what runs."""
    manifest = custom(name, f"s{next(_NUMBERS)}", "stamps", {**SPECS[name], **first})
    where = path(manifest)
    before = send(user(stamping, ANN, uid="1"), "POST", where.rpartition("/")[0], manifest)
    whole = {**before, "spec": {**before["spec"], **change}}
    body = send(user(stamping, BOB, uid="2"), "PUT", where, whole)
    same = made_from(without_nulls(body["spec"])) == made_from(without_nulls(before["spec"]))
    by = stamps(body)[ANNOTATION_AUTHORED_BY], stamps(body)[ANNOTATION_RUN_AS["uid"]]
    groups = "containerGroups" in change and "containerGroups" in first
    if groups and sorted(map(str, made_from(body["spec"])["containerGroups"])) == sorted(
        map(str, made_from(before["spec"])["containerGroups"])
    ):
        same = True  # another order of the same groups is not another author
    assert by == ((ANN, "1") if same else (BOB, "2"))
    assert stamps(body)[ANNOTATION_UPDATED_BY] == BOB
    stamping.connection().answer("DELETE", where)


@pytest.mark.parametrize("what", CHANGES)
def test_every_change_of_a_kind_that_runs_is_tried(what: str) -> None:
    """For each kind, changes of what runs, and others."""
    assert {kind.name for kind in KINDS if kind.runs} <= set(CHANGES)
    assert CHANGES[what]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.on_demand], ids=lambda kind: kind.name)
def test_the_account_of_the_operator(stamping: Sandbox, kind: Kind) -> None:
    """What it makes on demand has no author, and nobody else escapes by the label."""
    manifest = custom(kind.name, f"s{next(_NUMBERS)}", "stamps", SPECS[kind.name])
    manifest["metadata"]["labels"] = {LABEL_ON_DEMAND: "true"}
    plain, where = {**manifest, "metadata": dict(manifest["metadata"])}, path(manifest).rpartition("/")[0]
    operator, other = user(stamping, ACCOUNT), user(stamping, BOB)
    status, answer = operator.answer("POST", where, forged(manifest))
    assert (status, "only the API server sets" in answer["message"]) == (403, True)
    assert stamps(send(operator, "POST", where, plain)) == {}
    body = send(other, "PATCH", path(manifest), {"spec": {"description": "b"}}, MERGE_PATCH)
    assert stamps(body) == {ANNOTATION_UPDATED_BY: BOB, ANNOTATION_UPDATED_UNDER: "<binding>/2"}
    stamping.connection().answer("DELETE", path(manifest))
    assert stamps(send(other, "POST", where, plain)) == wanted(BOB, BOB, 1)
    stamping.connection().answer("DELETE", path(manifest))


@pytest.fixture
def guard_alone(stamping: Sandbox, policies: list[Manifest]) -> Iterator[Sandbox]:
    """Somebody deleted the binding of the policy that stamps."""
    (binding,) = [item for item in policies if item["kind"] == "MutatingAdmissionPolicyBinding"]
    stamping.connection().request("DELETE", path(binding))
    probe = custom("ComputeResource", "probe", "stamps", {"cpuCoreRequest": 1})

    def unstamped() -> bool:
        body = send(user(stamping, ANN), "PATCH", f"{path(probe)}?fieldManager=p&dryRun=All", probe, APPLY_PATCH)
        return not stamps(body)

    eventually(unstamped)
    yield stamping
    apply(stamping, binding)
    _wait_until_stamped(stamping)


def test_without_the_stamps_the_guard_refuses_false_ones(guard_alone: Sandbox) -> None:
    """Created, changed and removed ones; what does not touch them goes through."""
    ann = user(guard_alone, ANN)
    for number, kind in enumerate(KINDS):
        manifest = custom(kind.name, f"g{number}", "stamps", SPECS[kind.name])
        where = path(manifest)
        status, answer = ann.answer("POST", where.rpartition("/")[0], forged(manifest))
        assert (status, "only the API server sets" in answer["message"]) == (403, True), kind.name
        send(ann, "POST", where.rpartition("/")[0], manifest)
        for name in STAMPS:
            for spec in ({}, {"description": "c"}):
                patch = {"metadata": {"annotations": {name: "evil"}}, "spec": spec}
                status, answer = ann.answer("PATCH", where, patch, MERGE_PATCH)
                assert (status, "Remove the annotation from your manifest" in answer["message"]) == (403, True), name
        assert stamps(send(ann, "PATCH", where, {"spec": {"description": "b"}}, MERGE_PATCH)) == {}
        guard_alone.connection().answer("DELETE", where)


def test_policies_removed_and_put_back(stamping: Sandbox, policies: list[Manifest]) -> None:
    """What is forged meanwhile can stay, which the operator must not believe; new writes are stamped again."""
    bindings = [item for item in policies if item["kind"].endswith("Binding")]
    manifest = forged(custom("Workspace", "between", "stamps", SPECS["Workspace"]))
    for binding in bindings:
        stamping.connection().request("DELETE", path(binding))
    where = path(manifest)
    bob = user(stamping, BOB)

    def believed() -> bool:
        stamping.connection().answer("DELETE", where)
        status, body = bob.answer("POST", where.rpartition("/")[0], manifest)
        return status < 300 and stamps(body) == FORGED

    eventually(believed)
    for binding in bindings:
        apply(stamping, binding)
    _wait_until_stamped(stamping)
    body = send(bob, "PATCH", where, {"spec": {"description": "b"}}, MERGE_PATCH)
    kept = {name: FORGED[name] for name in (ANNOTATION_CREATED_BY, ANNOTATION_CREATED_UNDER)}
    authored = {name: FORGED[name] for name in FORGED if "authored" in name or "run-as" in name}
    assert stamps(body) == {**wanted("evil", BOB, 2), **kept, **authored}
    assert len(set(_BINDINGS)) == len(_BINDINGS), "a new binding has a uid that no one can know before"
    stamping.connection().answer("DELETE", where)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_git_tools_see_no_difference(stamping: Sandbox, kind: Kind, made: Manifest) -> None:
    """The same manifest, applied again by the same manager, by anybody, changes nothing at all."""
    before = observed(stamping, made)
    for name in (ANN, BOB):
        after = send(user(stamping, name), "PATCH", f"{path(made)}?fieldManager=ann", made, APPLY_PATCH)
        assert after == before
    # As Flux and Argo CD compare: a dry run by another manager adds itself to managedFields only.
    after = send(
        user(stamping, BOB), "PATCH", f"{path(made)}?fieldManager=flux&dryRun=All&force=true", made, APPLY_PATCH
    )
    assert {**after, "metadata": {**after["metadata"], "managedFields": []}} == {
        **before,
        "metadata": {**before["metadata"], "managedFields": []},
    }


@pytest.mark.kubectl
@pytest.mark.parametrize("mode", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_kubectl_diff_is_empty(stamping: Sandbox, tmp_path: Path, mode: tuple[str, ...]) -> None:
    """After kubectl applied the same file; then a second apply says unchanged."""
    manifests = [custom(kind.name, f"d-{mode != ()}".lower(), "stamps", SPECS[kind.name]) for kind in KINDS]
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all(manifests))

    def kubectl(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", "--kubeconfig", str(stamping.kubeconfig), *words, *mode, "-f", str(file)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert kubectl("apply").returncode == 0
    before = [observed(stamping, item) for item in manifests]
    assert all(stamps(item) for item in before)
    compared = kubectl("diff")
    assert (compared.returncode, compared.stdout) == (0, ""), compared.stderr
    again = kubectl("apply")
    assert again.returncode == 0, again.stderr
    assert [stamping.connection().request("GET", path(item)) for item in manifests] == before
    for item in manifests:
        stamping.connection().answer("DELETE", path(item))


def test_restored_from_a_backup(stamping: Sandbox) -> None:
    """Who restores an object is its author from then on."""
    manifest = custom("Workspace", "restored", "stamps", SPECS["Workspace"])
    where = path(manifest)
    saved = send(user(stamping, ANN), "POST", where.rpartition("/")[0], manifest)
    stamping.connection().request("DELETE", where)
    for name in ("uid", "resourceVersion", "creationTimestamp", "generation"):
        del saved["metadata"][name]
    body = send(user(stamping, "backup"), "POST", where.rpartition("/")[0], saved)
    assert stamps(body) == wanted("backup", "backup", 1)
    stamping.connection().answer("DELETE", where)


def test_the_chart_knows_where_the_kind_is(helm: Helm) -> None:
    """auto asks the API server; true and false do not."""
    api = ("--api-versions", "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy")
    for value, flags, there in (("true", (), True), ("false", api, False), ("auto", api, True)):
        kinds = {item["kind"] for item in helm.template(f"identity.enabled={value}", flags=flags)}
        assert ("MutatingAdmissionPolicy" in kinds) is there, value


@pytest.mark.parametrize("key", ["a'b", "Upper", "a b", '"'])
def test_a_key_of_the_login_cannot_break_out(helm: Helm, key: str) -> None:
    """It becomes part of an expression."""
    assert "identity" in helm.refusal(f"identity.extraKeys.uid={json.dumps(key)}")


def test_an_operator_of_single_namespaces_gets_no_policies(helm: Helm) -> None:
    """It may not read them, so it would believe no stamp."""
    manifests = helm.template("identity.enabled=true", watchNamespaces=["team-a"])
    assert not [item for item in manifests if item["kind"].startswith("MutatingAdmission")]


def test_two_pairs_of_policies_refuse_no_honest_write(stamping: Sandbox, policies: list[Manifest]) -> None:
    """Another release in the cluster, with other fields of the login."""
    text = json.dumps(policies).replace("outfitter-identity", "second-identity").replace("example.com/", "example.org/")
    second = json.loads(text)
    for manifest in second:
        apply(stamping, manifest)
    manifest = custom("Workspace", "shared", "stamps", SPECS["Workspace"])
    looks = itertools.count()

    def both() -> bool:
        # The API server promises no order of the two, and decides it anew whenever a policy changes.
        apply(stamping, {**second[0], "metadata": {**second[0]["metadata"], "annotations": {"look": str(next(looks))}}})
        status, body = user(stamping, ANN, uid="7").answer(
            "PATCH", f"{path(manifest)}?fieldManager=m&dryRun=All", manifest, APPLY_PATCH
        )
        assert status < 300, body
        return _BINDINGS[-1] not in body["metadata"]["annotations"][ANNOTATION_CREATED_UNDER]

    # Of two that stamp, the last one wins: the operator of the other does not believe it.
    eventually(both, seconds=120)
    for manifest in second:
        stamping.connection().request("DELETE", path(manifest))
    _wait_until_stamped(stamping)


def test_the_keys_of_the_login_reach_the_policy_and_the_operator(helm: Helm) -> None:
    """By the same values."""
    manifests = helm.template("identity.enabled=true", "identity.extraKeys.gid=example.com/gid")
    (policy,) = [item for item in manifests if item["kind"] == "MutatingAdmissionPolicy"]
    assert "'example.com/gid' in variables.extra" in json.dumps(policy)
    assert "IDENTITY-KEY" not in json.dumps(manifests)
    (deployment,) = [item for item in manifests if item["kind"] == "Deployment"]
    given = {item["name"]: item.get("value") for item in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert given["OUTFITTER_IDENTITY_POLICY"] == policy["metadata"]["name"]
    assert given["OUTFITTER_IDENTITY_GID_KEY"] == "example.com/gid"
