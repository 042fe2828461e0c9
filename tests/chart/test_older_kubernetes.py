"""An API server of an older version, which has no MutatingAdmissionPolicy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from identity_policies import identity_policies
from outfitter_sandbox import Sandbox

from .conftest import Manifest, eventually
from .objects import apply, custom, get, namespace, operator, path

pytestmark = pytest.mark.cluster
OLDER = "1.35"


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory, install: list[Manifest]) -> Iterator[Sandbox]:
    """With all of install.yaml but its Deployment."""
    with Sandbox.up(root=tmp_path_factory.mktemp("older"), kubernetes=OLDER) as sandbox:
        for manifest in install:
            if manifest["kind"] != "Deployment":
                apply(sandbox, manifest)
        apply(sandbox, namespace("team-a"))
        yield sandbox


def test_the_identity_policies_have_a_file_of_their_own(older: Sandbox) -> None:
    """install.yaml was applied as a whole; this server does not know the kind of the other file."""
    version = older.connection().request("GET", "/version")
    assert f"{version['emulationMajor']}.{version['emulationMinor']}" == OLDER
    manifest = identity_policies()[0]
    where = f"{path(manifest)}?fieldManager=kubectl&force=true"
    status, answer = older.connection().answer("PATCH", where, manifest, "application/apply-patch+yaml")
    assert (status, answer["message"]) == (404, "the server could not find the requested resource")


def test_fields_that_need_an_author_say_which_version_has_it(
    older: Sandbox, install: list[Manifest], tmp_path: Path
) -> None:
    """Everything else works."""
    (deployment,) = [item for item in install if item["kind"] == "Deployment"]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    image = {"image": "registry.example.com/box:1"}
    asking = custom("Workspace", "asking", "team-a", {**image, "security": {"uidGidSource": "fromIdpToken"}})
    plain = custom("Workspace", "plain", "team-a", image)
    with operator(older, container, tmp_path):
        for manifest in (asking, plain):
            apply(older, manifest)
        seen = eventually(lambda: get(older, asking), lambda item: (item.get("status") or {}).get("issues"))
        (issue,) = seen["status"]["issues"]
        assert issue["issue"] == "NeedsIdentity"
        assert "from Kubernetes 1.36 on" in issue["message"]
        done = eventually(
            lambda: get(older, plain), lambda item: item.get("status", {}).get("syncStatus") == "No issues found"
        )
        assert {"createdBy", "updatedBy", "stamps"}.isdisjoint(done["status"])
        assert done["status"]["updatedAt"] == done["metadata"]["creationTimestamp"]
        assert done["metadata"].get("annotations", {}) == {}
