"""Who may share a data volume with other projects, and delete its claim, on a real API server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from outfitter.naming import READ_ONLY_CLAIM
from outfitter_sandbox import Sandbox
from outfitter_sandbox.connection import MERGE_PATCH, Connection

from .conftest import Manifest, eventually
from .objects import apply, custom, path

pytestmark = pytest.mark.cluster
TEAM: Final = "team-a"
RBAC: Final = "rbac.authorization.k8s.io"
CLUSTER: Final = {"type": "cluster"}
RESEARCH: Final = {"type": "department", "name": "research"}
FINANCE: Final = {"type": "department", "name": "finance"}
TEAM_B: Final = {"type": "project", "name": "team-b"}
TEAM_C: Final = {"type": "project", "name": "team-c"}
MAY: Final[dict[str, list[tuple[str, list[str]]]]] = {
    "ada": [("clusters", [])],
    "lea": [("departments", ["research"])],
    "pia": [("projects", ["team-b"])],
    "both": [("projects", ["team-b"]), ("departments", ["research"])],
    "eddy": [],
}
"""User -> what he may share with. All may write DataSources and claims."""


def source(*scopes: Any, name: str = "sets", **fields: Any) -> Manifest:
    volume = {"originPvcName": "data", "mountPath": "/sets", **({"sharedScopes": list(scopes)} if scopes else {})}
    return custom("DataSource", name, TEAM, {"dataVolume": {**volume, **fields}})


def claim(name: str = "data") -> Manifest:
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    meta = {"name": name, "namespace": TEAM}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def _role(name: str, user: str, *rules: Manifest) -> Iterator[Manifest]:
    meta = {"name": name}
    yield {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": meta, "rules": list(rules)}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
    subjects = [{"apiGroup": RBAC, "kind": "User", "name": user}]
    yield {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": meta,
        "roleRef": reference,
        "subjects": subjects,
    }


def rights() -> Iterator[Manifest]:
    write = ["create", "delete", "get", "patch", "update"]
    for user, shares in MAY.items():
        yield from _role(
            user,
            user,
            {"apiGroups": ["outfitter.dev"], "resources": ["datasources"], "verbs": write},
            {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": [*write, "deletecollection"]},
            *(
                {
                    "apiGroups": ["outfitter.dev"],
                    "resources": [resource],
                    "verbs": ["share"],
                    **({"resourceNames": names} if names else {}),
                }
                for resource, names in shares
            ),
        )


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, install: list[Manifest]) -> Iterator[Sandbox]:
    """Both policies, in force."""
    with Sandbox.up(root=tmp_path_factory.mktemp("offers")) as sandbox:
        named = ("outfitter-offers", "outfitter-origins", "outfitter-readers")
        policies = [item for item in install if item["metadata"]["name"] in named]
        assert len(policies) == 6
        crds = [item for item in install if item["kind"] == "CustomResourceDefinition"]
        apply(sandbox, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}})
        for manifest in (*crds, *rights(), claim()):
            apply(sandbox, manifest)
        place = path(source()).rpartition("/")[0]
        eventually(lambda: sandbox.connection().answer("GET", place)[0], lambda code: code == 200)
        for manifest in policies:
            apply(sandbox, manifest)
        eventually(lambda: creates(sandbox, "eddy", source(CLUSTER)), bool)
        yield sandbox


def who(sandbox: Sandbox, user: str) -> Connection:
    return sandbox.connection().impersonating(user)


def said(answer: tuple[int, Any]) -> str:
    """Nothing for a request that is accepted, else the message."""
    return "" if answer[0] < 300 else str(answer[1]["message"])


def creates(sandbox: Sandbox, user: str, body: Manifest) -> str:
    place = path(body).rpartition("/")[0]
    return said(who(sandbox, user).answer("POST", f"{place}?dryRun=All", body))


@pytest.mark.parametrize(
    ("user", "scopes", "needs"),
    [
        ("eddy", [], ""),
        ("eddy", [TEAM_B], "verb share on projects.outfitter.dev named team-b"),
        ("eddy", [RESEARCH], "verb share on departments.outfitter.dev named research"),
        ("eddy", [CLUSTER], "verb share on clusters.outfitter.dev"),
        ("pia", [TEAM_B], ""),
        ("pia", [TEAM_C], "named team-c"),
        ("pia", [TEAM_B, RESEARCH], "named research"),
        ("pia", [CLUSTER], "clusters.outfitter.dev"),
        ("lea", [RESEARCH], ""),
        ("lea", [FINANCE], "named finance"),
        ("lea", [TEAM_B], "named team-b"),
        ("both", [TEAM_B, RESEARCH], ""),
        ("both", [*[TEAM_B] * 7, TEAM_C], "named team-c"),
        ("both", [TEAM_B] * 9, "more than 8 more scopes"),
        ("ada", [CLUSTER, TEAM_B, FINANCE], ""),
        ("ada", [TEAM_B] * 64, ""),
    ],
)
def test_each_scope_needs_its_right(judged: Sandbox, user: str, scopes: list[Any], needs: str) -> None:
    answer = creates(judged, user, source(*scopes))
    assert (needs in answer) if needs else answer == ""


@pytest.mark.parametrize(
    ("user", "change", "needs"),
    [
        ("eddy", {"description": "for all of us"}, ""),
        ("eddy", {"dataVolume": {"sharedScopes": [TEAM_B]}}, ""),  # fewer
        ("eddy", {"dataVolume": {"sharedScopes": None}}, ""),
        ("eddy", {"dataVolume": {"sharedScopes": [TEAM_B, TEAM_C, RESEARCH]}}, "named team-c"),
        ("pia", {"dataVolume": {"sharedScopes": [TEAM_B, TEAM_C]}}, "named team-c"),
        # Another path reaches the pods of those who use it.
        ("eddy", {"dataVolume": {"mountPath": "/usr/bin"}}, "named team-b"),
        ("pia", {"dataVolume": {"mountPath": "/elsewhere"}}, "named research"),
        ("both", {"dataVolume": {"mountPath": "/elsewhere"}}, ""),
        ("eddy", {"dataVolume": {"mountPath": "/elsewhere", "sharedScopes": None}}, ""),
        # Labels reach the claims in the namespaces of those who use it.
        ("eddy", {"labels": [{"name": "example.com/backup", "value": "never"}]}, "named team-b"),
        ("both", {"labels": [{"name": "example.com/backup", "value": "never"}]}, ""),
        ("eddy", {"labels": [{"name": "example.com/cost", "value": "a"}]}, ""),  # as before
        ("eddy", {"labels": None}, "named team-b"),
    ],
)
def test_a_change_needs_the_right_to_what_it_adds(judged: Sandbox, user: str, change: Any, needs: str) -> None:
    before = source(TEAM_B, RESEARCH)
    before["spec"]["labels"] = [{"name": "example.com/cost", "value": "a"}]
    apply(judged, before)
    where = f"{path(source())}?dryRun=All"
    answer = said(who(judged, user).answer("PATCH", where, {"spec": change}, MERGE_PATCH))
    assert (needs in answer) if needs else answer == ""


@pytest.fixture
def used(judged: Sandbox) -> Callable[[int, Manifest], None]:
    """Sets the number of users of a DataSource, as the operator does."""

    def write(total: int, body: Manifest) -> None:
        apply(judged, body)
        status: dict[str, Any] = {"usedBy": {"total": total}, "claimName": "data"}
        if "pvc" in body["spec"]:
            status["sharedClaimName"] = "data-1"
        judged.connection().request("PATCH", f"{path(body)}/status", {"status": status}, MERGE_PATCH)

    return write


def deletes(sandbox: Sandbox, name: str, user: str = "eddy") -> str:
    return said(who(sandbox, user).answer("DELETE", f"{path(claim(name))}?dryRun=All"))


SHARING: Final = {"path": "/d", "existingPvc": True, "claimName": "data", "dataSharing": True}


@pytest.mark.parametrize(
    "body", [source(TEAM_B), custom("DataSource", "sets", TEAM, {"pvc": SHARING})], ids=["dv", "pvc"]
)
def test_the_claim_of_a_volume_in_use_is_not_deleted(
    judged: Sandbox, used: Callable[[int, Manifest], None], body: Manifest
) -> None:
    judged.connection().answer("DELETE", path(body))
    apply(judged, claim("other"))
    used(1, body)
    # The parameters of a policy reach the API server by a watch.
    eventually(lambda: deletes(judged, "data"), bool)
    assert "holds the data of DataSource sets, which is in use" in deletes(judged, "data")
    assert deletes(judged, "other") == ""
    every = f"{path(claim()).rpartition('/')[0]}?dryRun=All&fieldSelector=metadata.name=data"
    assert "which is in use" in said(who(judged, "eddy").answer("DELETE", every))
    assert deletes(judged, "data", "system:serviceaccount:outfitter-system:outfitter") != ""  # it has no right here
    where = path(claim())
    forced = {"metadata": {"annotations": {"outfitter.dev/force-delete": "true"}}}
    who(judged, "eddy").request("PATCH", where, forced, MERGE_PATCH)
    assert deletes(judged, "data") == ""
    forced["metadata"]["annotations"]["outfitter.dev/force-delete"] = "false"
    who(judged, "eddy").request("PATCH", where, forced, MERGE_PATCH)
    assert "in use" in deletes(judged, "data")
    used(0, body)
    eventually(lambda: deletes(judged, "data"), lambda seen: seen == "")


def test_the_operator_deletes_what_it_made(judged: Sandbox, used: Callable[[int, Manifest], None]) -> None:
    """A project that uses the volume of another one cannot keep it by a DataSource of its own over the same claim."""
    account = "system:serviceaccount:outfitter-system:outfitter"
    for manifest in _role("operator", account, {"apiGroups": [""], "resources": ["persistentvolumeclaims"],
                                                "verbs": ["delete"]}):  # fmt: skip
        apply(judged, manifest)
    judged.connection().answer("DELETE", path(source()))
    used(1, source(TEAM_B))
    eventually(lambda: deletes(judged, "data"), bool)
    eventually(lambda: deletes(judged, "data", account), lambda seen: seen == "")
    used(0, source(TEAM_B))


READER: Final = {"persistentVolumeClaim": {"claimName": f"{READ_ONLY_CLAIM}sets-1"}}


@pytest.mark.parametrize(
    ("volumes", "refused"),
    [
        ([{"persistentVolumeClaim": {"claimName": "data"}}, {"emptyDir": {}}], False),
        ([READER], True),
        ([{"persistentVolumeClaim": {**READER["persistentVolumeClaim"], "readOnly": False}}], True),
        ([{"persistentVolumeClaim": {**READER["persistentVolumeClaim"], "readOnly": True}}, {"emptyDir": {}}], False),
        ([{"persistentVolumeClaim": {**READER["persistentVolumeClaim"], "readOnly": True}}, READER], True),
        (None, False),
    ],
)
def test_every_pod_mounts_the_volume_of_another_project_read_only(
    judged: Sandbox, volumes: list[dict[str, Any]] | None, refused: bool
) -> None:
    """Also those of controllers, and of the administrator."""
    spec: dict[str, Any] = {"containers": [{"name": "main", "image": "i"}], "automountServiceAccountToken": False}
    if volumes is not None:
        spec["volumes"] = [{"name": f"v{number}", **volume} for number, volume in enumerate(volumes)]
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "own", "namespace": TEAM}, "spec": spec}
    eventually(lambda: judged.connection().answer("GET", f"/api/v1/namespaces/{TEAM}/serviceaccounts/default")[0],
               lambda code: code == 200)  # fmt: skip
    place = f"/api/v1/namespaces/{TEAM}/pods?dryRun=All"
    answer = said(judged.connection().answer("POST", place, body))
    assert ("Set readOnly: true" in answer) if refused else answer == ""
