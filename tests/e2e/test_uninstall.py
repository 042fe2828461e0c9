"""helm uninstall takes the operator alone: kinds, objects, pods and data stay, and a new installation goes on."""

from __future__ import annotations

from outfitter.api.v1alpha1 import GROUP, KINDS

from .conftest import DEPLOYMENT, SYSTEM, Stage
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
