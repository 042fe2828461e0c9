"""Data of one project in real pods of others: the same files, read-only, with a CSI driver on the real node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.harness.client import ready
from outfitter.errors import Forbidden
from outfitter.naming import data_source_claim

from .conftest import SYSTEM, Stage
from .harness import csi
from .harness.csi import Driver
from .harness.images import WEB
from .harness.team import Team, running

FREE = {"uidGidSource": "custom", "runAsUid": 1000, "runAsGid": 1000}
OTHER = {"uidGidSource": "custom", "runAsUid": 2000, "runAsGid": 2000}
SETS = {"assets": {"dataSources": [{"name": "sets"}]}}


@pytest.fixture(scope="module")
def driver(stage: Stage, tmp_path_factory: pytest.TempPathFactory, progress: Callable[[str], None]) -> Iterator[Driver]:
    if stage.cluster.sandbox is None:
        pytest.skip("the CSI driver runs on our own node only")
    (node,) = stage.api.list("Node")
    folder: Path = tmp_path_factory.mktemp("csi")
    with csi.running(stage.api, node["metadata"]["name"], folder, progress) as driver:
        yield driver


def claim(team: Team, volume: str) -> None:
    spec = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "volumeName": volume,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    team.native("PersistentVolumeClaim", "data", spec=spec)


def pod(name: str, **options: Any) -> dict[str, Any]:
    """A pod that a user makes, which mounts a claim."""
    container = {
        "name": "main", "image": WEB, "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "sets", "mountPath": "/sets"}],
    }  # fmt: skip
    return {
        "containers": [container], "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "sets", "persistentVolumeClaim": {"claimName": name, **options}}],
    }  # fmt: skip


def test_another_project_reads_the_same_files_and_writes_none(teams: Callable[..., Team], driver: Driver) -> None:
    owner, reader = teams(), teams()
    claim(owner, driver.volume(f"sets-{owner.name}", owner.name, "data"))
    owner.make("DataSource", "own", {"pvc": {"path": "/data", "existingPvc": True, "claimName": "data"}})
    owner.running("writer", {"assets": {"dataSources": [{"name": "own"}]}, "security": FREE}, image=WEB)
    owner.output("writer-0", "write", "/data/note", "from the owner")
    scopes = [{"type": "project", "name": reader.name}]
    volume = {"originPvcName": "data", "mountPath": "/sets", "sharedScopes": scopes}
    source = owner.make("DataSource", "sets", {"dataVolume": volume})
    reader.running("box", {**SETS, "security": OTHER}, image=WEB)
    assert reader.output("box-0", "cat", "/sets/note") == "from the owner"
    # What the owner writes now is there at once; the reader writes nothing, and neither does a pod of his own.
    owner.output("writer-0", "write", "/data/later", "seen")
    assert reader.output("box-0", "cat", "/sets/later") == "seen"
    refused = reader.run("box-0", "write", "/sets/mine", "x")
    assert refused.code != 0
    assert "read-only file system" in refused.err.lower()
    name = data_source_claim("sets", source["metadata"]["uid"], read_only=True)
    with pytest.raises(Forbidden, match="Set readOnly: true"):
        reader.native("Pod", "own", spec=pod(name))
    reader.native("Pod", "own", spec=pod(name, readOnly=True))
    reader.wait("Pod", "own", running)
    assert reader.output("own", "cat", "/sets/note") == "from the owner"
    assert "read-only file system" in reader.run("own", "write", "/sets/mine", "x").err.lower()
    reader.delete("Pod", "own")
    reader.gone("Pod", "own")
    # In the project itself it is the claim, read-only, beside the writer.
    owner.running("look", {**SETS, "security": FREE}, image=WEB)
    assert owner.output("look-0", "cat", "/sets/note") == "from the owner"
    assert owner.run("look-0", "write", "/sets/mine", "x").code != 0
    owner.output("writer-0", "write", "/data/again", "still writable")
    # Shared no more: the pod reads on; stopped, it does not come back.
    lives = reader.lives("box")
    owner.spec("DataSource", "sets", dataVolume={**volume, "sharedScopes": None})
    owner.wait("DataSource", "sets", lambda item: "still mount" in str(item["status"].get("issues")))
    assert reader.output("box-0", "cat", "/sets/again") == "still writable"
    assert reader.lives("box") == lives
    reader.spec("Workspace", "box", suspend=True)
    reader.gone("PersistentVolumeClaim", name)
    assert owner.output("writer-0", "cat", "/data/note") == "from the owner"


def test_all_projects_write_into_one_volume(stage: Stage, teams: Callable[..., Team], driver: Driver) -> None:
    one, two = teams(), teams()
    driver.volume("scratch", SYSTEM, "scratch")
    home = Team(stage.api, SYSTEM, stage.cluster.connection())
    spec = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "volumeName": "scratch",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    home.native("PersistentVolumeClaim", "scratch", spec=spec)
    pvc = {"path": "/scratch", "existingPvc": True, "claimName": "scratch", "dataSharing": True}
    home.make("DataSource", "scratch", {"scope": {"type": "cluster"}, "pvc": pvc})
    try:
        for team, user in ((one, FREE), (two, OTHER)):
            team.running("box", {"assets": {"dataSources": [{"name": "scratch"}]}, "security": user}, image=WEB)
        one.output("box-0", "write", "/scratch/one", "1")
        two.output("box-0", "write", "/scratch/two", "2")
        assert two.output("box-0", "cat", "/scratch/one") == "1"
        assert one.output("box-0", "cat", "/scratch/two") == "2"
        seen = home.wait("DataSource", "scratch", lambda item: item["status"]["targets"]["synced"] == 2)
        assert ready(seen)
        for team in (one, two):
            team.delete("Workspace", "box")
            team.gone("Pod", "box-0")
    finally:
        home.delete("DataSource", "scratch")
    home.gone("DataSource", "scratch")
    home.delete("PersistentVolumeClaim", "scratch")
    assert (driver.folder / "scratch" / "one").read_text().strip() == "1"
