"""An upgrade restarts no pod: the operator takes over the objects of an older version and writes to no child.

`takeover/README.md` explains what the archives contain and how to record one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from outfitter.api.v1alpha1 import KINDS
from outfitter_sandbox import Sandbox
from outfitter_sandbox.audit import AuditEntry

from .conftest import CRDS
from .harness import rights
from .harness.client import Api, Object, eventually, ready
from .harness.process import Operator
from .harness.space import Space
from .takeover import etcd

ARCHIVES = sorted((Path(__file__).parent / "takeover").glob("*.tar.xz"))
Statuses = dict[tuple[str, str, str], Object]


@dataclass
class Takeover:
    """A cluster that an older version of the operator managed, after the upgrade."""

    api: Api
    operator: Operator
    before: Statuses
    pods: set[str]
    written: list[AuditEntry]  # the operator's writes until its queue was empty, without its Lease


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def taken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Takeover]:
    """Upgrade: install the CRDs and roles, start the operator, wait until it has reconciled every object."""
    folder = tmp_path_factory.mktemp("takeover")
    with Sandbox.up(root=folder, data=request.param) as sandbox:
        sandbox.apply_crds(CRDS)
        api = Api(sandbox)
        for item in rights.manifests():
            api.apply(item)
        before, pods = statuses(api), uids(api, "Pod")
        operator = Operator(sandbox.kubeconfig_for(rights.USER), folder / "operator.log")
        since = sandbox.audit_mark()
        operator.start()
        eventually(operator.passes, lambda count: count >= len(before), what="not every object was reconciled")
        operator.quiet()
        own = [entry for entry in sandbox.audit(since) if entry.user == rights.USER]
        written = [entry for entry in own if entry.is_write and entry.resource != "leases"]
        yield Takeover(api, operator, before, pods, written)
        operator.stop()


@pytest.fixture
def lab(taken: Takeover) -> Space:
    return Space(taken.api, "lab")


def statuses(api: Api) -> Statuses:
    return {
        (kind.name, item["metadata"]["namespace"], item["metadata"]["name"]): item["status"]
        for kind in KINDS
        for item in api.list(kind.name)
    }


def uids(api: Api, kind: str, namespace: str = "") -> set[str]:
    return {item["metadata"]["uid"] for item in api.list(kind, namespace)}


NEW_NOTES = ("AutoscalingFailed", "FsGroupUnset", "LimitRangeApplied", "NoNamespaceInScope")
"""Which 0.1.0 did not have; the workload is as Ready as before."""


def structure(status: Any) -> Any:
    """Return a status without its messages and new notes: a version may change their wording, and see more."""
    if isinstance(status, dict):
        if any(item["issue"] in NEW_NOTES for item in status.get("issues", ())):
            kept = [item for item in status["issues"] if item["issue"] not in NEW_NOTES]
            status = {**status, "issues": kept} if kept else {**status, "syncStatus": "No issues found"}
            status = status if kept else {key: value for key, value in status.items() if key != "issues"}
        return {key: structure(value) for key, value in status.items() if key != "message"}
    return [structure(item) for item in status] if isinstance(status, list) else status


NEW_FIELDS = {
    *("compliance", "complianceTotal", "usage", "scope", "department", "supports"),
    *("repositoryUid", "keptBy", "copied", "tagged"),
}


def as_before(status: Any) -> Any:
    """Return a status without what 0.1.0 did not report: new fields, and the note that no pods follow `replicas`."""
    status = {key: value for key, value in status.items() if key not in NEW_FIELDS}
    for kind, rows in (status.get("usedBy") or {}).items():
        if kind != "total":
            named = [{"namespace": row["namespace"], "name": row["name"]} for row in rows]
            status = {**status, "usedBy": {**status["usedBy"], kind: named}}
    if "digest" in (status.get("clonedFrom") or {}):  # 0.1.0 did not remember what a clone copied
        status = {**status, "clonedFrom": {k: v for k, v in status["clonedFrom"].items() if k != "digest"}}
    issues = [item for item in status.get("issues", ()) if not item["message"].startswith("spec.run.replicas: ")]
    if issues or "issues" not in status:
        return {**status, **({"issues": issues} if issues else {})}
    rest = {key: value for key, value in status.items() if key not in ("issues", "message")}
    return {**rest, "syncStatus": "No issues found"}


def revisions(space: Space, owner: str) -> dict[str, int]:
    """Return name and number of the revisions of a workload, without those of its StatefulSet."""
    return {
        item["metadata"]["name"]: item["revision"]
        for item in space.list("ControllerRevision")
        if item["metadata"]["labels"].get("outfitter.dev/owner-name") == owner
        and item["metadata"]["ownerReferences"][0]["kind"] != "StatefulSet"
    }


NEW_KINDS = {
    "DistributedTraining",
    "ImageBuild",
    "ImageQuery",
    "Registry",
    "Training",
    "WorkloadPolicy",
    "WorkloadTemplate",
}


def test_the_archive_holds_every_kind_of_its_version(taken: Takeover) -> None:
    kinds = {kind for kind, _, _ in taken.before}
    assert kinds == {kind.name for kind in KINDS} - NEW_KINDS
    assert len(taken.before) > 60
    running = [place for place, status in taken.before.items() if status.get("phase") == "Running"]
    assert len(running) > 10


def test_no_child_is_written_and_no_pod_restarts(taken: Takeover) -> None:
    children = [entry for entry in taken.written if entry.subresource != "status"]
    # 0.1.0 let a workload that is not ready block the drain of a node.
    budgets = [entry for entry in children if entry.resource == "poddisruptionbudgets"]
    news = [entry for entry in children if entry.resource == "events"]
    assert {entry.name.partition(".")[0] for entry in news} <= {entry.name for entry in budgets}
    children = [entry for entry in children if entry not in (*budgets, *news)]
    assert [(entry.verb, entry.uri) for entry in children] == []
    assert uids(taken.api, "Pod") == taken.pods


def test_statuses_keep_their_facts(taken: Takeover) -> None:
    """The operator writes a status only where a field is new or the wording of a message changed."""
    after = statuses(taken.api)
    kept = {place: as_before(status) for place, status in after.items()}
    assert structure(kept) == structure(taken.before)
    reworded = {place for place in after if after[place] != taken.before[place]}
    written = [entry for entry in taken.written if entry.subresource == "status"]
    # An autoscaler can lose its metrics between the last write in the log and this look.
    late = {place for place in reworded if "AutoscalingFailed" in str(after[place])}
    assert len(reworded - late) <= len(written) <= len(reworded)


def test_an_edit_is_rolled_out_as_the_next_revision(taken: Takeover, lab: Space) -> None:
    for kind, name in (("Workspace", "rolled"), ("Inference", "plain")):
        old = revisions(lab, name)
        current = lab.need(kind, name)["status"]["revision"]
        assert old[current] == max(old.values())
        lab.spec(kind, name, environmentVariables=[{"name": "NEW", "value": "1"}])
        item = lab.wait(kind, name, lambda item, was=current: ready(item) and item["status"]["revision"] != was)
        new = revisions(lab, name)
        assert new.pop(item["status"]["revision"]) == max(old.values()) + 1
        assert new[current] == old[current]


def test_a_restart_takes_up_what_changed(taken: Takeover, lab: Space) -> None:
    before = lab.need("Workspace", "outdated")["status"]
    assert {item["reason"] for item in before["outdated"]} == {"Edited", "Rotated", "Deleted"}
    assert lab.template("outdated")["containers"][0]["resources"]["requests"]["cpu"] == "100m"
    lab.make("DataSource", "leaving", {"configMapVolume": {"configMap": "settings", "mountPath": "/etc/leaving"}})
    lab.ready("DataSource", "leaving")
    lab.annotate("Workspace", "outdated", restartedAt="2026-11-28T12:00:00Z")
    lab.wait("Workspace", "outdated", lambda item: ready(item) and "outdated" not in item["status"])
    assert lab.template("outdated")["containers"][0]["resources"]["requests"]["cpu"] == "200m"


def test_stopped_and_paused_workloads_go_on(taken: Takeover, lab: Space) -> None:
    template, claims = lab.template("stopped"), lab.claims("stopped")
    lab.spec("Workspace", "stopped", suspend=False)
    lab.wait("Workspace", "stopped", lambda item: ready(item) and item["status"]["phase"] == "Running")
    assert (lab.template("stopped"), lab.claims("stopped")) == (template, claims)
    lab.annotate("Workspace", "paused", reconcile=None)
    lab.wait(
        "StatefulSet", "paused", lambda item: item["spec"]["template"]["spec"]["containers"][0]["image"][-1] == "2"
    )
    lab.ready("Workspace", "paused")


def services(space: Space, owner: str) -> dict[str, Any]:
    """Return name and spec of the Services of a workload."""
    found = space.list("Service", labelSelector=f"outfitter.dev/owner-name={owner}")
    return {item["metadata"]["name"]: item["spec"] for item in found}


def test_a_restart_moves_the_addresses_inside_the_cluster_to_one_service(taken: Takeover, lab: Space) -> None:
    before = services(lab, "placed")
    moved = {"placed-metrics", "placed-ui", "placed-url-7861"}
    kept = {"placed-port-9091", "placed-balanced"}
    assert set(before) == {"placed", *moved, *kept}
    assert before["placed"]["clusterIP"] == "None"
    lab.annotate("Workspace", "placed", restartedAt="2026-11-28T12:00:00Z")
    for name in sorted(moved):
        lab.gone("Service", name)
    lab.ready("Workspace", "placed")
    after = services(lab, "placed")
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    ports = {port["name"]: port["targetPort"] for port in after["placed"]["ports"]}
    assert ports == {"metrics": 9090, "ui": 7860, "url-7861": 7861}
    for name in ("placed-ui", "placed-url-7861"):
        (path,) = lab.need("Ingress", name)["spec"]["rules"][0]["http"]["paths"]
        assert path["backend"]["service"]["name"] == "placed"
    taken.operator.quiet()
    since = taken.api.sandbox.audit_mark()
    lab.touch("Workspace", "placed", "again")
    taken.operator.quiet()
    own = [entry for entry in taken.api.sandbox.audit(since) if entry.user == rights.USER and entry.is_write]
    assert [(entry.verb, entry.uri) for entry in own if entry.resource != "leases"] == []


def test_a_saved_cluster_keeps_its_resource_versions(tmp_path: Path) -> None:
    """Outfitter's copies of Secrets refer to them."""
    place = ("ConfigMap", "default", "kept")
    manifest = {"kind": "ConfigMap", "metadata": {"name": "kept", "namespace": "default"}, "data": {"a": "1"}}
    with Sandbox.up(root=tmp_path, node="none") as sandbox:
        api = Api(sandbox)
        saved = api.create(manifest)
        api.create({**manifest, "metadata": {"name": "gone", "namespace": "default"}})
        api.delete("ConfigMap", "default", "gone")
        etcd.save(sandbox, tmp_path / "saved.tar.xz")
    with Sandbox.up(root=tmp_path, node="none", data=tmp_path / "saved.tar.xz") as sandbox:
        api = Api(sandbox)
        assert api.need(*place) == saved
        assert api.get("ConfigMap", "default", "gone") is None
