"""What `outfitter uninstall` plans. The removal is tested on a real server: tests/integration/test_cli_check.py."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from outfitter.api.v1alpha1 import KINDS
from outfitter.cli.installation import Installation
from outfitter.cli.login import Login
from outfitter.cli.reader import RELEASE
from outfitter.cli.uninstall.helm import helm_command, uninstall_release
from outfitter.cli.uninstall.plan import STAGES, Found, counts, deletable, left_children, leftovers, make_plan
from outfitter.cli.uninstall.survey import choose
from outfitter.errors import ConfigurationError, OutfitterError
from outfitter.naming import LABEL_OWNER_UID, LABEL_RETAINED

from .conftest import ROOT
from .test_check import deployment, installation

Body = dict[str, Any]
OURS = [{"manager": "outfitter", "operation": "Update", "fieldsV1": {"f:spec": {}}}]


def body(kind: str, name: str, namespace: str = "team-a", **more: Any) -> Body:
    labels = {"app.kubernetes.io/part-of": "outfitter"}
    meta = {"name": name, "namespace": namespace, "uid": f"{kind}-{name}", "labels": labels, **more.pop("metadata", {})}
    return {"kind": kind, "metadata": meta, "spec": {}, **more}


def claim(name: str, owner: str, *, retained: bool, ours: bool = True) -> Body:
    labels = {LABEL_OWNER_UID: owner, LABEL_RETAINED: "true" if retained else "false"}
    return body("PersistentVolumeClaim", name, metadata={"labels": labels, "managedFields": OURS if ours else []})


def found(*objects: Body, others: tuple[Installation, ...] = (), **more: Any) -> Found:
    empty: dict[str, Any] = {"claims": (), "release": (), "crds": ()}
    return Found(installation(), others, objects, **(empty | more))


def names(bodies: Any) -> list[str]:
    return [item["metadata"]["name"] for item in bodies]


def test_each_kind_has_a_stage() -> None:
    assert sorted(kind for stage in STAGES for kind in stage) == sorted(kind.name for kind in KINDS)


def test_each_kind_of_the_chart_is_removed() -> None:
    """By its templates: a new one needs a row in RELEASE."""
    lines = [
        line for path in (ROOT / "deploy/chart/templates").glob("*.yaml") for line in path.read_text().splitlines()
    ]
    kinds = {line.removeprefix("kind: ").strip() for line in lines if line.startswith("kind: ")}
    written = {kind for kind in kinds if kind.isalpha()}
    assert written <= {resource.kind for resource in RELEASE}


def test_data_stays_unless_asked() -> None:
    claims = (claim("kept", "x", retained=True), claim("cache", "x", retained=False),
              claim("foreign", "x", retained=True, ours=False))  # fmt: skip
    plan = make_plan(found(claims=claims), delete_data=False, crds=False)
    assert (names(plan.kept), names(plan.data), names(plan.lost)) == (["kept", "foreign"], [], ["cache"])
    plan = make_plan(found(claims=claims), delete_data=True, crds=False)
    assert (names(plan.kept), names(plan.data)) == (["foreign"], ["kept"])


def test_what_stays_is_listed_with_its_command() -> None:
    login = body("Credential", "login", spec={"secretRef": {"name": "source"}})
    crds = (body("CustomResourceDefinition", "workspaces.outfitter.dev", ""),)
    release = (body("Deployment", "outfitter", "outfitter-system"),)
    plan = make_plan(found(login, claims=(claim("data", "x", retained=True),), crds=crds, release=release),
                     delete_data=False, crds=False)  # fmt: skip
    commands = [command for _, command in leftovers(plan, {"outfitter-system"})]
    assert commands == [
        "kubectl delete persistentvolumeclaim data -n team-a",
        "kubectl delete secret source -n team-a",
        "outfitter uninstall --crds",
        "kubectl delete namespace outfitter-system",
    ]
    login = Login("prod", "ann", ("a b",)).flags("/tmp/k")
    flags = "--kubeconfig /tmp/k --context prod --as ann --as-group 'a b'"
    assert [command for _, command in leftovers(plan, {"outfitter-system"}, login)] == [
        f"{command} {flags}" for command in commands
    ]


def test_counts_are_in_the_order_of_deletion() -> None:
    objects = [
        body("Credential", "a"),
        body("Workspace", "a"),
        body("Workspace", "b", "team-b"),
        body("Workspace", "c"),
    ]
    plan = make_plan(found(*objects), delete_data=False, crds=False)
    assert counts(plan) == [("Workspace", "team-a", 2), ("Workspace", "team-b", 1), ("Credential", "team-a", 1)]


def test_other_installations_keep_their_objects() -> None:
    other = Installation("ml", deployment("ml", watch_namespaces="team-b"))
    objects = [
        body("Workspace", "mine", status={"installation": "outfitter-system/outfitter"}),
        body("Workspace", "theirs", "team-b", status={"installation": "ml/outfitter"}),
    ]
    release = (
        body("ClusterRole", "outfitter", ""),
        body("ClusterRole", "ml-outfitter", ""),
        body("Role", "outfitter-election", "ml"),
        body("Deployment", "outfitter", "outfitter-system"),
    )
    claims = [claim("theirs", "Workspace-theirs", retained=True), claim("mine", "Workspace-mine", retained=True)]
    for name, namespace in (("of-a-deleted-owner", "team-a"), ("of-a-deleted-owner-of-theirs", "team-b")):
        item = claim(name, "gone", retained=True)
        item["metadata"]["namespace"] = namespace
        claims.append(item)
    plan = make_plan(found(*objects, others=(other,), release=release, claims=claims), delete_data=True, crds=False)
    assert names(plan.objects) == ["mine"]
    assert [(item["kind"], item["metadata"]["name"]) for item in plan.release] == [
        ("ClusterRole", "outfitter"),
        ("Deployment", "outfitter"),
    ]
    assert (names(plan.data), names(plan.kept)) == (["mine", "of-a-deleted-owner"], [])
    assert any("Installation ml/outfitter stays" in note for note in plan.notes)


def test_a_deployment_with_forged_labels_is_not_chosen() -> None:
    """A tenant can copy the labels, and name any Lease, namespace and Helm release in it."""
    real, forged = installation(), Installation("team-a", deployment("team-a"), proven=False)
    assert choose([real, forged], "outfitter-system", "") == (real, (forged,))
    with pytest.raises(ConfigurationError, match=r"Deployment team-a/outfitter has the labels of an operator, but"):
        choose([forged], "outfitter-system", "")
    # The rest of an interrupted removal, whose roles are gone, is named by the user.
    assert choose([forged], "outfitter-system", "team-a") == (forged, ())
    assert choose([forged], "outfitter-system", "ml") == (Installation("ml"), (forged,))
    assert choose([], "outfitter-system", "") == (Installation("outfitter-system"), ())
    with pytest.raises(ConfigurationError, match=r"Namespace ml has no installation. Installations are: outfitter-sys"):
        choose([real, forged], "outfitter-system", "ml")
    with pytest.raises(ConfigurationError, match=r"several installations: outfitter-system/outfitter, ml/outfitter\."):
        choose([real, installation("ml"), forged], "outfitter-system", "")


@pytest.mark.parametrize("name", ["--kubeconfig=/tmp/k", "-n", "a b", "", "A", "../a"])
def test_the_name_of_a_release_is_no_option(name: str) -> None:
    with pytest.raises(
        OutfitterError, match=r"Annotation meta.helm.sh/release-name of Deployment outfitter-system/out"
    ):
        helm_command(name, installation(), "")


def test_gitops_tools_are_a_note() -> None:
    applied = body("Workspace", "box", metadata={"managedFields": [{"manager": "argocd-controller"}]})
    (note,) = make_plan(found(applied), delete_data=False, crds=False).notes
    assert note.startswith("Argo CD applied 1 of these objects")


def test_children_are_waited_for_by_proof_not_by_label() -> None:
    def child(name: str, owner: str, **meta: Any) -> Body:
        return body("Secret", name, metadata={"labels": {LABEL_OWNER_UID: owner}, **meta})

    children = [
        child("of-a-living-owner", "here", managedFields=OURS),
        child("copy", "gone", managedFields=OURS),
        child("owned", "gone", ownerReferences=[{"uid": "gone"}]),
        child("forged", "gone"),
        claim("data", "gone", retained=True),
    ]
    left = left_children(children, frozenset({"here"}))
    assert names(left) == ["copy", "owned"]
    assert names(filter(deletable, left)) == ["copy"]
    assert names(left_children(children, frozenset({"here"}), frozenset())) == []


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 0", ""),
        ("echo no such release; exit 1", "no such release"),
        (None, "helm is not on the PATH. Run: helm"),
    ],
)
async def test_a_release_is_removed_by_helm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, message: str
) -> None:
    program, log = tmp_path / "helm", tmp_path / "log"
    if script is not None:
        program.write_text(f'#!/bin/sh\necho "$@" $HELM_KUBECONTEXT > {log}\n{script}\n')
        program.chmod(0o755)
    monkeypatch.setenv("HELM_KUBECONTEXT", "another-cluster")
    monkeypatch.setenv("PATH", str(tmp_path))
    command = helm_command("first", installation(), "/tmp/k")
    if message:
        with pytest.raises(OutfitterError, match=message):
            await uninstall_release(command)
    else:
        await uninstall_release(command)
    if script is not None:
        assert log.read_text() == "uninstall first --namespace outfitter-system --wait --kubeconfig /tmp/k\n"


async def test_an_interrupted_helm_ends_before_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a signal that it can obey: a release is not left in the middle of a step."""
    program, log, started = tmp_path / "helm", tmp_path / "log", tmp_path / "started"
    os.mkfifo(started)
    trap = f"trap 'kill $!; echo ended > {log}; exit 1' TERM"
    program.write_text(f"#!/bin/sh\nsleep 60 &\n{trap}\necho > {started}\nwait\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    work = asyncio.create_task(uninstall_release(helm_command("first", installation(), "")))
    await asyncio.to_thread(started.read_text)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert log.read_text() == "ended\n"
