"""helm uninstall takes the operator alone: kinds, objects, pods and data stay, and a new installation goes on."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from docs.pages import documented_removal
from integration.harness.client import Object
from integration.harness.space import Space
from outfitter.api.v1alpha1 import GROUP, KINDS
from outfitter.children import CHILD_KINDS, ChildKind
from outfitter.errors import Forbidden, NotFound
from outfitter.naming import LABEL_OWNER_UID

from .conftest import DEPLOYMENT, RESTRICTED, SYSTEM, Stage
from .harness.images import WEB
from .harness.team import Team

FREE = {"uidGidSource": "custom", "runAsUid": 1000, "runAsGid": 1000}


def test_uninstalling_keeps_data_and_what_runs(stage: Stage, team: Team) -> None:
    team.make("DataSource", "data", {"pvc": {"path": "/data", "claimInfo": {"size": "1Gi"}}})
    team.running("box", {"assets": {"dataSources": [{"name": "data"}]}, "security": FREE}, image=WEB)
    team.output("box-0", "write", "/data/note", "kept")
    before = team.lives()
    stage.release.uninstall()
    stage.api.gone("Deployment", SYSTEM, DEPLOYMENT)
    for kind in KINDS:
        stage.api.need("CustomResourceDefinition", "", f"{kind.plural}.{GROUP}")
    for kind, name in (("Workspace", "box"), ("DataSource", "data"), ("PersistentVolumeClaim", "data")):
        assert "deletionTimestamp" not in team.need(kind, name)["metadata"]
    assert team.output("box-0", "cat", "/data/note") == "kept"
    assert team.lives() == before
    # Without an operator nothing holds an object that a user deletes, nor its namespace.
    team.make("Workspace", "other", {"image": WEB, "suspend": True})
    team.delete("Workspace", "other")
    team.gone("Workspace", "other")
    stage.install()
    team.spec("Workspace", "box", description="after the second installation")
    team.ready("Workspace", "box")
    assert team.lives() == before
    assert team.output("box-0", "cat", "/data/note") == "kept"


def _is_deleted(item: Object) -> bool:
    return "deletionTimestamp" in item["metadata"]


@pytest.mark.kubectl
def test_the_documented_removal_leaves_nothing_but_data(stage: Stage, team: Team, say: Callable[[str], None]) -> None:
    """Typed as it stands in the guide, with a version that is locked and assets that are in use."""
    home = Space(stage.api, SYSTEM)
    home.secret("login", username="u", password="p")
    spec = {"type": "password", "secretRef": {"name": "login"}, "scope": {"type": "cluster"}}
    home.make("Credential", "shared", spec)
    team.make("DataSource", "data", {"pvc": {"path": "/data", "claimInfo": {"size": "1Gi"}}})
    served = {"containerGroups": [{"containers": [{"imageUri": WEB, "port": 8080}]}]}
    team.make("Artifact", "scorer", {"locked": True, **served})
    team.wait("Artifact", "scorer", lambda item: item["status"].get("version") == 1)
    credential = {"name": "PASSWORD", "credential": {"name": "shared", "key": "password"}}
    team.running(
        "box",
        {"assets": {"dataSources": [{"name": "data"}]}, "security": FREE, "environmentVariables": [credential]},
        image=WEB,
    )
    with pytest.raises(Forbidden, match="holds the operator"):
        stage.api.delete("Namespace", "", SYSTEM)
    path = f"{Path(stage.release.program).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "KUBECONFIG": str(stage.cluster.kubeconfig)}
    begun = time.monotonic()
    done = subprocess.run(
        ["timeout", "300", "bash", "-e", "-x", "-c", documented_removal()],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        say(f"documented removal: {time.monotonic() - begun:.0f} s until nothing was left")
        assert stage.api.get("Namespace", "", SYSTEM) is None
        for kind in KINDS:
            assert stage.api.get("CustomResourceDefinition", "", f"{kind.plural}.{GROUP}") is None
        # Namespaces of earlier tests may still be going.
        going = {item["metadata"]["name"] for item in stage.api.list("Namespace") if _is_deleted(item)}
        left = [
            (kind.kind, item["metadata"]["name"])
            for kind in CHILD_KINDS
            if kind.kind not in ("Event", "ControllerRevision") and kind.group != GROUP
            for item in _all(stage, kind)
            if LABEL_OWNER_UID in (item["metadata"].get("labels") or {})
            and item["metadata"].get("namespace") not in going
        ]
        assert left == [("PersistentVolumeClaim", "data")]
    finally:
        stage.api.apply({"kind": "Namespace", "metadata": {"name": SYSTEM, "labels": RESTRICTED}})
        stage.install()
        if stage.cluster.sandbox is not None:
            stage.cluster.sandbox.restart("kube-controller-manager")


def _all(stage: Stage, kind: ChildKind) -> list[Object]:
    """All objects of a kind; none of an optional one that the cluster does not serve."""
    try:
        return stage.api.list(kind.kind)
    except NotFound:
        assert kind.optional
        return []
