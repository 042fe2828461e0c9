"""Apply CustomResourceDefinitions and wait until the API server serves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from outfitter.errors import Conflict, NotFound, api_error
from outfitter_sandbox.connection import Connection
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.processes import wait_until

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def apply(connection: Connection, source: Path, seconds: float = 60) -> None:
    """Create or replace every CRD of a file, or of a folder's *.yaml.

    Wait until each is Established and in discovery.
    """
    files = [source] if source.is_file() else sorted(source.glob("*.yaml"))
    documents = [document for file in files for document in yaml.load_all(file.read_bytes(), yaml.CSafeLoader)]
    definitions = [item for item in documents if item and item.get("kind") == "CustomResourceDefinition"]
    if not definitions:
        raise SandboxError(
            f"{source} holds no CustomResourceDefinition in YAML. Generate the CRDs first, or use another folder."
        )
    for definition in definitions:
        _put(connection, definition)
    for definition in definitions:
        if not wait_until(lambda crd=definition: served(connection, crd), seconds):  # type: ignore[misc]
            name = definition["metadata"]["name"]
            conditions = connection.request("GET", f"{CRDS}/{name}").get("status", {}).get("conditions", [])
            raise SandboxError(f"The CRD {name} is not served after {seconds:.0f} s. Its conditions: {conditions}")


def _put(connection: Connection, definition: dict[str, Any]) -> None:
    status, answer = connection.answer("POST", CRDS, definition)
    if status == 201:
        return
    if status != 409:
        raise api_error(
            status, answer.get("reason", ""), f"{definition['metadata']['name']}: {answer.get('message', answer)}"
        )
    path = f"{CRDS}/{definition['metadata']['name']}"

    def replaced() -> bool:
        version = connection.request("GET", path)["metadata"]["resourceVersion"]
        try:
            connection.request(
                "PUT", path, definition | {"metadata": definition["metadata"] | {"resourceVersion": version}}
            )
        except Conflict:  # the API server writes the status of a new CRD
            return False
        return True

    if not wait_until(replaced, 10):
        raise SandboxError(
            f"{path} changes faster than it can be replaced. Stop the other writer, or delete the CRD first."
        )


def served(connection: Connection, definition: dict[str, Any]) -> bool:
    """Whether a CRD is Established and in discovery, in all its served versions."""
    spec = definition["spec"]
    status = connection.request("GET", f"{CRDS}/{definition['metadata']['name']}").get("status", {})
    if not any(item["type"] == "Established" and item["status"] == "True" for item in status.get("conditions") or ()):
        return False
    for version in (item["name"] for item in spec["versions"] if item["served"]):
        try:
            listed = connection.request("GET", f"/apis/{spec['group']}/{version}")["resources"]
        except NotFound:
            return False
        if spec["names"]["plural"] not in [resource["name"] for resource in listed]:
            return False
    return True
