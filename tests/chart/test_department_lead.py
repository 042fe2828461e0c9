"""The policy `requester` for a lead, who may share with a department and create nothing in the namespace of assets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from outfitter.codegen.admission import requester_rights, share
from outfitter_sandbox import Sandbox
from outfitter_sandbox.connection import MERGE_PATCH, Connection

from .conftest import Manifest, eventually
from .objects import apply, custom, path
from .test_admission import IMAGE, Person, becomes, grant, guarded, person, tries
from .test_share import SCOPED, SYSTEM, thing

__all__ = ["guarded", "person"]  # fixtures
pytestmark = pytest.mark.cluster
WRITES: Final = [
    ("outfitter.dev", f"{plural}{sub}", ["create", "get", "patch", "update"], list[str]())
    for plural in SCOPED.values()
    for sub in ("", "/scale")
]
RESEARCH: Final = ("outfitter.dev", "departments", ["share"], ["research"])
CLUSTERS: Final = ("outfitter.dev", "clusters", ["share"], list[str]())
# A right on a Secret that the examples name.
LOGIN: Final = ("", "secrets", ["get"], ["registry-login"])
RUNNING: Final = sorted(name for name, plural in SCOPED.items() if plural in requester_rights.RUNNING)
ELSEWHERE: Final = [name for name in SCOPED if SCOPED[name] not in share.RUNS_THERE]
PODS: Final = f"You need the verb create on pods in namespace {SYSTEM}"


@pytest.fixture(scope="module", params=["both policies", "requester alone"])
def judged(request: pytest.FixtureRequest, guarded: Sandbox, install: list[Manifest]) -> Iterator[str]:
    """With the policy `share`, and without it: `requester` does not rely on it."""
    (binding,) = [
        item
        for item in install
        if item["kind"] == "ValidatingAdmissionPolicyBinding" and item["metadata"]["name"] == "outfitter-share"
    ]
    grant(guarded, "probe", *WRITES)
    probe = guarded.connection().impersonating("probe")
    becomes(probe, thing("Environment", "new", "project"), PODS)
    becomes(probe, thing("ComputeResource", "new", "research"), "You need the verb share")
    if request.param == "both policies":
        yield request.param
        return
    guarded.connection().request("DELETE", path(binding))
    becomes(probe, thing("ComputeResource", "new", "research"), "")
    try:
        yield request.param
    finally:
        apply(guarded, binding)


def wide(kind: str, scope: Any, **spec: Any) -> Manifest:
    """An object in the namespace of shared assets."""
    given = {} if scope is None else {"scope": scope}
    return custom(kind, "new", SYSTEM, {**spec, **given})


def department(name: str) -> dict[str, str]:
    return {"type": "department", "name": name}


@pytest.fixture
def lead(person: Person, judged: str) -> Connection:
    """May write every kind with a scope and share with one department: no pods, services, claims, ingresses."""
    lea = person("lea-lead", *WRITES, RESEARCH, LOGIN)
    becomes(lea, thing("ComputeResource", "new", "research"), "")
    becomes(lea, thing("Environment", "new", "research"), "")
    return lea


@pytest.fixture
def stored(guarded: Sandbox) -> Iterator[Callable[[Manifest], None]]:
    """Writes objects as an administrator, and deletes them after the test: an operator would reconcile them."""
    written: list[Manifest] = []

    def store(item: Manifest) -> None:
        apply(guarded, item)
        written.append(item)

    yield store
    for item in written:
        guarded.connection().request("DELETE", path(item))


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_the_right_to_share_replaces_the_right_on_pods(lead: Connection, kind: str) -> None:
    assert tries(lead, thing(kind, "new", "research")) == ""


@pytest.mark.parametrize("kind", RUNNING)
def test_it_is_for_one_scope(lead: Connection, kind: str, judged: str) -> None:
    """Also if the policy `share` is switched off."""
    for scope, right in (
        ("finance", "departments.outfitter.dev named finance"),
        ("cluster", "clusters.outfitter.dev"),
        ("tenant", "clusters.outfitter.dev"),
        ("absent", "clusters.outfitter.dev"),
        ("null", "clusters.outfitter.dev"),
    ):
        answer = tries(lead, thing(kind, "new", scope))
        assert "You need the verb" in answer, (scope, answer)
        if SCOPED[kind] not in share.RUNS_THERE:
            assert f"the verb share on {right}." in answer, (scope, answer)
    answer = tries(lead, thing(kind, "new", "project"))
    assert PODS in answer
    assert "verb share" not in answer, "it would not help"


def _port(type_: str) -> dict[str, Any]:
    return {"name": "t", "toolType": "custom", "connectionType": type_, "containerPort": 80}


NEW: Final = {"path": "/d", "claimInfo": {"size": "1Gi"}}
MADE_THERE: Final = {
    "node port": wide("Environment", None, image=IMAGE, connections=[_port("NodePort")]),
    "load balancer": wide("Environment", None, image=IMAGE, connections=[_port("LoadBalancer")]),
    "URL": wide("Environment", None, image=IMAGE, connections=[_port("ExternalUrl")]),
    "claim of a source": wide("DataSource", None, pvc=NEW),
    "claim of a template": wide("WorkloadTemplate", None, workloadType="workspace", storage={"pvc": [NEW]}),
    "port by a policy": wide(
        "WorkloadPolicy",
        None,
        workloadType="workspace",
        defaults={"ports": {"instances": [{"container": 22, "serviceType": "NodePort"}]}},
    ),
}


@pytest.mark.parametrize("name", MADE_THERE)
def test_what_is_created_in_the_projects_needs_no_right_here(lead: Connection, name: str) -> None:
    item = MADE_THERE[name]
    item = {**item, "spec": {**item["spec"], "scope": department("research")}}
    assert tries(lead, item) == ""
    foreign = {**item, "spec": {**item["spec"], "scope": department("finance")}}
    assert "You need the verb" in tries(lead, foreign)
    own = {**item, "spec": {**item["spec"], "scope": {"type": "project"}}}
    assert PODS in tries(lead, own)


NAMED: Final = [{"name": "other"}]
VARIABLE: Final = [{"name": "A", "secret": {"name": "other", "key": "k"}}]
KEPT: Final = {
    "a Secret by a Credential": (
        wide("Credential", None, type="genericSecret", secretRef={"name": "other"}),
        "names Secret other. You need the verb get on that Secret",
    ),
    "a Secret by a variable": (
        wide("WorkloadTemplate", None, workloadType="workspace", environmentVariables=VARIABLE),
        "names Secret other. You need the verb get on that Secret",
    ),
    "a pull secret": (
        wide("WorkloadTemplate", None, workloadType="workspace", imagePullSecrets=NAMED),
        "names Secret other. You need the verb get on that Secret",
    ),
    "Secrets by a policy": (
        wide("WorkloadPolicy", None, workloadType="workspace", defaults={"imagePullSecrets": {"instances": NAMED}}),
        "You need the verb get on all Secrets of the namespace",
    ),
    "a ConfigMap": (
        wide("DataSource", None, configMapVolume={"configMap": "internal", "mountPath": "/x"}),
        "shares ConfigMap internal. You need the verb get on it",
    ),
    "elevation": (
        wide("Environment", None, image=IMAGE, security={"hostNetwork": True}),
        "You need the verb elevate on environments.outfitter.dev",
    ),
    "elevation by a policy": (
        wide("WorkloadPolicy", None, workloadType="workspace", defaults={"security": {"hostIpc": True}}),
        "You need the verb elevate on workloadpolicies.outfitter.dev",
    ),
    "a claim of the namespace": (
        wide("DataSource", None, dataVolume={"originPvcName": "data", "mountPath": "/d"}),
        "You need the verb create on pods",
    ),
    "an existing claim of the namespace for everyone": (
        wide("DataSource", None, pvc={"path": "/d", "existingPvc": True, "claimName": "data", "dataSharing": True}),
        "You need the verb create on pods",
    ),
    "a model cache": (wide("NimCache", None, image=IMAGE), "You need the verb create on pods"),
}
"""Name -> an object without a scope, and the right that its author needs beside that to share."""


@pytest.mark.parametrize("name", KEPT)
def test_other_rights_are_needed_as_before(guarded: Sandbox, lead: Connection, name: str) -> None:
    item, need = KEPT[name]
    item = {**item, "spec": {**item["spec"], "scope": department("research")}}
    assert need in tries(lead, item)


@pytest.mark.parametrize("name", [*KEPT, "a run"])
def test_the_right_on_the_cluster_replaces_no_more_than_that(
    guarded: Sandbox, person: Person, judged: str, name: str
) -> None:
    """Also of an object without a scope, which the whole cluster can use."""
    cleo = person("cleo-clusters", *WRITES, CLUSTERS, LOGIN)
    becomes(cleo, thing("Environment", "new", "absent"), "")
    run = (wide("Environment", None, image=IMAGE, run={}), "You need the verb create on pods")
    item, need = KEPT.get(name, run)
    assert need in tries(cleo, item)


def test_a_named_secret_that_the_lead_may_read(lead: Connection) -> None:
    item = wide("Credential", department("research"), type="genericSecret", secretRef={"name": "registry-login"})
    assert tries(lead, item) == ""


def test_to_delete_the_data_of_projects_needs_a_right_on_claims(
    stored: Callable[[Manifest], None], lead: Connection
) -> None:
    item = wide("DataSource", department("research"), pvc=NEW)
    item["metadata"]["name"] = "kept"
    stored(item)
    change = {"spec": {"reclaimPolicy": "Delete"}}
    status, answer = lead.answer("PATCH", f"{path(item)}?dryRun=All", change, MERGE_PATCH)
    assert status == 403
    assert "You need the verb delete on persistentvolumeclaims" in answer["message"]


def test_other_owner_references_need_the_right_to_delete(
    guarded: Sandbox, stored: Callable[[Manifest], None], lead: Connection
) -> None:
    item = thing("Environment", "owned", "research")
    stored(item)
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "11111111-1111-1111-1111-111111111111"}
    change = {"metadata": {"ownerReferences": [owner]}}

    def tried() -> str:
        status, answer = lead.answer("PATCH", f"{path(item)}?dryRun=All", change, MERGE_PATCH)
        return "" if status < 300 else str(answer["message"])

    assert "You need the verb delete on it" in tried()
    grant(guarded, "lea-lead", *WRITES, RESEARCH, LOGIN, ("outfitter.dev", "environments", ["delete"], []))
    eventually(tried, lambda said: said == "")


def test_to_scale_needs_the_right_on_pods(stored: Callable[[Manifest], None], person: Person, judged: str) -> None:
    """The scope is not visible, and what runs runs here."""
    item = thing("Environment", "runs-here", "project", run={})
    stored(item)
    stan = person("stan-scale", *WRITES, CLUSTERS)
    becomes(stan, thing("Environment", "new", "absent"), "")
    status, answer = stan.answer("PATCH", f"{path(item)}/scale?dryRun=All", {"spec": {"replicas": 0}}, MERGE_PATCH)
    assert status == 403
    assert PODS in answer["message"]


def test_in_other_namespaces_the_right_to_share_replaces_nothing(lead: Connection) -> None:
    item = thing("Environment", "new", "research")
    item["metadata"]["namespace"] = "team-x"
    assert "You need the verb create on pods in namespace team-x." in tries(lead, item)


def test_in_a_namespace_that_is_a_project_too_it_replaces_nothing(
    guarded: Sandbox, install: list[Manifest], lead: Connection
) -> None:
    """Pods, services and claims of shared assets can be created there then."""
    (space,) = [item for item in install if item["kind"] == "Namespace"]
    labels = {**space["metadata"]["labels"], "outfitter.dev/project": "platform"}
    apply(guarded, {**space, "metadata": {**space["metadata"], "labels": labels}})
    try:
        becomes(lead, thing("Environment", "new", "research"), f"{PODS}.")
    finally:
        apply(guarded, space)
    becomes(lead, thing("Environment", "new", "research"), "")
