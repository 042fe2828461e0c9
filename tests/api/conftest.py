"""A real API server with our CRDs, and the few calls that these tests make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outfitter.api.v1alpha1 import ALL_KINDS, API_VERSION, kind_of
from outfitter.codegen.crd import crd_for
from outfitter_sandbox import Sandbox

NAMESPACE = "team-a"


class Server:
    """The API server of a sandbox, asked to validate strictly."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.connection = sandbox.connection()

    def answer(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """HTTP status and decoded body."""
        return self.connection.answer(method, path, body)

    def path(self, kind: str, name: str = "") -> str:
        """Path of the objects of a kind, or of one."""
        base = f"/apis/{API_VERSION}/namespaces/{NAMESPACE}/{kind_of(kind).plural}"
        return f"{base}/{name}" if name else base

    def create(self, body: dict[str, Any], *, keep: bool = False) -> tuple[int, Any]:
        """Create an object; only as a trial unless it is to be kept."""
        return self.answer(
            "POST", self.path(body["kind"]) + f"?fieldValidation=Strict{'' if keep else '&dryRun=All'}", body
        )

    def replace(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Try to replace an object."""
        path = self.path(body["kind"], body["metadata"]["name"])
        return self.answer("PUT", path + "?fieldValidation=Strict&dryRun=All", body)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A sandbox with our CRDs and one namespace."""
    controllers = "namespace-controller,serviceaccount-controller"
    with Sandbox.up(root=tmp_path_factory.mktemp("sandbox"), node=False, controllers=controllers) as sandbox:
        sandbox.apply_crds(Path(__file__).parents[2] / "crds")
        server = Server(sandbox)
        status, content = server.answer(
            "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        )
        assert status == 201, content
        yield server


@pytest.fixture(params=ALL_KINDS, ids=lambda kind: kind.name)
def crd(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each CRD in turn."""
    return crd_for(request.param)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a control plane, so that it can be left out by `-m "not cluster"`."""
    for item in items:
        if "server" in getattr(item, "fixturenames", ()) and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.cluster)
